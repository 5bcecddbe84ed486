"""The air sector: what the stations say, as VN_AQI. The model for every sector to come."""

from datetime import timedelta

from dothi.model.text import Text
from dothi.platform.open_meteo import wanted
from dothi.platform.sector import Derivation, MapLayer, Sector, WardView
from dothi.services.air import feeds, forecast_process, open_meteo, pages, process, rules, view, ward, words
from dothi.services.air.commands import COMMANDS
from dothi.services.air.model import AIR_QUALITY_OBSERVED, AirQualityObserved

SECTOR = Sector(
    id="air",
    title=words.TITLE,
    agency="so-nong-nghiep-moi-truong",
    entity_types=(AirQualityObserved, open_meteo.AirQualityForecast),
    bottleneck="environment",
    tile=view.tile,
    layers=(
        MapLayer(
            "air",
            words.LAYER,
            AIR_QUALITY_OBSERVED,
            points=view.points,
            areas=view.areas,
            hours=view.hours,
            legend=view.LEGEND,
        ),
        MapLayer(
            "air-model",
            open_meteo.LAYER,
            open_meteo.AIR_QUALITY_FORECAST,
            points=open_meteo.points,
            shown=False,
            offered=wanted,
        ),
    ),
    panel=view.panel,
    ward=WardView(ward.panel, ward.history, ward.exceedances),
    credits=ward.credits,
    derivations=(
        Derivation("air-index", AIR_QUALITY_OBSERVED, process.derive, every=timedelta(seconds=2)),
        Derivation("air-index-again", AIR_QUALITY_OBSERVED, process.derive_again, every=timedelta(hours=1)),
    ),
    processes=(forecast_process.PROCESS,),
    feeds=feeds.feeds,
    simulates=True,
    sources=(open_meteo.SOURCE,),
    recorded=feeds.replay_period,
    pages=pages.routes,
    commands=COMMANDS,
    incident_kinds=rules.KINDS,
    playbooks=rules.PLAYBOOKS,
    rules=rules.RULES,
    alert_categories=rules.CATEGORIES,
    links=(("/air", Text("Không khí quanh bạn", "The air around you")),),
)
