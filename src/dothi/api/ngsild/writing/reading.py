"""From what a client sends to entities and attributes: normalized, concise, mixed (ETSI GS CIM 009 v1.8.1, clause 4.5)."""

from typing import Any

from dothi.api.ngsild.checks import geometry, is_geometry, is_uri, moment, scopes, uri
from dothi.api.ngsild.contexts.term_map import TermMap
from dothi.model.entity import NULL, UNSAID, Attribute, Entity
from dothi.model.problem import Problem, bad_request

MOST_ATTRIBUTES = 1000
"""How many attributes an entity may have, and how many instances one attribute."""

VALUE_KEYS = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "JsonProperty": "json",
    "VocabProperty": "vocab",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""How each kind of attribute names its value (clause 4.5.2 and following)."""

SEVERAL_KEYS: dict[str, tuple[str, str | None]] = {
    "Property": ("values", None),
    "GeoProperty": ("values", None),
    "Relationship": ("objects", None),
    "LanguageProperty": ("languageMaps", "languageMap"),
    "JsonProperty": ("jsons", "json"),
    "VocabProperty": ("vocabs", "vocab"),
    "ListProperty": ("valueLists", None),
    "ListRelationship": ("objectLists", None),
}
"""How each kind names its values over time, and what wraps each of them (clause 4.5.9)."""

_KIND_OF = {key: kind for kind, key in VALUE_KEYS.items() if kind != "GeoProperty"}
# What the city itself says of a reading: it is shown, and what comes back of it is not taken for a client's word.
_OURS = frozenset(f"urn:dothi:term:{name}" for name in ("grade", "origin", "reasons"))
# Members of an attribute that are no attributes of it: said by the broker alone, or for the way out (clause 4.5.0).
_BROKERS = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId", "lang", "entity", "entityList"})
# What only notifications say (clause 5.8.6).
_FORMER = frozenset(f"previous{key[0].upper()}{key[1:]}" for key in _KIND_OF)
# The proof that an entity's attributes are whole, and what only it carries (clause 4.5.2.2).
_PROOF = "https://uri.etsi.org/ngsi-ld/ngsildproof"
_SEALED = {name: f"https://uri.etsi.org/ngsi-ld/{name}" for name in ("entityIdSealed", "entityTypeSealed")}
BARE = {iri: name for name, iri in _SEALED.items()} | {"https://uri.etsi.org/ngsi-ld/hasValueType": "valueType"}
"""Attributes of attributes that are told as plain texts, never as Properties, and what they are called."""

_SCALARS = frozenset({int, float, bool, str})
_UNITLESS = frozenset({"Relationship", "ListRelationship", "JsonProperty", "LanguageProperty", "VocabProperty"})
_KEYWORDS = {"@id": "id", "@type": "type"}
_PLAIN = frozenset({"type", "unitCode", "datasetId", "observedAt", "expiresAt", "objectType"})
_NO_ATTRIBUTES = frozenset({"unitCode", "datasetId", "observedAt", "objectType", "instanceId"})  # clause 4.5.1
_MEMBERS = _BROKERS | _FORMER | _PLAIN | frozenset(_KIND_OF)
_OF_ENTITY = frozenset({"id", "type", "scope", "@context", "expiresAt", "createdAt", "modifiedAt", "deletedAt"})


def read_entity(body: Any, context: TermMap) -> Entity:
    """A whole entity. Raises Problem 400 (BadRequestData) for what is none."""
    if not isinstance(body, dict):
        raise bad_request("An entity is an object.", "Send id, type and attributes.")
    body = _without_keywords(body)
    if "type" not in body:
        raise bad_request("The entity has no type.", "Give its type, or a list of types.")
    return _entity(uri(body.get("id"), "The id"), body, context, False, False)


def read_fragment(body: Any, context: TermMap, *, simplified: bool = False) -> Entity:
    """Part of an entity: id ("" if unsaid) and type ("" if unsaid) may be missing, NULL takes away (clause 4.5.0).

    In a ``simplified`` fragment a plain value is of the kind that the attribute has already: its kind is "".
    Raises Problem 400 (BadRequestData).
    """
    if not isinstance(body, dict):
        raise bad_request("A fragment of an entity is an object.", "Send the attributes that are to change.")
    body = _without_keywords(body)
    urn = uri(body["id"], "The id") if "id" in body else ""
    return _entity(urn, body, context, True, simplified)


def read_instances(iri: str, body: Any, context: TermMap, *, fragment: bool, simplified: bool = False) -> list[Attribute]:
    """The instances of attribute ``iri``: one, or a list of them that differ in datasetId.

    In a ``fragment`` an attribute may be without value (UNSAID) and kind (""). Raises Problem 400 (BadRequestData).
    """
    if type(body) is not list or not is_instances(body, fragment=fragment):
        return [_attribute(iri, body, context, fragment, simplified)]
    if len(body) > MOST_ATTRIBUTES:
        raise bad_request(f"{iri} has more than {MOST_ATTRIBUTES} instances.")
    found = [_attribute(iri, one, context, fragment, simplified) for one in body]
    if len({one.dataset_id for one in found}) < len(found):
        raise bad_request(f"Two instances of {iri} have the same datasetId.", "Give each its own; one may have none.")
    found.sort(key=lambda one: one.dataset_id or "")
    return found


def _entity(urn: str, body: dict[str, Any], context: TermMap, fragment: bool, simplified: bool) -> Entity:
    types = _types(body["type"], context) if "type" in body else [""]
    if len(body) > MOST_ATTRIBUTES:
        raise bad_request(f"An entity may have {MOST_ATTRIBUTES} attributes.", "Make several entities of it.")
    attributes: dict[str, list[Attribute]] = {}
    for name, said in body.items():
        if name in _OF_ENTITY:
            continue
        if name in _NO_ATTRIBUTES:
            raise bad_request(f"{name} is a word of NGSI-LD's own and names no attribute.", "Choose another name.")
        iri = context.expand(name)
        if iri in attributes:
            raise bad_request(f"The attribute {iri} is there twice.", "Name it once.")
        if type(said) is list:
            attributes[iri] = read_instances(iri, said, context, fragment=fragment, simplified=simplified)
        else:
            attributes[iri] = [_attribute(iri, said, context, fragment, simplified)]
    found = Entity(urn, types[0], attributes, more_types=tuple(types[1:]))
    if "scope" in body:
        found.scopes = scopes(body["scope"], fragment=fragment)
    if "expiresAt" in body:
        found.expires_at = moment(body["expiresAt"], "expiresAt", fragment=fragment)
    return found


def _types(said: Any, context: TermMap) -> list[str]:
    if type(said) is str and said and not said[0].isdigit():  # most are of one type
        return [context.expand(said)]
    several = said if isinstance(said, list) else [said]
    if not several or len(several) > MOST_ATTRIBUTES or not all(isinstance(one, str) and one for one in several):
        raise bad_request("The type is neither a name nor a list of names.", "Give it like Building.")
    if any(one[0].isdigit() for one in several):
        raise bad_request("A type begins with a letter (clause 4.6.2).", "Give it like Building.")
    return list(dict.fromkeys(context.expand(one) for one in several))


def is_instances(said: list[Any], *, fragment: bool = False) -> bool:
    """Whether a list is the instances of an attribute rather than the value of one (concise, clause 4.5.3)."""
    return bool(said) and all(
        type(one) is dict
        and (_known_kind(one.get("type")) or not _KIND_OF.keys().isdisjoint(one) or (fragment and "datasetId" in one))
        for one in said
    )


def _known_kind(kind: Any) -> bool:
    return type(kind) is str and kind in VALUE_KEYS


def _attribute(iri: str, said: Any, context: TermMap, fragment: bool, simplified: bool) -> Attribute:
    if type(said) is not dict:
        return Attribute("" if simplified and said != NULL else "Property", _property(iri, said, fragment))
    kind: Any = said.get("type")
    if len(said) == 2 and _known_kind(kind) and VALUE_KEYS[kind] in said:  # most are no more than this
        value = said[VALUE_KEYS[kind]]
        if kind == "Property" and type(value) in _SCALARS and value != NULL and iri != _PROOF:
            return Attribute(kind, value)
        return Attribute(kind, _value(iri, kind, value, context, fragment))
    if "@type" in said and _known_kind(said["@type"]):
        said = _without_keywords(said)
        kind = said.get("type")
    keys = [key for key in said if key in _KIND_OF]
    if not _known_kind(kind):
        if not keys:
            return _bare(iri, said, context, fragment, simplified)
        if kind is not None:
            raise bad_request(f"{iri} is of no known kind: {str(kind)[:40]!r}.", f"Known: {', '.join(VALUE_KEYS)}.")
        kind = _KIND_OF[keys[0]]
        if kind == "Property" and is_geometry(said["value"]):
            kind = "GeoProperty"
    key = VALUE_KEYS[kind]
    if len(keys) > 1 or (keys and keys[0] != key):
        raise bad_request(f"{iri} is a {kind}, and its value is its {key}.", f"Send {key} and no {', '.join(keys)}.")
    found = Attribute(kind, UNSAID)
    if keys:
        found.value = _value(iri, kind, said[key], context, fragment)
    elif not fragment:
        raise bad_request(f"{iri} has no value.", f"A {kind} has its {key}.")
    return _with_members(found, iri, said, context, fragment)


def _bare(iri: str, said: dict[str, Any], context: TermMap, fragment: bool, simplified: bool) -> Attribute:
    """An object that names neither kind nor value: a geometry, any other value, or (in a fragment) what goes beside one."""
    if is_geometry(said):
        return Attribute("GeoProperty", geometry(said))
    if simplified:
        return Attribute("", said)
    if "type" in said:
        raise bad_request(
            f"{iri} is of no known kind: {str(said['type'])[:40]!r}.",
            f"Known: {', '.join(VALUE_KEYS)}. An object as value goes into value.",
        )
    if fragment:
        return _with_members(Attribute("", UNSAID), iri, said, context, fragment)
    if not said or not _MEMBERS.isdisjoint(said):
        raise bad_request(f"{iri} has no value.", f"Give one of {', '.join(_KIND_OF)}.")
    return Attribute("Property", said)


def _with_members(found: Attribute, iri: str, said: dict[str, Any], context: TermMap, fragment: bool) -> Attribute:
    for name, value in said.items():
        if name == "type" or name in _KIND_OF or name in _BROKERS:
            continue
        if name == "observedAt":
            found.observed_at = moment(value, f"observedAt of {iri}", fragment=fragment)
        elif name in _FORMER or (name in _SEALED and iri != _PROOF) or (name == "unitCode" and found.kind in _UNITLESS):
            raise bad_request(f"{name} has no place in {iri}.", "Leave it out.")
        elif name == "unitCode":
            found.unit = _text(value, f"unitCode of {iri}")
        elif name == "datasetId":
            found.dataset_id = None if value == "@none" else uri(value, f"datasetId of {iri}")
        elif name == "expiresAt":
            found.expires_at = moment(value, f"expiresAt of {iri}", fragment=fragment)
        elif name == "objectType":
            found.object_type = _vocab(value, f"objectType of {iri}", context)
        else:
            _check_member(found, iri, name, value)
            inner = _SEALED.get(name) or context.expand(name)
            if inner in found.sub:
                raise bad_request(f"{inner} of {iri} is there twice.", "Name it once.")
            if inner not in _OURS:
                found.sub[inner] = read_instances(inner, value, context, fragment=fragment)
    return found


def _check_member(found: Attribute, iri: str, name: str, value: Any) -> None:
    """Raises Problem 400 for a member whose value the standard prescribes (clauses 4.5.2.2 and 5.2.32)."""
    if name == "valueType" and found.kind == "LanguageProperty" and value != "langString":
        raise bad_request(f"The valueType of {iri} is langString.", "Leave it out, or say that.")
    if name in _SEALED and not isinstance(value, str):
        raise bad_request(f"{name} of {iri} is a text.", "Give the id or the type that was sealed.")


def _value(iri: str, kind: str, said: Any, context: TermMap, fragment: bool) -> Any:
    """What is kept of the value of an attribute of ``kind``. Raises Problem 400."""
    if said == NULL:
        if fragment:
            return NULL
        raise bad_request(f"{iri} says {NULL}, which takes away.", "Leave the attribute out, or send a patch.")
    if said is None:
        raise bad_request(f"{iri} has null for a value.", f"Leave it out; in a patch {NULL} takes away.")
    if kind == "Property":
        if iri == _PROOF and not isinstance(said, dict):
            raise bad_request(f"The value of {iri} is the object of a W3C Data Integrity proof.", "Send the whole proof.")
        return said
    if kind == "JsonProperty":
        if not isinstance(said, dict | list):
            raise _of_kind(iri, kind, "an object or a list")
        return said
    if kind == "GeoProperty":
        return geometry(said)
    if kind == "Relationship":
        several = said if isinstance(said, list) else [said]
        objects = [uri(one, f"The object of {iri}") for one in several]
        return objects if len(objects) > 1 else _only(objects, iri)
    if kind == "VocabProperty":
        return _vocab(said, f"The vocab of {iri}", context)
    if kind == "LanguageProperty":
        return _languages(iri, said)
    if not isinstance(said, list):
        raise _of_kind(iri, kind, "a list")
    if kind == "ListProperty":
        return said
    return [uri(one.get("object") if isinstance(one, dict) else one, f"An object of {iri}") for one in said]


def _property(iri: str, said: Any, fragment: bool) -> Any:
    return _value(iri, "Property", said, None, fragment)  # type: ignore[arg-type]  # a Property's value has no terms


def _only(objects: list[str], iri: str) -> str:
    if not objects:
        raise bad_request(f"{iri} has no object.", "Give the URI of what it leads to.")
    return objects[0]


def _languages(iri: str, said: Any) -> dict[str, Any]:
    if isinstance(said, dict) and all(
        tag and (isinstance(text, str) or (isinstance(text, list) and all(isinstance(one, str) for one in text)))
        for tag, text in said.items()
    ):
        return said
    raise _of_kind(iri, "LanguageProperty", "an object of texts by language")


def _vocab(said: Any, what: str, context: TermMap) -> str | list[str]:
    if isinstance(said, str) and said:
        return said if is_uri(said) else context.expand(said)
    if isinstance(said, list) and said and all(isinstance(one, str) and one for one in said):
        return [one if is_uri(one) else context.expand(one) for one in said]
    raise bad_request(f"{what} is no name.", "Give a name, or a list of names.")


def _text(said: Any, what: str) -> str:
    if isinstance(said, str) and 0 < len(said) <= 256:
        return said
    raise bad_request(f"{what} is not a text.", "Give the code of UN/CEFACT's list.")


def _of_kind(iri: str, kind: str, what: str) -> Problem:
    return bad_request(f"{iri} is a {kind}, and its value is {what}.", f"Its {VALUE_KEYS[kind]} was something else.")


def _without_keywords(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with id and type where JSON-LD's own words stood (clause 4.4)."""
    if "@id" not in body and "@type" not in body:
        return body
    return {_KEYWORDS.get(name, name): said for name, said in body.items()}
