"""The devices pages: who is heard in time, who is not, and everything about one device."""

from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import Person
from dothi.access.routes import person_of
from dothi.devices.registry import DeviceView
from dothi.devices.specs import DeviceSpec
from dothi.model.problem import Problem, not_found
from dothi.model.unit import UNITS
from dothi.platform.platform import Platform
from dothi.ui import formats
from dothi.ui.language import language_of, translator
from dothi.ui.moments import address_of, moment_of, typed_moment
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web import view, words
from dothi.web.panel import panel_context

PAGE = 50
EVERYTHING = 1_000_000
STATES = ("live", "late", "silent", "never", "refused")


class Devices:
    """Serves ``/devices``, ``/devices.csv`` and ``/devices/{id}`` with its two decisions."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def _asked(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        state = query.get("state")
        return {
            "state": state if state in STATES else None,
            "ward": query.get("ward") or None,
            "text": query.get("q", "")[:100].strip() or None,
        }

    def index(self, request: Request) -> Response:
        """The list with its counts as filters."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        asked, page = self._asked(request), page_number(request)
        rows, total = platform.devices.list(person, **asked, limit=PAGE, offset=(page - 1) * PAGE)
        return render(
            request,
            platform,
            "dothi.web:devices.html",
            q=asked["text"] or "",
            asked=asked,
            counts=platform.devices.counts(person),
            held=held_count(platform, person),
            rows=rows,
            total=total,
            page=page,
            size=PAGE,
            wards=view.ward_names(platform),
            link=partial(link, request),
            type_words=partial(_type_words, platform, language),
            **spoken(language),
        )

    def table(self, request: Request) -> Response:
        """The same list, filtered the same way, whole, as CSV."""
        platform = self.platform
        rows, _total = platform.devices.list(person_of(request), **self._asked(request), limit=EVERYTHING)
        head = (
            "id",
            "name",
            "state",
            "lastSeen",
            "cadenceSeconds",
            "ward",
            "longitude",
            "latitude",
            "entity",
            "owner",
            "flags",
        )
        return csv_response(
            "devices",
            head,
            (
                (
                    row.id,
                    row.name,
                    row.state,
                    row.last_seen.isoformat() if row.last_seen else "",
                    row.cadence_s,
                    row.ward or "",
                    row.longitude,
                    row.latitude,
                    row.entity_id,
                    row.owner or "",
                    " ".join(row.flags),
                )
                for row in rows
            ),
        )

    def show(self, request: Request) -> Response:
        """One device: its state, how its keys are mapped, and what it reports or, with ``at`` and ``known`` (or ``day`` and
        ``time`` of the form), reported at a past moment. Raises Problem 404, 400 for a wrong moment."""
        platform, person, language = self.platform, person_of(request), language_of(request)
        device, query = self._device(request), request.query_params
        if "day" in query:
            asked = {name: value for name, value in address_of(typed_moment(query, platform)).items() if value}
            return RedirectResponse(f"/devices/{quote(device.id)}?{urlencode(asked)}", 303)
        moment = moment_of(request, platform)
        about = panel_context(platform, person, language, device.entity_id, moment) if device.entity_id else None
        ward = platform.city.by_code.get(device.ward or "")
        return render(
            request,
            platform,
            "dothi.web:device.html",
            device=device,
            about=about,
            ward=ward.full_name if ward else "",
            owner=agency_words(platform, device.owner, language),
            kind=_type_words(platform, language, device.entity_type),
            mapping=_mapping_rows(platform, device, language),
            example=_example(platform, device),
            commands=platform.commands.for_type(device.entity_type),
            topic=f"{platform.tenant}/devices/{device.id}/readings",
            has_secret=platform.device_door.has_secret(device.id),
            done=request.query_params.get("done", ""),
            moment=moment,
            local=(platform.clock.now() if moment is None else moment.at).astimezone(formats.city_zone()),
            **spoken(language),
        )

    async def refuse(self, request: Request) -> Response:
        """Refuse a device and offer to take that back. Raises Problem 404."""
        device = self._device(request)
        await self.platform.devices.refuse(person_of(request), device.id, correlation=request.state.correlation)
        return RedirectResponse(f"/devices/{device.id}?done=refused", 303)

    async def restore(self, request: Request) -> Response:
        """Admit a refused device again as it was. Raises Problem 404, 409 if there is nothing to go back to."""
        device = self._device(request)
        if not device.entity_id:
            raise Problem(409, "never-admitted", "This device was never admitted.", "Describe it in the form.")
        spec = DeviceSpec(
            device.id,
            device.entity_type,
            device.name,
            device.entity_id,
            device.owner,
            device.cadence_s,
            device.longitude,
            device.latitude,
            device.mapping,
        )
        await self.platform.devices.admit(person_of(request), device.id, spec, correlation=request.state.correlation)
        return RedirectResponse(f"/devices/{device.id}?done=restored", 303)

    def _device(self, request: Request) -> DeviceView:
        name = request.path_params["device"]
        device = self.platform.devices.get(person_of(request), name)
        if device is None:
            raise not_found("device", name)
        return device


