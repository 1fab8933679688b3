"""A relying party that drives a provider as the foundation's suite does: asks, sends a person's browser, redeems, judges what it sees."""

import base64
import functools
import secrets
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx2
from joserfc.jwk import KeySet

from tests.conformance import judges
from tests.conformance.findings import Finding
from tests.conformance.judges import Expected, Sent
from tests.conformance.plans import BASIC_PLAN, CONFIG_PLAN, Outcome
from tests.interop.page import Page
from tests.interop.person import Arrival, Person

DISCOVERY = "/.well-known/openid-configuration"
STATE_CHARACTERS = string.ascii_letters + string.digits + "-._~"
MODULES = BASIC_PLAN | CONFIG_PLAN


@dataclass(frozen=True)
class RegisteredClient:
    """What the suite's configuration holds of a static client."""

    client_id: str
    client_secret: str
    redirect_uri: str
    auth_method: str = "client_secret_basic"
    algorithm: str = "RS256"
    signed_out_uri: str = ""


class Site(Protocol):
    """A provider to drive: in this process or over the network."""

    @property
    def issuer(self) -> str:
        """Give the issuer, as the configuration of the suite has it."""
        ...

    @property
    def clients(self) -> Mapping[str, RegisteredClient]:
        """Give the static clients: `client`, `client2` and `client_secret_post`."""
        ...

    def http(self) -> httpx2.Client:
        """Give connections of somebody new."""
        ...

    def now(self) -> float:
        """Give the time at which the provider is."""
        ...

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        ...


class Visitor(Person):
    """A person whose browser can also be sent to us by a form of another site."""

    def post_from_elsewhere(self, url: str, fields: Mapping[str, str], *, to: str) -> Arrival:
        """Send a form of another site: our `SameSite=Lax` cookies stay at home, and come along at the redirect that follows."""
        request = self.browser.build_request("POST", url, data=dict(fields), headers={"Origin": "https://elsewhere.example"})
        request.headers.pop("Cookie", None)
        response = self.browser.send(request)
        assert response.status_code == httpx2.codes.SEE_OTHER, response.text[:500]
        return self.walk(str(response.url.join(response.headers["Location"])), to=to)


@dataclass(frozen=True)
class Flow:
    """One code flow from its request to userinfo."""

    sent: Sent
    code: str
    tokens: Mapping[str, Any]
    claims: Mapping[str, Any]
    userinfo: Mapping[str, Any]

    @property
    def access_token(self) -> str:
        """Give the access token."""
        return str(self.tokens["access_token"])


