"""Real HTTP servers on free ports of this machine, each of which behaves as badly as a test asks."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.certificate import Certificate


class Exchange(BaseHTTPRequestHandler):
    """One request, already read, and the means to answer it well or badly."""

    protocol_version = "HTTP/1.1"
    content: bytes = b""

    def do_POST(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._behave()

    def do_GET(self) -> None:
        self._behave()

    def _behave(self) -> None:
        server = self.server
        assert isinstance(server, LocalServer)
        server.received.append(Received(self.command, self.path, dict(self.headers), self.content))
        server.behave(self)

    def answer(self, value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with `value` as JSON."""
        self.answer_bytes(json.dumps(value).encode(), status=status, headers=headers)

    def answer_bytes(self, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer with `body` as it is."""
        self.send_response(status)
        for name, content in (headers or {}).items():
            self.send_header(name, content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, text: bytes) -> None:
        """Send `text`, whatever HTTP says of it, and hang up."""
        self.wfile.write(text)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection as it stands."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def drip(self, text: bytes, pause: float) -> None:
        """Send `text` byte by byte, with a `pause` after each, until the caller has gone or the test is over."""
        assert isinstance(self.server, LocalServer)
        self.close_connection = True
        for byte in text:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            if self.server.over.wait(pause):
                return

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond the end of the test."""
        assert isinstance(self.server, LocalServer)
        self.server.over.wait(seconds)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the parent
        """Say nothing."""


@dataclass(frozen=True)
class Received:
    """What a server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes = field(repr=False)

    def json(self) -> object:
        return json.loads(self.content)


class LocalServer(ThreadingHTTPServer):
    """A server whose `behave` may change while it runs."""

    daemon_threads = True

    def __init__(self, behave: Callable[[Exchange], None]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.behave = behave
        self.received: list[Received] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of callers that went away."""


@contextmanager
def serving(behave: Callable[[Exchange], None], certificate: Certificate | None = None) -> Iterator[LocalServer]:
    """Run a server for the time of the block, with TLS if it is given a certificate."""
    server = LocalServer(behave)
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.cert, certificate.key)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def refused_url() -> str:
    """Give an address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def answering(value: object, *, status: int = 200) -> Callable[[Exchange], None]:
    """Give the behaviour that always answers `value`."""
    return lambda exchange: exchange.answer(value, status=status)


def redirecting(exchange: Exchange) -> None:
    exchange.answer({}, status=302, headers={"Location": "/elsewhere"})


def garbling(exchange: Exchange) -> None:
    exchange.raw(b"\x00\x01 this is no HTTP \xff\xfe\r\n\r\n")


def hanging_up(exchange: Exchange) -> None:
    exchange.hang_up()


def half_closing(exchange: Exchange) -> None:
    exchange.raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"verdict": "ma')


def flooding(exchange: Exchange) -> None:
    exchange.answer_bytes(b" " * 5_000_000)


def compressing(exchange: Exchange) -> None:
    exchange.answer_bytes(b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"})


def sleeping(exchange: Exchange) -> None:
    exchange.wait(20)
    exchange.hang_up()


def dripping_headers(exchange: Exchange) -> None:
    exchange.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100, 0.05)


def dripping_body(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    exchange.drip(b" " * 1000, 0.05)


def talking_html(exchange: Exchange) -> None:
    exchange.answer_bytes(b"<html>Bad gateway, honest</html>", headers={"Content-Type": "text/html"})


def nesting_deep(exchange: Exchange) -> None:
    exchange.answer_bytes(b"[" * 60_000)


def answering_a_list(exchange: Exchange) -> None:
    exchange.answer([1, 2, 3])


def answering_latin(exchange: Exchange) -> None:
    exchange.answer_bytes('{"verdict": "đ'.encode("utf-16") + b"\xff")


TROUBLES: dict[str, Callable[[Exchange], None]] = {
    "redirect": redirecting,
    "garbage": garbling,
    "hang up": hanging_up,
    "half closed": half_closing,
    "huge": flooding,
    "compressed": compressing,
    "asleep": sleeping,
    "dripping headers": dripping_headers,
    "dripping body": dripping_body,
    "html": talking_html,
    "deep nesting": nesting_deep,
    "a list": answering_a_list,
    "not UTF-8": answering_latin,
    "500": answering({"verdict": "match"}, status=500),
    "503": answering({}, status=503),
    "429": answering({}, status=429),
    "401": answering({"verdict": "match"}, status=401),
    "404": answering({}, status=404),
}
