"""What people's flows share: cookies, anti-forgery, the interaction of this browser, and pages in its language."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from io import BytesIO
from typing import cast
from urllib.parse import urlsplit

import flask
from werkzeug.wrappers import Response

from idp.edge.cookies import Cookies
from idp.edge.languages import choose
from idp.edge.messages import BODY_LIMIT, NO_STORE, MalformedParameters, Parameters, form_body
from idp.edge.pages import Pages, View, content_security_policy, form_action_source, language_of_action
from idp.errors import BadRequest, CookieMissing, CrossSite, FormExpired, PageNotFound, ShownError, StoreUnavailable, TooLarge
from idp.identity.assurance import Factor
from idp.identity.sessions import Session
from idp.protocol.interactions import Interaction
from idp.safety.caller import CALLER
from idp.safety.rate_limits import place_of
from idp.services import Services
from idp.values import Language, new_secret, secret_hash

EXTENSION = "senid"
PROTECTIONS = "senid_protections"
LANGUAGE_LIFETIME = timedelta(days=365)
OWN_INTERACTIONS_PER_PLACE_AND_MINUTE = 600  # many people share an address


class Protection(Enum):
    """What a flow asks for before any of its views runs; a POST always needs this site and its anti-forgery token."""

    OPEN = "open"
    INTERACTION = "interaction"


@dataclass(frozen=True)
class Edge:
    """What the people's lane is built from."""

    services: Services
    pages: Pages
    cookies: Cookies


def edge() -> Edge:
    """Give the parts of the running app."""
    return cast("Edge", flask.current_app.extensions[EXTENSION])


def services() -> Services:
    """Give the domain."""
    return edge().services


def register_flow(app: flask.Flask, flow: flask.Blueprint, protection: Protection) -> None:
    """Mount a flow beside its protection."""
    app.extensions.setdefault(PROTECTIONS, {})[flow.name] = protection
    app.register_blueprint(flow)


def protect() -> None:
    """Check what the flow of this request asks for; a route that no flow registered is refused."""
    if flask.request.url_rule is None:
        return
    protection = flask.current_app.extensions[PROTECTIONS].get(flask.request.blueprint)
    if protection is None:
        raise PageNotFound("a route without a protection")
    _check_form()
    if protection is Protection.INTERACTION:
        load_interaction(str((flask.request.view_args or {}).get("interaction_id", "")))


# --- who this browser is ------------------------------------------------------------------------------------------------------------


def browser_hash() -> str:
    """Give the hash that binds interactions and drafts to this browser, making its cookie when there is none."""
    if "browser_secret" not in flask.g:
        known = flask.request.cookies.get(edge().cookies.browser, "")
        flask.g.browser_secret = known or new_secret()
        if not known:
            send_cookie(edge().cookies.write(edge().cookies.browser, flask.g.browser_secret))
    return secret_hash(flask.g.browser_secret)


def send_cookie(header: tuple[str, str]) -> None:
    """Queue a `Set-Cookie` header for the response."""
    flask.g.setdefault("cookie_headers", []).append(header)


def session() -> Session | None:
    """Give the session of this browser, if it is alive and its account admits it."""
    if "session" not in flask.g:
        found = services().sessions.find(flask.request.cookies.get(edge().cookies.session))
        standing = services().accounts.standing(found.account_id) if found else None
        flask.g.session = found if found and standing and standing.admits(found.generation) else None
    return cast("Session | None", flask.g.session)


def device_token() -> str | None:
    """Give the token of a device that has signed in before."""
    return flask.request.cookies.get(edge().cookies.device)


def interaction() -> Interaction:
    """Give the interaction that the path names, in a flow with `Protection.INTERACTION`."""
    return cast("Interaction", flask.g.interaction)


def open_own_interaction() -> Interaction:
    """Open an interaction that no portal asked for; bounded for each place, as every one is stored. Raises `TooManyRequests`."""
    services().rate_limits.hit(
        "own_interactions", place_of(CALLER.get().address), most=OWN_INTERACTIONS_PER_PLACE_AND_MINUTE, window=timedelta(minutes=1)
    )
    return services().interactions.open(None, browser_hash=browser_hash(), language=language())


def load_interaction(interaction_id: str) -> Interaction:
    """Give the interaction of this browser; raises `InteractionMissing` or `InteractionElsewhere`."""
    flask.g.interaction = services().interactions.get(interaction_id, browser_hash=browser_hash())
    return interaction()


def language() -> Language:
    """Give the language of this request: just chosen, remembered, the interaction's, or the browser's."""
    if "language" not in flask.g:
        chosen = flask.g.interaction.language if "interaction" in flask.g else None
        cookie = flask.request.cookies.get(edge().cookies.language)
        flask.g.language = choose(flask.request.args.get("ui_locales"), cookie or chosen, flask.request.headers.get("Accept-Language"))
    return cast("Language", flask.g.language)


