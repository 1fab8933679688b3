"""The load: a closed loop of virtual users, each with one keep-alive connection, in one thread and one epoll."""

import select
import socket
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.wire import Answer, Malformed, read_answer

Script = Generator[bytes, Answer, None]  # yields a request, is sent its answer, and ends when the work is done
PREPARE_SECONDS = 60.0
CONNECT_SECONDS = 10.0
MOST_FAILURES = 20
CHUNK = 262_144


class Wrong(Exception):
    """An answer that is not what the standard, or the operation, demands."""


class TooManyFailures(Exception):
    """So much goes wrong that measuring has no sense; the text is the first failure."""


class User(Protocol):
    """A virtual user: prepares once, then does the same operation over and over."""

    laps: list[tuple[str, float]]

    def prepare(self) -> Script:
        """Get what the operation needs."""

    def once(self) -> Script:
        """Do the operation once; `laps` notes when its parts ended."""


@dataclass
class Tally:
    """What one window saw."""

    seconds: float = 0.0
    latencies: dict[str, list[float]] = field(default_factory=dict)  # by operation, and by its parts
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Window:
    """How long to drive, what to call the operation, and whom to tell when the time that counts begins and ends."""

    operation: str
    warm_up: float
    seconds: float
    opened: Callable[[], None]
    closed: Callable[[], None]


class _Line:
    """One user on one connection."""

    def __init__(self, user: User, address: tuple[str, int], epoll: select.epoll) -> None:
        self.user = user
        self.is_prepared = False
        self.began = 0.0
        self._address = address
        self._epoll = epoll
        self._script = user.prepare()
        self._arrived = b""
        self._socket: socket.socket | None = None

    def begin(self) -> int:
        """Send the first request of the next script; gives the descriptor to watch."""
        self._script = self.user.once() if self.is_prepared else self.user.prepare()
        self.user.laps.clear()
        self.began = time.perf_counter()
        return self._send(next(self._script))

    def go_on(self) -> int | None:
        """Read what has come, and send what follows an answer; gives None when the script has ended."""
        open_socket = self._socket
        if open_socket is None:
            raise Wrong("read without a connection")
        chunk = open_socket.recv(CHUNK)
        if not chunk:
            raise Wrong("the server closed the connection within a request")
        self._arrived += chunk
        answer = read_answer(self._arrived)
        if answer is None:
            return open_socket.fileno()
        self._arrived = b""
        if answer.ends_connection:
            self.hang_up()
        try:
            return self._send(self._script.send(answer))
        except StopIteration:
            return None

    def _send(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, CONNECT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._epoll.register(self._socket, select.EPOLLIN)
        self._socket.sendall(request)
        return self._socket.fileno()

    def hang_up(self) -> None:
        """Close the connection, if there is one."""
        self._arrived = b""
        if self._socket is not None:
            self._epoll.unregister(self._socket)
            self._socket.close()
            self._socket = None


class _Loop:
    """All lines of one window."""

    def __init__(self, users: Sequence[User], address: tuple[str, int], tally: Tally, operation: str) -> None:
        self._epoll = select.epoll()
        self._lines = [_Line(user, address, self._epoll) for user in users]
        self._by_descriptor: dict[int, _Line] = {}
        self._tally = tally
        self._operation = operation
        self.counts = False

    def begin(self) -> None:
        for line in self._lines:
            self._begin(line)

    @property
    def is_prepared(self) -> bool:
        return all(line.is_prepared for line in self._lines)

    def run(self, until: Callable[[], bool]) -> None:
        """Drive until the condition holds."""
        while not until():
            for descriptor, _ in self._epoll.poll(0.1):
                self._advance(self._by_descriptor[descriptor])

    def _advance(self, line: _Line) -> None:
        try:
            descriptor = line.go_on()
        except (Wrong, Malformed, OSError, ValueError, KeyError) as trouble:
            self._fail(line, trouble)
            return
        if descriptor is None:
            self._finish(line)
        else:
            self._by_descriptor[descriptor] = line

    def _finish(self, line: _Line) -> None:
        if line.is_prepared and self.counts:
            self._note(line)
        line.is_prepared = True
        self._begin(line)

    def _note(self, line: _Line) -> None:
        latencies = self._tally.latencies
        latencies.setdefault(self._operation, []).append(time.perf_counter() - line.began)
        before = line.began
        for name, at in line.user.laps:
            latencies.setdefault(f"{self._operation}.{name}", []).append(at - before)
            before = at

    def _begin(self, line: _Line) -> None:
        try:
            self._by_descriptor[line.begin()] = line
        except OSError as trouble:
            self._fail(line, trouble)

    def _fail(self, line: _Line, trouble: Exception) -> None:
        """Note it and let the user start over, with a new connection and anew prepared."""
        self._tally.failures.append(f"{type(trouble).__name__}: {trouble}")
        line.hang_up()
        if len(self._tally.failures) > MOST_FAILURES:
            raise TooManyFailures(self._tally.failures[0])
        line.is_prepared = False
        self._begin(line)

    def end(self) -> None:
        for line in self._lines:
            line.hang_up()
        self._epoll.close()


def drive(users: Sequence[User], address: tuple[str, int], window: Window) -> Tally:
    """Drive the users for one window, longer if nothing ends within it; only what ends in time counts. Raises `TooManyFailures`."""
    tally = Tally()
    loop = _Loop(users, address, tally, window.operation)
    try:
        give_up_at = time.perf_counter() + PREPARE_SECONDS
        loop.begin()
        loop.run(lambda: loop.is_prepared or time.perf_counter() > give_up_at)
        if not loop.is_prepared:
            raise TooManyFailures("; ".join(tally.failures[:1]) or f"not every user was ready after {PREPARE_SECONDS:.0f} s")
        warm_at = time.perf_counter() + window.warm_up
        loop.run(lambda: time.perf_counter() >= warm_at)
        window.opened()
        loop.counts, opened_at = True, time.perf_counter()
        loop.run(lambda: time.perf_counter() >= opened_at + (window.seconds if tally.latencies else PREPARE_SECONDS))
        tally.seconds = time.perf_counter() - opened_at
        window.closed()
        return tally
    finally:
        loop.end()
