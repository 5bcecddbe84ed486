"""What was found when a failing test was looked into: whose it is, and the clause that says so.

Tests go by the number that their names begin with. Clauses are those of ETSI GS CIM 009 v1.9.1. A test that is not listed
here fails for a reason nobody has judged yet.
"""

_SOURCES = "registers a context source (clause 5.9): not built, 501"
_TENANTS = "what does not create is NonexistentTenant on a tenant that does not exist (clause 5.5.10)"
JUDGED: dict[str, str] = {
    "043_01_05": _SOURCES,
    "045_01_03": _SOURCES,
    "414_01_03": _SOURCES,
    "422_08_04": _SOURCES,
    "422_08_05": _SOURCES,
    "016_02_06": "the suite's: a name that is empty is not valid, BadRequestData (5.6.14.4), as 017_02_05 wants there",
    "058_03_03": "the bench's: wants MQTT 5; where no mosquitto is installed, the broker beside the city speaks 3.1.1",
    "061_01_05": f"the suite's: asks a tenant that was never made and wants 200; {_TENANTS}, as 5510_01_01 wants",
    "5134_01_02": f"the suite's: the second tenant was never made; {_TENANTS}, which 5134_01_01 takes for granted",
    "555_01_01": "ours by choice: the core @context is what is assigned at minimum (5.5.5), the city's own with it",
    "558_01_01": "the suite's: compares two spellings of one moment as text; the fraction of seconds is optional (4.6.3)",
}


def judgement(test: str) -> str:
    """What was found about ``test`` (its whole name); empty if nobody has looked into it."""
    return JUDGED.get(test.split(" ", 1)[0], "")
