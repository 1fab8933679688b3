"""The stores under a running provider, opened up: everything that they keep, as the bytes that lie on the disk and in the server's memory.

In each a canary is planted in clear, so that a search that finds nothing has shown that it can find.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import redis
from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect, text

from tests.instances import Run

CANARY = "Chim-hoang-yen-60417-Hót"
PAGE = 8192  # of PostgreSQL
SEGMENT = 16 * 1024 * 1024  # of its write-ahead log
OWN_REDIS = 60  # far from those of the workers, which count from 0


class Stores(Protocol):
    """Where a provider keeps what lasts and what passes."""

    @property
    def database_url(self) -> str:
        """Give where lasting state is."""
        ...

    @property
    def short_lived_url(self) -> str:
        """Give where short-lived state is."""
        ...

    def plant(self) -> None:
        """Write the canary into every store, as a careless product would."""
        ...

    def contents(self) -> dict[str, bytes]:
        """Give everything that is kept, by where it lies."""
        ...

    def close(self) -> None:
        """Remove what is kept on servers."""
        ...


@contextmanager
def without_table(database_url: str, table: str) -> Iterator[None]:
    """Take a table away for the time of the block: statements then fail, with their text and values in the driver's message."""
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as tx:
        tx.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
    try:
        yield
    finally:
        with engine.begin() as tx:
            tx.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))


@dataclass(frozen=True)
class Files:
    """Two SQLite files, each with its write-ahead log: the default of the product."""

    folder: Path
    _open: list[sqlite3.Connection] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """Give where lasting state is."""
        return f"sqlite:///{self.folder}/senid.db"

    @property
    def short_lived_url(self) -> str:
        """Give where short-lived state is."""
        return f"sqlite:///{self.folder}/short-lived.db"

    def plant(self) -> None:
        """Write the canary into both files; the connections stay open, so that it stays in the logs too."""
        for name in ("senid.db", "short-lived.db"):
            connection = sqlite3.connect(self.folder / name, timeout=30, isolation_level=None)
            connection.execute("CREATE TABLE canary (song TEXT)")
            connection.execute("INSERT INTO canary VALUES (?)", (CANARY,))
            self._open.append(connection)

    def contents(self) -> dict[str, bytes]:
        """Give the files, with what their logs hold put into them as well."""
        names = [f"{name}{suffix}" for name in ("senid.db", "short-lived.db") for suffix in ("-wal", "")]
        logs = {name: (self.folder / name).read_bytes() for name in names if name.endswith("-wal")}
        for connection in self._open:
            connection.execute("PRAGMA wal_checkpoint(FULL)")
        return logs | {name: (self.folder / name).read_bytes() for name in names if name not in logs}

    def close(self) -> None:
        """Let go of the files."""
        for connection in self._open:
            connection.close()


@dataclass
class Servers:
    """A database of its own in the run's PostgreSQL, and one in its Redis."""

    name: str = field(default_factory=lambda: f"journey_{uuid.uuid4().hex}")
    _from: int = 0

    def __post_init__(self) -> None:
        run = Run.current()
        self.database_url, self.short_lived_url = run.postgresql(self.name), run.redis(OWN_REDIS)
        self._server: Engine = create_engine(run.postgresql(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with self._server.connect() as connection:
            # Checkpoints, which other tests bring about too, would use the segments of the log again.
            connection.execute(text("ALTER SYSTEM SET wal_keep_size = '512MB'"))
            connection.execute(text("SELECT pg_reload_conf()"))
            self._from = _log_position(connection)
            connection.execute(text(f"CREATE DATABASE {self.name}"))
        with redis.Redis.from_url(self.short_lived_url) as store:
            store.flushdb()

    def plant(self) -> None:
        """Write the canary into a table, under a key and as a value."""
        with self._database() as connection:
            connection.execute(text("CREATE TABLE canary (song TEXT)"))
            connection.execute(
                text("INSERT INTO canary VALUES (:song), (:song)"), {"song": CANARY}
            )  # twice: statistics keep what is common
        with redis.Redis.from_url(self.short_lived_url) as store:
            store.set(f"canary:{CANARY}", CANARY)
            store.set("canary:hidden", CANARY)

    def contents(self) -> dict[str, bytes]:
        """Give the rows as text, the pages and the log as they lie on the disk, what the server said, and Redis by its own commands."""
        with self._database() as connection:
            connection.execute(text("ANALYZE"))  # its statistics keep samples of columns
            connection.execute(text("CHECKPOINT"))
            tables = inspect(connection).get_table_names()
            rows = [str(row[0]) for table in tables for row in connection.execute(text(f'SELECT t::text FROM "{table}" t'))]  # noqa: S608
            samples = [str(row[0]) for row in connection.execute(text("SELECT s::text FROM pg_stats s WHERE schemaname = 'public'"))]
            data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
            places = {name: _folder(connection, data, name) for name in (self.name, "template1")}
            log = _log_between(data / "pg_wal", self._from, _log_position(connection))
        return {
            "rows": "\n".join(rows).encode(),
            "statistics": "\n".join(samples).encode(),
            "pages": b"".join(_pages(places[self.name]) - _pages(places["template1"])),
            "write-ahead log": log,
            **self._in_redis(),
        }

    def said(self) -> bytes:
        """Give the log of the server: statements that failed stand there."""
        return (Run.current().folder / "postgresql.log").read_bytes()

    def close(self) -> None:
        """Remove both."""
        with self._server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {self.name} WITH (FORCE)"))
        with redis.Redis.from_url(self.short_lived_url) as store:
            store.flushdb()

    def _in_redis(self) -> dict[str, bytes]:
        with redis.Redis.from_url(self.short_lived_url) as store:
            keys = sorted(store.keys())
            values = [bytes(store.get(key) or b"") for key in keys]
            dumped = [bytes(store.dump(key) or b"") for key in keys]
        return {"redis keys": b"\n".join(keys), "redis values": b"\n".join(values), "redis dump": b"\n".join(dumped)}

    @contextmanager
    def _database(self) -> Iterator[Connection]:
        engine = create_engine(self.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with closing(engine.connect()) as connection:
            yield connection


def _log_position(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'")).scalar_one())


def _log_between(folder: Path, start: int, end: int) -> bytes:
    """Give a part of the write-ahead log; a segment that was used again already is missing, and that is an error."""
    written = b""
    for number in range(start // SEGMENT, end // SEGMENT + 1):
        name = f"00000001{number // 256:08X}{number % 256:08X}"
        content = (folder / name).read_bytes()
        first = start - number * SEGMENT if number == start // SEGMENT else 0
        written += content[first : end - number * SEGMENT]
    return written


def _folder(connection: Connection, data: Path, name: str) -> Path:
    oid = connection.execute(text("SELECT oid FROM pg_database WHERE datname = :name"), {"name": name}).scalar_one()
    return data / "base" / str(oid)


def _pages(folder: Path) -> set[bytes]:
    """Give the different pages of a database."""
    contents = [path.read_bytes() for path in folder.iterdir() if path.is_file()]
    return {content[start : start + PAGE] for content in contents for start in range(0, len(content), PAGE)}
