"""Our outbound HTTP: bounded in time, size and tries, without redirects, and silent about what is sent and answered."""

import json
import logging
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from http import HTTPStatus

import httpcore2
import httpx2
import structlog

from idp.connectors.network import AddressGuard, BoundedNetwork, deadline, remaining

PAUSE_BETWEEN_TRIES = timedelta(milliseconds=100)
PASSING_STATUSES = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
PASSING_TROUBLES = frozenset({"connection", "protocol"})
CONNECTIONS = 50
IDLE_CONNECTION_LIFETIME = timedelta(seconds=5)

_log = structlog.get_logger("senid.connectors")
# httpx2 logs whole URLs at INFO, httpcore2 whole header lists at DEBUG; this file logs one line a call instead.
logging.getLogger("httpx2").setLevel(logging.WARNING)
logging.getLogger("httpcore2").setLevel(logging.INFO)


class HttpTrouble(Exception):
    """A call that brought no usable answer; `reason` is one word for the log."""

    def __init__(self, reason: str) -> None:
        """Take the `reason`."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, repr=False)
class HttpAnswer:
    """A status and a body of bounded size."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether the status is 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def json_object(self) -> dict[str, object] | None:
        """Give the JSON object of the body, or None when it is nonsense."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


class OutboundHttp:
    """Calls one kind of outside system. Thread-safe; connections are kept for a few seconds."""

    def __init__(self, *, name: str, whole_call: timedelta, most_bytes: int, guard: AddressGuard | None, ca_file: str = "") -> None:
        """Take the `name` for the log, the deadline of a `whole_call` with its retries, the largest answer, and who may be dialled.

        `ca_file` (PEM), unless empty, names the authorities to trust instead of the public ones.
        """
        self._name = name
        self._seconds = whole_call.total_seconds()
        self._most_bytes = most_bytes
        # trust_env=False: no proxy, no netrc and no certificate file from the environment.
        self._client = httpx2.Client(transport=_Transport(guard, ca_file), trust_env=False, follow_redirects=False, timeout=self._seconds)

    def post_json(self, url: str, content: Mapping[str, object], *, headers: Mapping[str, str], tries: int) -> HttpAnswer:
        """Post `content` as JSON; more than one of `tries` only for a call that is idempotent. Raises `HttpTrouble`."""
        body = json.dumps(content, ensure_ascii=True).encode()
        return self._call("POST", url, body, {**headers, "Content-Type": "application/json"}, tries)

    def get(self, url: str, *, headers: Mapping[str, str], tries: int) -> HttpAnswer:
        """Get `url`. Raises `HttpTrouble`."""
        return self._call("GET", url, b"", headers, tries)

    def close(self) -> None:
        """Close the idle connections."""
        self._client.close()

    def _call(self, method: str, url: str, body: bytes, headers: Mapping[str, str], tries: int) -> HttpAnswer:
        """Try, and try again within one deadline while the trouble may be passing."""
        started = time.monotonic()
        outcome = "unexpected"
        try:
            with deadline(self._seconds):
                answer = self._tries(method, url, body, headers, tries)
            outcome = str(answer.status)
        except HttpTrouble as trouble:
            outcome = trouble.reason
            raise
        finally:
            milliseconds = round((time.monotonic() - started) * 1000)
            _log.info("outbound call", gateway=self._name, method=method, outcome=outcome, milliseconds=milliseconds)
        return answer

    def _tries(self, method: str, url: str, body: bytes, headers: Mapping[str, str], tries: int) -> HttpAnswer:
        for _ in range(tries - 1):
            try:
                answer = self._once(method, url, body, headers)
            except HttpTrouble as trouble:
                if trouble.reason not in PASSING_TROUBLES:
                    raise
            else:
                if answer.status not in PASSING_STATUSES:
                    return answer
            time.sleep(PAUSE_BETWEEN_TRIES.total_seconds())
        return self._once(method, url, body, headers)

    def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        # identity: a compressed answer could grow past the size limit before it is counted.
        headers = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            with self._client.stream(method, url, content=body or None, headers=headers, timeout=remaining()) as response:
                if response.is_redirect:
                    raise HttpTrouble("redirect")
                return HttpAnswer(response.status_code, self._body(response))
        except (httpx2.TimeoutException, httpcore2.TimeoutException):
            raise HttpTrouble("timeout") from None
        except (httpx2.ProtocolError, httpcore2.ProtocolError):
            raise HttpTrouble("protocol") from None
        except (httpx2.TransportError, httpcore2.NetworkError, OSError):
            raise HttpTrouble("connection") from None
        except (httpx2.InvalidURL, httpcore2.UnsupportedProtocol, ValueError):
            raise HttpTrouble("request") from None

    def _body(self, response: httpx2.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise HttpTrouble("encoding")
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > self._most_bytes:
                raise HttpTrouble("too_large")
        return bytes(body)


class _Transport(httpx2.BaseTransport):
    """Carries httpx2's requests over the bounded network; httpx2's own transport does not let one choose the network."""

    def __init__(self, guard: AddressGuard | None, ca_file: str) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_tls(ca_file),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_CONNECTION_LIFETIME.total_seconds(),
            network_backend=BoundedNetwork(guard),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = httpcore2.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path)
        answer = self._pool.handle_request(
            httpcore2.Request(request.method, url, headers=request.headers.raw, content=request.read(), extensions=request.extensions)
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()


@cache
def _tls(ca_file: str) -> ssl.SSLContext:
    """Give the one TLS context of the process for these authorities: reading the public ones takes tens of milliseconds."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx2.create_ssl_context(trust_env=False)


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
