"""Notifications over MQTT (ETSI GS CIM 009 v1.8.1, clause 7.2): metadata and body, to the topic in the address."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from dothi.access.outgoing import NotCalled, address_of_name, origin_of
from dothi.api.ngsild.subscriptions.taking import NotTaken, Target, unreached

VERSIONS = {"mqtt3.1.1": MQTTProtocolVersion.MQTTv311, "mqtt5.0": MQTTProtocolVersion.MQTTv5}
QUALITIES = {"0": 0, "1": 1, "2": 2}
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_KEEPALIVE = 60
_MOST_CLIENTS = 200
_OLDER = (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311)


def check_notifier(pairs: Collection[tuple[str, str]]) -> str:
    """What is wrong with notifierInfo (table 7.2-1); empty if nothing is."""
    told = dict(pairs)
    if told.get("MQTT-QoS", "0") not in QUALITIES:
        return "MQTT-QoS is 0, 1 or 2."
    if told.get("MQTT-Version", "mqtt5.0") not in VERSIONS:
        return "MQTT-Version is mqtt3.1.1 or mqtt5.0."
    return ""


class MqttSender:
    """Publishes notifications. ``named`` are the origins that may lie in the city's own network; ``anywhere`` lets all."""

    def __init__(self, named: Collection[str], *, anywhere: bool) -> None:
        self._named, self._anywhere = {origin_of(one) for one in named}, anywhere
        self._clients: dict[tuple[str, str, str | None], _Client] = {}
        self._locks: dict[tuple[str, str, str | None], asyncio.Lock] = {}

    async def send(self, target: Target, body: bytes) -> None:
        """Publish ``body``. Raises NotTaken unless the broker took it in time, as far as its quality of service goes."""
        notifier = dict(target.notifier)
        metadata = {"Content-Type": target.media, **({"Link": target.link} if target.link else {}), **dict(target.headers)}
        message = b'{"metadata":%b,"body":%b}' % (msgspec.json.encode(metadata), body)
        try:
            async with asyncio.timeout(target.timeout):
                client = await self._client(target, notifier.get("MQTT-Version"))
                await client.publish(_topic(target.uri), message, QUALITIES[notifier.get("MQTT-QoS", "0")])
        except TimeoutError:
            raise NotTaken(f"no answer within {target.timeout:g} s") from None
        except NotCalled as why:
            raise NotTaken(str(why)) from why
        except OSError as error:
            raise unreached(error) from error

    async def close(self) -> None:
        """Let go of all connections."""
        for client in self._clients.values():
            await asyncio.to_thread(client.close)

    async def _client(self, target: Target, version: str | None) -> "_Client":
        """The open connection to a target's broker; without a version the newest that the broker speaks."""
        parts = urlsplit(target.uri)
        key = (origin_of(target.uri), parts.netloc, version)
        async with self._locks.setdefault(key, asyncio.Lock()):
            client = self._clients.get(key)
            if client is not None and client.open:
                return client
            if client is not None:
                await asyncio.to_thread(client.close)
            if len(self._clients) >= _MOST_CLIENTS:
                await asyncio.to_thread(self._clients.pop(next(iter(self._clients))).close)
            for protocol in _OLDER if version is None else (VERSIONS[version],):
                client = _Client(target.uri, protocol, trusted=self._anywhere or key[0] in self._named)
                try:
                    await client.connect()
                except NotTaken:
                    await asyncio.to_thread(client.close)
                    if protocol is _OLDER[-1] or version is not None:
                        raise
                except BaseException:
                    await asyncio.to_thread(client.close)
                    raise
                else:
                    self._clients[key] = client
                    return client
        raise NotTaken("the broker speaks no version of MQTT that this city speaks")


class _Pinned(paho.Client):
    """A client that connects to an address that was checked; its name stays what a certificate is checked against."""

    trusted = False

    def _create_socket_connection(self) -> socket.socket:
        address = address_of_name(self.host, self.port, trusted=self.trusted)
        return socket.create_connection((address, self.port), timeout=self.connect_timeout)


class _Client:
    """A connection to one broker. It lives on a thread of its own; what happens there is told on the event loop."""

    def __init__(self, uri: str, protocol: MQTTProtocolVersion, *, trusted: bool) -> None:
        parts = urlsplit(uri)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._paho = _Pinned(CallbackAPIVersion.VERSION2, protocol=protocol, reconnect_on_failure=False)
        self._paho.trusted = trusted
        if parts.username is not None:
            password = None if parts.password is None else unquote(parts.password)
            self._paho.username_pw_set(unquote(parts.username), password)
        if parts.scheme == "mqtts":
            self._paho.tls_set_context(ssl.create_default_context())
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.open = False
        self._paho.on_connect = lambda _c, _u, _f, code, _p: self._tell(self._on_connect, code)
        self._paho.on_disconnect = lambda _c, _u, _f, code, _p: self._tell(self._on_disconnect, code)
        self._paho.on_publish = lambda _c, _u, number, code, _p: self._tell(self._on_publish, number, code)

    async def connect(self) -> None:
        """Raises NotCalled, NotTaken or OSError."""
        await asyncio.to_thread(self._paho.connect, self._host, self._port, _KEEPALIVE)
        self._paho.loop_start()
        await self._connected

    async def publish(self, topic: str, message: bytes, quality: int) -> None:
        """Publish, and wait until the broker has it (0: until it is sent). Raises NotTaken."""
        told = self._paho.publish(topic, message, quality)
        if told.rc != paho.MQTT_ERR_SUCCESS:
            raise NotTaken(paho.error_string(told.rc))
        done = self._waiting[told.mid] = self._loop.create_future()
        try:
            await done
        finally:
            self._waiting.pop(told.mid, None)

    def close(self) -> None:
        """Say goodbye and end its thread."""
        self.open = False
        self._paho.disconnect()
        self._paho.loop_stop()

    def _tell(self, listener: Callable[..., None], *values: Any) -> None:
        with suppress(RuntimeError):  # the city stopped meanwhile
            self._loop.call_soon_threadsafe(listener, *values)

    def _on_connect(self, code: ReasonCode) -> None:
        self.open = not code.is_failure
        if self._connected.done():
            return
        if code.is_failure:
            self._connected.set_exception(NotTaken(f"the broker answered: {code}", refused=True))
        else:
            self._connected.set_result(None)

    def _on_disconnect(self, code: ReasonCode) -> None:
        self.open = False
        for waiting in (self._connected, *self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(NotTaken(f"the connection ended: {code}"))

    def _on_publish(self, number: int, code: ReasonCode) -> None:
        done = self._waiting.get(number)  # always there: what the thread tells comes after publish went on to wait
        if done is not None and not done.done():
            if code.is_failure:
                done.set_exception(NotTaken(f"the broker answered: {code}", refused=True))
            else:
                done.set_result(None)


def _topic(uri: str) -> str:
    return unquote(urlsplit(uri).path.lstrip("/"))
