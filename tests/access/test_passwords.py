"""Passwords: which are too easy, and that comparing takes its time for everybody."""

import asyncio
import unicodedata

import pytest

from dothi.access.passwords import check_password, hash_password, password_fits
from dothi.model.problem import Problem


@pytest.mark.parametrize(
    "easy",
    [
        "ngắn quá",
        "matkhau123456",
        "Hanoi@2026!!!!",
        "passw0rd12345678",
        "nguyenvanan1990",
        "aaaaaaaaaaaaaaaa",
        "qwertyuiop123",
        "MậtKhẩu@2026",
        "an.nguyen.an.nguyen",
        "x" * 129,
    ],
)
def test_what_anybody_tries_first_is_refused(easy: str) -> None:
    with pytest.raises(Problem) as told:
        check_password(easy, "an.nguyen", "Nguyễn Văn An")
    assert told.value.status == 400
    assert easy not in str(told.value)


@pytest.mark.parametrize(
    "good", ["con mèo trèo cây cau", "xK9#mP2$vL5@qR", "tram-bom-binh-yen-xanh", "mưa " * 3 + "rào đêm hè 8x"]
)
def test_sentences_and_random_ones_are_taken(good: str) -> None:
    assert check_password(good, "an.nguyen", "Nguyễn Văn An") == unicodedata.normalize("NFC", good)


def test_only_the_same_password_fits_however_it_was_typed() -> None:
    async def live() -> None:
        kept = await hash_password("mèo trèo cây cau")
        assert kept.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
        assert await password_fits(kept, "mèo trèo cây cau")
        assert await password_fits(kept, unicodedata.normalize("NFD", "mèo trèo cây cau"))
        assert not await password_fits(kept, "mèo trèo cây cao")
        assert not await password_fits(kept, "")
        assert not await password_fits(None, "mèo trèo cây cau")
        assert kept != await hash_password("mèo trèo cây cau")

    asyncio.run(live())


def test_where_nobody_is_known_the_same_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import argon2

    done: list[str] = []
    real = argon2.PasswordHasher.verify

    def verify(self: argon2.PasswordHasher, kept: str, password: str) -> bool:
        done.append(kept.rsplit("$", 2)[0])
        return real(self, kept, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verify)

    async def live() -> None:
        await password_fits(await hash_password("x"), "y")
        await password_fits(None, "y")

    asyncio.run(live())
    assert len(done) == 2
    assert done[0] == done[1], "the cost of the hash that nobody has is that of everybody's"
