"""What the domain expects of the outside world, and the frozen values that cross to it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class CarrierVerdict(StrEnum):
    """What a mobile carrier says of a subscriber; nothing of the carrier's own data crosses."""

    MATCH = "match"
    MISMATCH = "mismatch"
    OLD_DOCUMENT = "old_document"
    LOCKED = "locked"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class CarrierQuestion:
    """What is compared with the carrier's register.

    `phone` is E.164 (`+84912345678`), `id_number` the digits as typed, `full_name` in Unicode NFC, `birth_date` is `YYYY-MM-DD`, or
    `YYYY` where the document gives the year alone. `reference` makes a repeated question the same question (idempotency).
    """

    phone: str
    id_number: str
    full_name: str
    birth_date: str
    reference: str

    def __repr__(self) -> str:
        """Hide the personal data, so that no log can hold it."""
        return f"CarrierQuestion(reference={self.reference!r})"


@dataclass(frozen=True)
class CarrierAnswer:
    """A carrier's verdict, the carrier that gave it, and the fields that it compared."""

    verdict: CarrierVerdict
    carrier: str
    fields_matched: tuple[str, ...] = ()


class Carrier(Protocol):
    """A mobile carrier's register of subscribers."""

    def match(self, question: CarrierQuestion) -> CarrierAnswer:
        """Compare the question with the register; trouble of any kind is the verdict `unavailable`, never an exception."""
        ...


@dataclass(frozen=True)
class SmsMessage:
    """A text to one phone. `to` is E.164, `text` is unaccented ASCII of at most 160 characters."""

    to: str
    text: str
    reference: str

    def __repr__(self) -> str:
        """Hide the phone and the code, so that no log can hold them."""
        return f"SmsMessage(reference={self.reference!r})"


class SmsSender(Protocol):
    """A gateway, or several with fail-over, that delivers text messages."""

    def send(self, message: SmsMessage) -> None:
        """Hand the message over; raises `idp.errors.SmsUnavailable` when no gateway took it."""
        ...


class ClientKeys(Protocol):
    """The public keys that a client publishes at its `jwks_uri`."""

    def fetch(self, jwks_uri: str) -> dict[str, object] | None:
        """Give the JWK set (RFC 7517 5) behind `jwks_uri`, or None when it cannot be had."""
        ...
