"""Passkeys (W3C Web Authentication, level 3): one gesture that is both steps of a sign-in, useless on any other site.

A challenge carries its own proof and its end, so nothing is kept for those who only ask for one; one that was answered is
remembered until it ends, so that no answer counts twice.
"""

import asyncio
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from dothi.access.policy import SYSTEM, Person
from dothi.access.sessions import Writes
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import nfc
from dothi.store.audit import Act
from dothi.store.connection import Connection, Database

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

T = TypeVar("T")
LASTS = timedelta(minutes=5)
MOST = 10
_NONCE, _END, _PROOF = 16, 8, 16
_LABEL = 60


class Site(NamedTuple):
    """Where the browser thinks it is: the host name that passkeys belong to, and the origins it may name."""

    host: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of an account, as its owner sees it; moments are aware UTC."""

    id: str
    label: str
    created_at: datetime
    used_at: datetime | None


class Passkeys:
    """Registers passkeys and signs in with them. ``secret`` is the installation's; ``clock`` the machine's."""

    def __init__(self, database: Database, writer: Writes, clock: Clock, secret: bytes) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._key = hmac.new(secret, b"passkey challenge", sha256).digest()
        self._answered: dict[bytes, int] = {}

    def of(self, account: str) -> list[Passkey]:
        """The passkeys of ``account``, the oldest first."""
        with self._database.reader() as connection:
            rows = connection.execute(
                "SELECT id, label, created_at, used_at FROM credential WHERE account = ? AND kind = 'passkey' "
                "ORDER BY created_at, id",
                (account,),
            ).fetchall()
        return [
            Passkey(id, label, from_micros(made), None if used is None else from_micros(used))
            for id, label, made, used in rows
        ]

    def offer(self, account: str, login: str, name: str, city: str, site: Site) -> bytes:
        """What a browser needs to make a passkey for ``account``: PublicKeyCredentialCreationOptions as JSON."""
        from webauthn import generate_registration_options, options_to_json
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        options = generate_registration_options(
            rp_id=site.host,
            rp_name=city,
            user_id=account.encode(),
            user_name=login,
            user_display_name=name,
            challenge=self._challenge(account),
            timeout=int(LASTS.total_seconds() * 1000),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_described(one.id for one in self.of(account)),
        )
        return options_to_json(options).encode()

    async def register(
        self, person: Person, answer: Mapping[str, Any], label: str, site: Site, *, correlation: str, source: str
    ) -> Passkey:
        """Keep the passkey that a browser made for ``person``'s account.

        Raises Problem 400 if the answer does not follow from an offer to this account, 409 if there are ten already.
        """
        challenge = self._answered_one(answer, person.id)

        def check() -> tuple[str, bytes, int]:
            from webauthn import verify_registration_response

            checked = verify_registration_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=list(site.origins),
                require_user_verification=True,
            )
            return _text(checked.credential_id), checked.credential_public_key, checked.sign_count

        id, key, counter = await _checked(check)
        now = self._clock.now()
        made = Passkey(id, nfc("".join(filter(str.isprintable, label)).strip())[:_LABEL], now, None)

        def work(connection: Connection) -> None:
            ((count,),) = connection.execute(
                "SELECT count(*) FROM credential WHERE account = ? AND kind = 'passkey'", (person.id,)
            ).fetchall()
            if count >= MOST:
                raise Problem(409, "too-many", f"There are {MOST} passkeys already.", "Remove one that is not used.")
            kept = connection.execute(
                "INSERT INTO credential (id, account, kind, secret, label, counter, created_at) "
                "VALUES (?,?,'passkey',?,?,?,?) ON CONFLICT (id) DO NOTHING",
                (id, person.id, key, made.label, counter, to_micros(now)),
            )
            if kept.rowcount != 1:
                raise bad_request("This passkey is known already.", "Sign in with it, or make another.")

        act = Act(person.id, "passkey.add", person.id, correlation=correlation, source=source)
        await self._writer.run(person, now, work, [act], action="account.own")
        return made

    async def remove(self, person: Person, id: str, *, correlation: str, source: str) -> None:
        """Forget one passkey of ``person``'s account. Raises Problem 404."""

        def work(connection: Connection) -> None:
            gone = connection.execute(
                "DELETE FROM credential WHERE id = ? AND account = ? AND kind = 'passkey'", (id, person.id)
            )
            if gone.rowcount != 1:
                raise not_found("passkey", id[:20])

        act = Act(person.id, "passkey.remove", person.id, correlation=correlation, source=source)
        await self._writer.run(person, self._clock.now(), work, [act], action="account.own")

    def ask(self, site: Site) -> bytes:
        """What a browser needs to sign somebody in, whoever it is: PublicKeyCredentialRequestOptions as JSON."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=site.host,
            challenge=self._challenge(""),
            timeout=int(LASTS.total_seconds() * 1000),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json(options).encode()

    async def recognise(self, answer: Mapping[str, Any], site: Site) -> str:
        """The account whose passkey signed ``answer``. Raises Problem 401 if none did, 400 for an answer to nothing."""
        id = str(answer.get("id", ""))
        if not (id.isascii() and id.isprintable()):
            raise _unknown()

        def kept() -> Any:
            with self._database.reader() as connection:
                return connection.execute(
                    "SELECT account, secret, counter FROM credential WHERE id = ? AND kind = 'passkey'", (id,)
                ).fetchone()

        row = await asyncio.to_thread(kept)
        if row is None or _owner(answer) not in (None, row[0]):
            raise _unknown()
        challenge = self._answered_one(answer, "")  # only now: answers by keys that nobody has are not remembered
        account, key, counter = row

        def check() -> int:
            from webauthn import verify_authentication_response

            checked = verify_authentication_response(
                credential=dict(answer),
                expected_challenge=challenge,
                expected_rp_id=site.host,
                expected_origin=list(site.origins),
                credential_public_key=bytes(key),
                credential_current_sign_count=counter,
                require_user_verification=True,
            )
            return checked.new_sign_count

        try:
            counted = await _checked(check)
        except Problem as problem:
            raise _unknown() from problem
        now = self._clock.now()

        def work(connection: Connection) -> None:
            used = connection.execute(
                "UPDATE credential SET counter = ?, used_at = ? WHERE id = ? AND counter = ?",
                (counted, to_micros(now), id, counter),
            )
            if used.rowcount != 1:  # two answers at once, or one that was removed meanwhile
                raise _unknown()

        await self._writer.run(SYSTEM, now, work)
        return str(account)

    def _challenge(self, account: str) -> bytes:
        """Random bytes, when they end, and the proof that this city made them for ``account`` ("" is anybody)."""
        end = to_micros(self._clock.now() + LASTS)
        head = secrets.token_bytes(_NONCE) + end.to_bytes(_END, "big")
        return head + self._proof(head, account)

    def _proof(self, head: bytes, account: str) -> bytes:
        return hmac.new(self._key, head + account.encode(), sha256).digest()[:_PROOF]

    def _answered_one(self, answer: Mapping[str, Any], account: str) -> bytes:
        """The challenge that ``answer`` answers, answered from now on. Raises Problem 400 unless it is open and ours."""
        challenge = _told_challenge(answer)
        head, now = challenge[: _NONCE + _END], to_micros(self._clock.now())
        ours = hmac.compare_digest(challenge[_NONCE + _END :], self._proof(head, account))
        while self._answered and next(iter(self._answered.values())) <= now:
            del self._answered[next(iter(self._answered))]
        end = int.from_bytes(head[_NONCE:], "big")
        if not ours or end <= now or challenge in self._answered:
            raise Problem(400, "stale-challenge", "This took too long, or was sent before.", "Begin again.")
        self._answered[challenge] = end
        return challenge


def _told_challenge(answer: Mapping[str, Any]) -> bytes:
    try:
        told = msgspec.json.decode(_bytes(answer["response"]["clientDataJSON"]))
        return _bytes(told["challenge"])
    except (KeyError, TypeError, ValueError):
        raise bad_request("This is no answer of a passkey.", "Begin again.") from None


def _owner(answer: Mapping[str, Any]) -> str | None:
    """The account that the passkey itself names (userHandle); None if it names none."""
    try:
        told = answer["response"].get("userHandle")
        return _bytes(told).decode() if told else None
    except (KeyError, AttributeError, TypeError, ValueError):
        raise _unknown() from None


async def _checked(check: Callable[[], T]) -> T:
    """What ``check`` gives, on a thread. Raises Problem 400 for whatever does not verify."""
    try:
        return await asyncio.to_thread(check)
    except Exception as error:  # the answer is a stranger's bytes: whatever they break means that they do not verify
        raise bad_request("This passkey's answer does not verify.", "Begin again, on the city's own address.") from error


def _described(ids: Iterable[str]) -> "list[PublicKeyCredentialDescriptor]":
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=_bytes(one)) for one in ids]


def _unknown() -> Problem:
    return Problem(401, "not-signed-in", "This passkey opens nothing here.", "Sign in another way, or ask an administrator.")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
