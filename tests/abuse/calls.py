"""Requests as bytes, good or bad in any part, sent straight to the WSGI callable by a browser of one's own."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

from werkzeug.test import Client as Browser
from werkzeug.test import run_wsgi_app

from idp.edge.software_lane import SoftwareLane

FORM = "application/x-www-form-urlencoded"
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One request. `path` and `query` stand as they travel; `body` is None where there is none."""

    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = FORM
    length: str | None = ""

    @classmethod
    def with_fields(cls, method: str, path: str, fields: Fields, headers: Mapping[str, str]) -> "Call":
        """Put the fields where the method has them: into the form of a POST, else into the query."""
        if method == "POST":
            return cls(method, path, body=urlencode(fields).encode(), headers=headers)
        return cls(method, path, query=urlencode(fields), headers=headers)

    @property
    def raw(self) -> str:
        """Give what carries the fields, percent-encoded."""
        return self.query if self.body is None else self.body.decode("latin-1")

    def with_raw(self, raw: str | bytes) -> "Call":
        """Put other bytes where the fields are."""
        data = raw.encode("latin-1") if isinstance(raw, str) else raw
        return replace(self, query=data.decode("latin-1")) if self.body is None else replace(self, body=data)

    def environ(self, jar: Mapping[str, str]) -> dict[str, Any]:
        """Give what a server would make of it; a length that is None is a body in chunks."""
        body = self.body or b""
        environ = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8400",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "localhost:8400",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if self.length is None:
            environ["wsgi.input_terminated"] = True
        elif self.body is not None:
            environ["CONTENT_LENGTH"] = self.length or str(len(body))
        if self.body is not None and self.content_type is not None:
            environ["CONTENT_TYPE"] = self.content_type
        if jar:
            environ["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        names = {name: name.upper().replace("-", "_") for name in self.headers}
        return {**environ, **{f"HTTP_{names[name]}": value for name, value in self.headers.items()}}


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it kept the processor busy: a machine that has more to do is no fault of the provider."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def header(self, name: str) -> str:
        """Give the value of a header, or nothing."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def kind(self) -> str:
        """Give the media type."""
        return self.header("Content-Type").partition(";")[0]

    @property
    def text(self) -> str:
        """Give the body as text."""
        return self.body.decode("utf-8", errors="replace")


def jar_of(browser: Browser) -> dict[str, str]:
    """Give the cookies that a browser of werkzeug holds."""
    return {cookie.key: cookie.value for cookie in (browser._cookies or {}).values()}


def send(app: SoftwareLane, call: Call, jar: dict[str, str]) -> Answer:
    """Send a request with the cookies of `jar`, which takes up what the answer sets."""
    started = time.thread_time()
    chunks, status, headers = run_wsgi_app(app, call.environ(jar), buffered=True)
    body = b"".join(chunks)
    answer = Answer(int(status.split()[0]), tuple(headers), body, time.thread_time() - started)
    for key, value in answer.headers:
        if key.lower() == "set-cookie":
            jar.update({name: morsel.value for name, morsel in SimpleCookie(value).items()})
    return answer


def as_path(text: str | bytes) -> str:
    """Give a path with any characters as servers hand it over: its bytes, one character each (PEP 3333)."""
    return text.decode("latin-1") if isinstance(text, bytes) else text.encode().decode("latin-1")


def escaped(value: str) -> str:
    """Give a value as it stands in a form."""
    return quote(value, safe="")
