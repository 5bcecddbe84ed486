"""Where a report is about: a point, a ward, an address of today or of before July 2025, or a question back."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.cities import load_city
from dothi.model.city import City, Former
from dothi.services.citizens.place import place_of


@pytest.fixture(scope="module")
def hanoi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    city = load_city("01", None, None, tmp_path_factory.mktemp("cache"))
    former = [Former("Phường Phúc Tân", next(one.code for one in city.wards if one.name == "Hồng Hà"), True)]
    yield City(city.code, city.slug, city.title, city.wards, city.shapes, former=former)


def test_a_point_within_the_city_is_a_place_and_one_outside_is_not(hanoi: City) -> None:
    ward = hanoi.wards[0]
    found = place_of(hanoi, "gần cầu", "", str(ward.longitude), str(ward.latitude)).place
    assert found is not None
    assert (found.ward, found.rough, found.address) == (hanoi.locate(ward.longitude, ward.latitude), False, "gần cầu")
    sea = place_of(hanoi, "", "", "110.0", "15.0")
    assert (sea.place, sea.outside) == (None, True)


@pytest.mark.parametrize(
    "address",
    [
        "Số 12 ngõ 121 Kim Ngưu, phường Vĩnh Tuy, Hà Nội",
        "12 ngõ 121 Kim Ngưu phường Vĩnh Tuy",
        "so 12, phuong vinh tuy, TP. Hà Nội, Việt Nam",
        "Vĩnh Tuy",
    ],
)
def test_an_address_is_read_for_its_ward(hanoi: City, address: str) -> None:
    found = place_of(hanoi, address).place
    assert found is not None
    assert (found.ward.name, found.rough) == ("Vĩnh Tuy", True)
    assert found.address


def test_an_old_name_leads_to_the_ward_of_today_and_is_said(hanoi: City) -> None:
    found = place_of(hanoi, "ngõ 3, phuong phuc tan").place
    assert found is not None
    assert (found.ward.name, found.former) == ("Hồng Hà", "Phường Phúc Tân")
    again = place_of(hanoi, found.address, found.ward.code).place
    assert again is not None
    assert again.former == found.former


def test_what_may_be_several_places_is_asked_back_and_then_chosen(hanoi: City) -> None:
    asked = place_of(hanoi, "an")
    assert asked.place is None
    assert len(asked.choices) > 1
    chosen = place_of(hanoi, "an", asked.choices[0].ward.code)
    assert chosen.place is not None
    assert chosen.place.ward == asked.choices[0].ward


ODD = st.one_of(st.none(), st.text(max_size=300), st.floats().map(str), st.just("1" * 5_000), st.binary(max_size=5))


@given(address=ODD, ward=ODD, longitude=ODD, latitude=ODD)
@settings(max_examples=60)
def test_whatever_is_sent_a_place_lies_in_the_city(
    hanoi: City, address: object, ward: object, longitude: object, latitude: object
) -> None:
    found = place_of(hanoi, address, ward, longitude, latitude).place
    assert found is None or found.rough or hanoi.locate(found.longitude, found.latitude) == found.ward
    assert found is None or len(found.address) <= 200
