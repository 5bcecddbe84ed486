"""The pages of rules: the list, the form with its preview, versions with what changed between them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import may
from dothi.access.routes import person_of
from dothi.model.problem import Problem, bad_request
from dothi.model.schema import EntityType
from dothi.model.severity import SEVERITIES
from dothi.model.text import fold
from dothi.platform.platform import Platform
from dothi.platform.rules import words
from dothi.platform.rules.model import Rule
from dothi.platform.rules.preview import Preview
from dothi.platform.rules.store import KeptRule
from dothi.ui.formats import here
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.web.devices import agency_words, link
from dothi.web.rules import form as forms
from dothi.web.view import ward_names

SHOWN = 60  # stretches of a preview that are listed


class Day(NamedTuple):
    """A day of the strip: its date in words, how often the rule would have fired, and how dark that is, 0 to 1."""

    words: str
    times: int
    share: float


class RulePages:
    """Serves ``/rules``, ``/rules/new`` and ``/rules/{rule}``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """Every rule, sought without accents; ``on`` keeps those that are switched on ("1") or off ("0")."""
        person, language = person_of(request), language_of(request)
        q, on = request.query_params.get("q", "").strip()[:100], request.query_params.get("on", "")
        every = self.platform.rules.rules(person)
        chosen = [one for one in every if self._matches(one, q) and on in ("", str(int(one.enabled)))]
        return render(
            request,
            self.platform,
            "dothi.web.rules:rules.html",
            rows=sorted(chosen, key=lambda one: (not one.enabled, -one.rule.severity, one.rule.title.vi)),
            total=len(every),
            off=sum(not one.enabled for one in every),
            counts=self.platform.rules.open_alerts(person),
            q=q,
            on=on,
            link=partial(link, request),
            may_write=may(person, "rule.write"),
            may_change=lambda one: self.platform.rules.may_write(person, one.rule),
            **self._spoken(language),
        )

    async def turn(self, request: Request) -> Response:
        """Switch one on or off. Raises Problem 400, 403, 404."""
        form = await request.form()
        if form.get("act") not in ("on", "off"):
            raise bad_request("That is nothing one can do here.", "Choose on or off.")
        await self.platform.rules.turn(
            person_of(request),
            str(form.get("rule", "")),
            enabled=form.get("act") == "on",
            correlation=request.state.correlation,
        )
        return RedirectResponse("/rules", 303)

    def new(self, request: Request) -> Response:
        """The empty form; ``type`` is what is watched, ``like`` the id of a rule to begin with. Raises Problem 404."""
        query = request.query_params
        if query.get("like"):
            told, rows = forms.told_of(self.platform.rules.rule(person_of(request), query["like"]).rule)
            return self._form(request, None, told | {"title_vi": "", "title_en": ""}, rows)
        kinds = [iri for iri, one in self.platform.types.items() if one.reported]
        asked = query.get("type", "")
        first = asked if asked in kinds else next(iter(kinds), "")
        return self._form(request, None, {"type": first, "severity": "2"}, [forms.blank("compare")])

    def show(self, request: Request) -> Response:
        """One rule in its form; ``version`` shows an older one with what differs. Raises Problem 404."""
        rule_id = request.path_params["rule"]
        versions = self.platform.rules.versions(person_of(request), rule_id)
        wanted = request.query_params.get("version", "")
        kept = next((one for one in versions if str(one.version) == wanted), versions[0])
        told, rows = forms.told_of(kept.rule)
        return self._form(request, versions[0], told, rows, versions=versions, shown=kept)

    async def send(self, request: Request) -> Response:
        """What a button of the form says: add or remove a row, try the rule, keep it, or take an older version again.

        The form comes back with what is wrong. Raises Problem 403, 404, 409.
        """
        sent = await request.form()
        told, rows = forms.told_in(dict(sent.items()), [str(one) for one in sent.getlist("wards")])
        rule_id, act = request.path_params.get("rule"), told.get("act", "")
        known = None if rule_id is None else self.platform.rules.rule(person_of(request), rule_id)
        try:
            return await self._done(request, known, told, rows, act)
        except Problem as problem:
            if problem.status != 400:
                raise
            return self._form(request, known, told, rows, problem=problem)

    async def _done(
        self, request: Request, known: KeptRule | None, told: forms.Row, rows: list[forms.Row], act: str
    ) -> Response:
        person, rules, correlation = person_of(request), self.platform.rules, request.state.correlation
        verb, _, of = act[:20].partition(":")
        if verb == "type":
            return self._form(request, known, told, rows)
        if verb == "add":
            return self._form(request, known, told, [*rows, forms.blank(of)])
        if verb == "remove" and of.isdecimal():
            return self._form(request, known, told, [row for place, row in enumerate(rows) if place != int(of)])
        if verb == "again" and known is not None and of.isdecimal():
            older = next((one for one in rules.versions(person, known.rule.id) if one.version == int(of)), None)
            if older is None:
                raise bad_request("There is no such version.", "Choose one of those listed.")
            kept = await rules.save(
                person, older.rule, version=known.version, made_again=older.version, correlation=correlation
            )
            return RedirectResponse(f"/rules/{kept.rule.id}?kept={kept.version}", 303)
        taken = {one.rule.id for one in rules.rules(person)} | {"new", "maintenance"}
        new_id = forms.id_for(told.get("title_vi", ""), taken.__contains__)
        kind = self.platform.types.get(told.get("type", ""))
        rule = forms.rule_in(told, rows, new_id if known is None else known.rule.id, kind)
        if verb == "preview":
            found = await run_in_threadpool(rules.preview, person, rule)
            return self._form(request, known, told, rows, preview=found)
        if verb != "keep":
            raise bad_request("That is nothing one can do here.", "Use one of the buttons of the form.")
        said = told.get("version", "")
        version = int(said) if said.isdecimal() and len(said) < 7 else 0
        kept = await rules.save(person, rule, version=version, correlation=correlation)
        return RedirectResponse(f"/rules/{kept.rule.id}?kept={kept.version}", 303)

    def _form(
        self,
        request: Request,
        known: KeptRule | None,
        told: forms.Row,
        rows: Sequence[forms.Row],
        *,
        versions: Sequence[KeptRule] = (),
        shown: KeptRule | None = None,
        preview: Preview | None = None,
        problem: Problem | None = None,
    ) -> Response:
        platform, person, language = self.platform, person_of(request), language_of(request)
        if known is not None and not versions:
            versions = platform.rules.versions(person, known.rule.id)
        older = shown if known is not None and shown is not None and shown.version != known.version else None
        kinds = {one.id: one.title.in_language(language) for one in platform.incidents.catalogue.offered()}
        return render(
            request,
            platform,
            "dothi.web.rules:rule.html",
            status_code=problem.status if problem else 200,
            known=known,
            older=older,
            differences=[] if older is None or known is None else self._differences(older.rule, known.rule, language),
            told=told,
            rows=rows,
            versions=versions,
            preview=preview,
            days=_strip(preview) if preview else [],
            shown=SHOWN,
            steps=forms.GRAVER,
            severities={step: text.in_language(language) for step, text in SEVERITIES.items()},
            problem=problem,
            kept=request.query_params.get("kept", ""),
            may_write=may(person, "rule.write") if known is None else platform.rules.may_write(person, known.rule),
            types={iri: one.title.in_language(language) for iri, one in platform.types.items() if one.reported},
            attributes=forms.attributes_of(platform.types.get(told.get("type", "")), language),
            numbers=forms.numbers_of(platform.types.get(told.get("type", "")), language),
            spreads=list(_spreads(language).items()),
            kinds=dict(sorted(kinds.items(), key=lambda pair: pair[1])),
            agencies={one.id: one.title.in_language(language) for one in platform.city.agencies},
            wards={ward.code: ward.full_name for ward in platform.city.wards},
            **self._spoken(language),
        )

    def _matches(self, one: KeptRule, q: str) -> bool:
        rule = one.rule
        said = fold(f"{rule.id} {rule.title.vi} {rule.title.en} {self._condition(rule, 'vi')}")
        return all(word in said for word in fold(q).split())

    def _condition(self, rule: Rule, language: str) -> str:
        kind = self.platform.types.get(rule.entity_type)
        both, either = (" và ", "; hoặc ") if language == "vi" else (" and ", "; or ")
        return either.join(both.join(words.condition(term, kind, language) for term in terms) for terms in rule.any_of)

    def _aspects(self, rule: Rule, language: str) -> Mapping[str, str]:
        """A rule in words, by what they are about."""
        _ = translator(language)
        wards = ward_names(self.platform)
        kind = self.platform.types.get(rule.entity_type)
        where = [*(wards.get(code, code) for code in rule.where.wards), *rule.where.entities]
        several, quiet = rule.needs, rule.quiet
        opens = self.platform.incidents.kinds.get(rule.incident)
        return {
            _("Tên"): rule.title.in_language(language),
            _("Theo dõi"): rule.entity_type if kind is None else kind.title.in_language(language),
            _("Ở đâu"): ", ".join(where) or _("khắp thành phố"),
            _("Điều kiện"): self._condition(rule, language),
            _("Kéo dài"): words.span(rule.for_minutes, language) if rule.for_minutes else _("ngay"),
            _("Hết sau"): words.span(rule.clear_minutes, language) if rule.clear_minutes else _("ngay"),
            _("Mức độ"): str(rule.severity),
            _("Nặng thêm"): "; ".join(_grown(rule, kind, language)) or _("không"),
            _("Số nơi trong một phường"): (
                f"{several.count} / {words.span(several.minutes, language)}" if several else _("từng nơi một")
            ),
            _("Gộp cảnh báo thành một dòng"): _spreads(language)[str(rule.spread)],
            _("Giờ yên lặng"): f"{words.clock(quiet.start)}–{words.clock(quiet.end)}" if quiet else _("không"),
            _("Mở sự việc"): opens.title.in_language(language) if opens else rule.incident or _("không"),
            _("Đơn vị"): agency_words(self.platform, rule.owner or None, language),
            _("Căn cứ"): rule.note,
        }

    def _differences(self, older: Rule, newer: Rule, language: str) -> list[tuple[str, str, str]]:
        before, after = self._aspects(older, language), self._aspects(newer, language)
        return [(what, before[what], after[what]) for what in before if before[what] != after[what]]

    def _spoken(self, language: str) -> dict[str, Any]:
        names, _ = ward_names(self.platform), translator(language)

        def person_name(account: str) -> str:
            known = self.platform.accounts.account(account)
            if known is not None:
                return known.name
            return _("thành phố") if account == "system" else account

        return {
            "condition_of": lambda one: self._condition(one.rule, language),
            "agency_of": lambda owner: agency_words(self.platform, owner or None, language),
            "ward_name": lambda code: names.get(code or "", ""),
            "person_name": person_name,
            "ops": {op: text.in_language(language) for op, text in words.OPS.items()},
            "text_ops": {op: text.in_language(language) for op, text in words.TEXT_OPS.items()},
            "suns": {by: text.in_language(language) for by, text in words.SUN.items()},
            "statistics": {name: text.in_language(language) for name, text in words.STATISTICS.items()},
            "weekdays": [day.in_language(language) for day in words.DAYS],
        }


def _grown(rule: Rule, kind: EntityType | None, language: str) -> list[str]:
    """The steps of a rule: from what on it is of which severity."""
    _ = translator(language)
    said = _("mức {severity}: {condition}")
    return [
        said.format(severity=step.severity, condition=words.condition(step.leading, kind, language))
        for step in rule.steps[1:]
        if step.leading is not None
    ]


def _spreads(language: str) -> dict[str, str]:
    """How far apart alerts may be that make one line."""
    _ = translator(language)
    return {
        "0": _("trong từng phường"),
        "1": _("với phường liền kề"),
        "2": _("với phường cách một phường"),
        "3": _("với phường cách hai phường"),
    }


def _strip(preview: Preview) -> list[Day]:
    """How often the rule would have fired on each day, the oldest first."""
    counts: dict[str, int] = {}
    day = here(preview.since).date()
    while day <= here(preview.until).date():
        counts[f"{day:%d/%m}"] = 0
        day += timedelta(days=1)
    for one in preview.stretches:
        counts[f"{here(one.fired_at):%d/%m}"] = counts.get(f"{here(one.fired_at):%d/%m}", 0) + 1
    most = max(counts.values(), default=0)
    return [Day(words_, count, count / most if most else 0.0) for words_, count in counts.items()]
