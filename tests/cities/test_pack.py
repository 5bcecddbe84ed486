"""City packs: every province has one, written or generic, and none holds a key nobody reads."""

import re
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dothi.cities.pack import Pack, read_pack
from dothi.cities.units import read_country

PROVINCES = read_country().provinces
PACKS = {code: read_pack(province) for code, province in PROVINCES.items()}


def test_hanoi_knows_its_agencies_and_hotlines() -> None:
    hanoi = PACKS["01"]
    assert (hanoi.slug, hanoi.title.vi, hanoi.title.en) == ("hanoi", "Hà Nội", "Hanoi")
    assert {"cong-an-thanh-pho", "so-xay-dung", "so-nong-nghiep-moi-truong", "ubnd-phuong-xa"} <= {
        agency.id for agency in hanoi.agencies
    }
    assert [line.number for line in hanoi.hotlines] == ["112", "113", "114", "115", "111", "024.1022", "19001009"]


def test_phu_tho_has_the_national_hotlines_and_names_no_agency_nobody_told_us_of() -> None:
    phu_tho = PACKS["25"]
    assert (phu_tho.slug, phu_tho.title.vi, phu_tho.agencies) == ("phutho", "Phú Thọ", ())
    assert [line.number for line in phu_tho.hotlines] == ["112", "113", "114", "115", "111"]


def test_a_province_without_a_pack_works_from_its_name() -> None:
    assert (PACKS["56"].slug, PACKS["56"].title.vi, PACKS["56"].title.en) == ("khanhhoa", "Khánh Hòa", "Khanh Hoa")


def test_slugs_are_one_of_each_and_fit_into_urns_topics_and_folders() -> None:
    slugs = [pack.slug for pack in PACKS.values()]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch("[a-z]+", slug) for slug in slugs)


@pytest.mark.parametrize("pack", PACKS.values(), ids=lambda pack: pack.slug)
def test_both_languages_are_there_and_the_time_zone_exists(pack: Pack) -> None:
    texts = [pack.title, *(line.title for line in pack.hotlines)]
    texts += [text for agency in pack.agencies for text in (agency.title, agency.duty)]
    assert all(text.vi.strip() and text.en.strip() for text in texts)
    assert len({agency.id for agency in pack.agencies}) == len(pack.agencies)
    assert ZoneInfo(pack.time_zone).key == "Asia/Ho_Chi_Minh"


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.convert({"slug": "x", "title": {"vi": "x", "en": "x"}, "time_zone": "UTC", "colour": "red"}, Pack)
