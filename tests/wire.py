"""What goes over the wire between the product and its stores: counted, stopped at a chosen call, cut off and restored.

A trip is what one question and its whole answer make: the client says something after the server's last answer, in however many commands
and packets, and the server has answered all of it. Logging in is no trip. A `Tally` counts the trips of one or several stores in the order
in which they took effect, and can call a function between the effect of one of them and the moment when its asker learns of it.

    with postgresql_proxy(url, tally) as database, redis_proxy(other_url, tally) as short_lived:
        ...                            # the product on `database.url` and `short_lived.url`
        tally.reset()
        ...                            # one request
        assert tally.trips() == 3, tally.calls()

For SQLite files there is no wire: `count_sqlite` counts the calls of every connection that this process opens from then on.
"""

import selectors
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, Self, cast
from urllib.parse import urlsplit

import hiredis
from sqlalchemy import make_url

CHUNK = 65_536
LABEL_LENGTH = 100


class Tally:
    """Counts the trips of one or several stores; the trip with a chosen number calls a function before its asker has the answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[str] = []
        self._chosen: tuple[int, Callable[[], object]] | None = None

    def trips(self) -> int:
        """Give the number of trips that have taken effect since the beginning, or the last `reset`."""
        with self._lock:
            return len(self._calls)

    def calls(self) -> list[str]:
        """Give what each trip was, in its order: statements with placeholders and names of commands, never a value."""
        with self._lock:
            return list(self._calls)

    def reset(self) -> None:
        """Begin to count anew, and forget what `at` was told."""
        with self._lock:
            self._calls, self._chosen = [], None

    def at(self, number: int, call: Callable[[], object]) -> None:
        """Make trip `number`, counted from 1, call `call`; the trip's answer is handed on when that returns."""
        with self._lock:
            self._chosen = (number, call)

    def add(self, label: str) -> None:
        """Count a trip that has taken effect and whose answer nobody has yet."""
        with self._lock:
            self._calls.append(label)
            call = self._chosen[1] if self._chosen and self._chosen[0] == len(self._calls) else None
        if call:
            call()


# --- Protocols ----------------------------------------------------------------------------------------------------------------------


class Conversation(Protocol):
    """What one connection says, as the protocol divides it; takes bytes as they come and gives those that are handed on."""

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what the client said; gives what the server is told, and what the client is told at once."""
        ...

    def answer(self, data: bytes) -> bytes:
        """Take what the server said; gives what the client is told."""
        ...


class PostgresqlConversation:
    """Protocol 3.0: a question is answered when each `Query`, `Sync` and `FunctionCall` has got its `ReadyForQuery`."""

    _ENCRYPTION_REQUESTS = (80_877_103, 80_877_104)

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._asked, self._answered, self._held = bytearray(), bytearray(), bytearray()
        self._is_started = self._is_in = self._hands_on_at_once = False
        self._owed = 0
        self._label = ""
        self._prepared: dict[bytes, str] = {}

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        self._asked += data
        refusal = b""
        while not self._is_started and len(self._asked) >= 8:
            length, kind = int.from_bytes(self._asked[:4]), int.from_bytes(self._asked[4:8])
            if kind not in self._ENCRYPTION_REQUESTS:
                if len(self._asked) < length:
                    break
                self._is_started, self._owed = True, 1
            else:
                refusal, data = b"N", b""
            del self._asked[:length]
        for letter, body in _frames(self._asked) if self._is_started else ():
            self._note(letter, body)
        return data, refusal

    def _note(self, kind: bytes, body: bytes) -> None:
        if kind in b"QSF":
            self._owed += 1
        if kind == b"Q":
            self._label = self._label or _shortened(body.partition(b"\0")[0])
        elif kind == b"P":
            name, _, rest = body.partition(b"\0")
            self._prepared[name] = _shortened(rest.partition(b"\0")[0])
        elif kind == b"B":
            self._label = self._label or self._prepared.get(body.split(b"\0", 2)[1], "")
        elif kind == b"H":  # Flush: the client reads what there is before it says Sync
            self._hands_on_at_once = True

    def answer(self, data: bytes) -> bytes:
        self._answered += data
        self._held += data
        for kind, _body in _frames(self._answered):
            if kind == b"Z":
                self._owed -= 1
                if not self._owed:
                    self._end()
            elif kind in b"GW":  # COPY: the server waits for the client in the middle of its answer
                self._hands_on_at_once = True
        if self._owed and self._is_in and not self._hands_on_at_once:
            return b""
        handed_on, self._held = bytes(self._held), bytearray()
        return handed_on

    def _end(self) -> None:
        if self._is_in:
            self._tally.add(f"postgresql: {self._label}")
        self._is_in, self._hands_on_at_once, self._label = True, False, ""


class RedisConversation:
    """RESP: a question is answered when each command has got its reply. What opens a connection is no trip.

    A pipeline that needs several sends may count for several trips: the server answers the first commands before the last are sent.
    """

    _OPENING = frozenset({"AUTH", "HELLO", "SELECT", "CLIENT"})
    _NOT_YET = object()

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        # A command is an array of strings, so the reader of replies reads it too.
        self._commands, self._replies = (hiredis.Reader(notEnoughData=self._NOT_YET) for _ in range(2))
        self._names: list[str] = []
        self._owed = 0
        self._held = bytearray()
        self._is_open = False

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        self._commands.feed(data)
        for command in _parts(self._commands, self._NOT_YET):
            self._names.append(cast("list[bytes]", command)[0].decode().upper())
            self._owed += 1
        return data, b""

    def answer(self, data: bytes) -> bytes:
        self._held += data
        self._replies.feed(data)
        self._owed -= len(list(_parts(self._replies, self._NOT_YET)))
        if self._owed > 0 or self._commands.has_data():  # the rest of a long pipeline is still to come
            return b""
        names, self._names = self._names, []
        self._is_open = self._is_open or not self._OPENING.issuperset(names)
        if self._is_open and names:
            self._tally.add(f"redis: {' '.join(names)}")
        handed_on, self._held = bytes(self._held), bytearray()
        return handed_on


def _frames(stream: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Take the whole messages out of `stream`: a letter, a length that counts itself, and the body."""
    while len(stream) >= 5 and len(stream) > (length := int.from_bytes(stream[1:5])):
        yield bytes(stream[:1]), bytes(stream[5 : length + 1])
        del stream[: length + 1]


