"""Passwords: the rule that a new one keeps, and the slow hash that all of them are stored as."""

import secrets
import string
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib.resources import files
from itertools import product

import argon2

from idp import errors
from idp.config import Config
from idp.identity.names import without_accents

LONGEST = 128
LONGEST_WAIT = timedelta(seconds=4)
RETRY_AFTER_SECONDS = 5
FEWEST_DISTINCT = 5
SHORT_BASE = 4  # so few letters beside a run of digits are no secret
SHORT_RUN = 3
NUMBER_WINDOW = 6  # so many digits in a row of the person's own number are a part of it
NAME_PART = 4  # shorter parts of a name stand inside many words

_RUNS = ("01234567890123456789", "98765432109876543210")
_LOOKALIKES = "@4086315$79|!+"
# What a base word is written with: look-alikes (`1` is read as i or l), or the digits that share their keys with the signs.
_READINGS: tuple[Mapping[int, int], ...] = (
    {},
    str.maketrans(_LOOKALIKES, "aaobgeisstgiit"),
    str.maketrans(_LOOKALIKES, "aaobgelsstgllt"),
    str.maketrans("!@#$%^&*()", "1234567890"),
)


class Passwords:
    """Checks new passwords, hashes them with Argon2id, and compares, with a bound on the hashes that run at once."""

    def __init__(self, config: Config) -> None:
        """Take the rule and the work of a hash from `config`."""
        rule = config.passwords
        self._minimum = rule.minimum_length if config.one_time_codes.required_at_sign_in else rule.minimum_length_without_otp
        self._hasher = argon2.PasswordHasher(
            time_cost=rule.iterations, memory_cost=rule.memory_kib, parallelism=1, hash_len=32, salt_len=16, type=argon2.Type.ID
        )
        self._turns = threading.BoundedSemaphore(rule.parallel_hashes)
        self._known_bad = _load_known_bad()
        # Compared with when there is no account, so that its absence costs the same work.
        self._nobodys_hash = self._hasher.hash(secrets.token_bytes(16))

    @property
    def minimum_length(self) -> int:
        """Give the fewest characters that a new password has in this deployment."""
        return self._minimum

    def check(self, password: str, confirm: str, *, words: list[str]) -> None:
        """Hold a new password to the rule; `words` are the person's own number, name and phone.

        Raises `TooLong`, `PasswordRule`, `PasswordKnown` or `PasswordsDiffer`.
        """
        if len(password) > LONGEST:
            raise errors.TooLong(field="password", most=LONGEST)
        normal = unicodedata.normalize("NFKC", password)
        if len(normal) < self._minimum or not _is_typed_text(normal) or not _has_four_classes(normal):
            raise errors.PasswordRule(minimum=self._minimum)
        if self._is_known(normal) or any(_holds(normal, word) for word in words):
            raise errors.PasswordKnown
        if len(confirm) > LONGEST or normal != unicodedata.normalize("NFKC", confirm):
            raise errors.PasswordsDiffer

    def hash(self, password: str) -> str:
        """Give the Argon2id hash of a password that `check` let pass; raises `Unavailable` when too many wait for their turn."""
        material = _material(password)
        if material is None:
            raise ValueError("not a password that check() lets pass")
        with _Turn(self._turns):
            return self._hasher.hash(material)

    def matches(self, hash: str | None, password: str) -> bool:  # noqa: A002 - the word of the glossary
        """Tell whether the password is the one that was hashed, with the same work when there is no `hash`.

        Raises `Unavailable` when too many wait for their turn.
        """
        material = _material(password)
        with _Turn(self._turns):
            try:
                self._hasher.verify(hash or self._nobodys_hash, material or b"")
            except argon2.exceptions.VerifyMismatchError:
                return False
        return hash is not None and material is not None

    def is_outdated(self, hash: str) -> bool:  # noqa: A002 - as above
        """Tell whether a hash was made with other parameters than today's, so that its work differs from that of an unknown account."""
        return self._hasher.check_needs_rehash(hash)

    def _is_known(self, password: str) -> bool:
        folded = without_accents(password)
        if len(set(folded)) < FEWEST_DISTINCT or _is_short_base_with_run(folded):
            return True
        return any(_once(reduced) in self._known_bad for reduced in _reductions(folded))


