"""How a secret that this city made itself is kept: as a hash that tells nothing of it."""

from hashlib import sha256


def hash_of(secret: str) -> bytes:
    """SHA-256 of a random secret of 100 bits or more: such cannot be guessed, however fast the hash is.

    What people choose themselves goes through argon2id (``passwords``).
    """
    return sha256(secret.encode()).digest()
