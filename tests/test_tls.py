"""A city that speaks TLS itself, and one that would rather not listen than send passwords in the clear."""

import datetime as dt
import ipaddress
import socket
import ssl
from pathlib import Path

import httpx
import paho.mqtt.client as paho
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dothi.cli.client import Client
from dothi.cli.client import write_address as write_down
from dothi.model.problem import Problem
from dothi.platform.server import listen
from dothi.settings import Settings
from dothi.testing.city import running_city, wait_until


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dothi.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    unprotected = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unprotected))
    return certificate, secret


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")  # and that is why the city refuses it
def test_web_and_mqtt_speak_tls_and_say_so_for_a_year(tmp_path: Path, files: tuple[Path, Path]) -> None:
    certificate, key = files
    (tmp_path / "no-data").mkdir()
    with running_city(tmp_path, data=tmp_path / "no-data", tls_certificate=certificate, tls_key=key) as city:
        assert city.base_url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=city.base_url, trust_env=False, verify=trusting, timeout=60) as client:
            answer = client.get("/sign-in?lang=en", headers={"accept": "text/html"})
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            cookies = answer.headers.get_list("set-cookie")
            assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-dothi_csrf", "__Host-lang"}
            assert all("secure" in cookie.lower() for cookie in cookies)
            post = {"Origin": city.base_url} | city.operator
            assert client.post("/api/v1/enrolments", json={}, headers=post).status_code == 201
        with pytest.raises(httpx.HTTPError), httpx.Client(trust_env=False, timeout=60) as plain:
            plain.get(city.base_url.replace("https", "http") + "/health/live", timeout=5)

        outdated = ssl.create_default_context(cafile=str(certificate))
        outdated.set_ciphers("ALL:@SECLEVEL=0")
        outdated.minimum_version = outdated.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False, verify=outdated, timeout=60) as client:
            client.get(f"{city.base_url}/health/live")

        write_down(city.home, city.base_url, city.mqtt_port)
        settings = Settings(home=city.home, tls_certificate=certificate, tls_key=key)
        code = Client(settings).post("/api/v1/enrolments", {})["code"]

        codes: list[int] = []
        device = paho.Client(paho.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        device.tls_set_context(trusting)
        device.username_pw_set("tls-new", code)
        device.on_connect = lambda _c, _u, _f, reason, _p: codes.append(reason.value)
        device.connect("127.0.0.1", city.mqtt_port)
        device.loop_start()
        wait_until(lambda: codes, "the city answers")
        device.disconnect()
        device.loop_stop()
        assert codes == [0]
        with (
            pytest.raises((ConnectionError, TimeoutError, ssl.SSLError)),
            socket.create_connection(("127.0.0.1", city.mqtt_port), timeout=5) as bare,
        ):
            bare.sendall(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x0a\x00\x03raw")
            if bare.recv(4) != b"\x20\x02\x00\x00":
                raise ConnectionError


def test_no_city_listens_to_a_network_in_the_clear(tmp_path: Path, files: tuple[Path, Path]) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::", "city.example"):  # noqa: S104 - to be refused
        with pytest.raises(Problem, match="DOTHI_TLS_CERTIFICATE") as refused:
            listen(Settings(home=tmp_path, host=host, port=0))
        assert refused.value.code == "no-tls"
    certificate, key = files
    listen(Settings(home=tmp_path, host="0.0.0.0", port=0, tls_certificate=certificate, tls_key=key)).close()  # noqa: S104 - bound and closed
    listen(Settings(home=tmp_path, host="0.0.0.0", port=0, trusted_proxy="127.0.0.1")).close()  # noqa: S104 - bound and closed


def test_files_that_are_no_certificate_and_key_are_said(tmp_path: Path, files: tuple[Path, Path]) -> None:
    certificate, key = files
    for wrong in ((key, certificate), (certificate, tmp_path / "missing"), (certificate, certificate)):
        with pytest.raises(Problem, match="DOTHI_TLS_KEY") as refused:
            listen(Settings(home=tmp_path, port=0, tls_certificate=wrong[0], tls_key=wrong[1]))
        assert refused.value.code == "bad-certificate"
