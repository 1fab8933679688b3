"""The short-lived store in Redis: for any number of nodes."""

import select as readiness
from collections import deque
from datetime import timedelta
from hashlib import sha1
from typing import Any

from hiredis import pack_command
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
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
        """Take a `redis://`, `rediss://` or `unix://` URL; the first command connects."""
        self._connections = _Connections(url)

    def put(self, key: str, value: bytes, lifetime: timedelta, *, only_if_new: bool = False) -> bool:
        """Keep `value`."""
        unless = ("NX",) if only_if_new else ()
        return self._ask("SET", key, value, "PX", _milliseconds(lifetime), *unless) is not None

    def get(self, key: str) -> bytes | None:
        """Give the live value, or None."""
        return _bytes(self._ask("GET", key))

    def take(self, key: str) -> bytes | None:
        """Give the live value and remove it."""
        return _bytes(self._ask("GETDEL", key))

    def exchange(self, key: str, value: bytes, lifetime: timedelta) -> bytes | None:
        """Put `value` in the place of a live one and give the old one."""
        return _bytes(self._ask("SET", key, value, "PX", _milliseconds(lifetime), "XX", "GET"))

    def swap(self, key: str, expected: bytes, value: bytes, lifetime: timedelta) -> bool:
        """Put `value` in the place of a live one that equals `expected`."""
        return bool(self._run(_SWAP, key, expected, value, _milliseconds(lifetime)))

    def count(self, key: str, lifetime: timedelta) -> int:
        """Add one and give the count."""
        return int(self._run(_COUNT, key, _milliseconds(lifetime)))

    def peek(self, key: str) -> int:
        """Give the count without adding."""
        return int(self._ask("GET", key) or 0)

    def remaining(self, key: str) -> timedelta | None:
        """Give the time until the key expires, or None."""
        left = int(self._ask("PTTL", key))
        return max(left, 1) * _MILLISECOND if left >= 0 else None

    def drop(self, key: str) -> None:
        """Remove the key."""
        self._ask("DEL", key)

    def is_up(self) -> bool:
        """Tell whether Redis answers."""
        try:
            return self._ask("PING") is not None
        except StoreUnavailable:
            return False

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _run(self, script: str, key: str, *values: bytes | int) -> Any:  # noqa: ANN401 - what the script gives
        """Run a script that Redis knows by its hash; one that it forgot, over a restart, is told again."""
        try:
            return self._connections.ask("EVALSHA", sha1(script.encode(), usedforsecurity=False).hexdigest(), 1, key, *values)
        except NoScriptError:
            return self._ask("EVAL", script, 1, key, *values)
        except (RedisError, OSError) as error:
            raise _away(error) from None

    def _ask(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - what the command gives
        try:
            return self._connections.ask(*command)
        except (RedisError, OSError) as error:
            raise _away(error) from None


class _Connections:
    """Connections of the library, as many as threads ask at once; its client around them would cost as much again as the trip.

    A command is never sent twice: Redis may have done it although its answer was lost, and a `count` would be one too high, a `take` would
    find nothing. So that this is rare, a connection that the server closed meanwhile is noticed before it is used.
    """

    def __init__(self, url: str) -> None:
        settings = {"socket_timeout": _ANSWER_SECONDS, "socket_connect_timeout": _CONNECT_SECONDS, "protocol": 2}
        self._pool = ConnectionPool.from_url(url, **settings, retry=Retry(NoBackoff(), 0))
        self._idle: deque[_Connection] = deque()

    def ask(self, *command: str | bytes | int) -> Any:  # noqa: ANN401 - what the command gives
        connection = self._find_idle() or _Connection(self._pool)
        try:
            return connection.ask(command)
        finally:
            if connection.is_whole:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _find_idle(self) -> "_Connection | None":
        """Give a connection on which nothing waits to be read; the last one that was used is the likeliest."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if not connection.is_spoken_to:
                return connection
            connection.close()
        return None


class _Connection:
    """One connection of the library, which connects, authenticates and reads answers; it leaves them half typed."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._connection: Any = pool.connection_class(**pool.connection_kwargs)
        self._connection.connect()
        self._poll = readiness.poll()
        self._poll.register(self._connection._sock, readiness.POLLIN)  # noqa: SLF001 - its own question takes ten times as long
        self.is_whole = True

    @property
    def is_spoken_to(self) -> bool:
        """Tell whether something waits to be read although nothing was asked: most likely the connection's end."""
        return bool(self._poll.poll(0))

    def ask(self, command: tuple[str | bytes | int, ...]) -> Any:  # noqa: ANN401 - what the command gives
        self.is_whole = False
        self._connection.send_packed_command([pack_command(command)], check_health=False)  # type: ignore[arg-type] # its stub wants one part
        try:
            answer = self._connection.read_response()
        except ResponseError:  # an answer too
            self.is_whole = True
            raise
        self.is_whole = True
        return answer

    def close(self) -> None:
        self._connection.disconnect()


def _milliseconds(lifetime: timedelta) -> int:
    return max(lifetime // _MILLISECOND, 1)


def _bytes(answer: object) -> bytes | None:
    return answer if isinstance(answer, bytes) else None


def _away(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"short-lived store: {type(error).__name__}")
