"""The WSGI callable in front of Flask: answers what software calls, and observes every request of both lanes."""

import ipaddress
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import structlog

from idp.edge import metrics
from idp.edge.error_responses import answered, json_error, last_resort, shown_page
from idp.edge.languages import choose
from idp.edge.messages import MalformedParameters, Parameters, Request, Response, form_body
from idp.edge.pages import SECURITY_HEADERS, Pages, View
from idp.errors import BadRequest, BodyTooLarge, InvalidRequest, MethodNotAllowed, PageMethodNotAllowed, SenidError, TooLarge
from idp.safety.audit import CALLER, Caller
from idp.values import new_id

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Handler = Callable[[Request], Response]
WayBack = Callable[[SenidError], str | None]
HSTS = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
_log = structlog.get_logger("senid.requests")


@dataclass(frozen=True)
class Route:
    """One rule of the lane: a path, or a prefix when it ends with `/`, and a handler for each method.

    `for_people` says that errors are pages. `is_open` lets scripts of any origin read the answer: for public documents alone.
    """

    rule: str
    methods: Mapping[str, Handler]
    for_people: bool = False
    is_open: bool = False


class SoftwareLane:
    """Routes, reads, answers and observes."""

    def __init__(
        self,
        routes: Iterable[Route],
        *,
        fallback: WsgiApp,
        pages: Pages,
        language_cookie: str,
        way_back: WayBack,
        trusted_proxies: tuple[str, ...],
        is_tls: bool,
    ) -> None:
        """Answer `routes` here, and give everything else to `fallback`."""
        routes = tuple(routes)
        self._exact = {route.rule: route for route in routes if not route.rule.endswith("/")}
        self._prefixes = tuple(route for route in routes if route.rule.endswith("/"))
        self._fallback = fallback
        self._pages = pages
        self._language_cookie = language_cookie
        self._way_back = way_back
        self._proxies = tuple(ipaddress.ip_network(network) for network in trusted_proxies)
        self._always = (*SECURITY_HEADERS, *((HSTS,) if is_tls else ()))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one WSGI request."""
        started = time.perf_counter()
        request_id = new_id()
        address = self._address(environ)
        CALLER.set(Caller("portal", address, request_id))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if cookies := environ.get("HTTP_COOKIE"):
            environ["HTTP_COOKIE"] = _as_utf8(cookies)
        path = environ.get("PATH_INFO", "") or "/"
        route = self._exact.get(path) or next((one for one in self._prefixes if path.startswith(one.rule)), None)
        if route is None:
            CALLER.set(Caller("person", address, request_id))
            return self._fall_back(environ, start_response, request_id, started)
        response = self._answer(route, environ, path, address, request_id)
        self._observe(route.rule, environ["REQUEST_METHOD"], response.status, started)
        headers = [*response.headers, *self._always, ("X-Request-Id", request_id), ("Content-Length", str(len(response.body)))]
        start_response(_status_line(response.status), headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body]

    def _answer(self, route: Route, environ: Environ, path: str, address: str, request_id: str) -> Response:
        headers = _headers(environ)
        request = Request(environ["REQUEST_METHOD"], path, headers=headers, address=address, request_id=request_id)

        def work() -> Response:
            handler = _handler(route, request.method)
            return handler(_with_parameters(route, request, environ))

        def render(error: SenidError) -> Response:
            if not route.for_people:
                return json_error(error)
            return shown_page(self._pages, error, self.view(request), back_href=self._way_back(error))

        response = answered(work, render)
        return response.with_headers(("Access-Control-Allow-Origin", "*")) if route.is_open else response

    def view(self, request: Request) -> View:
        """Give what an error page needs of a request to this lane."""
        cookie = request.cookie(self._language_cookie)
        language = choose(request.parameters.get("ui_locales"), cookie, request.headers.get("accept-language"))
        return View(language=language, request_id=request.request_id)

    def _fall_back(self, environ: Environ, start_response: StartResponse, request_id: str, started: float) -> Iterable[bytes]:
        """Let Flask answer, with the same headers and the same observation."""
        environ["QUERY_STRING"] = _as_utf8(environ.get("QUERY_STRING", ""))

        def observed_start(status: str, headers: list[tuple[str, str]], *rest: object) -> object:
            rule = environ.get("senid.route", "(none)")
            self._observe(rule, environ["REQUEST_METHOD"], int(status.split(" ", 1)[0]), started)
            return start_response(status, [*headers, *self._always, ("X-Request-Id", request_id)], *rest)

        def render(error: SenidError) -> Iterable[bytes]:
            response = last_resort(error)
            observed_start(_status_line(response.status), list(response.headers))
            return [response.body]

        return answered(lambda: self._fallback(environ, observed_start), render)

    def _observe(self, rule: str, method: str, status: int, started: float) -> None:
        duration = time.perf_counter() - started
        metrics.record(rule, method, status, duration)
        _log.info("answered", method=method, route=rule, status=status, milliseconds=round(duration * 1000, 2))

    def _address(self, environ: Environ) -> str:
        """Give the caller's address: the last one in `X-Forwarded-For` that no trusted proxy has."""
        address = str(environ.get("REMOTE_ADDR", ""))
        for hop in _hops(environ.get("HTTP_X_FORWARDED_FOR", "")):
            if not self._is_trusted(address):
                break
            address = hop
        return address

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)


def _hops(header: str) -> Iterator[str]:
    yield from (hop.strip() for hop in reversed(header.split(",")) if hop.strip())


def _handler(route: Route, method: str) -> Handler:
    handler = route.methods.get(method)
    if handler is not None:
        return handler
    if route.for_people:
        raise PageMethodNotAllowed
    raise MethodNotAllowed(f"use {' or '.join(sorted(route.methods))}", allow=", ".join(sorted(route.methods)))


def _with_parameters(route: Route, request: Request, environ: Environ) -> Request:
    """Read query and form; bad ones are told to the audience of the route."""
    try:
        query = Parameters.parse(environ.get("QUERY_STRING", "").encode("latin-1"))
        form = Parameters.parse(form_body(environ)) if request.method == "POST" else Parameters()
    except MalformedParameters as error:
        raise (BadRequest(str(error)) if route.for_people else InvalidRequest("the parameters are malformed")) from None
    except OverflowError:
        raise (TooLarge() if route.for_people else BodyTooLarge("the body is too large")) from None
    return replace(request, query=query, form=form)


def _headers(environ: Environ) -> dict[str, str]:
    headers = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


def _as_utf8(value: str) -> str:
    """Replace bytes that are no UTF-8, which servers hand over as Latin-1 (PEP 3333): Werkzeug raises for them, error page or not."""
    if value.isascii():
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "replace").encode().decode("latin-1")


def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
