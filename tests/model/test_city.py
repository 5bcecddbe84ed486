"""A city answers which ward a point lies in, and knows its wards, agencies and extent."""

import pytest
import shapely

from dothi.model.city import Agency, City, Former, Hotline, Ward
from dothi.model.text import Text

WARDS = [Ward("1", "Đông", "phường", 0.5, 0.5, population=7), Ward("2", "Tây", "xã", 1.5, 0.5)]
SHAPES = [shapely.box(0, 0, 1, 1), shapely.box(1, 0, 2, 1)]
POLICE = Agency("cong-an", Text("Công an", "Police"), Text("An ninh", "Security"))


def city() -> City:
    return City(
        "01",
        "test",
        Text("Thử", "Test"),
        WARDS,
        SHAPES,
        agencies=[POLICE],
        hotlines=[Hotline("113", Text("Công an", "Police"))],
        former=[Former("Xã Trung", "2", whole=True)],
    )


def test_points_fall_to_their_ward() -> None:
    assert city().locate(0.5, 0.5) == WARDS[0]
    assert city().locate(1.5, 0.5) == WARDS[1]
    assert city().locate(5, 5) is None


def test_a_shared_line_belongs_to_the_first_ward() -> None:
    assert city().locate(1.0, 0.5) == WARDS[0]


def test_many_points_at_once() -> None:
    assert city().locate_many([0.5, 1.5, 9.0], [0.5, 0.5, 0.5]).tolist() == [0, 1, -1]


def test_bounds_are_west_south_east_north() -> None:
    assert city().bounds == (0.0, 0.0, 2.0, 1.0)


def test_search_leads_from_names_of_today_and_before() -> None:
    assert city().search("dong") == [WARDS[0]]
    assert city().search("trung") == [WARDS[1]]
    assert city().find("trung")[0].former == "Xã Trung"


def test_what_the_city_knows() -> None:
    assert city().by_code["2"].full_name == "Xã Tây"
    assert city().agency("cong-an") is POLICE
    assert city().agency("so-nao-do") is None
    assert city().hotlines[0].number == "113"
    assert city().time_zone == "Asia/Ho_Chi_Minh"


def test_without_a_word_about_it_the_shapes_count_as_approximate() -> None:
    assert city().approximate


def test_every_ward_needs_a_shape() -> None:
    with pytest.raises(ValueError, match="2 wards but 1 shapes"):
        City("01", "test", Text("Thử", "Test"), WARDS, SHAPES[:1])
