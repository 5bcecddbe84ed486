"""What a subject gets who asks what is kept of them: everything, values and looks included, as one JSON document."""

from typing import Any

from dothi.access.personal import reading
from dothi.access.personal.service import Personal
from dothi.access.policy import Person
from dothi.store.connection import Connection


async def whole(
    personal: Personal, person: Person, subject: str, reason: str = "", *, correlation: str = ""
) -> dict[str, Any]:
    """Everything about ``subject`` as JSON values; the look it takes is on record. Raises as ``Personal.look``."""
    opened = await personal.look(person, subject, reason, correlation=correlation)

    def about(db: Connection) -> dict[str, Any]:
        purposes = reading.purposes(db)
        return {
            "subject": subject,
            "records": [
                {
                    "id": one.record.id,
                    "purpose": one.record.purpose,
                    "why": purposes[one.record.purpose].why.vi,
                    "basis": purposes[one.record.purpose].law or "consent",
                    "kind": one.record.kind,
                    "value": one.value,
                    "readable": one.readable,
                    "since": one.record.created_at,
                    "until": one.record.until,
                }
                for one in opened
            ],
            "consents": [
                {"purpose": one.purpose, "words": one.words, "given": one.given_at, "withdrawn": one.withdrawn_at}
                for one in reading.consents(db, subject)
            ],
            "looks": [
                {"at": one.at, "by": one.person, "kinds": list(one.kinds), "reason": one.reason}
                for one in reading.looks_at(db, subject)
            ],
            "requests": [
                {"id": one.id, "kind": one.kind, "state": one.state, "asked": one.asked_at, "answer": one.answer}
                for one in reading.requests_of(db, subject)
            ],
        }

    return await personal.read(about)