def _parts(reader: hiredis.Reader, not_yet: object) -> Iterator[object]:
    while (part := reader.gets()) is not not_yet:
        yield part


def _shortened(statement: bytes | str) -> str:
    text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
    return " ".join(text.split())[:LABEL_LENGTH]


# --- The proxy ----------------------------------------------------------------------------------------------------------------------


class Proxy:
    """Stands on a free port of the loopback before a server that listens on a socket file, until `close`."""

    def __init__(self, server: Path, *, url: str, converse: Callable[[Tally], Conversation], tally: Tally | None = None) -> None:
        """Take the server's socket, and in `url` the address to use instead, with `{place}` where host and port belong."""
        self.tally = tally or Tally()
        self._server, self._converse = server, converse
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = url.replace("{place}", f"127.0.0.1:{self.port}")
        self._lock = threading.Lock()
        self._carriers: dict[socket.socket, threading.Thread] = {}
        self._acceptor: threading.Thread | None = None
        self._listener = self._bound()
        self.restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def trips(self) -> int:
        """Give the number of trips since the last `reset`; with a shared tally those of all stores."""
        return self.tally.trips()

    def reset(self) -> None:
        """Begin to count anew."""
        self.tally.reset()

    def cut(self) -> None:
        """Break all connections and refuse new ones."""
        _hang_up(self._listener)  # also for a forked process that has inherited it
        self._listener.close()
        self._listener = self._bound()  # it keeps the port, and does not listen
        if self._acceptor:
            self._acceptor.join()
        with self._lock:
            for client in self._carriers:
                _hang_up(client)
            carriers = list(self._carriers.values())
        for carrier in carriers:
            carrier.join()

    def restore(self) -> None:
        """Accept connections again."""
        self._listener.listen(128)
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        """Break all connections and give the port back."""
        self.cut()
        self._listener.close()

    def _bound(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # from accept, when it is cut
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                carrier = threading.Thread(target=self._carry, args=(client,), daemon=True)
                with self._lock:
                    self._carriers[client] = carrier
                carrier.start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready, suppress(OSError):
            try:
                server.connect(str(self._server))
                ready.register(client, selectors.EVENT_READ)
                ready.register(server, selectors.EVENT_READ)
                self._converse_until_end(client, server, ready)
            finally:
                with self._lock:
                    del self._carriers[client]
                _hang_up(client)  # also for a forked process that has inherited them
                _hang_up(server)

    def _converse_until_end(self, client: socket.socket, server: socket.socket, ready: selectors.BaseSelector) -> None:
        conversation = self._converse(self.tally)
        while True:
            for key, _ in ready.select():
                data = cast("socket.socket", key.fileobj).recv(CHUNK)
                if not data:
                    return
                if key.fileobj is client:
                    asked, refusal = conversation.ask(data)
                    server.sendall(asked)
                    client.sendall(refusal)
                else:
                    client.sendall(conversation.answer(data))


def postgresql_proxy(url: str, tally: Tally | None = None) -> Proxy:
    """Stand before the PostgreSQL whose socket folder is the `host` of `url`; the proxy's `url` names the same database."""
    given = make_url(url)
    (server,) = Path(cast("str", given.query["host"])).glob(".s.PGSQL.*[0-9]")
    return Proxy(
        server,
        url=f"{given.drivername}://{given.username}@{{place}}/{given.database}?sslmode=disable&gssencmode=disable",
        converse=PostgresqlConversation,
        tally=tally,
    )


def redis_proxy(url: str, tally: Tally | None = None) -> Proxy:
    """Stand before the Redis at a `unix://` URL; the proxy's `url` names the same database."""
    given = urlsplit(url)
    database = given.query.removeprefix("db=") or "0"
    return Proxy(Path(given.path), url=f"redis://{{place}}/{database}", converse=RedisConversation, tally=tally)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


# --- SQLite -------------------------------------------------------------------------------------------------------------------------


@contextmanager
def count_sqlite(tally: Tally) -> Iterator[None]:
    """Count each statement and each commit of the connections that this process opens meanwhile; what tunes a connection is no trip."""
    connect = sqlite3.connect

    class Counted(_CountedConnection):
        counts = tally

    def counted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        made: sqlite3.Connection = connect(*arguments, **{"factory": Counted, **options})
        return made

    _take_for_connect(counted)
    try:
        yield
    finally:
        _take_for_connect(connect)


def _take_for_connect(function: Callable[..., sqlite3.Connection]) -> None:
    for module in (sqlite3, sqlite3.dbapi2):  # SQLAlchemy asks the second
        vars(module)["connect"] = function


class _CountedConnection(sqlite3.Connection):
    counts: Tally

    def __init__(self, database: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(database, *arguments, **options)
        self.label = f"sqlite {Path(str(database)).name}"

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _CountedCursor)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        return cast("sqlite3.Cursor", self.cursor().execute(*arguments))

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        return cast("sqlite3.Cursor", self.cursor().executemany(*arguments))

    def commit(self) -> None:
        had_something = self.in_transaction
        super().commit()
        if had_something:
            self.counts.add(f"{self.label}: COMMIT")


class _CountedCursor(sqlite3.Cursor):
    _unread = ""

    def execute(self, statement: str, values: Any = ()) -> "_CountedCursor":
        super().execute(statement, values)
        self._count(statement)
        return self

    def executemany(self, statement: str, values: Any) -> "_CountedCursor":
        super().executemany(statement, values)
        self._count(statement)
        return self

    def fetchone(self) -> Any:
        row = super().fetchone()
        self._count_read()
        return row

    def fetchall(self) -> list[Any]:
        rows = super().fetchall()
        self._count_read()
        return rows

    def fetchmany(self, size: int | None = None) -> list[Any]:
        rows = super().fetchmany(size or self.arraysize)
        self._count_read()
        return rows

    def _count(self, statement: str) -> None:
        connection = cast("_CountedConnection", self.connection)
        label = f"{connection.label}: {_shortened(statement)}"
        if statement.lstrip().upper().startswith(("PRAGMA", "CREATE")):
            return
        if self.description is not None and not connection.in_transaction:
            self._unread = label  # outside a transaction SQLite commits when the rows are read to the end, and not before
        else:
            connection.counts.add(label)

    def _count_read(self) -> None:
        label, self._unread = self._unread, ""
        if label:
            cast("_CountedConnection", self.connection).counts.add(label)


__all__: Sequence[str] = ("Proxy", "Tally", "count_sqlite", "postgresql_proxy", "redis_proxy")
