"""What is to stand in the place of an instance of the past, as clients send it (ETSI GS CIM 009 v1.9.1, clause 5.6.14)."""

from typing import Any

from dothi.access.secrecy import is_marked, refused
from dothi.api.ngsild.door import Asked
from dothi.api.ngsild.writing.reading import VALUE_KEYS, read_instances
from dothi.data.instances import is_null
from dothi.model.entity import NO_MOMENT, NULL, UNSAID, Attribute
from dothi.model.problem import bad_request


def instead_of(former: Attribute, iri: str, asked: Asked) -> Attribute:
    """What the body makes of ``former``, an instance of attribute ``iri``. Raises Problem 400, 403 for a state secret.

    As the standard has it, the entity with the attribute and its one instance, which takes the place of the former one; or
    a fragment of the instance alone, beside which the rest of it stays.
    """
    if not isinstance(asked.body, dict) or not asked.body:
        raise bad_request("The fragment says nothing.", "Send what is to change of the instance.")
    said = _replacement(asked, iri)
    whole = said is not None
    (one,) = read_instances(iri, said if whole else asked.body, asked.context, fragment=not whole)
    if one.kind and one.kind != former.kind and one.value is not UNSAID:
        raise bad_request(f"The instance is a {former.kind}.", "Its kind cannot be changed.")
    if one.dataset_id not in (None, former.dataset_id) or is_null(one) or one.unit == NULL:
        raise bad_request("The instance cannot be changed like this.", "Delete it, and add another.")
    if is_marked({iri: [{"value": one.value}]}) or is_marked(one.value):
        raise refused()
    left = Attribute(former.kind, former.value) if whole else former
    return Attribute(
        former.kind,
        former.value if one.value is UNSAID else one.value,
        one.observed_at or former.observed_at,
        one.unit or left.unit,
        former.dataset_id,
        former.grade,
        former.reasons,
        former.origin,
        created_at=former.created_at,
        sub={**left.sub, **one.sub},
        expires_at=left.expires_at if one.expires_at is None else one.expires_at if one.expires_at != NO_MOMENT else None,
        object_type=one.object_type or left.object_type,
    )


def _replacement(asked: Asked, iri: str) -> Any:
    """The one instance in an EntityTemporal fragment (clause 5.6.14.3); None of a body that is a fragment of the instance.

    Raises Problem 400 for several.
    """
    names = [name for name in asked.body if name not in ("id", "type")]
    if len(names) != 1 or asked.body.get("type") in VALUE_KEYS or asked.context.expand(names[0]) != iri:
        return None
    told = asked.body[names[0]]
    several = told if isinstance(told, list) else [told]
    if len(several) != 1 or not isinstance(several[0], dict):
        raise bad_request(f"{names[0]} must be a list of one instance.", "Send what is to stand in the place of this one.")
    return several[0]
