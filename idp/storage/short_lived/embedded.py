"""The short-lived store in an SQLite file of its own: for one machine, without a server, and kept over a restart."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from idp.clock import Clock
from idp.errors import StoreUnavailable
from idp.storage import sqlite_files

_QUEUE_WAIT = timedelta(seconds=1.1)  # for the writers of this process
_BUSY_WAIT = timedelta(seconds=0.8)  # for those of other processes
_WRITES_BETWEEN_SWEEPS = 256
_MOST_SWEPT = 1024  # more than is written between two sweeps, so that the file cannot grow for ever
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TABLE = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID"
_TABLE_INDEX = "CREATE INDEX IF NOT EXISTS ix_entries_expires_at ON entries (expires_at)"
_PUT = """
    INSERT INTO entries (key, value, expires_at) VALUES (:key, :value, :expires_at)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
    WHERE NOT :only_if_new OR entries.expires_at <= :now
    RETURNING 1"""
_GET = "SELECT value, expires_at FROM entries WHERE key = :key"
_BURY = "DELETE FROM entries WHERE key = :key AND expires_at <= :now"
_TAKE = "DELETE FROM entries WHERE key = :key RETURNING value, expires_at"
_SWAP = """
    UPDATE entries SET value = :value, expires_at = :expires_at
    WHERE key = :key AND value = :expected AND expires_at > :now
    RETURNING 1"""
# A count is kept as Redis keeps it, as decimal digits.
_COUNT = """
    INSERT INTO entries (key, value, expires_at) VALUES (:key, CAST('1' AS BLOB), :expires_at)
    ON CONFLICT (key) DO UPDATE SET
        value = CASE WHEN entries.expires_at <= :now THEN excluded.value
                     ELSE CAST(CAST(CAST(CAST(entries.value AS TEXT) AS INTEGER) + 1 AS TEXT) AS BLOB) END,
        expires_at = CASE WHEN entries.expires_at <= :now THEN excluded.expires_at ELSE entries.expires_at END
    RETURNING value"""
_DROP = "DELETE FROM entries WHERE key = :key"
_SWEEP = "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires_at <= :now LIMIT :most)"

_Row = tuple[Any, ...]


class EmbeddedShortLived:
    """Keeps the promise of `ShortLived` with single SQLite statements, each of which is atomic over threads and processes."""

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        """Take the path of the file, which is made at the first use."""
        self._path = path
        self._clock = clock or Clock()
        self._connections = _Connections(path)
        # Writers of this process wait for each other here and are woken; SQLite itself would let them sleep and retry.
        self._writing = threading.Lock()
        self._writes = 0

    def put(self, key: str, value: bytes, lifetime: timedelta, *, only_if_new: bool = False) -> bool:
        """Keep `value`."""
        return bool(self._write(_PUT, key=key, value=value, only_if_new=only_if_new, **self._times(lifetime)))

    def get(self, key: str) -> bytes | None:
        """Give the live value, or None."""
        row = self._find(key)
        return row[0] if row else None

    def take(self, key: str) -> bytes | None:
        """Give the live value and remove it."""
        now = self._now()
        rows = self._write(_TAKE, key=key)
        return rows[0][0] if rows and rows[0][1] > now else None

    def exchange(self, key: str, value: bytes, lifetime: timedelta) -> bytes | None:
        """Put `value` in the place of a live one and give the old one."""
        while (row := self._find(key)) is not None:
            # SQLite's RETURNING cannot give the old value. Whoever loses this compare-and-set reads what the winner left.
            if self.swap(key, row[0], value, lifetime):
                return bytes(row[0])
        return None

    def swap(self, key: str, expected: bytes, value: bytes, lifetime: timedelta) -> bool:
        """Put `value` in the place of a live one that equals `expected`."""
        return bool(self._write(_SWAP, key=key, expected=expected, value=value, **self._times(lifetime)))

    def count(self, key: str, lifetime: timedelta) -> int:
        """Add one and give the count."""
        return int(self._write(_COUNT, key=key, **self._times(lifetime))[0][0])

    def peek(self, key: str) -> int:
        """Give the count without adding."""
        row = self._find(key)
        return int(row[0]) if row else 0

    def remaining(self, key: str) -> timedelta | None:
        """Give the time until the key expires, or None."""
        now = self._now()
        row = self._find(key)
        return max(row[1] - now, 1) * _MILLISECOND if row else None

    def drop(self, key: str) -> None:
        """Remove the key."""
        self._write(_DROP, key=key)

    def is_up(self) -> bool:
        """Tell whether the file can be read."""
        try:
            self._find("")
        except StoreUnavailable:
            return False
        return True

    def close(self) -> None:
        """Close this thread's connection; those of other threads close with their threads."""
        self._connections.close()

    def _now(self) -> int:
        return (self._clock.now() - _EPOCH) // _MILLISECOND

    def _times(self, lifetime: timedelta) -> dict[str, int]:
        now = self._now()
        return {"now": now, "expires_at": now + max(lifetime // _MILLISECOND, 1)}

    def _find(self, key: str) -> _Row | None:
        now = self._now()
        with self._trouble_named():
            row: _Row | None = self._connections.mine().execute(_GET, {"key": key}).fetchone()
        if row is None or row[1] > now:
            return row
        self._write(_BURY, key=key, now=now)  # once found dead it stays so, also when the machine's clock is set back
        return None

    def _write(self, statement: str, **values: object) -> list[_Row]:
        with self._trouble_named():
            connection = self._connections.mine()
            if not self._writing.acquire(timeout=_QUEUE_WAIT.total_seconds()):
                raise StoreUnavailable("short-lived store: too many writers wait")
            try:
                rows = connection.execute(statement, values).fetchall()
                self._sweep_now_and_then(connection)
            finally:
                self._writing.release()
        return rows

    def _sweep_now_and_then(self, connection: sqlite3.Connection) -> None:
        """Remove a batch of expired rows. Its trouble is not the caller's, whose command is done."""
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_SWEEPS == 0:
            with suppress(sqlite3.Error):
                connection.execute(_SWEEP, {"now": self._now(), "most": _MOST_SWEPT})

    @contextmanager
    def _trouble_named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._connections.close()  # the next call opens the file anew
            raise StoreUnavailable(f"short-lived store: {getattr(error, 'sqlite_errorname', type(error).__name__)}") from None


class _Connections(threading.local):
    """The connection of each thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    def mine(self) -> sqlite3.Connection:
        """Give this thread's connection, opened at its first use. Raises `sqlite3.Error`."""
        if self._open is None:
            self._open = _connect(self._path)
        return self._open

    def close(self) -> None:
        """Close this thread's connection."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def __del__(self) -> None:
        """Close with the thread."""
        self.close()


def _connect(path: Path) -> sqlite3.Connection:
    sqlite_files.make_private(path)
    connection = sqlite3.connect(path, check_same_thread=False)
    try:
        sqlite_files.tune(connection, busy=_BUSY_WAIT)
        connection.execute(_TABLE)
        connection.execute(_TABLE_INDEX)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
