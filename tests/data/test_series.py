"""Numbers for names: each name keeps its number, through growth, restarts and failed commits."""

from pathlib import Path

import numpy as np
import pytest
from city_world import PM, TYPE, City, row, station, urn

from dothi.data.batch import EntityChange, SeriesKey
from dothi.data.series import SeriesIndex
from dothi.model.problem import Problem


def test_numbers_stay_through_growth_and_restart(tmp_path: Path) -> None:
    city = City(tmp_path, stations=1500)
    keys = [
        SeriesKey(urn(number), f"https://example.org/{attribute}", dataset)
        for number in range(1500)
        for attribute in ("a", "b")
        for dataset in (None, "urn:d:1", "urn:d:2")
    ]
    index = city.writer.index
    given = index.resolve(keys, ["GQ" if key.dataset_id else None for key in keys])
    assert sorted(given.tolist()) == list(range(1, len(keys) + 1))
    assert [index.find(*key) for key in keys] == given.tolist()
    city.write(row(0, 1, 1.0))
    city.reopen()
    index = city.writer.index
    assert [index.find(*key) for key in keys] == given.tolist()
    assert index.resolve(keys).tolist() == given.tolist()
    for key, number in zip(keys[::97], given[::97].tolist(), strict=True):
        assert index.urn(index.owner_of(number)) == key.entity_id
        assert (index.attribute_of(number), index.dataset_of(number)) == (key.attribute, key.dataset_id)
    assert index.series(urn(3), "https://example.org/new") > len(keys)
    assert [index.type_of(num) for num in (1, 1500)] == [TYPE, TYPE]
    assert sorted(index.of_type(TYPE)) == sorted(map(urn, range(1500)))
    assert index.of_type("https://example.org/Nothing") == []
    city.close()


def test_a_unit_that_changes_is_written(tmp_path: Path) -> None:
    city = City(tmp_path)
    for unit in ("GQ", "GP", None):
        city.writer.index.series(urn(0), PM, unit=unit)
        city.write(row(0, 1, 1.0), row(1, 1, 2.0))
    shown = city.live(0)
    assert shown is not None and shown.unit == "GP"
    city.close()


def test_a_series_of_an_entity_that_was_never_written_is_not_written_either(tmp_path: Path) -> None:
    """Else the entity's number, given out again after a restart, would inherit it."""
    city = City(tmp_path)
    changes = [EntityChange("create", station(7)), EntityChange("merge", station(8))]
    with pytest.raises(Problem):
        city.write(row(7, 1, 1.0), entities=changes)
    num = city.writer.index.reserve(urn(7))
    city.write(row(0, 1, 1.0))
    with city.database.reader() as db:
        assert db.execute("SELECT count(*) FROM series WHERE entity = ?", (num,)).fetchone() == (0,)
    with pytest.raises(KeyError):
        city.writer.index.series(urn(7), PM)
    city.write(row(7, 1, 1.0), entities=changes[:1])
    assert city.read(7) == {1: 1.0}
    city.close()


def test_half_a_million_series_take_little_memory() -> None:
    index = SeriesIndex()
    num = 0
    for number in range(500):
        num = index.reserve(urn(number))
        index.set_entity(num, alive=True, type_iri=TYPE, clearance=index.clearance_of(num))
    for number in range(500):
        index.resolve([SeriesKey(urn(number), f"https://example.org/{n}") for n in range(20)])
    index.fit_state()
    arrays = [value for value in vars(index).values() if isinstance(value, np.ndarray)]
    assert sum(value.nbytes for value in arrays) / len(index) < 64
