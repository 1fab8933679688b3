"""Two provincial portals as real relying parties: plain Flask with Authlib's stock OpenID client, as any portal would be written."""

import argparse
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Literal, cast

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, current_app, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from joserfc.errors import JoseError

from sandbox import pages
from sandbox.addresses import DEFAULT_PORT_BASE, Addresses
from sandbox.web_server import end_with_starter, serve

SCOPE = "openid profile phone email assurance"
LEVEL_FOR_DOSSIERS = 2
ACR_FOR_DOSSIERS = f"urn:senid:loa:{LEVEL_FOR_DOSSIERS}"
PROVIDER_TIMEOUT_SECONDS = 15
MOST_VISITS = 10_000
MOST_ATTEMPTS = 5

Claims = dict[str, Any]
View = Callable[[], ResponseReturnValue]

routes = Blueprint("portal", __name__)


@dataclass(frozen=True)
class Portal:
    """One province's portal. It differs from the other in how it authenticates, in why it may have people's data, and in signatures."""

    number: int
    key: str
    name_vi: str
    name_en: str
    auth_method: Literal["client_secret_basic", "client_secret_post"]
    legal_basis: Literal["consent", "notice"]
    id_token_algorithm: Literal["ES256", "RS256"]


PORTALS = (
    Portal(
        number=1,
        key="hung_yen",
        name_vi="Cổng dịch vụ công tỉnh Hưng Yên",
        name_en="Hưng Yên Province Public Service Portal",
        auth_method="client_secret_basic",
        legal_basis="consent",
        id_token_algorithm="ES256",
    ),
    Portal(
        number=2,
        key="thanh_hoa",
        name_vi="Cổng dịch vụ công tỉnh Thanh Hóa",
        name_en="Thanh Hóa Province Public Service Portal",
        auth_method="client_secret_post",
        legal_basis="notice",
        id_token_algorithm="RS256",
    ),
)


@dataclass(frozen=True)
class Registration:
    """What a portal knows of itself and of the provider. `cookie_key` signs its session cookie."""

    portal: Portal
    address: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    cookie_key: str = field(repr=False)


@dataclass(frozen=True)
class Visit:
    """A signed-in person, as the provider told it."""

    id_token: str = field(repr=False)
    id_claims: Claims = field(repr=False)
    userinfo: Claims = field(repr=False)

    @property
    def name(self) -> str:
        """Give the name to greet with."""
        return str(self.userinfo.get("name") or self.id_claims.get("name") or self.id_claims["sub"])

    @property
    def acr(self) -> str:
        """Give the level achieved, as the provider spells it."""
        return str(self.id_claims.get("acr", ""))

    @property
    def level(self) -> int:
        """Give the level achieved as a number; 0 for a spelling that this portal does not know."""
        found = re.fullmatch(r"urn:senid:loa:([1-4])", self.acr)
        return int(found[1]) if found else 0


class Visits:
    """The signed-in browsers. The cookie holds a random name alone: tokens and claims would outgrow it."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._visits: OrderedDict[str, Visit] = OrderedDict()

    def begin(self, visit: Visit) -> str:
        """Remember `visit` and give its random name."""
        name = secrets.token_urlsafe(32)
        self._visits[name] = visit
        while len(self._visits) > MOST_VISITS:
            self._visits.popitem(last=False)
        return name

    def find(self, name: str | None) -> Visit | None:
        """Give the visit of that name, if it goes on."""
        return self._visits.get(name) if name else None

    def end(self, name: str | None) -> Visit | None:
        """Forget the visit of that name and give it."""
        return self._visits.pop(name, None) if name else None


def create_app(registration: Registration) -> Flask:
    """Give the portal that `registration` describes."""
    app = Flask(__name__)
    app.secret_key = registration.cookie_key
    app.config.update(
        SESSION_COOKIE_NAME=f"portal_{registration.portal.key}",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    oauth = OAuth(app)
    oauth.register(
        "senid",
        client_id=registration.client_id,
        client_secret=registration.client_secret,
        server_metadata_url=f"{registration.issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": registration.portal.auth_method,
            "default_timeout": PROVIDER_TIMEOUT_SECONDS,
        },
    )
    app.extensions.update(registration=registration, visits=Visits(), provider=oauth.senid)
    pages.set_up(app, cookie=f"portal_{registration.portal.key}_language")
    app.jinja_env.globals.update(portal=registration.portal, find_visit=find_visit)
    app.jinja_env.filters["plainly"] = plainly
    app.register_blueprint(routes)
    return app


def find_visit() -> Visit | None:
    """Give the visit of this browser, if somebody is signed in."""
    return _visits().find(session.get("visit"))


def plainly(value: object) -> str:
    """Give a claim as one reads it: texts as they are, everything else as JSON, objects on several lines."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2 if isinstance(value, dict) else None)


def _registration() -> Registration:
    return cast("Registration", current_app.extensions["registration"])


def _visits() -> Visits:
    return cast("Visits", current_app.extensions["visits"])


def _provider() -> Any:  # noqa: ANN401 - Authlib has no types
    return current_app.extensions["provider"]


@routes.before_app_request
def keep_one_address() -> ResponseReturnValue | None:
    """Send browsers that came by another name of this machine to the registered address, where the cookie belongs."""
    address = _registration().address
    if request.method != "GET" or request.endpoint in {"static", "portal.healthz"} or f"http://{request.host}" == address:
        return None
    return redirect(address + request.full_path.removesuffix("?"), 303)


