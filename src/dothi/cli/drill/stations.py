"""Stations of a drill: admitted, and sending what the script says, by MQTT as real ones do."""

import time
from datetime import datetime, timedelta

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from dothi.cli.client import Client
from dothi.cli.drill.script import Script, Station
from dothi.model.problem import Problem

_PATIENCE = 30.0


class Stations:
    """All of them. ``port`` is the city's MQTT door, ``tenant`` what its topics begin with."""

    def __init__(self, client: Client, script: Script, port: int, tenant: str) -> None:
        self._script = script
        self._due = {one.device: one.first for one in script.stations}
        self._lines = {one.device: self._line(client, one, port, tenant) for one in script.stations}

    def send(self, minute: float) -> None:
        """Send what was due until this minute of the drill, each value at its own time."""
        for station in self._script.stations:
            while self._due[station.device] <= minute:
                self._publish(station, self._due[station.device])
                self._due[station.device] += station.every

    def close(self) -> None:
        """Hang up."""
        for line, _topic in self._lines.values():
            line.disconnect()
            line.loop_stop()

    def _publish(self, station: Station, minute: float) -> None:
        line, topic = self._lines[station.device]
        at: datetime = self._script.begins + timedelta(minutes=minute)
        body = {"at": at.isoformat(), "values": station.at(minute)}
        line.publish(f"{topic}/readings", msgspec.json.encode(body), qos=1)

    def _line(self, client: Client, station: Station, port: int, tenant: str) -> tuple[paho.Client, str]:
        client.post(
            "/api/v1/devices",
            {
                "id": station.device,
                "type": station.type,
                "name": station.name,
                "longitude": station.longitude,
                "latitude": station.latitude,
                "cadence": station.every * 60,
            },
        )
        secret = client.post(f"/api/v1/devices/{station.device}/secret", {})["secret"]
        topic = f"{tenant}/devices/{station.device}"
        line = paho.Client(CallbackAPIVersion.VERSION2, client_id=station.device)
        line.username_pw_set(station.device, secret)

        def on_message(_line: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
            command = msgspec.json.decode(message.payload)
            if station.answers:
                line.publish(f"{topic}/answers", msgspec.json.encode({"id": command["id"], "state": station.answers}), qos=1)

        def on_connect(_line: paho.Client, _data: object, _flags: object, _reason: object, _properties: object) -> None:
            line.subscribe(f"{topic}/commands", 1)

        line.on_message, line.on_connect = on_message, on_connect
        line.connect("127.0.0.1", port)
        line.loop_start()
        deadline = time.monotonic() + _PATIENCE
        while not line.is_connected():
            if time.monotonic() > deadline:
                raise Problem(503, "no-mqtt", f"The station {station.device} is not let in by MQTT.", "Read the city's log.")
            time.sleep(0.02)
        return line, topic
