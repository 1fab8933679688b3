"""What every short-lived store promises; `tests/storage/test_short_lived.py` proves it of each."""

from datetime import timedelta
from typing import Protocol


class ShortLived(Protocol):
    """Keeps values and counts until they expire. Each method is one atomic command, over threads and over processes.

    A key holds a value or a count, never both. A store that is away raises `idp.errors.StoreUnavailable`, within two seconds.
    """

    def put(self, key: str, value: bytes, lifetime: timedelta, *, only_if_new: bool = False) -> bool:
        """Keep `value`; with `only_if_new` only where no live value stands. Tells whether it was kept."""
        ...

    def get(self, key: str) -> bytes | None:
        """Give the live value, or None."""
        ...

    def take(self, key: str) -> bytes | None:
        """Give the live value and remove it: of any number of callers one receives it."""
        ...

    def exchange(self, key: str, value: bytes, lifetime: timedelta) -> bytes | None:
        """Put `value` in the place of a live one and give the old one; None, and nothing written, where there is none."""
        ...

    def swap(self, key: str, expected: bytes, value: bytes, lifetime: timedelta) -> bool:
        """Put `value` in the place of a live one that equals `expected`. Tells whether it did."""
        ...

    def count(self, key: str, lifetime: timedelta) -> int:
        """Add one and give the count. `lifetime` runs from the first; later ones do not lengthen it."""
        ...

    def peek(self, key: str) -> int:
        """Give the count without adding."""
        ...

    def remaining(self, key: str) -> timedelta | None:
        """Give the time until the key expires, or None where nothing lives."""
        ...

    def drop(self, key: str) -> None:
        """Remove the key, if it is there."""
        ...

    def is_up(self) -> bool:
        """Tell whether the store answers."""
        ...

    def close(self) -> None:
        """Close what is open and idle; the next call opens anew."""
        ...
