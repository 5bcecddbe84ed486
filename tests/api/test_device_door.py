"""Devices at the doors of a running city: with a secret, with an enrolment code, and without either."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import paho.mqtt.client as paho

from dothi.testing.city import RunningCity, wait_until

PLACE = {"type": "AirQualityObserved", "longitude": 105.85, "latitude": 21.03}


class Device:
    """A device with a client that somebody else wrote; it does not come back by itself."""

    def __init__(self, city: RunningCity, user: str, password: str, client_id: str = "") -> None:
        self._city, self._user = city, user
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        self._client.username_pw_set(user, password)
        self._codes: list[int] = []
        self.gone: list[float] = []
        self._client.on_connect = lambda _c, _u, _f, reason, _p: self._codes.append(reason.value)
        self._client.on_disconnect = lambda *_: self.gone.append(time.monotonic())

    def connect(self) -> bool:
        """True if the city lets it in (MQTT 5 reason 0; 3.1.1's code 5 is shown as 135)."""
        self._client.connect("127.0.0.1", self._city.mqtt_port)
        self._client.loop_start()
        wait_until(lambda: self._codes or self.gone, "the city answers")
        return self._codes[:1] == [0]

    def send(self, value: float) -> None:
        """Publish at QoS 1 and wait for the PUBACK."""
        topic = f"{self._city.platform.tenant}/devices/{self._user}/readings"
        self._client.publish(topic, f'{{"values":{{"pm25":{value}}}}}', qos=1).wait_for_publish(20)

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def by_mqtt(city: RunningCity, user: str, password: str, client_id: str = "") -> Iterator[Device]:
    device = Device(city, user, password, client_id)
    try:
        yield device
    finally:
        device.close()


def in_lobby(client: httpx.Client, device: str) -> bool:
    return any(one["device"] == device for one in client.get("/api/v1/lobby?limit=1000").json()["items"])


def latest(client: httpx.Client, device: str) -> object:
    urn = f"urn:ngsi-ld:AirQualityObserved:hanoi:{device}"
    return client.get(f"/api/v1/entities/{urn}").json()["attributes"].get("pm25", {}).get("value")


def test_a_device_is_enrolled_admitted_and_then_heard_by_its_secret(city: RunningCity, client: httpx.Client) -> None:
    code = client.post("/api/v1/enrolments", json={"label": "Lắp mới"}).json()["code"]
    with by_mqtt(city, "door-new", code) as guest:
        assert guest.connect()
        guest.send(12.5)
        wait_until(lambda: in_lobby(client, "door-new"), "it waits in the lobby")
        assert not guest.gone
        assert client.post("/api/v1/devices/door-new/admit", json=PLACE).status_code == 200
        wait_until(lambda: guest.gone, "what came with the code is sent away")
    with by_mqtt(city, "door-new", code) as guest:
        assert not guest.connect()

    told = client.post("/api/v1/devices/door-new/secret")
    assert (told.status_code, told.headers["cache-control"]) == (201, "no-store")
    secret = told.json()["secret"]
    with by_mqtt(city, "door-new", secret) as device:
        assert device.connect()
        device.send(13.5)
        wait_until(lambda: latest(client, "door-new") == 13.5, "it is heard")
        with by_mqtt(city, "door-new", secret + "x") as wrong, by_mqtt(city, "door-other", secret) as other:
            assert not wrong.connect()
            assert not other.connect()
        assert not device.gone
        assert client.post("/api/v1/devices/door-new/secret/withdraw").status_code == 200
        wait_until(lambda: device.gone, "a withdrawn secret ends the connection")


def test_a_connection_of_another_device_is_left_alone(city: RunningCity, client: httpx.Client) -> None:
    client.post("/api/v1/devices/bulk", json=[{"id": one, **PLACE} for one in ("door-one", "door-two")])
    secrets = {one: client.post(f"/api/v1/devices/{one}/secret").json()["secret"] for one in ("door-one", "door-two")}
    with by_mqtt(city, "door-one", secrets["door-one"]) as one, by_mqtt(city, "door-two", secrets["door-two"]) as two:
        assert one.connect()
        assert two.connect()
        with by_mqtt(city, "door-two", secrets["door-two"], client_id="door-one") as thief:
            assert not thief.connect(), "a client id that is another device's would end its session"
        client.post("/api/v1/devices/door-two/refuse")
        wait_until(lambda: two.gone, "a refused device is sent away")
        one.send(31.0)
        wait_until(lambda: latest(client, "door-one") == 31.0, "the other is heard as before")
        assert not one.gone


def test_a_system_speaks_for_many_devices_over_one_connection(city: RunningCity, client: httpx.Client) -> None:
    client.post("/api/v1/devices", json={"id": "door-behind", **PLACE})
    key = city.operator["Authorization"].removeprefix("Bearer ")
    with by_mqtt(city, "door-behind", key) as gateway:
        assert gateway.connect()
        gateway.send(41.0)
    wait_until(lambda: latest(client, "door-behind") == 41.0, "it is heard")


def test_by_http_a_device_sends_for_itself_only(city: RunningCity, client: httpx.Client, stranger: httpx.Client) -> None:
    client.post("/api/v1/devices/bulk", json=[{"id": one, **PLACE} for one in ("door-a", "door-b")])
    secret = client.post("/api/v1/devices/door-a/secret").json()["secret"]
    body = {"values": {"pm25": 21.0}}
    own, basic, bearer = "/api/v1/devices/door-a/readings", ("door-a", secret), {"Authorization": f"Bearer {secret}"}
    assert stranger.post(own, json=body).status_code in (401, 403)
    assert stranger.post(own, json=body, auth=basic).status_code == 202
    assert stranger.post(own, json=body, headers=bearer).status_code == 202
    assert stranger.post("/api/v1/readings", json={"device": "door-a", **body}, headers=bearer).status_code == 202
    for path, sent in (
        ("/api/v1/devices/door-b/readings", body),
        ("/api/v1/readings", [{"device": "door-a", **body}, {"device": "door-b", **body}]),
    ):
        answer = stranger.post(path, json=sent, headers=bearer)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:dothi:problem:other-device")
    wait_until(lambda: latest(client, "door-a") == 21.0, "it is heard")
    assert latest(client, "door-b") is None, "a body with another's readings is refused whole"
    for wrong in (("door-b", secret), ("door-a", "x"), ("door-a", "")):
        assert stranger.post(own, json=body, auth=wrong).status_code == 401
    for path in ("/api/v1/devices", "/api/v1/lobby", "/api/v1/enrolments", "/metrics"):
        assert stranger.get(path, headers=bearer).status_code == 403, path
    assert stranger.post("/api/v1/devices/door-a/secret", headers=bearer).status_code == 403


def test_by_http_a_code_leads_to_the_lobby_only(client: httpx.Client, stranger: httpx.Client) -> None:
    client.post("/api/v1/devices", json={"id": "door-known", **PLACE})
    made = client.post("/api/v1/enrolments", json={"label": "Trường học", "days": 3}).json()
    body = {"values": {"pm25": 21.0}}
    own, code = "/api/v1/devices/door-guest/readings", ("door-guest", made["code"])
    assert stranger.post(own, json=body, auth=code).status_code == 202
    wait_until(lambda: in_lobby(client, "door-guest"), "it waits in the lobby")
    many = {"values": {f"k{number}": 1 for number in range(200)}}
    for _ in range(5):
        assert stranger.post(own, json=many, auth=code).status_code == 202

    def full() -> bool:
        answer = stranger.post(own, json=many, auth=code)
        return answer.status_code == 403 and answer.json()["type"].endswith("lobby-limit")

    wait_until(full, "a thousand readings are enough")
    known = stranger.post("/api/v1/devices/door-known/readings", json=body, auth=("door-known", made["code"]))
    assert (known.status_code, known.json()["type"]) == (403, "urn:dothi:problem:device-known")
    (listed,) = [one for one in client.get("/api/v1/enrolments").json()["items"] if one["id"] == made["id"]]
    assert listed["open"] is True
    assert listed["used"] >= 7
    assert "code" not in listed
    assert client.post(f"/api/v1/enrolments/{made['id']}/close").json()["open"] is False
    assert stranger.post(own, json=body, auth=code).status_code == 401
