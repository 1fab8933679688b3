"""Limits on how often something may be done, counted over all nodes."""

import ipaddress
import math
from datetime import timedelta

from idp.errors import SenidError, TooManyRequests
from idp.safety.sealed_store import SealedStore

IPV6_PREFIX = 64
_KIND = "limit"


class RateLimits:
    """Counts per name and key in windows that begin with the first hit. A store that is away means "no" (`StoreUnavailable`)."""

    def __init__(self, store: SealedStore) -> None:
        """Take the store that counts."""
        self._store = store

    def hit(self, name: str, key: str, *, most: int, window: timedelta, error: type[SenidError] = TooManyRequests) -> None:
        """Count one more. Raises `error` with `retry_after_seconds` when it is more than `most` in the window."""
        if self.add(name, key, window=window) > most:
            raise self._refusal(name, key, error)

    def check(self, name: str, key: str, *, most: int, error: type[SenidError] = TooManyRequests) -> None:
        """Raise `error` when `most` are counted already. For what is counted by `add` once it is done, one at a time per key."""
        if self.used(name, key) >= most:
            raise self._refusal(name, key, error)

    def add(self, name: str, key: str, *, window: timedelta) -> int:
        """Count one more, whatever the limit; gives how many were counted."""
        return self._store.count(_KIND, _identifier(name, key), window)

    def used(self, name: str, key: str) -> int:
        """Give how many were counted in the running window."""
        return self._store.peek(_KIND, _identifier(name, key))

    def _refusal(self, name: str, key: str, error: type[SenidError]) -> SenidError:
        left = self._store.remaining(_KIND, _identifier(name, key)) or timedelta(0)
        return error(retry_after_seconds=max(math.ceil(left.total_seconds()), 1))


def place_of(address: str) -> str:
    """Give what a caller cannot leave at will: an IPv4 address, or the /64 network of an IPv6 one, which is one subscriber's (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


def _identifier(name: str, key: str) -> str:
    return f"{name}\0{key}"