def held_count(platform: Platform, person: Person) -> int:
    """How much waits on the quarantine page: messages that could not be used, and changes a handler failed on."""
    return sum(platform.quarantine.counts(person).values()) + len(platform.dispatcher.parked(person))


def page_number(request: Request) -> int:
    """The page of a list the address asks for, from 1; a page that is no number is the first."""
    asked = request.query_params.get("page", "1")
    return max(1, int(asked)) if asked.isdecimal() and len(asked) < 7 else 1


def link(request: Request, **changes: str | None) -> str:
    """The address of this page with some choices changed; None removes one. A changed filter starts at page one."""
    url = request.url.remove_query_params(["page", "done", *changes])
    url = url.include_query_params(**{name: value for name, value in changes.items() if value})
    return f"{url.path}?{url.query}" if url.query else url.path


def spoken(language: str) -> dict[str, Any]:
    """The word functions every devices template uses."""
    return {
        "state_words": partial(words.state_words, language=language),
        "flag_words": partial(words.flag_words, language=language),
    }


def agency_words(platform: Platform, owner: str | None, language: str) -> str:
    """The title of the owning agency, or what was written where it is none of the city's."""
    return next((one.title.in_language(language) for one in platform.city.agencies if one.id == owner), owner or "")


def _type_words(platform: Platform, language: str, iri: str) -> str:
    kind = platform.types.get(iri)
    return kind.title.in_language(language) if kind else iri.rsplit("/", 1)[-1]


def _mapping_rows(platform: Platform, device: DeviceView, language: str) -> list[dict[str, str]]:
    kind = platform.types.get(device.entity_type)
    found = []
    for key, rule in device.mapping.items():
        attribute = kind.attribute(rule.attribute) if kind else None
        unit = UNITS.get(rule.unit or (attribute.unit if attribute and attribute.unit else ""))
        found.append(
            {
                "key": key,
                "attribute": attribute.title.in_language(language) if attribute else rule.attribute,
                "name": attribute.name if attribute else "",
                "unit": unit.symbol if unit else "",
                "dataset": rule.dataset_id or "",
            }
        )
    return found


def _example(platform: Platform, device: DeviceView) -> str:
    """A message this device could send: its mapped keys, or its type's own attributes."""
    kind = platform.types.get(device.entity_type)
    keys = list(device.mapping) or [one.name for one in kind.attributes if one.value == "number"] if kind else []
    values = ", ".join(f'"{key}": 0' for key in keys[:3])
    at = platform.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return f'{{"at": "{at}", "values": {{{values}}}}}'


def notice_words(done: str, language: str) -> str:
    """What the notice after an action says; empty for anything that is no action of ours."""
    _ = translator(language)
    name, _sep, count = done.partition(":")
    number = count if count.isdecimal() and len(count) < 8 else "0"
    return {
        "admitted": _("Đã duyệt thiết bị. Số đo tiếp theo được ghi nhận."),
        "refused": _("Đã từ chối thiết bị. Số đo của nó không còn được ghi."),
        "restored": _("Đã nhận lại thiết bị."),
        "replayed": _("Đã gửi lại {count} bản tin. Bản nào vẫn lỗi sẽ trở về đây."),
        "none": _("Chưa chọn bản tin nào."),
        "resent": _("Đã xử lý lại xong {count} thay đổi."),
        "parked": _("Chưa xử lý được: {count} thay đổi. Lỗi mới nhất có trong nhật ký hệ thống."),
        "discarded": _("Đã bỏ {count} bản tin."),
    }.get(name, "").replace("{count}", number)
