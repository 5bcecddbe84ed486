"""Passkeys without a browser: what verifies, and each thing that must not."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from accounts_world import World
from soft_passkey import PRESENT, SoftPasskey, text

from dothi.access.factors import Factors
from dothi.access.grants import Granted
from dothi.access.passkeys import LASTS, MOST, Passkeys, Site
from dothi.access.policy import Person
from dothi.model.problem import Problem

pytestmark = pytest.mark.usefixtures("homes")
SITE = Site("city.example", ("https://city.example",))
TOLD = {"correlation": "c-1", "source": "192.0.2.7"}


class Bench(World):
    """A world with somebody who has an account, and the passkeys of everybody."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.passkeys: Passkeys = Factors(self.database, self.writer, self.accounts).passkeys
        self.person: Person = self.known("lan")

    def known(self, login: str) -> Person:
        person = self.accounts.person_of(asyncio.run(self.admit(login, Granted("operator"))))
        assert person is not None
        return person

    def offer(self, person: Person | None = None) -> bytes:
        return self.passkeys.offer((person or self.person).id, "lan", "Lan", "Đô Thị", SITE)

    def register(self, answer: dict[str, Any], person: Person | None = None, site: Site = SITE) -> None:
        asyncio.run(self.passkeys.register(person or self.person, answer, " Điện thoại ", site, **TOLD))

    def added(self, person: Person | None = None) -> SoftPasskey:
        made = SoftPasskey()
        self.register(made.make(self.offer(person), SITE.origins[0], SITE.host), person)
        return made

    def recognise(self, answer: dict[str, Any], site: Site = SITE) -> str:
        return asyncio.run(self.passkeys.recognise(answer, site))

    def signed(self, key: SoftPasskey, **how: Any) -> dict[str, Any]:
        return key.sign(self.passkeys.ask(SITE), **({"origin": SITE.origins[0], "host": SITE.host} | how))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def _refused(status: int, work: Any) -> None:
    with pytest.raises(Problem) as refused:
        work()
    assert refused.value.status == status


def test_a_passkey_is_made_kept_used_and_removed(bench: Bench) -> None:
    key = bench.added()
    (kept,) = bench.passkeys.of(bench.person.id)
    assert (kept.label, kept.id, kept.used_at) == ("Điện thoại", text(key.id), None)
    assert bench.accounts.factors(bench.person.id) == {"passkey"}
    bench.clock.advance(timedelta(minutes=1))
    assert bench.recognise(bench.signed(key)) == bench.person.id
    assert bench.passkeys.of(bench.person.id)[0].used_at == bench.clock.now()
    asyncio.run(bench.passkeys.remove(bench.person, kept.id, **TOLD))
    assert bench.passkeys.of(bench.person.id) == []
    _refused(401, lambda: bench.recognise(bench.signed(key)))
    told = [act[1] for act in bench.acts() if act[0] == bench.person.id]
    assert [one for one in told if one.startswith("passkey.")] == ["passkey.add", "passkey.remove"]


def test_an_answer_counts_once_and_not_for_long(bench: Bench) -> None:
    key = bench.added()
    answer = bench.signed(key)
    assert bench.recognise(answer) == bench.person.id
    _refused(400, lambda: bench.recognise(answer))
    late = bench.signed(key)
    bench.clock.advance(LASTS)
    _refused(400, lambda: bench.recognise(late))


def test_another_site_another_challenge_another_owner_and_a_copied_key_open_nothing(bench: Bench) -> None:
    key = bench.added()
    _refused(401, lambda: bench.recognise(bench.signed(key, origin="https://city.example.evil")))
    _refused(401, lambda: bench.recognise(bench.signed(key, host="evil.example")))
    _refused(401, lambda: bench.recognise(bench.signed(key, flags=PRESENT)))
    _refused(401, lambda: bench.recognise(bench.signed(key, owner=text(bench.known("hoa").id.encode()))))
    _refused(401, lambda: bench.recognise(bench.signed(SoftPasskey())))
    for id in ("", "\0", "\ud800", "ế", "x" * 5000):
        _refused(401, lambda id=id: bench.recognise(bench.signed(key) | {"id": id}))
    forged = bench.signed(key)
    forged["response"]["signature"] = text(b"0" * 70)
    _refused(401, lambda: bench.recognise(forged))
    for challenge in (b"", b"x" * 40, b"x" * 400):
        asked = b'{"challenge": "%s"}' % text(challenge).encode()
        _refused(400, lambda asked=asked: bench.recognise(key.sign(asked, SITE.origins[0], SITE.host)))
    registering = bench.offer()
    _refused(400, lambda: bench.recognise(key.sign(registering, SITE.origins[0], SITE.host)))
    assert bench.recognise(bench.signed(key)) == bench.person.id
    key.counter = 0
    _refused(401, lambda: bench.recognise(bench.signed(key)))


def test_only_an_offer_to_this_account_at_this_site_makes_a_passkey(bench: Bench) -> None:
    other = bench.known("hoa")
    new = SoftPasskey()
    _refused(400, lambda: bench.register(new.make(bench.offer(other), SITE.origins[0], SITE.host)))
    _refused(400, lambda: bench.register(new.make(bench.offer(), "https://evil.example", SITE.host)))
    _refused(400, lambda: bench.register(new.make(bench.offer(), SITE.origins[0], SITE.host, flags=PRESENT)))
    for junk in ({}, {"response": 3}, {"response": {"clientDataJSON": "!"}}, {"response": {"clientDataJSON": text(b"[]")}}):
        _refused(400, lambda junk=junk: bench.register(junk))
    assert bench.passkeys.of(bench.person.id) == []
    answer = new.make(bench.offer(), SITE.origins[0], SITE.host)
    bench.register(answer)
    _refused(400, lambda: bench.register(answer))
    _refused(400, lambda: bench.register(new.make(bench.offer(other), SITE.origins[0], SITE.host), other))


def test_ten_are_enough_and_nobody_removes_those_of_others(bench: Bench) -> None:
    keys = [bench.added() for _ in range(MOST)]
    _refused(409, bench.added)
    other = bench.known("hoa")
    gone = asyncio.run
    _refused(404, lambda: gone(bench.passkeys.remove(other, text(keys[0].id), **TOLD)))
    assert len(bench.passkeys.of(bench.person.id)) == MOST
