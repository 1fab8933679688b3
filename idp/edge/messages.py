"""The request and response values of the software lane, and how both lanes read a form: small, frozen and free of any framework."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Protocol, overload
from urllib.parse import unquote_plus, urlencode, urlsplit, urlunsplit

from werkzeug.http import parse_cookie

# More than the largest honest form, well below what could be felt.
BODY_LIMIT = 64 * 1024
FORM = "application/x-www-form-urlencoded"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
NO_STORE = (("Cache-Control", "no-store"), ("Pragma", "no-cache"))


class MalformedParameters(ValueError):
    """Parameters that are not UTF-8 form data, or too many, or too long."""


class BodyReader(Protocol):
    """The part of a WSGI input stream that is used."""

    def read(self, size: int = -1, /) -> bytes:
        """Give at most `size` bytes."""
        ...


@dataclass(frozen=True)
class Parameters:
    """Query or form parameters. A parameter without a value counts as omitted (RFC 6749 3.1)."""

    pairs: tuple[tuple[str, str], ...] = ()

    MOST = 100
    LONGEST = 8192

    @classmethod
    def parse(cls, raw: bytes | str, *, longest: int = LONGEST) -> "Parameters":
        """Read `application/x-www-form-urlencoded` data with values of at most `longest` characters; raises `MalformedParameters`."""
        try:
            text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
            parts = text.split("&") if text else []
            pairs = [(_decoded(name), _decoded(value)) for name, _, value in (part.partition("=") for part in parts)]
        except ValueError as error:
            raise MalformedParameters(type(error).__name__) from None
        if len(parts) > cls.MOST:
            raise MalformedParameters("too many fields")
        if any(len(value) > longest or "\x00" in name or "\x00" in value for name, value in pairs):
            raise MalformedParameters("a field is too long or holds a NUL")
        return cls(tuple((name, value) for name, value in pairs if value))

    def get(self, name: str) -> str | None:
        """Give the first value of `name`, or None."""
        return next((value for key, value in self.pairs if key == name), None)

    def repeated(self) -> list[str]:
        """Give the names that stand more than once, which RFC 6749 3.1 forbids."""
        names = [name for name, _ in self.pairs]
        if len(names) == len(set(names)):
            return []
        return sorted({name for name in names if names.count(name) > 1})

    def __repr__(self) -> str:
        """Show the names alone: values may be secrets."""
        return f"Parameters({[name for name, _ in self.pairs]!r})"


def _decoded(part: str) -> str:
    """Give a name or a value as it was before it was form-encoded; most are as they stand. Raises `ValueError` for what is no UTF-8."""
    return unquote_plus(part, errors="strict") if "%" in part or "+" in part else part


def form_body(environ: Mapping[str, Any]) -> bytes:
    """Give the whole body of a WSGI request's form.

    One that is cut off or of another type (RFC 6749 3.2) raises `MalformedParameters`, one over the limit `OverflowError`.
    """
    length = environ.get("CONTENT_LENGTH") or "0"
    if length.isdigit() and int(length) > BODY_LIMIT:
        raise OverflowError
    stream: BodyReader = environ["wsgi.input"]
    body = stream.read(min(int(length), BODY_LIMIT) if length.isdigit() and int(length) else BODY_LIMIT + 1)
    if len(body) > BODY_LIMIT:
        raise OverflowError
    if length.isdigit() and len(body) < int(length):
        raise MalformedParameters("cut off")
    if body and str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() != FORM:
        raise MalformedParameters("not a form")
    return body


class Headers:
    """The headers of a WSGI request by their lower-case names, read when they are asked for."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        """Take the environment of PEP 3333, whose headers are texts."""
        self._environ: Mapping[str, str] = environ

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    def get(self, name: str, default: str | None = None) -> str | None:
        """Give a header's value, or `default`."""
        return self._environ.get(_variable(name), default)


@lru_cache(maxsize=64)
def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


@dataclass(frozen=True)
class Request:
    """One HTTP request to the software lane.

    `path` is below the issuer, `address` is the caller's as far as trusted proxies tell it.
    """

    method: str
    path: str
    query: Parameters = Parameters()
    form: Parameters = Parameters()
    headers: Headers = field(default_factory=lambda: Headers({}))
    address: str = ""
    request_id: str = ""

    @property
    def parameters(self) -> Parameters:
        """Give the form of a POST, else the query: never a mix of both."""
        return self.form if self.method == "POST" else self.query

    def cookie(self, name: str) -> str | None:
        """Give the value of a cookie, or None; read as the people's lane reads it, whatever other sites of the domain have set."""
        return self._cookies.get(name)

    @cached_property
    def _cookies(self) -> Mapping[str, str]:
        return parse_cookie(self.headers.get("cookie", ""))


@dataclass(frozen=True)
class Response:
    """One HTTP response of the software lane."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[str, str]) -> "Response":
        """Give the response with more headers."""
        return Response(self.status, (*self.headers, *headers), self.body)


def json_response(value: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = NO_STORE) -> Response:
    """Give `value` as JSON, not to be stored unless `headers` say otherwise."""
    return Response(status, (("Content-Type", "application/json"), *headers), _JSON.encode(value).encode())


def html_response(page: str, *, status: int = 200, headers: tuple[tuple[str, str], ...] = NO_STORE) -> Response:
    """Give a page for a person."""
    return Response(status, (("Content-Type", "text/html; charset=utf-8"), *headers), page.encode())


def redirect(location: str) -> Response:
    """Send the browser on with 303, so that a POST is never repeated at the new place (RFC 9700 4.12)."""
    return Response(303, (("Location", location), *NO_STORE))


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """Give `uri` with `parameters` added behind the query that it has (RFC 6749 3.1.2)."""
    parts = urlsplit(uri)
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit(parts._replace(query=query))


ErrorBody = dict[str, Any]


def error_body(error: str, description: str) -> ErrorBody:
    """Give the JSON object of RFC 6749 5.2."""
    return {"error": error, "error_description": description} if description else {"error": error}


__all__ = [
    "NO_STORE",
    "ErrorBody",
    "MalformedParameters",
    "Parameters",
    "Request",
    "Response",
    "error_body",
    "form_body",
    "html_response",
    "json_response",
    "redirect",
    "with_query",
]
