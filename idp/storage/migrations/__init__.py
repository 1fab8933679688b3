"""The migrations of the database: expand, then contract, so that version N and N+1 run side by side."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, RootTransaction, func, inspect, select, text

from idp.errors import StoreUnavailable
from idp.storage.db import Database

VERSION_TABLE = "alembic_version"
_ADVISORY_LOCK = 0x53656E4944  # "SenID"
_LOCK_TRIES = 12  # of five seconds each


def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision; of processes that start at once one does it. Raises `StoreUnavailable`.

    A schema that a newer version of the product has already expanded is left as it is.
    """
    if not _is_due(current_revision(database)):
        return
    with _alone(database) as tx:
        if _is_due(_revision(tx)):
            _run(tx)


def current_revision(database: Database) -> str | None:
    """Give the revision of the schema, or None for an empty database."""
    with database.reading() as connection:
        return _revision(connection)


def head_revision() -> str:
    """Give the newest revision that this version of the product knows."""
    return _revisions()[0]


@cache
def _revisions() -> tuple[str, ...]:
    """Give every revision that this version knows, the newest first: the numbers with which the files begin."""
    names = (path.name for path in files(__name__).joinpath("versions").iterdir())
    return tuple(sorted((name[:4] for name in names if re.fullmatch(r"[0-9]{4}_\w+\.py", name)), reverse=True))


def _is_due(revision: str | None) -> bool:
    return revision is None or revision in _revisions()[1:]


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - a name of ours
    return revision


def _run(tx: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a server whose schema is up to date does without
    from alembic.config import Config  # noqa: PLC0415 - as above

    settings = Config(attributes={"connection": tx})
    settings.set_main_option("script_location", "idp.storage:migrations")
    settings.set_main_option("path_separator", "os")
    command.upgrade(settings, "head")


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    """Give the one transaction, over all processes, that may change the schema now."""
    if database.engine.dialect.name == "sqlite":
        with _alone_on_sqlite(database) as tx:
            yield tx
        return
    with database.transaction() as tx:
        tx.execute(text("SET LOCAL lock_timeout = 0"))
        tx.execute(text("SET LOCAL statement_timeout = 0"))
        tx.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        tx.execute(text("SET LOCAL lock_timeout = '5s'"))  # a table in use is not made to wait for longer
        yield tx


@contextmanager
def _alone_on_sqlite(database: Database) -> Iterator[Connection]:
    """Give a transaction that holds the write lock and does not follow foreign keys, which SQLite cannot alter without a table's copy."""
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is None:
            raise StoreUnavailable("database: no connection")
        driver.execute("PRAGMA foreign_keys = OFF")  # no-op within a transaction (sqlite.org/pragma.html#pragma_foreign_keys)
        try:
            with _begun(connection):
                yield connection
                if connection.execute(text("PRAGMA foreign_key_check")).first():
                    raise RuntimeError("a migration left rows whose foreign keys point nowhere")
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _begun(connection: Connection, tries: int = _LOCK_TRIES) -> RootTransaction:
    """Begin with the write lock, with more patience than a request has: another process may be migrating a large database."""
    try:
        return connection.begin()
    except sqlite3.OperationalError as error:
        if tries > 1 and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return _begun(connection, tries - 1)
        raise StoreUnavailable(f"database: {error.sqlite_errorname}") from None
