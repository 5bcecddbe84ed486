"""Where a report is about: a point, a ward, an address of today or of before July 2025, or a question back."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dothi.cities import load_city
from dothi.model.city import City
from dothi.services.citizens.place import place_of


@pytest.fixture(scope="module")
def hanoi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    yield load_city("01", None, None, tmp_path_factory.mktemp("cache"))


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


@pytest.mark.parametrize(
    ("address", "wards"),
    [
        ("P. Hàng Bạc Q. Hoàn Kiếm", {"Hoàn Kiếm"}),
        ("12 ngõ 3, phường Tràng Tiền, quận Hoàn Kiếm, TP.Hà Nội", {"Hoàn Kiếm", "Cửa Nam"}),
        ("Trung Hoà, Cầu Giấy", {"Yên Hòa", "Thanh Xuân", "Đại Mỗ"}),  # not the ward of today that is called Cầu Giấy
        ("36 Hoàng Cầu, Ô Chợ Dừa, Đống Đa, Hà Nội", {"Ô Chợ Dừa"}),
        ("thị trấn Trâu Quỳ, Gia Lâm", {"Gia Lâm", "Bát Tràng"}),
        ("phường Minh Khai, quận Bắc Từ Liêm", {"Thượng Cát", "Đông Ngạc", "Tây Tựu", "Xuân Phương"}),
        ("Quan Hoa, quận Cầu Giấy, Hà Nội 100000", {"Cầu Giấy", "Nghĩa Đô"}),
        ("số 5, phường Láng, Đống Đa", {"Láng"}),
        ("số 1 Đại Cồ Việt, Hai Bà Trưng", {"Hai Bà Trưng"}),
        ("thị xã Sơn Tây", set()),
    ],
)
def test_an_address_of_before_with_its_district_is_read_as_it_was_meant(hanoi: City, address: str, wards: set[str]) -> None:
    asked = place_of(hanoi, address)
    found = {asked.place.ward.name} if asked.place is not None else {one.ward.name for one in asked.choices}
    assert found == wards


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
