"""The short-lived store in Redis: for any number of nodes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from idp.errors import StoreUnavailable

_CONNECT_SECONDS = 0.5
_ANSWER_SECONDS = 1.0
_MILLISECOND = timedelta(milliseconds=1)

_SWAP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1"""
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count"""


class RedisShortLived:
    """Keeps the promise of `ShortLived` with single Redis commands (Redis 7.0 or later) and two scripts."""

    def __init__(self, url: str) -> None:
        """Take a `redis://`, `rediss://` or `unix://` URL; the first command connects.

        One retry, at once, mends a connection that the server closed in the meantime. There is none after a timeout: Redis may yet do the
        command, and a `count` would be one too high, a `take` would find nothing.
        """
        self._redis = Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            protocol=2,
        )
        self._swap = self._redis.register_script(_SWAP)
        self._count = self._redis.register_script(_COUNT)

    def put(self, key: str, value: bytes, lifetime: timedelta, *, only_if_new: bool = False) -> bool:
        """Keep `value`."""
        with _trouble_named():
            return bool(self._redis.set(key, value, px=_milliseconds(lifetime), nx=only_if_new))

    def get(self, key: str) -> bytes | None:
        """Give the live value, or None."""
        with _trouble_named():
            return _bytes(self._redis.get(key))

    def take(self, key: str) -> bytes | None:
        """Give the live value and remove it."""
        with _trouble_named():
            return _bytes(self._redis.getdel(key))

    def exchange(self, key: str, value: bytes, lifetime: timedelta) -> bytes | None:
        """Put `value` in the place of a live one and give the old one."""
        with _trouble_named():
            return _bytes(self._redis.set(key, value, px=_milliseconds(lifetime), xx=True, get=True))

    def swap(self, key: str, expected: bytes, value: bytes, lifetime: timedelta) -> bool:
        """Put `value` in the place of a live one that equals `expected`."""
        with _trouble_named():
            return bool(self._swap(keys=[key], args=[expected, value, _milliseconds(lifetime)]))

    def count(self, key: str, lifetime: timedelta) -> int:
        """Add one and give the count."""
        with _trouble_named():
            return int(self._count(keys=[key], args=[_milliseconds(lifetime)]))

    def peek(self, key: str) -> int:
        """Give the count without adding."""
        with _trouble_named():
            return int(self._redis.get(key) or 0)

    def remaining(self, key: str) -> timedelta | None:
        """Give the time until the key expires, or None."""
        with _trouble_named():
            left = self._redis.pttl(key)
        return max(left, 1) * _MILLISECOND if left >= 0 else None

    def drop(self, key: str) -> None:
        """Remove the key."""
        with _trouble_named():
            self._redis.delete(key)

    def is_up(self) -> bool:
        """Tell whether Redis answers."""
        try:
            with _trouble_named():
                return bool(self._redis.ping())
        except StoreUnavailable:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _milliseconds(lifetime: timedelta) -> int:
    return max(lifetime // _MILLISECOND, 1)


def _bytes(answer: object) -> bytes | None:
    return answer if isinstance(answer, bytes) else None


@contextmanager
def _trouble_named() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"short-lived store: {type(error).__name__}") from None
