"""The database server dies under load and comes back: the city says so, waits, and loses or doubles nothing."""

import random
from pathlib import Path

import pytest
from fault_world import LOAD, Ledger, bare_city, operator, register, under_load

from dothi.testing.city import wait_until

ROUNDS = [1, pytest.param(12, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_killed_database_comes_back_and_nothing_is_lost_or_doubled(tmp_path: Path, rounds: int) -> None:
    from dothi.testing.postgres import MISSING, binaries, cluster

    if binaries() is None:
        pytest.skip(MISSING)
    ledger, rng = Ledger(), random.Random(rounds)
    with cluster(durable=True) as server:
        url = server.migrated().get_secret_value()
        with bare_city(tmp_path, database=url) as city, operator(city) as client:
            register(client, LOAD)
            for _ in range(rounds):
                with under_load(city, ledger):
                    wait_until(ledger.more(50, 500, rng), "the city is under load")
                    server.stop(immediate=True)
                    health = client.get("/health")
                    assert (health.status_code, health.json()["works"]["database"]) == (503, False)
                    asked = client.get("/api/v1/entities")
                    assert (asked.status_code, asked.json()["type"]) == (503, "urn:dothi:problem:database-unavailable")
                    assert "not-to-be-told" not in asked.text
                    assert "retry-after" in asked.headers
                    wait_until(lambda: not client.get("/health").json()["works"]["ingest"], "ingest waits, and says so")
                    server.start()
                    wait_until(lambda: client.get("/health").status_code == 200, "the city is well again")
                    wait_until(ledger.more(20, 20, rng), "every device goes on by itself")
            ledger.settled(client)
            assert city.process.poll() is None
            assert "not-to-be-told" not in city.log.read_text()
