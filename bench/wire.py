"""HTTP/1.1 as the driver speaks it: requests written once as bytes, answers read from what has arrived so far."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_WITHOUT_BODY = frozenset({204, 304})


class Malformed(Exception):
    """What the server sent is no HTTP answer that this reader knows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; `head` is everything before the empty line."""

    status: int
    head: bytes
    body: bytes

    @property
    def ends_connection(self) -> bool:
        """Tell whether the server closes the connection behind this answer (RFC 9112 9.6)."""
        return b"\r\nconnection: close" in self.head.lower()

    def header(self, name: str) -> str | None:
        """Give the first value of a header, or None."""
        return next(iter(self.headers(name)), None)

    def headers(self, name: str) -> list[str]:
        """Give all values of a header."""
        wanted = name.lower().encode()
        fields = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        return [value.strip().decode("latin-1") for key, _, value in fields if key.lower() == wanted]


def read_answer(arrived: bytes) -> Answer | None:
    """Give the answer once it is all there, else None. A request is sent when the last is answered, so nothing follows an answer."""
    end = arrived.find(_HEAD_END)
    if end < 0:
        return None
    head, status = arrived[:end], _status(arrived)
    lowered = head.lower()
    if status in _WITHOUT_BODY:
        return Answer(status, head, b"")
    start = lowered.find(_LENGTH)
    if start >= 0:
        length = int(lowered[start + len(_LENGTH) :].split(b"\r\n", 1)[0])
        body = arrived[end + len(_HEAD_END) :]
        return Answer(status, head, body) if len(body) >= length else None
    if _CHUNKED in lowered:
        chunks = _chunks(arrived, end + len(_HEAD_END))
        return None if chunks is None else Answer(status, head, chunks)
    raise Malformed("neither Content-Length nor chunks")


def _status(arrived: bytes) -> int:
    if not arrived.startswith(b"HTTP/1.1 ") or not arrived[9:12].isdigit():
        raise Malformed(f"no status line: {arrived[:40]!r}")
    return int(arrived[9:12])


def _chunks(arrived: bytes, position: int) -> bytes | None:
    """Join the chunks of a body (RFC 9112 7.1), or give None while the last is missing."""
    found = bytearray()
    while (line_end := arrived.find(b"\r\n", position)) >= 0:
        size = int(arrived[position:line_end].partition(b";")[0], 16)
        first, position = line_end + 2, line_end + 4 + size
        if len(arrived) < position:
            return None
        if size == 0:
            return bytes(found)
        found += arrived[first : first + size]
    return None


class Writer:
    """Writes the requests of one user, as a proxy in front of the server would pass them on."""

    def __init__(self, host: str, address: str) -> None:
        """Name the host that the user asks for, and the address that the proxy sees them at."""
        self._always = f"Host: {host}\r\nX-Forwarded-For: {address}\r\nX-Forwarded-Proto: https\r\nAccept: */*\r\n".encode()

    def get(self, target: str, *fields: bytes) -> bytes:
        """Write a GET of a path with its query."""
        return b"GET %b HTTP/1.1\r\n%b%b\r\n" % (target.encode(), self._always, b"".join(fields))

    def post(self, path: str, form: Mapping[str, str], *fields: bytes) -> bytes:
        """Write a POST of a form."""
        body = urlencode(form).encode()
        kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % len(body)
        return b"POST %b HTTP/1.1\r\n%b%b%b\r\n%b" % (path.encode(), self._always, kind, b"".join(fields), body)


def basic(user: str, password: str) -> bytes:
    """Write HTTP Basic as clients authenticate by it, each part form-encoded first (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(user)}:{quote_plus(password)}".encode()
    return b"Authorization: Basic %b\r\n" % base64.b64encode(pair)


def bearer(token: str) -> bytes:
    """Write the header that shows an access token (RFC 6750 2.1)."""
    return b"Authorization: Bearer %b\r\n" % token.encode()


class Cookies:
    """The cookies of one browser; one host and one path, so names are enough."""

    def __init__(self, held: Mapping[str, str]) -> None:
        """Begin with those that the browser already has."""
        self._held = dict(held)
        self._field: bytes | None = None

    def keep(self, answer: Answer) -> None:
        """Take over what an answer sets and clears."""
        for line in answer.headers("set-cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            is_gone = not value or "max-age=0" in attributes.lower() or "01 jan 1970" in attributes.lower()
            if is_gone:
                self._held.pop(name, None)
            else:
                self._held[name] = value
            self._field = None

    @property
    def field(self) -> bytes:
        """Give the header line, empty without cookies."""
        if self._field is None:
            pairs = "; ".join(f"{name}={value}" for name, value in self._held.items())
            self._field = f"Cookie: {pairs}\r\n".encode() if pairs else b""
        return self._field
