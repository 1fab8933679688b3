"""What is measured: each operation as one virtual user does it, with every answer checked."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from joserfc import jwt

from bench.driver import Script, Wrong
from bench.providers import DISCOVERY, OK, REDIRECT_URI, SCOPE, PortalClient, Provider
from bench.wire import Answer, Writer, basic, bearer

REDIRECTS = frozenset({302, 303, 307})
MOST_REDIRECTS = 8

Asking = Generator[bytes, Answer, dict[str, Any]]


@dataclass(frozen=True)
class Code:
    """An authorization code with what redeems it."""

    value: str
    verifier: str
    nonce: str


class Visitor:
    """One virtual user: a browser with its session, and the portal's software that acts for it. Subclasses are the operations."""

    _wants_refresh_token = False

    def __init__(self, provider: Provider, number: int, algorithm: str) -> None:
        """Take the user's number, by which it has its browser and its address."""
        self.provider = provider
        self.algorithm = algorithm
        self.laps: list[tuple[str, float]] = []
        self.last_id_token = ""
        self._writer = Writer(provider.host, f"203.0.113.{number + 1}")
        self._cookies = provider.browsers[number]
        self._client = self._choose_client()
        self._basic = basic(self._client.client_id, self._client.secret)

    def prepare(self) -> Script:
        """Get what the operation needs; an operation that needs nothing is done once."""
        yield from self.once()

    def once(self) -> Script:
        """Do the operation."""
        raise NotImplementedError

    def _choose_client(self) -> PortalClient:
        return self.provider.clients.with_code[self.algorithm]

    def _lap(self, name: str) -> None:
        self.laps.append((name, time.perf_counter()))

    # --- the steps of a code flow ----------------------------------------------------------------------------------------------------

    def _sign_in(self) -> Asking:
        """Walk a whole code flow; gives the token response."""
        code = yield from self._authorize()
        return (yield from self._redeem(code))

    def _authorize(self) -> Generator[bytes, Answer, Code]:
        """Ask for a code and follow the redirects until they lead back to the portal (OpenID Connect Core 3.1.2)."""
        verifier, state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        target = f"{self.provider.path('authorization_endpoint')}?{urlencode(asked)}"
        for _ in range(MOST_REDIRECTS):
            answer = yield self._writer.get(target, self._cookies.field)
            self._cookies.keep(answer)
            location = answer.header("location")
            if answer.status not in REDIRECTS or location is None:
                raise Wrong(f"authorize: status {answer.status} where a redirect belongs")
            if location.startswith(REDIRECT_URI):
                return Code(_code_in(location, state), verifier, nonce)
            parts = urlsplit(urljoin(f"https://{self.provider.host}{target}", location))
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        raise Wrong(f"authorize: more than {MOST_REDIRECTS} redirects")

    def _redeem(self, code: Code) -> Asking:
        tokens = yield from self._ask_for_tokens(
            {
                "grant_type": "authorization_code",
                "code": code.value,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": code.verifier,
            }
        )
        self._check_id_token(tokens, nonce=code.nonce)
        if ("refresh_token" in tokens) is not self._wants_refresh_token:
            raise Wrong("authorization_code: a refresh token is missing, or was given to a client that has none registered")
        return tokens

    def _ask_for_tokens(self, form: Mapping[str, str]) -> Asking:
        answer = yield self._writer.post(self.provider.path("token_endpoint"), form, self._basic)
        tokens = _json(answer, form["grant_type"])
        if not tokens.get("access_token") or tokens.get("token_type") != "Bearer":
            raise Wrong(f"{form['grant_type']}: no bearer token in the answer")
        return tokens

    def _check_id_token(self, tokens: Mapping[str, Any], *, nonce: str | None) -> None:
        """Check all of an ID token but its signature, which is checked for the last one of a window."""
        self.last_id_token = tokens.get("id_token", "")
        head, _, rest = self.last_id_token.partition(".")
        if _algorithm(head) != self.algorithm:
            raise Wrong(f"the ID token is signed by {_algorithm(head)}, not by {self.algorithm}")
        claims = json.loads(_decoded(rest.partition(".")[0]))
        audience = claims["aud"]
        is_ours = self._client.client_id in (audience if isinstance(audience, list) else [audience])
        if claims["iss"] != self.provider.issuer or not is_ours or (nonce is not None and claims.get("nonce") != nonce):
            raise Wrong("the ID token has another iss, aud or nonce")

    def _ask_who(self, tokens: Mapping[str, Any]) -> Asking:
        path = self.provider.path("userinfo_endpoint")
        answer = yield self._writer.get(path, bearer(tokens["access_token"]))
        told = _json(answer, "userinfo")
        if not told.get("sub") or not told.get("name") or not told.get("email"):
            raise Wrong("userinfo: sub, name or email is missing")
        return told

    def check_signature(self) -> None:
        """Verify the last ID token by the provider's published keys; raises a `JoseError` when it is not theirs."""
        if self.last_id_token:
            jwt.decode(self.last_id_token, self.provider.keys, algorithms=[self.algorithm])


