"""kill -9 under load: of the city, and of its journal. What was acknowledged is in history, once, with its value."""

import os
import random
import signal
from pathlib import Path

import pytest
from fault_world import LOAD, Ledger, bare_city, is_gone, nats_pid, operator, register, under_load
from pydantic import SecretStr

from dothi.testing.city import wait_until

ROUNDS = [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_city_keeps_its_promises(tmp_path: Path, rounds: int, homes: SecretStr | None) -> None:
    ledger, rng = Ledger(), random.Random(rounds)
    with bare_city(tmp_path, **({} if homes is None else {"database": homes.get_secret_value()})) as city:
        with operator(city) as client:
            register(client, LOAD)
        ports = city.base_url, city.mqtt_port
        for _ in range(rounds):
            with under_load(city, ledger):
                wait_until(ledger.more(50, 500, rng), "the city is under load")
                journal = nats_pid(city.home)
                city.kill()
                wait_until(lambda journal=journal: is_gone(journal), "the journal's server follows its city")
                city.restart()
                wait_until(ledger.more(20, 20, rng), "every device goes on by itself")
            assert (city.base_url, city.mqtt_port) == ports
        with operator(city) as client:
            ledger.settled(client)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_journal_comes_back_and_keeps_its_promises(tmp_path: Path, rounds: int) -> None:
    ledger, rng = Ledger(), random.Random(rounds)
    with bare_city(tmp_path) as city, operator(city) as client:
        register(client, LOAD)
        for _ in range(rounds):
            with under_load(city, ledger) as by_http:
                wait_until(ledger.more(50, 500, rng), "the city is under load")
                journal = nats_pid(city.home)
                os.kill(journal, signal.SIGKILL)
                wait_until(lambda gone=(journal, 0): nats_pid(city.home) not in gone, "the journal's server is back")
                wait_until(lambda: client.get("/health").status_code == 200, "the city is well again")
                wait_until(ledger.more(20, 20, rng), "every device goes on by itself")
                refusals = [answer for device in by_http for answer in device.refusals]
            assert {answer.status_code for answer in refusals} <= {503}
            assert all("retry-after" in answer.headers for answer in refusals)
        ledger.settled(client)
        assert city.process.poll() is None
