"""What a subscription says to its receiver alone (receiverInfo) is at rest only sealed: it may be a credential."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

import msgspec

from dothi.access.personal.sealing import decrypt, encrypt, label
from dothi.api.ngsild.subscriptions.document import Document
from dothi.model.problem import Problem

_SEALED = "receiverInfo"


class Sealer:
    """Seals receiverInfo (ETSI GS CIM 009, clause 5.2.15) by the installation's ``secret``, for its subscription alone."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"what subscriptions say to their receivers", sha256).digest()

    def seal(self, id_: str, document: Document) -> Document:
        """``document`` as it is kept."""
        endpoint = document["notification"]["endpoint"]
        if _SEALED not in endpoint:
            return document
        sealed = encrypt(self._key, msgspec.json.encode(endpoint[_SEALED]), label("subscription", id_))
        return _with(document, {**endpoint, _SEALED: b64encode(sealed).decode()})

    def open(self, id_: str, kept: Document) -> tuple[Document, bool]:
        """The document that ``kept`` was made of, and True; without its receiverInfo and False if that cannot be opened:
        it was sealed by another installation, or changed.
        """
        endpoint = kept["notification"]["endpoint"]
        if _SEALED not in endpoint:
            return kept, True
        try:
            plain = decrypt(self._key, b64decode(endpoint[_SEALED]), label("subscription", id_))
        except (Problem, ValueError, TypeError):
            return _with(kept, {name: one for name, one in endpoint.items() if name != _SEALED}), False
        return _with(kept, {**endpoint, _SEALED: msgspec.json.decode(plain)}), True


def _with(document: Document, endpoint: Document) -> Document:
    return {**document, "notification": {**document["notification"], "endpoint": endpoint}}
