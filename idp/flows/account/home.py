"""The front door: register or sign in, or, for who is signed in, who that is and at which level."""

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import InvalidChoice
from idp.identity import assurance
from idp.identity.sessions import Session

flow = flask.Blueprint("home", __name__)


@flow.get("/")
def show() -> Response:
    """Show the two ways in, or the person's own card."""
    session = browser.session()
    account = browser.services().accounts.find(session.account_id) if session else None
    if session is None or account is None or account.is_locked:
        return browser.show("account/welcome.html")
    return browser.show("account/home.html", account=account, level=_level(session))


@flow.post("/")
def begin() -> Response:
    """Open an interaction without a portal, for signing in or for registering."""
    action = flask.request.form.get("action", "sign_in")
    if action not in {"sign_in", "register"}:
        raise InvalidChoice(field="action")
    current = browser.open_own_interaction()
    return browser.redirect_to(f"/register/{current.id}") if action == "register" else browser.to_dispatcher(current)


def _level(session: Session) -> int:
    """Give the level of this sign-in: the lower of today's proofing and the factors that were used."""
    services = browser.services()
    standing = services.accounts.standing(session.account_id)
    evidence = standing.evidence if standing else ()
    proofing = assurance.proofing_level(evidence, services.config.assurance.proofing_levels, services.clock.now())
    return min(proofing, assurance.authentication_level(session.factors))
