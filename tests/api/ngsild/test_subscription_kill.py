"""Nothing that was acknowledged goes untold: the city is killed while it writes, and while a receiver is gone."""

import threading
from pathlib import Path

import httpx
from receiver import receiving
from subscription_world import SUBSCRIPTIONS

from dothi.testing.city import start_city_process, wait_until


def test_nothing_is_lost_when_the_city_is_killed(tmp_path: Path) -> None:
    with receiving() as receiver, start_city_process(tmp_path, open_doors="ngsild", sectors="weather") as city:
        told = {
            "type": "Subscription",
            "entities": [{"type": "Building"}],
            "notification": {"endpoint": {"uri": receiver.url}, "format": "keyValues"},
        }
        with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30) as client:
            assert client.post(SUBSCRIPTIONS, json=told).status_code == 201
        sent: list[int] = []
        stop = threading.Event()

        def write() -> None:
            with httpx.Client(base_url=city.base_url, trust_env=False, timeout=30) as client:
                for number in range(10_000):
                    entity = {"id": f"urn:ngsi-ld:Building:{number}", "type": "Building", "level": number}
                    try:
                        answer = client.post("/ngsi-ld/v1/entities", json=entity)
                    except httpx.HTTPError:
                        return
                    assert answer.status_code == 201, answer.text
                    sent.append(number)
                    if stop.is_set():
                        return

        writing = threading.Thread(target=write)
        writing.start()
        wait_until(lambda: len(sent) >= 60, "some were written")
        receiver.stop()
        wait_until(lambda: len(sent) >= 120, "more were written while the receiver was gone")
        city.kill()
        writing.join()
        stop.set()
        receiver.start()
        city.restart()
        wait_until(lambda: {one["data"][0]["level"] for one in receiver.bodies} >= set(sent), "everything came")
