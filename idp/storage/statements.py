"""Statements of the hot path: built once, and on PostgreSQL run in one round trip without SQLAlchemy's machinery around them."""

import select as readiness
import threading
import time
from collections import deque, namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from sqlalchemy import Engine, Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from idp.errors import StoreUnavailable
from idp.storage.tables.metadata import Instant

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

LONGEST_WAIT = timedelta(seconds=12)  # the server ends a statement after 10 s by itself
CHECK_SECONDS = 0.5
_READ_ONLY_SERVER = "25006"  # PostgreSQL read_only_sql_transaction: a fail-over left us at a standby
# `$1`, as PostgreSQL itself numbers values
_POSTGRESQL = postgresql.psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call] # SQLAlchemy leaves it so


Answer = TypeVar("Answer")


class database_now(FunctionElement[Any]):  # noqa: N801 - read as a function of SQL
    """The database's own time; `Database.instant` makes of its value the instant on which all nodes agree."""

    type = Instant()
    inherit_cache = True


@compiles(database_now, "postgresql")
def _now_of_postgresql(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "clock_timestamp()"


@compiles(database_now, "sqlite")
def _now_of_sqlite(_element: database_now, _compiler: SQLCompiler, **_options: object) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"  # SQLAlchemy reads six digits behind the point


class Statement:
    """One SELECT with named values; on PostgreSQL it may carry writes (`Select.add_cte`), which one round trip does together."""

    def __init__(self, executable: Select[Any]) -> None:
        """Take what SQLAlchemy compiles; `bindparam("name")` stands for a value that each run gives, as the driver takes it."""
        self.executable = executable

    @cached_property
    def for_driver(self) -> "Compiled":
        """Give what PostgreSQL's driver takes, compiled at the first run."""
        compiled = self.executable.compile(dialect=_POSTGRESQL)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("not a statement that selects")
        always = {name: _as_text(value) for name, value in compiled.params.items() if value is not None}
        names = [column.name for column in self.executable.selected_columns]
        row = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - its columns are known at run time
        return Compiled(str(compiled).encode(), tuple(compiled.positiontup or ()), always, row._make)


@dataclass(frozen=True)
class Compiled:
    """A statement as the driver takes it: its text, the order of its values, those that are always the same, and what makes a row."""

    text: bytes
    names: tuple[str, ...]
    always: Mapping[str, bytes | None]
    make_row: Callable[[Sequence[Any]], Any]

    def values(self, given: Mapping[str, object]) -> list[bytes | None]:
        """Give the values in their order, as PostgreSQL reads them in text."""
        return [_as_text(given[name]) if name in given else self.always[name] for name in self.names]


class DirectConnections:
    """Connections of the driver beside SQLAlchemy's pool, and as many at most, each of which commits every statement by itself.

    They speak by libpq's own calls (`psycopg.pq`): a cursor costs more than the statement.
    """

    def __init__(self, engine: Engine, *, most: int, wait_seconds: float) -> None:
        """Open at most so many connections as `engine` does, at their first use."""
        self._engine = engine
        self._turns = threading.BoundedSemaphore(most)
        self._wait_seconds = wait_seconds
        self._idle: deque[_Direct] = deque()

    def run(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Any]:
        """Run one statement and give its rows, as named tuples. Raises `StoreUnavailable`."""
        if not self._turns.acquire(timeout=self._wait_seconds):
            raise StoreUnavailable("every database connection is busy")
        try:
            return self._run(statement, values)
        finally:
            self._turns.release()

    def _run(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Any]:
        direct = self._find_idle() or self._open()
        try:
            return direct.run(statement.for_driver, values)
        except psycopg.Error as error:
            if not direct.is_whole or isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or _is_read_only(error):
                raise _away(error) from None
            raise
        finally:
            if direct.is_whole:
                self._idle.append(direct)
            else:
                direct.close()

    def _open(self) -> "_Direct":
        try:
            return _Direct(self._engine)
        except psycopg.Error as error:  # from the driver as it is: SQLAlchemy names only what its own connections raise
            raise _away(error) from None

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _find_idle(self) -> "_Direct | None":
        """Give a connection that the server has not closed meanwhile; the last one that was used is the likeliest."""
        while self._idle:
            try:
                direct = self._idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if not direct.is_spoken_to:
                return direct
            direct.close()
        return None


class BoundedConnection(psycopg.Connection[Any]):
    """The driver's connection, with a deadline for what it waits for: a server that has frozen would hold the caller for ever."""

    def wait(self, gen: PQGen[Answer], interval: float = CHECK_SECONDS, timeout: float | None = None) -> Answer:
        """Wait as the driver does, at most `LONGEST_WAIT`; then the connection is closed, and `psycopg.OperationalError` raised."""
        return super().wait(self._until(gen, time.monotonic() + LONGEST_WAIT.total_seconds()), interval, timeout)

    def _until(self, gen: PQGen[Answer], give_up_at: float) -> PQGen[Answer]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > give_up_at:
                    self.close()
                    raise psycopg.OperationalError("no answer")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


class _Direct:
    """One connection, with the statements that it has prepared."""

    def __init__(self, engine: Engine) -> None:
        pooled = engine.raw_connection()
        self._connection: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment] # typed for every driver there is
        pooled.detach()
        self._connection.rollback()
        self._driver = self._connection.pgconn
        self._names: dict[bytes, bytes] = {}
        self._poll = readiness.poll()
        self._poll.register(self._driver.socket, readiness.POLLIN)

    @property
    def is_whole(self) -> bool:
        """Tell whether the connection stands and nothing is under way on it."""
        return self._driver.status == ConnStatus.OK and self._driver.transaction_status == TransactionStatus.IDLE

    @property
    def is_spoken_to(self) -> bool:
        """Tell whether something waits to be read although nothing was asked: the connection's end, or news that no statement wanted."""
        self._poll.modify(self._driver.socket, readiness.POLLIN)
        return bool(self._poll.poll(0))

    def run(self, compiled: Compiled, values: Mapping[str, object]) -> Sequence[Any]:
        """Run a statement, prepared at its first run; raises `psycopg.Error`."""
        name = self._names.get(compiled.text) or self._prepare(compiled.text)
        self._driver.send_query_prepared(name, compiled.values(values))
        result = self._answer()
        _check(result, ExecStatus.TUPLES_OK)
        reader = Transformer.from_context(self._connection)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, compiled.make_row)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _prepare(self, text: bytes) -> bytes:
        name = b"senid_%d" % len(self._names)
        self._driver.send_prepare(name, text)
        _check(self._answer(), ExecStatus.COMMAND_OK)
        self._names[text] = name
        return name

    def _answer(self) -> "PGresult":
        """Wait for the one result of what was sent; libpq itself would wait for ever for a server that has frozen."""
        give_up_at = time.monotonic() + LONGEST_WAIT.total_seconds()
        self._flush(give_up_at)
        result = self._result(give_up_at)
        if result is None or self._result(give_up_at) is not None:  # None says that the server is ready again
            raise psycopg.OperationalError("not one result")
        return result

    def _flush(self, give_up_at: float) -> None:
        while self._driver.flush():  # more than the socket takes at once; the server may have to be heard before it reads on
            self._wait(give_up_at, readiness.POLLIN | readiness.POLLOUT)
            self._driver.consume_input()

    def _result(self, give_up_at: float) -> "PGresult | None":
        while self._driver.is_busy():
            self._wait(give_up_at, readiness.POLLIN)
            self._driver.consume_input()
        return self._driver.get_result()

    def _wait(self, give_up_at: float, events: int) -> None:
        self._poll.modify(self._driver.socket, events)
        if not self._poll.poll(max(give_up_at - time.monotonic(), 0) * 1000):
            raise psycopg.OperationalError("no answer")


def _away(error: psycopg.Error) -> StoreUnavailable:
    """Name the trouble by the driver's own code; never by its text, which may quote a value."""
    return StoreUnavailable(f"database: {type(error).__name__} {error.sqlstate or ''}".rstrip())


def _check(result: "PGresult", wanted: ExecStatus) -> None:
    if result.status != wanted:
        raise psycopg.errors.error_from_result(result)


def _is_read_only(error: psycopg.Error) -> bool:
    return error.sqlstate == _READ_ONLY_SERVER


def _as_text(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        return b"%d microseconds" % (value // timedelta(microseconds=1))
    return (value.isoformat() if isinstance(value, datetime) else str(value)).encode()
