"""What the operations page shows, as plain data: layers, points, tiles and hours asked from whatever sectors there are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import structlog

from dothi.access.policy import Person
from dothi.model.moment import Moment
from dothi.model.problem import Problem
from dothi.model.text import fold
from dothi.platform.sector import Bottleneck, HourCell, MapArea, MapLayer, MapPoint, Tile
from dothi.ui.language import translator

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

Found = TypeVar("Found")
State = Literal["all", "attention", "late", "silent"]
STATES: tuple[State, ...] = ("all", "attention", "late", "silent")
LIST_LIMIT = 200
_ATTENTION = 2
_log = structlog.get_logger("dothi.web")


@dataclass(frozen=True, slots=True)
class TileView:
    """One of the five bottlenecks as its tile shows it."""

    id: Bottleneck
    title: str
    tile: Tile


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What the list is narrowed to: accent-blind text, a ward code, a state."""

    text: str = ""
    ward: str = ""
    state: State = "all"

    def keeps(self, point: MapPoint, ward_name: str) -> bool:
        """True if ``point`` is to be listed."""
        if self.ward and point.ward != self.ward:
            return False
        if self.state == "attention" and point.severity < _ATTENTION:
            return False
        if self.state in ("late", "silent") and point.freshness != self.state:
            return False
        wanted = fold(self.text.strip())
        return not wanted or wanted in fold(f"{point.title} {ward_name}")


def layers(platform: "Platform") -> dict[str, MapLayer]:
    """Every layer by id, in the sectors' order, without those that this city does not have."""
    every = [layer for sector in platform.sectors for layer in sector.layers]
    return {layer.id: layer for layer in every if layer.offered is None or layer.offered(platform)}


def chosen_layers(platform: "Platform", asked: str | None) -> list[MapLayer]:
    """The layers named in ``asked`` (comma-separated ids); each sector's first layer when nothing is asked.

    Names that do not exist are ignored: a shared link outlives a sector.
    """
    if asked is None:
        return [sector.layers[0] for sector in platform.sectors if sector.layers and sector.layers[0].shown]
    known = layers(platform)
    return [known[name] for name in dict.fromkeys(asked.split(",")) if name in known]


def points(
    platform: "Platform",
    person: Person,
    language: str,
    layer: MapLayer,
    ids: Sequence[str] | None = None,
    moment: Moment | None = None,
) -> list[MapPoint]:
    """The markers of ``layer``, all or those of the entities ``ids``, now or at ``moment``; none when its sector fails."""
    ask = layer.points
    if ask is None:
        return []
    told = partial(ask, platform, person, language, ids, moment)
    return guarded(told, [], f"points of {layer.id}", past=moment is not None)


def areas(
    platform: "Platform", person: Person, language: str, layer: MapLayer, moment: Moment | None = None
) -> list[MapArea]:
    """The ward fills of ``layer``, now or at ``moment``; none when its sector fails, which is logged."""
    ask = layer.areas
    if ask is None:
        return []
    return guarded(partial(ask, platform, person, language, moment), [], f"areas of {layer.id}", past=moment is not None)


def hours(
    platform: "Platform",
    person: Person,
    language: str,
    wanted: Iterable[MapLayer],
    moment: Moment | None = None,
    count: int = 24,
) -> list[HourCell]:
    """The last ``count`` hours before now, or before ``moment``, of the first of ``wanted`` that has them, oldest first."""
    for layer in wanted:
        ask = layer.hours
        if ask is not None:
            told = partial(ask, platform, person, language, moment, count)
            return guarded(told, [], f"hours of {layer.id}", past=moment is not None)
    return []


def tiles(platform: "Platform", person: Person, language: str, moment: Moment | None = None) -> list[TileView]:
    """The five bottlenecks in their fixed order; one without data says what is missing, one that fails says so."""
    _ = translator(language)
    empty: dict[Bottleneck, tuple[str, str]] = {
        "traffic": (_("Giao thông"), _("Chưa nối dữ liệu tốc độ xe")),
        "flooding": (_("Ngập úng"), _("Chưa nối trạm đo mưa, mực nước")),
        "environment": (_("Môi trường"), _("Chưa nối trạm quan trắc")),
        "order": (_("Trật tự đô thị"), _("Chưa nối phản ánh, camera")),
        "food": (_("An toàn thực phẩm"), _("Chưa nối dữ liệu kiểm tra cơ sở")),
    }
    asked = {sector.bottleneck: sector.tile for sector in platform.sectors if sector.bottleneck and sector.tile}
    failed = Tile(None, "", missing=_("Không tính được; bản đồ và danh sách vẫn dùng được"))
    found = []
    for name, (title, missing) in empty.items():
        ask = asked.get(name)
        tile = Tile(None, "", missing=missing)
        if ask is not None:
            tile = guarded(partial(ask, platform, person, language, moment), failed, f"tile of {name}")
        found.append(TileView(name, title, tile))
    return found


def guarded(ask: Callable[[], Found], otherwise: Found, what: str, *, past: bool = False) -> Found:
    """The answer of a sector, or ``otherwise`` when it fails: one broken sector must not take the page with it.

    Of a ``past`` that cannot be read (Problem 503: the lake is damaged, the database away) an empty map would say that
    nothing was measured, so that problem is raised.
    """
    try:
        return ask()
    except Problem as problem:
        if past and problem.status == 503:
            raise
        _log.exception("sector failed", what=what)
        return otherwise
    except Exception:
        _log.exception("sector failed", what=what)
        return otherwise


def counts(found: Iterable[MapPoint]) -> dict[State, int]:
    """How many of ``found`` each state of the list filter would keep."""
    tally: dict[State, int] = dict.fromkeys(STATES, 0)
    for point in found:
        tally["all"] += 1
        tally["attention"] += point.severity >= _ATTENTION
        tally["late"] += point.freshness == "late"
        tally["silent"] += point.freshness == "silent"
    return tally


def ward_names(platform: "Platform") -> dict[str, str]:
    """Ward code → full name, in the city's order."""
    return {ward.code: ward.full_name for ward in platform.city.wards}
