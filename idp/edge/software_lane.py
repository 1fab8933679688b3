"""The WSGI callable in front of Flask: answers what software calls, and observes every request of both lanes."""

import ipaddress
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from idp.edge import logs, metrics
from idp.edge.error_responses import answered, json_error, last_resort, shown_page
from idp.edge.languages import choose
from idp.edge.messages import Headers, MalformedParameters, Parameters, Request, Response, form_body
from idp.edge.pages import SECURITY_HEADERS, Pages, View
from idp.errors import BadRequest, BodyTooLarge, InvalidRequest, MethodNotAllowed, PageMethodNotAllowed, SenidError, TooLarge, Unavailable
from idp.safety.caller import CALLER, Caller
from idp.values import new_id

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
Handler = Callable[[Request], Response]
WayBack = Callable[[SenidError], str | None]
BUSY_SECONDS = 2
HSTS = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")


@dataclass(frozen=True)
class Route:
    """One rule of the lane: a path, or a prefix when it ends with `/`, and a handler for each method.

    `for_people` says that errors are pages. `is_open` lets scripts of any origin read the answer: for public documents alone.
    `is_logged` is False for what tells everybody the same: it is counted, and logged only when it goes wrong.
    """

    rule: str
    methods: Mapping[str, Handler]
    for_people: bool = False
    is_open: bool = False
    is_logged: bool = True


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
        people_at_once: int,
    ) -> None:
        """Answer `routes` here, and give everything else to `fallback`, at most `people_at_once` at a time.

        People's pages wait for slow things (password hashes, text messages, carriers); however many do, software finds a thread.
        """
        routes = tuple(routes)
        self._exact = {route.rule: route for route in routes if not route.rule.endswith("/")}
        self._prefixes = tuple(route for route in routes if route.rule.endswith("/"))
        self._fallback = fallback
        self._places = threading.BoundedSemaphore(people_at_once)
        self._pages = pages
        self._language_cookie = language_cookie
        self._way_back = way_back
        self._proxies = tuple(ipaddress.ip_network(network) for network in trusted_proxies)
        self._is_trusted = lru_cache(maxsize=1024)(self._find_trust)
        self._always = (*SECURITY_HEADERS, *((HSTS,) if is_tls else ()))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one WSGI request."""
        started = time.perf_counter()
        request_id = new_id()
        address = self._address(environ)
        CALLER.set(Caller("portal", address, request_id))
        if cookies := environ.get("HTTP_COOKIE"):
            environ["HTTP_COOKIE"] = _as_utf8(cookies)
        path = environ.get("PATH_INFO", "") or "/"
        route = self._exact.get(path) or next((one for one in self._prefixes if path.startswith(one.rule)), None)
        if route is None:
            CALLER.set(Caller("person", address, request_id))
            return self._fall_back(environ, start_response, request_id, started)
        response = self._answer(route, environ, path, address, request_id)
        self._observe(route.rule, environ["REQUEST_METHOD"], response.status, started, request_id, is_logged=route.is_logged)
        headers = [*response.headers, *self._always, ("X-Request-Id", request_id), ("Content-Length", str(len(response.body)))]
        start_response(_status_line(response.status), headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body]

    def _answer(self, route: Route, environ: Environ, path: str, address: str, request_id: str) -> Response:
        method, headers = environ["REQUEST_METHOD"], Headers(environ)

        def work() -> Response:
            handler = _handler(route, method)
            query, form = _parameters(route, method, environ)
            return handler(Request(method, path, query, form, headers, address, request_id))

        def render(error: SenidError) -> Response:
            if not route.for_people:
                return json_error(error)
            asked = Request(method, path, headers=headers, address=address, request_id=request_id)
            return shown_page(self._pages, error, self.view(asked), back_href=self._way_back(error))

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
            self._observe(rule, environ["REQUEST_METHOD"], int(status.split(" ", 1)[0]), started, request_id)
            return start_response(status, [*headers, *self._always, ("X-Request-Id", request_id)], *rest)

        def render(error: SenidError) -> Iterable[bytes]:
            response = last_resort(error)
            if isinstance(error, Unavailable):
                asked = Request(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), headers=Headers(environ), request_id=request_id)
                response = shown_page(self._pages, error, self.view(asked))
            observed_start(_status_line(response.status), list(response.headers))
            return [response.body]

        def work() -> Iterable[bytes]:
            if not self._places.acquire(blocking=False):
                raise Unavailable("too many pages at once", retry_after_seconds=BUSY_SECONDS)
            try:
                return self._fallback(environ, observed_start)
            finally:
                self._places.release()

        return answered(work, render)

    @staticmethod
    def _observe(rule: str, method: str, status: int, started: float, request_id: str, *, is_logged: bool = True) -> None:
        duration = time.perf_counter() - started
        metrics.record(rule, method, status, duration)
        if is_logged or status >= HTTPStatus.BAD_REQUEST:
            logs.tell_answered(method, rule, status, duration, request_id)

    def _address(self, environ: Environ) -> str:
        """Give the caller's address: the last one in `X-Forwarded-For` that no trusted proxy has."""
        address = str(environ.get("REMOTE_ADDR", ""))
        for hop in _hops(environ.get("HTTP_X_FORWARDED_FOR", "")):
            if not self._is_trusted(address):
                break
            address = hop
        return address

    def _find_trust(self, address: str) -> bool:
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


def _parameters(route: Route, method: str, environ: Environ) -> tuple[Parameters, Parameters]:
    """Read query and form; bad ones are told to the audience of the route."""
    try:
        query = Parameters.parse(environ.get("QUERY_STRING", "").encode("latin-1"))
        return query, Parameters.parse(form_body(environ)) if method == "POST" else Parameters()
    except MalformedParameters as error:
        raise (BadRequest(str(error)) if route.for_people else InvalidRequest("the parameters are malformed")) from None
    except OverflowError:
        raise (TooLarge() if route.for_people else BodyTooLarge("the body is too large")) from None


def _as_utf8(value: str) -> str:
    """Replace bytes that are no UTF-8, which servers hand over as Latin-1 (PEP 3333): Werkzeug raises for them, error page or not."""
    if value.isascii():
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "replace").encode().decode("latin-1")


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
