"""Mail over real SMTP on this machine: what is on the wire, who is believed, and what a no means."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dothi.model.problem import Problem
from dothi.platform.telling.mail import Mail, NotTaken, Postman, ServerFails
from dothi.settings import MailSettings, Settings
from dothi.testing.mail import mail_server

AT = datetime(2026, 5, 11, 2, tzinfo=UTC)
MAIL = Mail("a1", "chi@example.vn", "Sự việc mới\r\nBcc: x@example.vn", "Chữ", "<p>Chữ</p>", "vi", AT, "https://c.vn/s")


def settings(port: int, tls: str = "none", user: str = "", password: str | None = None) -> MailSettings:
    given = {"mail_server": f"127.0.0.1:{port}", "mail_from": "Đô Thị Hà Nội <bao@hanoi.example>", "mail_tls": tls}
    made = Settings(**given, mail_user=user, mail_password=password).mail  # type: ignore[arg-type]  # pydantic reads texts
    assert made is not None
    return made


async def send(postman: Postman, *mails: Mail) -> None:
    async with postman.line() as line:
        for one in mails:
            await line.send(one)


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server shows that is its own authority, and who believes it."""
    from ipaddress import ip_address

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "mail.pem"
    plain = serialization.NoEncryption()
    pem.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(pem)
    return shown, ssl.create_default_context(cafile=str(pem))


def test_a_mail_is_text_and_html_and_nothing_in_its_subject_makes_a_header() -> None:
    with mail_server() as inbox:
        asyncio.run(send(Postman(settings(inbox.port)), MAIL))
    ((to, mail),) = inbox.taken
    assert (to, mail["Subject"], mail["Bcc"]) == ("chi@example.vn", "Sự việc mới Bcc: x@example.vn", None)
    assert (mail["Message-ID"], mail["Auto-Submitted"]) == ("<a1@hanoi.example>", "auto-generated")
    assert (mail["From"], mail["List-Unsubscribe"]) == ("Đô Thị Hà Nội <bao@hanoi.example>", "<https://c.vn/s>")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    text = mail.get_body(("plain",))
    assert text is not None and text.get_content().strip() == "Chữ"


def test_with_tls_only_who_is_believed_hears_the_password(tmp_path: Path) -> None:
    shown, trust = certificate(tmp_path)
    with mail_server(shown, auth=True) as inbox:
        known = settings(inbox.port, "starttls", "city", "right")
        with pytest.raises(ServerFails, match="not-trusted"):
            asyncio.run(send(Postman(known), MAIL))
        assert inbox.signed_in == [] and inbox.taken == []
        asyncio.run(send(Postman(known, trust), MAIL))
        assert inbox.signed_in == ["city"] and inbox.receivers == ["chi@example.vn"]
        with pytest.raises(ServerFails, match="sign-in"):
            asyncio.run(send(Postman(settings(inbox.port, "starttls", "city", "wrong"), trust), MAIL))


def test_a_server_without_tls_is_not_spoken_to_where_tls_is_wanted() -> None:
    with mail_server() as inbox, pytest.raises(ServerFails, match="no-tls"):
        asyncio.run(send(Postman(settings(inbox.port, "starttls")), MAIL))


def test_a_no_is_told_by_its_code_alone() -> None:
    with mail_server() as inbox:
        inbox.answer = lambda to: f"550 no such user {to}"
        with pytest.raises(NotTaken) as told:
            asyncio.run(send(Postman(settings(inbox.port)), MAIL))
        assert (told.value.why, told.value.final) == ("answered 550", True)
        inbox.answer = lambda _: "451 later"
        with pytest.raises(NotTaken) as told:
            asyncio.run(send(Postman(settings(inbox.port)), MAIL))
        assert (told.value.why, told.value.final) == ("answered 451", False)


def test_nobody_there_is_said() -> None:
    with mail_server() as inbox:
        port = inbox.port
    with pytest.raises(ServerFails, match="unreachable"):
        asyncio.run(send(Postman(settings(port)), MAIL))


def test_settings_that_cannot_work_are_refused() -> None:
    assert Settings().mail is None
    with pytest.raises(Problem, match="DOTHI_MAIL_FROM"):
        _ = Settings(mail_server="mail.example.vn").mail
    with pytest.raises(Problem, match="DOTHI_MAIL_PASSWORD"):
        _ = Settings(mail_server="mail.example.vn", mail_from="a@example.vn", mail_user="a").mail
    with pytest.raises(Problem, match="in the clear"):
        settings_in_clear = Settings(
            mail_server="mail.example.vn", mail_from="a@example.vn", mail_user="a", mail_password="b", mail_tls="none"
        )
        _ = settings_in_clear.mail
    made = Settings(mail_server="mail.example.vn", mail_from="a@example.vn").mail
    assert made is not None and (made.host, made.port, made.tls) == ("mail.example.vn", 587, "starttls")
