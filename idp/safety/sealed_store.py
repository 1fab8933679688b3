"""Values of the domain in the short-lived store: JSON objects, encrypted, under names that tell nothing."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from idp.safety.encryption import Encryption, SealBroken
from idp.storage.short_lived import ShortLived
from idp.values import as_json

_log = structlog.get_logger("senid.store")


@dataclass(frozen=True)
class Loaded:
    """A value and the stored bytes that it came from, for a compare-and-set."""

    value: dict[str, Any]
    raw: bytes = field(repr=False)


class SealedStore:
    """Keeps one JSON object, or one count, per kind and id. Everything raises `StoreUnavailable` when the store is away.

    Ids are stored as keyed hashes: many are phones, ID numbers or addresses, whose plain hash could be guessed.
    """

    def __init__(self, short_lived: ShortLived, encryption: Encryption) -> None:
        """Take the store and the keys."""
        self._short_lived = short_lived
        self._encryption = encryption

    def put(self, kind: str, identifier: str, value: dict[str, Any], lifetime: timedelta, *, only_if_new: bool = False) -> bool:
        """Keep `value`; with `only_if_new` only where nothing lives. Tells whether it was kept."""
        name = self._name(kind, identifier)
        return self._short_lived.put(name, self._seal(name, value), lifetime, only_if_new=only_if_new)

    def get(self, kind: str, identifier: str) -> dict[str, Any] | None:
        """Give the live value, or None."""
        name = self._name(kind, identifier)
        return self._unseal(name, self._short_lived.get(name))

    def take(self, kind: str, identifier: str) -> dict[str, Any] | None:
        """Give the live value and remove it: of any number of callers one receives it."""
        name = self._name(kind, identifier)
        return self._unseal(name, self._short_lived.take(name))

    def exchange(self, kind: str, identifier: str, value: dict[str, Any], lifetime: timedelta) -> dict[str, Any] | None:
        """Put `value` in the place of a live one and give the old one; None, and nothing written, where there is none."""
        name = self._name(kind, identifier)
        return self._unseal(name, self._short_lived.exchange(name, self._seal(name, value), lifetime))

    def load(self, kind: str, identifier: str) -> Loaded | None:
        """Give the live value in a form that `swap` accepts, or None."""
        name = self._name(kind, identifier)
        raw = self._short_lived.get(name)
        value = self._unseal(name, raw)
        return None if raw is None or value is None else Loaded(value, raw)

    def swap(self, kind: str, identifier: str, loaded: Loaded, value: dict[str, Any], lifetime: timedelta) -> bool:
        """Put `value` in the place of `loaded`, unless somebody changed it in the meantime. Tells whether it did."""
        name = self._name(kind, identifier)
        return self._short_lived.swap(name, loaded.raw, self._seal(name, value), lifetime)

    def count(self, kind: str, identifier: str, lifetime: timedelta) -> int:
        """Add one and give the count; `lifetime` runs from the first."""
        return self._short_lived.count(self._name(kind, identifier), lifetime)

    def peek(self, kind: str, identifier: str) -> int:
        """Give the count without adding."""
        return self._short_lived.peek(self._name(kind, identifier))

    def remaining(self, kind: str, identifier: str) -> timedelta | None:
        """Give the time until the value or the count expires, or None."""
        return self._short_lived.remaining(self._name(kind, identifier))

    def drop(self, kind: str, identifier: str) -> None:
        """Remove the value or the count."""
        self._short_lived.drop(self._name(kind, identifier))

    def _seal(self, name: str, value: dict[str, Any]) -> bytes:
        return self._encryption.seal_bytes(as_json(value).encode(), name)

    def _unseal(self, name: str, raw: bytes | None) -> dict[str, Any] | None:
        if raw is None:
            return None
        try:
            value: dict[str, Any] = json.loads(self._encryption.unseal_bytes(raw, name))
        except SealBroken as error:
            # A key that was taken out of the ring, or a changed value: for the domain there is nothing there.
            _log.warning("short_lived_value_unreadable", kind=name.partition(":")[0], detail=str(error))
            return None
        return value

    def _name(self, kind: str, identifier: str) -> str:
        return f"{kind}:{self._encryption.store_name(identifier)}"
