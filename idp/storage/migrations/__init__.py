"""The migrations of the database: expand, then contract, so that version N and N+1 run side by side."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, RootTransaction, func, select, text

from idp.errors import StoreUnavailable
from idp.storage.db import Database

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
            settings = _settings()
            settings.attributes["connection"] = tx
            command.upgrade(settings, "head")


def current_revision(database: Database) -> str | None:
    """Give the revision of the schema, or None for an empty database."""
    with database.reading() as connection:
        return _revision(connection)


def head_revision() -> str:
    """Give the newest revision that this version of the product knows."""
    return _revisions()[0]


@cache
def _revisions() -> tuple[str, ...]:
    """Give every revision that this version knows, the newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_settings()).walk_revisions())


def _is_due(revision: str | None) -> bool:
    return revision is None or revision in _revisions()[1:]


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _settings() -> Config:
    settings = Config()
    settings.set_main_option("script_location", "idp.storage:migrations")
    settings.set_main_option("path_separator", "os")
    return settings


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