def switch_language() -> bool:
    """Take a press of the language button inside a form; the view then shows what was typed again, in the new language."""
    wanted = language_of_action(flask.request.form.get("action"))
    if wanted is None:
        return False
    remember_language(wanted)
    return True


def remember_language(wanted: Language) -> None:
    """Keep the person's choice of language for this request and in this browser."""
    flask.g.language = wanted
    send_cookie(edge().cookies.write(edge().cookies.language, wanted, lifetime=LANGUAGE_LIFETIME))


# --- anti-forgery -------------------------------------------------------------------------------------------------------------------


def csrf_token() -> str:
    """Give the token that this browser's forms carry: a MAC over its cookie."""
    browser_hash()
    return services().encryption.mac("csrf", flask.g.browser_secret)


def _check_form() -> None:
    if flask.request.method != "POST":
        return
    _check_well_formed()
    _check_same_site()
    if not flask.request.cookies.get(edge().cookies.browser):
        raise CookieMissing("no browser cookie")
    browser_hash()
    if not services().encryption.is_mac("csrf", flask.g.browser_secret, flask.request.form.get("csrf_token", "")):
        raise FormExpired("anti-forgery token")


def _check_well_formed() -> None:
    """Refuse what is no UTF-8 form, and repeated fields, before any view reads a guess at them."""
    environ = flask.request.environ
    try:
        body = form_body(environ)
        form = Parameters.parse(body, longest=BODY_LIMIT)
    except MalformedParameters as error:
        raise BadRequest(str(error)) from None
    except OverflowError:
        raise TooLarge from None
    if form.repeated():
        raise BadRequest("a field stands twice")
    # Flask reads what was read, whatever it would have made of chunks or of a stream that ends early.
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))


def _check_same_site() -> None:
    """Refuse what another site posted: `Sec-Fetch-Site` where the browser sends it, else `Origin`."""
    site = flask.request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossSite("Sec-Fetch-Site")
        return
    origin = flask.request.headers.get("Origin")
    issuer = urlsplit(services().config.issuer)
    if origin is not None and origin != f"{issuer.scheme}://{issuer.netloc}":
        raise CrossSite("Origin")


# --- answers ------------------------------------------------------------------------------------------------------------------------


def show(
    template: str, *, errors: Sequence[ShownError] = (), form_action: tuple[str, ...] = (), status: int = 200, **values: object
) -> flask.Response:
    """Give a page in the browser's language.

    `errors` stand in the page, whose status is then that of the first. Browsers hold `form-action` along redirects, so a page of an
    interaction lets its forms lead to the portal; `form_action` names further places.
    """
    page = edge().pages.render(template, view(), errors, **values)
    response = flask.Response(page, status=errors[0].status if errors else status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = content_security_policy((*_portal_of_interaction(), *form_action))
    for error in errors:
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def _portal_of_interaction() -> tuple[str, ...]:
    current: Interaction | None = flask.g.get("interaction")
    return (form_action_source(current.request.redirect_uri),) if current and current.request else ()


def view() -> View:
    """Give what every page of this request shares."""
    current: Interaction | None = flask.g.get("interaction")
    client = None
    with suppress(StoreUnavailable):  # the page that tells of an outage needs no portal's name
        client = services().clients.find(current.request.client_id) if current and current.request else None
    return View(
        language=language(),
        request_path=flask.request.full_path.rstrip("?"),
        request_id=CALLER.get().request_id,
        csrf_token=csrf_token(),
        client_name=client.name if client else None,
        client_host=urlsplit(client.redirect_uris[0]).netloc if client else None,
    )


def redirect_to(path: str) -> Response:
    """Send the browser to a page of ours with 303."""
    return flask.redirect(path, code=303)


def to_dispatcher(current: Interaction) -> Response:
    """Send the browser back to the one place that decides what comes next."""
    return redirect_to(f"/authorize/{current.id}")


def start_session(current: Interaction | None, account_id: str, factors: tuple[Factor, ...]) -> Session:
    """Sign this browser in: a new session secret, the old session of somebody else ended, the device remembered."""
    before = session()
    if before is not None and before.account_id != account_id:
        services().logout.end(before, reason="another_account")
        before = None
    started, secret = services().sessions.start(account_id, factors, replaces=before, language=language())
    cookies = edge().cookies
    send_cookie(cookies.write(cookies.session, secret))
    device = services().known_devices.remember(account_id, device_token())
    send_cookie(cookies.write(cookies.device, device, lifetime=services().config.sign_in.known_device_lifetime))
    if current is not None:
        flask.g.interaction = services().interactions.record_sign_in(current)
    flask.g.session = started
    return started


def finish_response(response: flask.Response) -> flask.Response:
    """Add the queued cookies, and keep personal pages out of every cache."""
    for name, value in flask.g.get("cookie_headers", []):
        response.headers.add(name, value)
    for name, value in NO_STORE:
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", content_security_policy())
    return response
