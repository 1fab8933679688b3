"""One outside system of the configuration: its address, its bearer token, its deadline and its circuit breaker."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from idp.config import Gateway
from idp.connectors.circuit_breaker import CircuitBreaker, CircuitOpen
from idp.connectors.http import HttpAnswer, HttpTrouble, OutboundHttp

MOST_ANSWER_BYTES = 64 * 1024
FAILURES_IN_A_ROW = 5
PAUSE = timedelta(seconds=15)


class GatewayTrouble(Exception):
    """The gateway gave no usable answer; the text is one word for the log and holds nothing that was sent."""


class OutsideGateway:
    """Asks one outside system questions in JSON."""

    def __init__(self, settings: Gateway, *, breaker: CircuitBreaker | None = None) -> None:
        """Take the `settings`; tests give a `breaker` of their own."""
        self.name = settings.name
        self._url = settings.url.rstrip("/")
        self._token = settings.token
        # The operator names the address, so a private one is right.
        self._http = OutboundHttp(
            name=settings.name, whole_call=settings.timeout, most_bytes=MOST_ANSWER_BYTES, guard=None, ca_file=settings.ca_file
        )
        self._breaker = breaker or CircuitBreaker(name=settings.name, failures=FAILURES_IN_A_ROW, pause=PAUSE)

    def ask(self, path: str, content: Mapping[str, object], *, reference: str, tries: int) -> dict[str, object]:
        """Post `content` to `path` and give the JSON object of a 2xx answer.

        `reference` goes along as `Idempotency-Key`: with one that the gateway honours, several `tries` are one question.
        Raises `GatewayTrouble`.
        """
        try:
            answer = self._breaker.call(lambda: self._post(path, content, reference, tries))
        except CircuitOpen:
            raise GatewayTrouble("circuit_open") from None
        except HttpTrouble as trouble:
            raise GatewayTrouble(trouble.reason) from None
        found = answer.json_object()
        if not answer.is_success or found is None:
            raise GatewayTrouble(f"status_{answer.status}")
        return found

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _post(self, path: str, content: Mapping[str, object], reference: str, tries: int) -> HttpAnswer:
        """Post; what says that the gateway itself is unwell is raised, and so counts for the circuit.

        A refusal (4xx) does not: it speaks of one message, and whoever can cause it must not be able to open the circuit for all.
        """
        answer = self._http.post_json(self._url + path, content, headers=self._headers(reference), tries=tries)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise HttpTrouble(f"status_{answer.status}")
        if answer.is_success and answer.json_object() is None:
            raise HttpTrouble("nonsense")
        return answer

    def _headers(self, reference: str) -> dict[str, str]:
        headers = {"Idempotency-Key": reference}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        return headers
