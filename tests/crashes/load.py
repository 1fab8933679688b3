"""Light load on a server whose stores come and go: people sign in, portals redeem, refresh and ask; every answer is kept."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import httpx2

from tests.interop.page import Page
from tests.serve.portal import REDIRECT_URI, VERIFIER, Portal
from tests.serve.server import Deployment

Kind = Literal["page", "code", "refresh", "userinfo", "jwks", "discovery"]
KINDS: tuple[Kind, ...] = ("page", "code", "refresh", "userinfo", "jwks", "discovery")
JSON: set[Kind] = {"code", "refresh", "userinfo", "jwks", "discovery"}
LONGEST_ANSWER_SECONDS = 25.0  # of a busy machine; a request that waits for a store that does not come back waits for ever
PAUSE_SECONDS = 0.05
MOST_STEPS = 12
REDEMPTION = {"redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}


@dataclass(frozen=True)
class Answer:
    """What was asked, when, and what came of it; `status` is 0 where the connection broke and -1 where nothing came in time.

    `is_arrival` is the way back to the portal with a code.
    """

    kind: Kind
    asked_at: float
    answered_at: float
    status: int
    retry_after: str = ""
    content_type: str = ""
    is_arrival: bool = False
    text: str = field(default="", repr=False)


@dataclass
class Family:
    """The tokens that came of one sign-in at the portal; `is_certain` until an answer got lost on the way."""

    access_tokens: list[str]
    refresh_tokens: list[str]
    is_certain: bool = True


@dataclass
class Load:
    """The load, and what it has heard."""

    deployment: Deployment
    portal: Portal
    knows: dict[str, str]
    answers: list[Answer] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    reserve: str | None = None  # a code for when no more come
    _codes: deque[str] = field(default_factory=lambda: deque(maxlen=4))
    _ends: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Run it for the time of the block."""
        threads = [threading.Thread(target=self._run, args=(turn,)) for turn in (self._sign_in, self._be_portal, self._look)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def since(self, begun_at: float) -> list[Answer]:
        """Give the answers to what was asked since then."""
        with self._lock:
            return [answer for answer in self.answers if answer.asked_at >= begun_at]

    def has_all_kinds(self, begun_at: float, *, each: int, status: int | None = None) -> bool:
        """Tell whether so many of every kind were answered since then, with this status."""
        counted = Counter(answer.kind for answer in self.since(begun_at) if status in {None, answer.status})
        return all(counted[kind] >= each for kind in KINDS)

    # --- who does it ------------------------------------------------------------------------------------------------------------------

    def _run(self, turn: Callable[[httpx2.Client], None]) -> None:
        with self.deployment.client() as client:
            client.timeout = httpx2.Timeout(LONGEST_ANSWER_SECONDS)
            while not self._ends.wait(PAUSE_SECONDS):
                turn(client)

    def _sign_in(self, browser: httpx2.Client) -> None:
        """Sign in at a new browser, and come by the session a second time."""
        browser.cookies.clear()
        for _ in range(2):
            code = self.walk(browser)
            if code is not None:
                self._codes.append(code)

    def walk(self, browser: httpx2.Client) -> str | None:
        """Go on until the portal has a code, or something is in the way."""
        answer = self._ask("page", browser, "GET", self.portal.request())
        for _ in range(MOST_STEPS):
            if answer is None:
                return None
            if answer.is_redirect:
                location = str(answer.url.join(answer.headers["Location"]))
                if location.startswith(REDIRECT_URI):
                    return dict(httpx2.URL(location).params).get("code")
                answer = self._ask("page", browser, "GET", location)
                continue
            form = Page(answer.text).main_form if answer.status_code == httpx2.codes.OK else None
            if form is None:
                return None
            answer = self._ask("page", browser, "POST", str(answer.url.join(form.action)), data=form.filled(self.knows))
        return None

    def _be_portal(self, software: httpx2.Client) -> None:
        """Redeem a code if there is one, and refresh what there is; a code that is not taken for lack of a store is tried again."""
        code = self._codes.popleft() if self._codes else self.reserve
        if code is not None:
            self._redeem(software, code)
        family = next((family for family in reversed(self.families) if family.is_certain), None)
        if family is not None:
            self._refresh(software, family)

    def _redeem(self, software: httpx2.Client, code: str) -> None:
        answer = self._token("code", software, {"grant_type": "authorization_code", "code": code, **REDEMPTION})
        if answer is not None and answer.status_code == httpx2.codes.OK:
            tokens = answer.json()
            self.families.append(Family([tokens["access_token"]], [tokens["refresh_token"]]))
        is_later = answer is not None and answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE
        self.reserve = code if is_later else None

    def _refresh(self, software: httpx2.Client, family: Family) -> None:
        answer = self._token("refresh", software, {"grant_type": "refresh_token", "refresh_token": family.refresh_tokens[-1]})
        if answer is not None and answer.status_code == httpx2.codes.OK:
            tokens = answer.json()
            family.access_tokens.append(tokens["access_token"])
            family.refresh_tokens.append(tokens["refresh_token"])
        elif answer is None or answer.status_code != httpx2.codes.SERVICE_UNAVAILABLE:
            family.is_certain = False  # the answer got lost with the store: the token is spent, and nobody has the next one

    def _look(self, software: httpx2.Client) -> None:
        if self.families:
            bearer = {"Authorization": f"Bearer {self.families[-1].access_tokens[-1]}"}
            self._ask("userinfo", software, "GET", "/userinfo", headers=bearer)
        self._ask("jwks", software, "GET", "/jwks")
        self._ask("discovery", software, "GET", "/.well-known/openid-configuration")

    def _token(self, kind: Kind, software: httpx2.Client, form: dict[str, str]) -> httpx2.Response | None:
        return self._ask(kind, software, "POST", "/token", data=form, auth=(self.portal.client_id, self.portal.client_secret))

    def _ask(self, kind: Kind, client: httpx2.Client, method: str, path: str, **more: object) -> httpx2.Response | None:
        asked_at = time.monotonic()
        try:
            answer = client.request(method, path, **more)  # type: ignore[arg-type]
        except httpx2.TransportError as error:
            status = -1 if isinstance(error, httpx2.TimeoutException) else 0
            self._keep(Answer(kind, asked_at, time.monotonic(), status, text=type(error).__name__))
            return None
        headers = answer.headers
        retry_after, content_type = headers.get("Retry-After", ""), headers.get("Content-Type", "")
        is_arrival = "code=" in headers.get("Location", "")
        self._keep(Answer(kind, asked_at, time.monotonic(), answer.status_code, retry_after, content_type, is_arrival, answer.text[:2000]))
        return answer

    def _keep(self, answer: Answer) -> None:
        with self._lock:
            self.answers.append(answer)
