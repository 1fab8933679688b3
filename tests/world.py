"""A whole provider in one process, with people and portals: what the tests of the protocol walk through."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp.app import create_app
from idp.config import Config
from idp.edge.cookies import Cookies
from idp.edge.software_lane import SoftwareLane
from idp.identity import birth_dates, documents, phone_numbers
from idp.identity.assurance import Factor, Method
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.protocol.clients import Client
from idp.services import Services
from idp.values import LocalText, secret_hash

REDIRECT_URI = "https://portal.example/callback"
PASSWORD = "Tre-xanh-1987-Viet"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class World:
    """The application, its services, and short cuts that go through real verbs."""

    app: SoftwareLane
    services: Services
    made: int = field(default=0)

    @classmethod
    def build(cls, config: Config, **parts: Any) -> "World":
        """Build an application on `config`; `parts` replace services, as the sandbox does."""
        held: list[Services] = []

        def adjust(built: Services) -> Services:
            held.append(replace(built, **parts))
            return held[0]

        app = create_app(config, adjust=adjust, with_jobs=False)
        return cls(app, held[0])

    @property
    def cookies(self) -> Cookies:
        """Give the names of our cookies."""
        return Cookies(secure=self.services.config.secure_cookies)

    def browser(self) -> Browser:
        """Give a new browser without cookies."""
        return Browser(self.app, TestResponse)

    def client(self, **changes: Any) -> tuple[Client, str]:
        """Register a portal; gives it with its secret ("" when it has none)."""
        self.made += 1
        wanted = Client(
            client_id=f"portal-{self.made}",
            name=LocalText(f"Cổng tỉnh {self.made}", f"Province portal {self.made}"),
            auth_method="client_secret_basic",
            redirect_uris=(REDIRECT_URI,),
            post_logout_redirect_uris=("https://portal.example/signed-out",),
            sector="portal.example",
            scopes=("openid", "profile", "email", "phone", "assurance", "id_number", "offline_access"),
            purpose=LocalText("Nộp hồ sơ trực tuyến", "Submit files online"),
        )
        client, secret = self.services.clients.add(replace(wanted, **changes))
        return client, secret or ""

    def account(self, id_number: str = "", phone: str = "", **changes: Any) -> str:
        """Register a person by the real verbs, matched by the carrier; gives the account id."""
        self.made += 1
        serial = 1000 + self.made
        applicant = Applicant(
            subject="citizen",
            id_number=documents.parse(id_number or f"033090{serial:06}", accept_old=True),
            full_name=changes.get("full_name", "Nguyễn Thị Ánh Tuyết"),
            birth_date=birth_dates.parse(changes.get("birth_date", "01/02/1990"), today=date(2026, 1, 1)),
            phone=phone_numbers.parse(phone or f"0912{serial:06}"),
            email=changes.get("email"),
        )
        drafts = self.services.drafts
        draft = drafts.open(applicant, browser_hash=secret_hash("test"), interaction_id=None)
        drafts.prove_phone(draft.id, phone=applicant.phone)
        fields = ("phone", "id_number", "full_name", "birth_date")
        drafts.settle(draft, CarrierAnswer(CarrierVerdict.MATCH, "viettel", fields))
        evidence = NewEvidence("mobile_subscriber", "viettel", "match", fields, self.services.clock.now(), reference=draft.id)
        return self.services.accounts.register(
            applicant,
            password_hash=self.services.passwords.hash(PASSWORD),
            evidence=evidence,
            language="vi",
            phone_cap=5,
            draft_id=draft.id,
        )

    def sign_in(self, browser: Browser, account_id: str, *methods: Method, at: datetime | None = None) -> None:
        """Give the browser a session of the account, by password and SMS unless `methods` say otherwise."""
        at = at or datetime.now(UTC)
        factors = tuple(Factor(method, at) for method in methods or ("pwd", "sms"))
        _session, secret = self.services.sessions.start(account_id, factors, replaces=None, language="vi")
        browser.set_cookie(self.cookies.session, secret, domain="localhost")

    def authorize(self, browser: Browser, client: Client, **changes: str | None) -> TestResponse:
        """Send an authorization request; None takes a parameter out."""
        return browser.get(f"/authorize?{urlencode(authorization_parameters(client, **changes))}")

    def code(self, browser: Browser, client: Client, **changes: str | None) -> str:
        """Get a code for a signed-in browser, consenting for it first."""
        session = self.services.sessions.find(session_cookie(browser, self.cookies))
        assert session is not None
        self.services.consents.record(session.account_id, client, client.scopes)
        answer = answer_of(self.authorize(browser, client, **changes))
        assert "code" in answer, answer
        return answer["code"]

    def redeem(self, browser: Browser, client: Client, secret: str, code: str, /, **changes: str | None) -> TestResponse:
        """Redeem a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return token_request(browser, client, secret, {**form, **changes})

    def tokens(self, browser: Browser, client: Client, secret: str, **changes: str | None) -> dict[str, Any]:
        """Walk the code flow for a signed-in browser and give the token response."""
        response = self.redeem(browser, client, secret, self.code(browser, client, **changes))
        assert response.status_code == 200, response.text
        return dict(response.json or {})

    def claims(self, id_token: str) -> dict[str, Any]:
        """Give the verified claims of an ID token."""
        claims = self.services.signing_keys.verify(id_token)
        assert claims is not None
        return dict(claims)