class _Turn:
    """One of the hashes that may run at once; whoever waits too long is sent away, so that a burst cannot hold every thread."""

    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=LONGEST_WAIT.total_seconds()):
            raise errors.Unavailable("too many password hashes at once", retry_after_seconds=RETRY_AFTER_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def _load_known_bad() -> frozenset[str]:
    lines = files("idp.identity").joinpath("known_bad_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _material(password: str) -> bytes | None:
    """Give the bytes that are hashed, or None for what no stored password can be."""
    if len(password) > LONGEST or not _is_typed_text(password):
        return None
    return unicodedata.normalize("NFKC", password).encode()


def _is_typed_text(text: str) -> bool:
    """Tell whether there are no control characters, lone surrogates or unassigned code points, which keyboards do not send."""
    return not any(unicodedata.category(char) in {"Cc", "Cs", "Cn", "Co"} for char in text)


def _has_four_classes(password: str) -> bool:
    return all(
        (
            any(char.islower() for char in password),
            any(char.isupper() for char in password),
            any(char in string.digits for char in password),
            any(not char.isalnum() and not char.isspace() for char in password),
        )
    )


def _is_short_base_with_run(folded: str) -> bool:
    """Find `Dvc@12345`, `Aa@2024` and the like: a few letters beside digits that everybody counts."""
    digits = "".join(char for char in folded if char in string.digits)
    is_run = len(digits) >= SHORT_RUN and (any(digits in run for run in _RUNS) or len(set(digits)) == 1)
    is_year = len(digits) == len("2024") and digits[:2] in {"19", "20"}
    return sum(map(str.isalpha, folded)) <= SHORT_BASE and (is_run or is_year)


def _reductions(folded: str) -> Iterator[str]:
    """Give the words that a password may be a decorated form of."""
    yield "".join(char for char in folded if char.isalpha())
    letters = [place for place, char in enumerate(folded) if char.isalpha()]
    # A sign beside the letters may stand for one itself: `@dmin123`, `Hano1@2024`.
    starts = {0, letters[0], max(letters[0] - 1, 0)}
    ends = {len(folded), *(min(letters[-1] + 1 + extra, len(folded)) for extra in range(3))}
    for start, end, reading in product(starts, ends, _READINGS):
        yield "".join(char for char in folded[start:end].translate(reading) if char.isalnum())


def _once(word: str) -> str:
    """Give what a word repeats: `abcabc` is `abc`."""
    return word[: (word + word).find(word, 1)] if word else word


def _holds(password: str, word: str) -> bool:
    """Tell whether the password holds one of the person's own words: digits of a number, or a part of a name."""
    folded = without_accents(password)
    parts = [part for part in _letter_runs(without_accents(word)) if len(part) > 1]
    if any(part in text for part in parts if len(part) >= NAME_PART for text in (folded, folded.translate(_READINGS[1]))):
        return True
    return _holds_digits(password, word) or any(_is_made_of(run, parts) for run in _letter_runs(folded))


def _holds_digits(password: str, word: str) -> bool:
    typed, own = ("".join(char for char in text if char in string.digits) for text in (password, word))
    return any(own[start : start + NUMBER_WINDOW] in typed for start in range(len(own) - NUMBER_WINDOW + 1))


def _letter_runs(text: str) -> list[str]:
    return "".join(char if char.isalpha() else " " for char in text).split()


def _is_made_of(run: str, parts: list[str]) -> bool:
    """Tell whether a run of letters is nothing but parts of the name, in any order: `lethilan`, `lan`."""
    reached = {0}
    for place in range(len(run)):
        if place in reached:
            reached |= {place + len(part) for part in parts if run.startswith(part, place)}
    return len(run) in reached
