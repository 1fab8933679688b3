"""SQLite files: made readable by their owner alone, and tuned alike for lasting and for short-lived state."""

import os
import sqlite3
import threading
import time
from datetime import timedelta
from pathlib import Path

_MAKING = threading.Lock()
_WAL_TRIES = 50
_WAL_PAUSE_SECONDS = 0.02


def make_private(path: Path) -> None:
    """Make the file and its folder when they are missing, for the owner alone. Raises `sqlite3.OperationalError`.

    SQLite gives its side files (`-wal`, `-shm`) the same mode. A file that is there is never opened here: closing it would drop every
    POSIX lock that this process holds on it, and another process could then delete the log that is in use.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _MAKING:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise sqlite3.OperationalError(f"cannot open the database file: {type(error).__name__}") from None


def tune(connection: sqlite3.Connection, *, busy: timedelta) -> None:
    """Set what each connection needs: explicit transactions, the wait for a lock, WAL, foreign keys. Raises `sqlite3.Error`."""
    connection.isolation_level = None  # the driver begins nothing by itself
    connection.execute(f"PRAGMA busy_timeout = {int(busy.total_seconds() * 1000)}")
    _turn_on_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _turn_on_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on. SQLite does not wait for the lock of this change by itself, so the waiting is here."""
    for _ in range(_WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
        else:
            return
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