def authorization_parameters(client: Client, **changes: str | None) -> dict[str, str]:
    """Give a good authorization request with changes."""
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        "state": "state-" + "x" * 20,
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def token_request(browser: Browser, client: Client, secret: str, form: dict[str, str | None]) -> TestResponse:
    """Send a token request with the client's own way of authentication."""
    fields = {name: value for name, value in form.items() if value is not None}
    headers = {}
    if client.auth_method == "client_secret_basic":
        headers["Authorization"] = "Basic " + base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
    else:
        fields["client_id"] = client.client_id
    if client.auth_method == "client_secret_post":
        fields["client_secret"] = secret
    return browser.post("/token", data=fields, headers=headers)


def answer_of(response: TestResponse, redirect_uri: str = REDIRECT_URI) -> dict[str, str]:
    """Give the parameters of a redirect to the portal."""
    location = response.headers.get("Location", "")
    assert response.status_code == 303, (response.status_code, response.text[:500])
    assert location.split("?")[0] == redirect_uri.split("?", maxsplit=1)[0], location
    return dict(parse_qsl(urlsplit(location).query, keep_blank_values=True))


def session_cookie(browser: Browser, cookies: Cookies) -> str | None:
    """Give the value of the session cookie that a browser holds."""
    cookie = browser.get_cookie(cookies.session)
    return cookie.value if cookie else None


def set_cookies(response: TestResponse) -> dict[str, str]:
    """Give the cookies that a response sets, with their raw headers."""
    return {name: header for header in response.headers.getlist("Set-Cookie") for name in SimpleCookie(header)}


def unguessable() -> str:
    """Give a value that nothing else has."""
    return secrets.token_urlsafe(16)


def sandbox_config(folder: Path, *, database: str | None = None, short_lived: str | None = None) -> Config:
    """Give a valid configuration, on embedded stores in `folder` unless others are named, with cheap password hashes.

    Nobody answers for the outside world.
    """
    return Config.model_validate(
        {
            "mode": "sandbox",
            "issuer": "http://localhost:8400",
            "database": {"url": database or f"sqlite:///{folder}/senid.db"},
            "short_lived": {"url": short_lived or f"sqlite:///{folder}/short-lived.db"},
            "keys": {"folder": folder / "keys"},
            "passwords": {"memory_kib": 8, "iterations": 1},
            "outside": {
                "carrier": {"name": "carrier", "url": "http://127.0.0.1:9/carrier"},
                "sms": [{"name": "first", "url": "http://127.0.0.1:9/first"}, {"name": "second", "url": "http://127.0.0.1:9/second"}],
            },
        }
    )
