"""The driver counts what ends in its window, and what goes wrong in it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.driver import Script, Tally, TooManyFailures, Window, Wrong, drive

GET = b"GET /%s HTTP/1.1\r\nHost: here\r\n\r\n"


class Answers(BaseHTTPRequestHandler):
    """Answers by the path: well, or by hanging up."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/hang-up":
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server whose users may hang up."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


class User:
    """Asks two paths, one after the other, and refuses some answers, which it counts."""

    def __init__(self, first: bytes, second: bytes, refused: Callable[[int], bool] = lambda _: False) -> None:
        self.laps: list[tuple[str, float]] = []
        self.prepared = 0
        self.asked = 0
        self._paths = (first, second)
        self._refused = refused

    def prepare(self) -> Script:
        yield GET % b"prepare"
        self.prepared += 1

    def once(self) -> Script:
        for path in self._paths:
            self.asked += 1
            answer = yield GET % path
            if answer.body != b"ok" or self._refused(self.asked):
                raise Wrong("refused")


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    server = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    server.server_close()


def driven(address: tuple[str, int], *users: User) -> tuple[Tally, list[int]]:
    """Drive the users; gives how many requests they had sent when the window was opened and closed, too."""
    sent: list[int] = []

    def note() -> None:
        sent.append(sum(user.asked for user in users))

    return drive(users, address, Window("ask", 0.2, 0.1, note, note)), sent


@pytest.mark.parametrize("path", [b"a", b"last"])
def test_what_ends_in_the_window_counts(address: tuple[str, int], path: bytes) -> None:
    users = User(b"a", path), User(b"a", path)
    tally, (opened, closed) = driven(address, *users)
    assert tally.failures == []
    assert 0 < len(tally.latencies["ask"]) <= (closed - opened) / 2 + len(users)
    assert opened > 0
    assert all(0 < latency < tally.seconds + 5 for latency in tally.latencies["ask"])
    assert [user.prepared for user in users] == [1, 1]


def test_a_user_with_a_wrong_answer_starts_over(address: tuple[str, int]) -> None:
    user = User(b"a", b"a", refused=lambda number: number == 3)
    tally, _ = driven(address, user)
    assert tally.failures == ["Wrong: refused"]
    assert user.prepared == 2
    assert tally.latencies["ask"]


@pytest.mark.parametrize("user", [User(b"a", b"a", refused=lambda _: True), User(b"a", b"hang-up")])
def test_where_everything_is_wrong_there_are_no_figures(address: tuple[str, int], user: User) -> None:
    with pytest.raises(TooManyFailures):
        driven(address, user)
