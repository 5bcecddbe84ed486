"""What cookies are called: behind TLS by a name that a browser takes from this very host only (RFC 6265bis, 4.1.3.2)."""


def named(cookie: str, *, secure: bool) -> str:
    """The name of ``cookie`` on a connection that is TLS (``secure``) or not; with the prefix it needs Secure and Path=/."""
    return f"__Host-{cookie}" if secure else cookie
