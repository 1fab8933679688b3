"""The two axes of assurance, computed: how well a person is proven, how strongly they signed in, and the `acr` and `amr` that say so."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal

from idp.identity.proofing import Evidence

Method = Literal["pwd", "sms", "otp", "pin", "swk", "hwk", "face", "fpt"]  # RFC 8176 2

LEVELS = (1, 2, 3, 4)
CONFIRMED = "match"  # the only result of a check that proves anything


class Kind(Enum):
    """What a factor is: something known, something held, something one is."""

    KNOWLEDGE = "knowledge"
    POSSESSION = "possession"
    BIOMETRIC = "biometric"


_KINDS: Mapping[Method, Kind] = {
    "pwd": Kind.KNOWLEDGE,
    "pin": Kind.KNOWLEDGE,
    "sms": Kind.POSSESSION,
    "otp": Kind.POSSESSION,
    "swk": Kind.POSSESSION,
    "hwk": Kind.POSSESSION,
    "face": Kind.BIOMETRIC,
    "fpt": Kind.BIOMETRIC,
}


@dataclass(frozen=True)
class Factor:
    """One thing that a person proved while signing in, and when."""

    method: Method
    at: datetime


def proofing_level(evidence: Iterable[Evidence], table: Mapping[str, int], now: datetime) -> int:
    """Give the best level that today's evidence reaches by the `table` from method to level; 1 without any."""
    return max((table.get(item.method, 1) for item in evidence if _counts(item, now)), default=1)


def _counts(item: Evidence, now: datetime) -> bool:
    expired = item.expires_at is not None and item.expires_at <= now
    withdrawn = item.withdrawn_at is not None and item.withdrawn_at <= now
    return item.result == CONFIRMED and not expired and not withdrawn


def authentication_level(factors: Iterable[Factor]) -> int:
    """Give the level of a sign-in by our reading of Decree 69/2024 art. 20; 0 when nothing was proven."""
    methods = {factor.method for factor in factors}
    kinds = {_KINDS[method] for method in methods}
    if kinds == set(Kind):
        return 4
    if len(kinds) <= 1:
        return len(kinds)
    # A hardware key proves its holder only where it asked for a PIN or a biometric itself; a password typed to us does not.
    return 3 if Kind.BIOMETRIC in kinds or {"hwk", "pin"} <= methods else 2


def acr(prefix: str, proofing: int, authentication: int) -> str:
    """Give the `acr` of a token: the lower of both levels. Raises `ValueError` for a level that is none."""
    level = min(proofing, authentication)
    if level not in LEVELS:
        raise ValueError("no assurance level was reached")
    return f"{prefix}{level}"


def level_of(acr: str, prefix: str) -> int | None:
    """Give the level that an `acr` value of ours means, or None for any other text."""
    return next((level for level in LEVELS if acr == f"{prefix}{level}"), None)


def amr(factors: Iterable[Factor]) -> list[str]:
    """Give the methods in the order of use, with `mfa` behind them when they are of two different kinds (RFC 8176 2)."""
    methods = list(dict.fromkeys(factor.method for factor in sorted(factors, key=lambda factor: factor.at)))
    kinds = {_KINDS[method] for method in methods}
    return [*methods, "mfa"] if len(kinds) > 1 else list(methods)
