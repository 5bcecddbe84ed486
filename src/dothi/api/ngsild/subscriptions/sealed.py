"""What a subscription says to its receiver alone is at rest only sealed: receiverInfo and a password in the address."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec

from dothi.access.personal.sealing import decrypt, encrypt, label
from dothi.api.ngsild.subscriptions.document import Document
from dothi.model.problem import Problem

_SEALED = "sealed"  # beside what is left of an endpoint, as it is kept


class Sealer:
    """Seals the secrets of an endpoint (ETSI GS CIM 009, clause 5.2.15) by the installation's ``secret``.

    They open for the same subscription alone.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"what subscriptions say to their receivers", sha256).digest()

    def seal(self, id_: str, document: Document) -> Document:
        """``document`` as it is kept."""
        endpoint = document["notification"]["endpoint"]
        uri = without_password(endpoint["uri"])
        secret = {name: said for name, said in endpoint.items() if name == "receiverInfo" or (name == "uri" and said != uri)}
        if not secret:
            return document
        sealed = encrypt(self._key, msgspec.json.encode(secret), label("subscription", id_))
        left = {name: said for name, said in endpoint.items() if name not in secret}
        return _with(document, {**left, "uri": uri, _SEALED: b64encode(sealed).decode()})

    def open(self, id_: str, kept: Document) -> tuple[Document, bool]:
        """The document that ``kept`` was made of, and True; without its secrets and False if they cannot be opened: they
        were sealed by another installation, or changed.
        """
        endpoint = kept["notification"]["endpoint"]
        if _SEALED not in endpoint:
            return kept, True
        left = {name: said for name, said in endpoint.items() if name != _SEALED}
        try:
            plain = decrypt(self._key, b64decode(endpoint[_SEALED]), label("subscription", id_))
        except (Problem, ValueError, TypeError):
            return _with(kept, left), False
        return _with(kept, {**left, **msgspec.json.decode(plain)}), True


def without_password(uri: str) -> str:
    """An address without the password that one of MQTT may carry."""
    if "@" not in uri:
        return uri
    parts = urlsplit(uri)
    name, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{name.partition(':')[0]}@{host}").geturl() if ":" in name else uri


def _with(document: Document, endpoint: Document) -> Document:
    return {**document, "notification": {**document["notification"], "endpoint": endpoint}}
