"""Passwords: how they are kept (argon2id), compared in the same time for everybody, and which are too easy."""

import asyncio
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dothi.model.problem import bad_request
from dothi.model.text import fold

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 12, 128
_LEAST_UNKNOWN = 6
_LEET = str.maketrans("013457@$!", "oleastasi")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "01234567890", "1qaz2wsx3edc4rfv5tgb")
# What people here and elsewhere choose first; a password must hold something beside them.
_WORDS = re.findall(
    r"\w+",
    "matkhau password admin administrator quantri dothi thudo hanoi saigon hochiminh vietnam tphcm danang welcome "
    "letmein iloveyou anhyeuem emyeuanh yeuem yeuanh changeme secret root user test demo login master dragon monkey "
    "football sunshine princess trustno hello summer winter spring autumn thanhpho phuong cong nguyen tran pham "
    "hoang huynh operator system canbo congchuc ",
)
# A hash of random bytes that were thrown away: what a password is compared with where there is none.
_NOBODYS = "$argon2id$v=19$m=47104,t=1,p=1$Gpb5dvVfd85oO2qiHbZZmQ$Zaimfmb5sNetAQ5TjOqFeL88RgD/wd93GDkTgA7lBhs"
# Each takes 46 MiB and a core: a flood of sign-ins must not take the city's memory.
_threads = ThreadPoolExecutor(2, thread_name_prefix="passwords")


def check_password(password: str, *known: str) -> str:
    """The password in Unicode NFC, or Problem 400 if it is too easy; ``known`` are the login and the name.

    A length and no rules of composition (OWASP ASVS 5.0, 6.2): what is left beside common words, runs, years and the
    person's own names must be enough.
    """
    kept = unicodedata.normalize("NFC", password)
    if not SHORTEST <= len(kept) <= LONGEST:
        raise bad_request(
            f"A password has {SHORTEST} to {LONGEST} characters.", "A sentence that only you know is easy to remember."
        )
    names = {part for name in known for part in re.split(r"[^a-z0-9]+", fold(name)) if len(part) > 2}
    text = _without_runs(re.sub(r"\s+", "", fold(kept)))
    if min(_worth(text, names), _worth(text.translate(_LEET), names)) < _LEAST_UNKNOWN:
        raise bad_request("This password is easy to guess.", "Choose words that do not belong together, or a sentence.")
    return kept


def _worth(text: str, names: set[str]) -> float:
    """How many different characters are left without common words and names; what is no letter counts half."""
    for word in sorted({*_WORDS, *names}, key=lambda one: (-len(one), one)):
        text = text.replace(word, "")
    return sum(1.0 if letter.isalpha() else 0.5 for letter in set(_without_runs(text)))


def _without_runs(text: str) -> str:
    """``text`` without years and without three or more neighbours of the alphabet, the keyboard or the numbers."""
    text = re.sub(r"(19|20)\d\d", "", text)
    for run in _RUNS:
        for size in range(len(run), 2, -1):
            for start in range(len(run) - size + 1):
                piece = run[start : start + size]
                text = text.replace(piece, "").replace(piece[::-1], "")
    return text


async def hash_password(password: str) -> str:
    """``password`` as argon2id in PHC form (46 MiB, one pass: OWASP Password Storage Cheat Sheet), made on a thread."""
    return await asyncio.get_running_loop().run_in_executor(
        _threads, lambda: _hasher().hash(unicodedata.normalize("NFC", password))
    )


async def password_fits(kept: str | None, password: str) -> bool:
    """True if ``password`` is the one ``kept`` (PHC form) was made of; takes as long where none is kept."""

    def compare() -> bool:
        from argon2.exceptions import VerificationError

        try:
            fits = _hasher().verify(kept or _NOBODYS, unicodedata.normalize("NFC", password[: 4 * LONGEST]))
        except VerificationError:
            return False
        return fits and kept is not None

    return await asyncio.get_running_loop().run_in_executor(_threads, compare)


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # an extension that a start need not wait for

    return PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