class CodeFlow(Visitor):
    """Authorization with an existing session, token, UserInfo."""

    def once(self) -> Script:
        """Walk it; its parts are laps."""
        code = yield from self._authorize()
        self._lap("authorize")
        tokens = yield from self._redeem(code)
        self._lap("token")
        yield from self._ask_who(tokens)
        self._lap("userinfo")


class Refresh(Visitor):
    """The refresh token that was given last becomes new tokens, with an ID token among them."""

    _wants_refresh_token = True
    _refresh_token = ""

    def _choose_client(self) -> PortalClient:
        return self.provider.clients.with_refresh[self.algorithm]

    def prepare(self) -> Script:
        """Get the first refresh token."""
        tokens = yield from self._sign_in()
        self._refresh_token = tokens["refresh_token"]

    def once(self) -> Script:
        """Use it, and hold the next."""
        tokens = yield from self._ask_for_tokens({"grant_type": "refresh_token", "refresh_token": self._refresh_token})
        self._check_id_token(tokens, nonce=None)
        if tokens["refresh_token"] == self._refresh_token:
            raise Wrong("refresh: the refresh token was not rotated")
        self._refresh_token = tokens["refresh_token"]


class WithToken(Visitor):
    """An operation upon an access token that was given before."""

    def prepare(self) -> Script:
        """Get an access token."""
        self._tokens = yield from self._sign_in()
        self._sub = json.loads(_decoded(self._tokens["id_token"].split(".")[1]))["sub"]


class UserInfo(WithToken):
    """UserInfo by a bearer token."""

    def once(self) -> Script:
        """Ask who it is."""
        told = yield from self._ask_who(self._tokens)
        if told["sub"] != self._sub:
            raise Wrong("userinfo: another sub than in the ID token")


class Introspect(WithToken):
    """Introspection of a living access token by the client that has it (RFC 7662)."""

    def once(self) -> Script:
        """Ask whether it is alive."""
        form = {"token": self._tokens["access_token"]}
        answer = yield self._writer.post(self.provider.path("introspection_endpoint"), form, self._basic)
        if _json(answer, "introspect").get("active") is not True:
            raise Wrong("introspect: a living token is not active")


class ClientCredentials(Visitor):
    """An access token for the client itself (RFC 6749 4.4)."""

    def _choose_client(self) -> PortalClient:
        client = self.provider.clients.machine
        if client is None:
            raise ValueError("no client is registered for client_credentials")
        return client

    def once(self) -> Script:
        """Ask for it."""
        yield from self._ask_for_tokens({"grant_type": "client_credentials"})


class Jwks(Visitor):
    """The public keys."""

    def once(self) -> Script:
        """Read them."""
        answer = yield self._writer.get(self.provider.path("jwks_uri"))
        if not _json(answer, "jwks")["keys"]:
            raise Wrong("jwks: no keys")


class Discovery(Visitor):
    """The discovery document."""

    def once(self) -> Script:
        """Read it."""
        answer = yield self._writer.get(DISCOVERY)
        if _json(answer, "discovery")["issuer"] != self.provider.issuer:
            raise Wrong("discovery: another issuer")


OPERATIONS: dict[str, Callable[[Provider, int, str], Visitor]] = {
    "code_flow": CodeFlow,
    "refresh": Refresh,
    "client_credentials": ClientCredentials,
    "introspect": Introspect,
    "userinfo": UserInfo,
    "jwks": Jwks,
    "discovery": Discovery,
}
SIGNING = ("code_flow", "refresh")  # what depends on the algorithm of the client
LAPS = {"code_flow": ("authorize", "token", "userinfo")}


def _code_in(location: str, state: str) -> str:
    found = parse_qs(urlsplit(location).query)
    if found.get("state") != [state] or "code" not in found:
        raise Wrong(f"authorize: no code: {found.get('error', ['another state'])[0]}")
    return found["code"][0]


def _json(answer: Answer, what: str) -> dict[str, Any]:
    if answer.status != OK:
        raise Wrong(f"{what}: status {answer.status} {answer.body[:200]!r}")
    found = json.loads(answer.body)
    if not isinstance(found, dict):
        raise Wrong(f"{what}: no JSON object")
    return found


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


@lru_cache(maxsize=64)
def _algorithm(head: str) -> str:
    try:
        return str(json.loads(_decoded(head))["alg"])
    except (ValueError, KeyError):
        return "nothing"