class Suite:
    """One run of one module: what it found, and how it ends."""

    def __init__(self, site: Site, person: Visitor) -> None:
        self.site = site
        self.person = person
        self.http = site.http()
        self.warnings: list[str] = []
        self.skipped: list[str] = []
        self.has_seen_page = False

    # --- how it ends -----------------------------------------------------------------------------------------------------------------

    def judge(self, findings: Iterable[Finding]) -> None:
        """Fail at the first failure; keep the warnings."""
        for finding in findings:
            assert not finding.is_failure, finding
            self.warnings.append(finding.text)

    def skip(self, reason: str) -> None:
        """Note why the suite would not go on with this module."""
        self.skipped.append(reason)

    @property
    def outcome(self) -> Outcome:
        """Give how the module ends, by the suite's own order."""
        if self.skipped:
            return Outcome("SKIPPED", tuple(self.skipped))
        if self.warnings:
            return Outcome("WARNING", tuple(self.warnings))
        return Outcome("REVIEW" if self.has_seen_page else "PASSED")

    # --- the provider ----------------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def metadata(self) -> dict[str, Any]:
        """Give the discovery document, judged with the keys that it leads to: every module begins so."""
        response = self.http.get(self.site.issuer + DISCOVERY)
        self.judge(judges.discovery(response))
        metadata: dict[str, Any] = response.json()
        assert metadata["issuer"] == self.site.issuer
        self.judge(judges.jwks(self.http.get(metadata["jwks_uri"])))
        return metadata

    @functools.cached_property
    def keys(self) -> KeySet:
        """Give the keys that sign ID tokens."""
        return KeySet.import_key_set(self.http.get(self.metadata["jwks_uri"]).json())

    def lacks_scopes(self, *scopes: str) -> bool:
        """Tell, and note, whether the module needs a scope that the provider does not tell."""
        for scope in set(scopes) - set(self.metadata["scopes_supported"]):
            self.skip(f"scopes_supported lacks {scope}")
        return bool(self.skipped)

    # --- the authorization endpoint --------------------------------------------------------------------------------------------------

    def request(self, client: str | RegisteredClient = "client", /, **changes: str | None) -> Sent:
        """Make an authorization request with fresh `state` and `nonce`; None takes a parameter out."""
        registered = self.site.clients[client] if isinstance(client, str) else client
        parameters = {
            "client_id": registered.client_id,
            "redirect_uri": registered.redirect_uri,
            "scope": "openid",
            "state": random_text(10),
            "nonce": random_text(10),
            "response_type": "code",
            **changes,
        }
        return Sent(self.site.issuer, {name: value for name, value in parameters.items() if value is not None})

    def url(self, sent: Sent) -> str:
        """Give the address that the browser is sent to."""
        return f"{self.metadata['authorization_endpoint']}?{urlencode(sent.parameters)}"

    def send(self, sent: Sent, *, declines: bool = False) -> Mapping[str, str]:
        """Send the person there and wait for the way back; gives what came."""
        return self._arrived(sent, self.person.walk(self.url(sent), to=sent.redirect_uri.partition("?")[0], declines=declines))

    def post(self, sent: Sent) -> Mapping[str, str]:
        """Send the person there by a form of our own site."""
        endpoint = self.metadata["authorization_endpoint"]
        return self._arrived(sent, self.person.post_from_elsewhere(endpoint, sent.parameters, to=sent.redirect_uri))

    def _arrived(self, sent: Sent, arrival: Arrival) -> Mapping[str, str]:
        self.judge(judges.callback(sent, arrival.url, arrival.form))
        return arrival.parameters

    def code(self, sent: Sent) -> str:
        """Get a code."""
        answer = self.send(sent)
        self.judge(judges.authorization_response(sent, answer))
        return answer["code"]

    def error(self, sent: Sent, *, declines: bool = False) -> str:
        """Get an error back."""
        answer = self.send(sent, declines=declines)
        self.judge(judges.error_response(sent, answer))
        return answer["error"]

    def page(self, sent: Sent) -> str:
        """See a page that refuses the request, from which nothing leads to the client; gives the stable code of its error."""
        response = self.person.browser.get(self.url(sent))
        assert response.status_code == httpx2.codes.BAD_REQUEST, response.status_code
        assert "Location" not in response.headers
        assert "text/html" in response.headers["Content-Type"]
        assert sent.redirect_uri not in response.text
        self.has_seen_page = True
        [code] = Page(response.text).errors
        return code

    def has_seen_login(self) -> bool:
        """Tell whether the last walk led over the page that asks for the password, which the suite wants a picture of."""
        return any(path.startswith("/sign-in/") and path.endswith("/password") for path in self.person.visited)

    # --- the token endpoint ----------------------------------------------------------------------------------------------------------

    def token(self, client: RegisteredClient, form: Mapping[str, str]) -> httpx2.Response:
        """Send a token request with the client's own way of authentication."""
        fields, headers = dict(form), {}
        if client.auth_method == "client_secret_basic":
            credentials = f"{client.client_id}:{client.client_secret}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
        else:
            fields |= {"client_id": client.client_id, "client_secret": client.client_secret}
        return self.http.post(self.metadata["token_endpoint"], data=fields, headers=headers)

    def redeem(self, sent: Sent, code: str, **changes: str) -> httpx2.Response:
        """Redeem a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": sent.redirect_uri, **changes}
        return self.token(self._client_of(sent), form)

    def refresh(self, client: RegisteredClient, refresh_token: str, **changes: str) -> httpx2.Response:
        """Use a refresh token."""
        return self.token(client, {"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})

    def tokens(self, sent: Sent, response: httpx2.Response, *, has_nonce: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
        """Judge a token response; gives it with the claims of its ID token."""
        self.judge(judges.token_response(response))
        body, client = response.json(), self._client_of(sent)
        expected = Expected(
            issuer=self.site.issuer,
            client_id=client.client_id,
            algorithm=client.algorithm,
            keys=self.keys,
            access_token=body["access_token"],
            now=self.site.now(),
            nonce=sent.parameters.get("nonce"),
            has_nonce=has_nonce,
            max_age=int(sent.parameters["max_age"]) if "max_age" in sent.parameters else None,
        )
        self.judge(judges.id_token(body["id_token"], expected))
        return body, judges.read_jwt(body["id_token"], self.keys, client.algorithm) or {}

    def _client_of(self, sent: Sent) -> RegisteredClient:
        known = (client for client in self.site.clients.values() if client.client_id == sent.parameters["client_id"])
        return next(known)

    # --- userinfo --------------------------------------------------------------------------------------------------------------------

    def userinfo(self, access_token: str, *, method: str = "GET") -> httpx2.Response:
        """Ask by GET or POST with the token in the header, as RFC 6750 2.1 says."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.http.request(method, self.metadata["userinfo_endpoint"], headers=headers)

    def known(self, response: httpx2.Response, sub: str) -> dict[str, Any]:
        """Judge an answer of userinfo; gives its claims."""
        self.judge(judges.userinfo(response, sub=sub, now=self.site.now()))
        return dict(response.json())

    # --- all of it -------------------------------------------------------------------------------------------------------------------

    def flow(self, client: str | RegisteredClient = "client", /, **changes: str | None) -> Flow:
        """Walk the code flow from the request to userinfo."""
        return self.finish(self.request(client, **changes))

    def finish(self, sent: Sent, code: str | None = None, **changes: str) -> Flow:
        """Walk the code flow of a request, or what is left of it once there is a code; `changes` are of the token request."""
        self.judge(judges.client_authentication(self.metadata, self._client_of(sent).auth_method))
        code = code or self.code(sent)
        tokens, claims = self.tokens(sent, self.redeem(sent, code, **changes))
        userinfo = self.known(self.userinfo(tokens["access_token"]), claims["sub"])
        return Flow(sent, code, tokens, claims, userinfo)


def random_text(length: int) -> str:
    """Give a `state` or `nonce`, of all characters that a URL carries as they are."""
    return "".join(secrets.choice(STATE_CHARACTERS) for _ in range(length))


def module(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test as the mirror of a module: it has to end exactly as `plans` says, warnings and all."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**given: Any) -> None:
            test(**given)
            assert given["suite"].outcome == MODULES[name]

        return run

    return mark
