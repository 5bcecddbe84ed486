"""How far a thing or an attribute may be known."""

from enum import IntEnum


class Clearance(IntEnum):
    """How far a thing may be known. What nobody classified is internal; state secrets have no place here at all."""

    PUBLIC = 0
    INTERNAL = 1
    RESTRICTED = 2
    PERSONAL = 3
