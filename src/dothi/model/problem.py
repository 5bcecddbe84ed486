"""One kind of error for every door: what is wrong, and what to do about it (RFC 9457 problem details)."""


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """Something the asker can mend or must know.

    ``status`` is the HTTP status; ``code`` a stable, machine-readable name in kebab-case; ``title`` what is wrong;
    ``detail`` what to do about it; ``retry_after`` seconds after which trying again may help.
    """

    def __init__(self, status: int, code: str, title: str, detail: str = "", retry_after: int | None = None) -> None:
        super().__init__(f"{title} {detail}".strip())
        self.status, self.code, self.title, self.detail, self.retry_after = status, code, title, detail, retry_after


def not_found(kind: str, key: str) -> Problem:
    """The problem of a thing that is not there, or that the asker may not know of."""
    return Problem(404, "not-found", f"No {kind} {key!r} here.", "Check the identifier; the list shows what there is.")


def bad_request(title: str, detail: str = "") -> Problem:
    """The problem of an input that cannot be understood."""
    return Problem(400, "bad-request", title, detail)