def with_provider(view: View) -> View:
    """Show on a page whatever goes wrong between the portal and the provider."""

    @wraps(view)
    def guarded() -> ResponseReturnValue:
        try:
            return view()
        except OAuthError as error:
            return _error_page(str(error.error or "invalid_response"), str(error.description or ""), 400)
        except (JoseError, ValueError, KeyError) as error:
            return _error_page("invalid_token", type(error).__name__, 502)
        except requests.RequestException as error:
            return _error_page("provider_unreachable", type(error).__name__, 502)

    return guarded


def _error_page(code: str, description: str, status: int) -> ResponseReturnValue:
    return render_template("portal/error.html", code=code, description=description), status


# --- Pages ----------------------------------------------------------------------------------------------------------------------------


@routes.get("/")
def home() -> ResponseReturnValue:
    """Show the public page."""
    return render_template("portal/home.html")


@routes.get("/dossiers")
@with_provider
def dossiers() -> ResponseReturnValue:
    """Show the person's dossiers, to whoever signed in at level 2 or above."""
    visit = find_visit()
    came_back = session.pop("asked_for_level", False)
    if visit is not None and visit.level >= LEVEL_FOR_DOSSIERS:
        return render_template("portal/dossiers.html", visit=visit)
    if came_back and visit is not None:
        # The provider may return a lower level than the one asked for: the portal has to look (OpenID Connect Core 3.1.2.1).
        return render_template("portal/level_too_low.html", visit=visit, needed=LEVEL_FOR_DOSSIERS), 403
    session["asked_for_level"] = True
    return _to_provider("portal.dossiers", acr_values=ACR_FOR_DOSSIERS)


@routes.get("/me")
@with_provider
def me() -> ResponseReturnValue:
    """Show what the portal received about the person."""
    visit = find_visit()
    if visit is None:
        return _to_provider("portal.me")
    return render_template("portal/me.html", visit=visit)


@routes.get("/login")
@with_provider
def login() -> ResponseReturnValue:
    """Send the browser to the provider."""
    return _to_provider("portal.me")


@routes.get("/callback")
@with_provider
def callback() -> ResponseReturnValue:
    """Take the provider's answer, fetch the tokens and the claims, and go on to the page that was asked for."""
    provider = _provider()
    issuer = provider.load_server_metadata()["issuer"]
    # RFC 9207 2.4: an answer of another issuer is not for this exchange.
    if request.args.get("iss", issuer) != issuer:
        raise OAuthError(error="issuer_mismatch")
    token = provider.authorize_access_token()
    id_claims, userinfo = dict(token["userinfo"]), dict(provider.userinfo(token=token))
    # OpenID Connect Core 5.3.2: the sub of both has to be the same.
    if userinfo["sub"] != id_claims["sub"]:
        raise OAuthError(error="subject_mismatch")
    _visits().end(session.get("visit"))
    session["visit"] = _visits().begin(Visit(id_token=token["id_token"], id_claims=id_claims, userinfo=userinfo))
    return redirect(url_for(session.pop("goal", "portal.me")), 303)


@routes.get("/logout")
@with_provider
def logout() -> ResponseReturnValue:
    """End the visit here, and ask the provider to end the person's session there (OpenID Connect RP-Initiated Logout)."""
    visit = _visits().end(session.pop("visit", None))
    if visit is None:
        return redirect("/", 303)
    return cast(
        "ResponseReturnValue",
        _provider().logout_redirect(
            post_logout_redirect_uri=f"{_registration().address}/signed-out",
            id_token_hint=visit.id_token,
            ui_locales=pages.language(),
        ),
    )


@routes.get("/signed-out")
@with_provider
def signed_out() -> ResponseReturnValue:
    """Say that the person is signed out, where the provider sends the browser afterwards."""
    _provider().validate_logout_response()
    return render_template("portal/signed_out.html")


@routes.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that the portal answers."""
    return {"status": "ok"}


def _to_provider(goal: str, **parameters: str) -> ResponseReturnValue:
    _forget_old_attempts()
    session["goal"] = goal
    address = f"{_registration().address}/callback"
    return cast("ResponseReturnValue", _provider().authorize_redirect(address, ui_locales=pages.language(), **parameters))


def _forget_old_attempts() -> None:
    """Keep the newest attempts to sign in alone: Authlib notes each in the cookie for an hour, and browsers drop a cookie over 4 kB."""
    attempts = sorted((name for name in session if name.startswith("_state_")), key=lambda name: session[name]["exp"])
    for name in attempts[:-MOST_ATTEMPTS]:
        session.pop(name)


def main() -> None:
    """Serve one portal on its port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, choices=[portal.number for portal in PORTALS])
    parser.add_argument("--credentials", type=Path, required=True, help="the JSON file that the demo wrote")
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE)
    parser.add_argument("--tls", action="store_true", help="the provider is reached over TLS")
    parser.add_argument("--end-with-starter", action="store_true", help="end when standard input is closed")
    arguments = parser.parse_args()
    if arguments.end_with_starter:
        end_with_starter()
    portal = PORTALS[arguments.number - 1]
    addresses = Addresses(arguments.port_base, arguments.tls)
    known = json.loads(arguments.credentials.read_text(encoding="utf-8"))["portals"][portal.key]
    registration = Registration(portal=portal, address=addresses.portal(portal.number), issuer=addresses.provider, **known)
    serve(create_app(registration), arguments.port_base + portal.number)


if __name__ == "__main__":
    main()
