"""Kinds a city adds itself: checked, in versions, once for each name; what is of them stays of them."""

from pathlib import Path
from typing import Any

import pytest
from incidents_world import OPERATOR, World, play, someone

from dothi.model.problem import Problem
from dothi.model.text import Text
from dothi.platform.incidents import acts
from dothi.platform.incidents.catalogue import LONGEST_TITLE, MOST, Catalogue, Wanted

pytestmark = pytest.mark.usefixtures("homes")
ADMIN = someone("minh", "administrator")
COVER = Wanted(Text("Mất nắp hố ga", "Missing manhole cover"), agency="water", severity=3, urgency="urgent", citizens=True)


def test_who_is_bounded_to_a_ward_makes_no_kinds_of_the_city(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        catalogue, local = world.incidents.catalogue, someone("lan", "administrator", wards=frozenset({"00001"}))
        made = await catalogue.add(ADMIN, "", COVER)
        for work in (
            catalogue.add(local, "khac", COVER),
            catalogue.change(local, made.id, 1, COVER),
            catalogue.offer(local, "waste", 0, False),
        ):
            with pytest.raises(Problem) as caught:
                await work
            assert caught.value.status == 403

    play(tmp_path, scene)


def test_a_kind_is_added_changed_and_retired_and_found_again_after_a_restart(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        catalogue = world.incidents.catalogue
        made = await catalogue.add(ADMIN, "", COVER)
        assert (made.id, made.agency, made.severity, made.urgency) == ("city-mat-nap-ho-ga", "water", 3, "urgent")
        one = await world.opened(made.id)
        assert (one.title, one.agency, one.severity, one.urgency) == (COVER.title, "water", 3, "urgent")
        world.later(minutes=1)
        other = Wanted(Text("Hố ga", "Manhole"), Text("Mất nắp, vỡ nắp", "No cover, a broken one"), proof=False)
        changed = await catalogue.change(ADMIN, made.id, 1, other)
        assert (changed.hint, changed.proof, changed.citizens) == (other.hint, False, False)
        retired = await catalogue.change(ADMIN, made.id, 2, Wanted(other.title, retired=True))
        assert retired.retired and made.id not in [kind.id for kind in catalogue.offered()]
        for draft in ({"origin": "operator"}, {"origin": "report"}):
            with pytest.raises(Problem) as refused:
                await world.opened(made.id, **draft)
            assert refused.value.status == 400 and made.id not in refused.value.detail
        with pytest.raises(Problem):
            await world.act(await world.opened("waste"), acts.Reclassify(made.id))
        assert (await world.opened(made.id, origin="alert")).kind == made.id  # its rule goes on
        assert world.incidents.kind(one.kind).title == other.title
        again = Catalogue(world.platform)
        assert again.all == catalogue.all
        assert [(line.number, line.person) for line in again.versions(made.id)] == [(3, "minh"), (2, "minh"), (1, "minh")]
        told = world.rows("SELECT action, thing, detail FROM audit WHERE action LIKE 'kind.%' ORDER BY seq")
        assert [row[:2] for row in told] == [("kind.create", made.id), ("kind.change", made.id), ("kind.change", made.id)]
        assert "title: Mất nắp hố ga / Missing manhole cover → Hố ga / Manhole" in told[1][2]
        assert told[2][2].endswith("retired: False → True")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"title": Text("", "x")}, ""),
        ({"title": Text("x", "")}, ""),
        ({"title": Text("x" * (LONGEST_TITLE + 1), "x")}, ""),
        ({"title": Text("???", "x")}, ""),
        ({"hint": Text("một", "")}, ""),
        ({"agency": "nobody"}, ""),
        ({"severity": 5}, ""),
        ({"urgency": "soon"}, ""),
        ({}, "!!!"),
    ],
)
def test_what_is_no_kind_is_refused(tmp_path: Path, wrong: dict[str, Any], name: str) -> None:
    async def scene(world: World) -> None:
        before = dict(world.incidents.kinds)
        with pytest.raises(Problem) as refused:
            await world.incidents.catalogue.add(ADMIN, name, Wanted(**({"title": COVER.title} | wrong)))
        assert refused.value.status == 400
        assert world.incidents.kinds == before and not world.incidents.catalogue.versions()

    play(tmp_path, scene)


def test_two_editors_a_taken_name_and_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        catalogue = world.incidents.catalogue
        made = await catalogue.add(ADMIN, "Hố Ga", COVER)
        assert made.id == "city-ho-ga"
        with pytest.raises(Problem) as taken:
            await catalogue.add(ADMIN, "ho ga", Wanted(Text("Khác", "Other")))
        assert (taken.value.status, taken.value.code) == (409, "taken")
        await catalogue.change(ADMIN, made.id, 1, Wanted(Text("Khác", "Other")))
        with pytest.raises(Problem) as second:
            await catalogue.change(ADMIN, made.id, 1, COVER)
        assert second.value.code == "changed-meanwhile" and catalogue.all[made.id].title.en == "Other"
        with pytest.raises(Problem) as nobody:
            await catalogue.change(OPERATOR, made.id, 2, COVER)
        assert nobody.value.status == 403 and catalogue.all[made.id].title.en == "Other"
        monkeypatch.setattr("dothi.platform.incidents.catalogue.MOST", 1)
        with pytest.raises(Problem) as full:
            await catalogue.add(ADMIN, "", COVER)
        assert full.value.code == "too-many"

    assert MOST > 1
    play(tmp_path, scene)


def test_a_sectors_kind_is_hidden_from_people_and_never_changed(tmp_path: Path) -> None:
    async def scene(world: World) -> None:
        catalogue, before = world.incidents.catalogue, world.incidents.kinds["waste"]
        assert before.citizens
        hidden = await catalogue.offer(ADMIN, "waste", 0, False)
        assert (hidden.citizens, hidden.title, hidden.agency) == (False, before.title, before.agency)
        assert (await world.opened("waste")).kind == "waste"
        assert Catalogue(world.platform).all["waste"] == hidden
        assert (await catalogue.offer(ADMIN, "waste", 1, True)) == before
        for id, status in (("noise", 400), ("none", 404), ("city-none", 404)):
            with pytest.raises(Problem) as refused:
                await catalogue.offer(ADMIN, id, 0, True)
            assert refused.value.status == status
        with pytest.raises(Problem) as declared:
            await catalogue.change(ADMIN, "waste", 2, COVER)
        assert declared.value.status == 404

    play(tmp_path, scene)
