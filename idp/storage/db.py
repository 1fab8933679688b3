"""The database of lasting state: connections to SQLite or PostgreSQL, and the transactions of domain verbs."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url, select
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp.errors import ConfigError, StoreUnavailable
from idp.storage import sqlite_files
from idp.storage.statements import BoundedConnection, DirectConnections, Statement, database_now

SQLITE_BUSY_WAIT = timedelta(seconds=5)
POOL_WAIT_SECONDS = 5
LEAST_CONNECTIONS = 1
_POSTGRESQL_CONNECT = {
    "connect_timeout": 3,
    "application_name": "senid",
    "tcp_user_timeout": 5_000,
    "keepalives_idle": 30,
    "options": "-c timezone=UTC -c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
}
_READS_ALONE = "senid_reads_alone"
_READ_ONLY_SERVER = "25006"  # PostgreSQL read_only_sql_transaction: a fail-over left us at a standby


class Database:
    """Hands out connections; the outermost domain verb decides whether one reads or writes."""

    def __init__(self, engine: Engine) -> None:
        """Take an engine that `prepare_engine` has prepared. `offset` moves the database's time; tests and the sandbox alone set it."""
        self.engine = engine
        self.offset = timedelta(0)
        self._readers = _reading_side(engine)
        self._direct = DirectConnections(engine, most=_pool_size(engine), wait_seconds=POOL_WAIT_SECONDS) if self.is_postgresql else None

    @property
    def is_postgresql(self) -> bool:
        """Tell whether one statement may write several tables, which SQLite has no words for."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection that writes: commits at the end, rolls back on an error. Raises `StoreUnavailable`."""
        with _trouble_named(), self.engine.begin() as tx:
            yield tx

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that reads what is committed and takes no write lock. Raises `StoreUnavailable`."""
        with _trouble_named(), self._readers.connect() as connection:
            yield connection

    def run(self, statement: Statement, **values: object) -> Sequence[Any]:
        """Run one statement, committed by itself, and give its rows; on SQLite only one that reads. Raises `StoreUnavailable`."""
        if self._direct is not None:
            try:
                return self._direct.run(statement, values)
            except SQLAlchemyError:  # from opening a connection
                with _trouble_named():
                    raise
        with self.reading() as connection:
            return connection.execute(statement.executable, values).all()

    def now(self, tx: Connection) -> datetime:
        """Give the database's own time in UTC, on which all nodes agree."""
        return self.instant(tx.execute(select(database_now())).scalar_one())

    def instant(self, told: datetime) -> datetime:
        """Give the instant that a statement's `database_now()` told, in UTC."""
        return told.astimezone(UTC) + self.offset

    def is_up(self) -> bool:
        """Tell whether the database answers."""
        try:
            with self._readers.connect() as connection:
                connection.execute(select(1))
        except SQLAlchemyError:
            return False
        return True

    def close(self) -> None:
        """Close the idle connections."""
        if self._direct is not None:
            self._direct.close()
        self.engine.dispose()


def _pool_size(engine: Engine) -> int:
    return engine.pool.size() if isinstance(engine.pool, QueuePool) else LEAST_CONNECTIONS


def open_database(url: str, *, pool_size: int = 8) -> Database:
    """Open the database at `url`; nothing is asked of it yet. Raises `ConfigError` for a URL of another kind."""
    engine = create_engine(url, **engine_options(url, pool_size=pool_size))
    prepare_engine(engine)
    return Database(engine)


def engine_options(url: str, *, pool_size: int) -> dict[str, Any]:
    """Give the options of `create_engine` for `url`; Flask-SQLAlchemy takes the same as `SQLALCHEMY_ENGINE_OPTIONS`."""
    options: dict[str, Any] = {
        "hide_parameters": True,  # an error's text holds no value of a row
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
    }
    kind, given = make_url(url).drivername, make_url(url).query
    if kind in {"sqlite", "sqlite+pysqlite"}:
        return options
    if kind not in {"postgresql", "postgresql+psycopg"}:
        raise ConfigError([f"database.url: {kind} is neither sqlite nor postgresql"])
    settings = {name: value for name, value in _POSTGRESQL_CONNECT.items() if name not in given}  # what the URL says wins
    # Reads commit nothing, so a connection that comes back from one has nothing to roll back either.
    return options | {"pool_pre_ping": True, "skip_autocommit_rollback": True, "connect_args": settings}


def prepare_engine(engine: Engine) -> None:
    """Make connections to PostgreSQL give up on a server that has frozen, and SQLite's tuned.

    A transaction on SQLite begins with the write lock unless it only reads.
    """
    if engine.dialect.name == "postgresql":
        event.listen(engine, "do_connect", _connect_with_a_deadline)
    if engine.dialect.name != "sqlite":
        return
    path = engine.url.database

    @event.listens_for(engine, "do_connect")
    def make_file(*_: object) -> None:
        if path:
            sqlite_files.make_private(Path(path))

    @event.listens_for(engine, "connect")
    def tune(connection: sqlite3.Connection, _record: object) -> None:
        sqlite_files.tune(connection, busy=SQLITE_BUSY_WAIT)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and takes the lock later fails, or loses an update, when another one came between.
        reads = connection.get_execution_options().get(_READS_ALONE)
        # Straight to the driver: this stands before each statement of the hot path, and SQLAlchemy's own way costs as much as a SELECT.
        cursor = connection.connection.cursor()
        cursor.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


def _connect_with_a_deadline(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> BoundedConnection:
    return BoundedConnection.connect(*arguments, **options)


def _reading_side(engine: Engine) -> Engine:
    """Give the engine, with the same pool, for connections that refuse to write."""
    if engine.dialect.name == "postgresql":
        # One round trip for one SELECT: no BEGIN before it and no ROLLBACK after it.
        readers = engine.execution_options(isolation_level="AUTOCOMMIT")
    else:
        readers = engine.execution_options(**{_READS_ALONE: True})
    event.listen(readers, "before_cursor_execute", _refuse_to_write)
    return readers


def _refuse_to_write(*arguments: object) -> None:
    context = arguments[4]
    if isinstance(context, DefaultExecutionContext) and (context.isinsert or context.isupdate or context.isdelete):
        raise RuntimeError("Database.reading() does not write; open a transaction()")


@contextmanager
def _trouble_named() -> Iterator[None]:
    """Turn trouble with the connection into `StoreUnavailable`; a refused row (`IntegrityError`) and our own mistakes pass through."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable("the pool of database connections is empty") from None
    except sqlite3.Error as error:  # from BEGIN, which goes straight to the driver
        raise StoreUnavailable(f"database: {getattr(error, 'sqlite_errorname', type(error).__name__)}") from None
    except DBAPIError as error:
        if not _is_away(error):
            raise
        raise StoreUnavailable(f"database: {type(error.orig).__name__} {_driver_code(error)}".rstrip()) from None


def _is_away(error: DBAPIError) -> bool:
    if error.connection_invalidated or _driver_code(error) == _READ_ONLY_SERVER:
        return True
    if type(error) is DatabaseError:  # SQLite: the file is damaged, or none of its own
        return True
    # SQLITE_ERROR is a mistake in the statement or a missing table, which waiting does not mend.
    mistaken = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError | InterfaceError) and not mistaken


def _driver_code(error: DBAPIError) -> str:
    """Give the driver's own code; never its text, which may quote a value."""
    return str(getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or "")
