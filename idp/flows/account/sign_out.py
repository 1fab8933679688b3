"""Signing out: at the person's own wish, or at a portal's that has not proven whom it signs out."""

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.edge.messages import with_query
from idp.edge.pages import form_action_source
from idp.errors import InvalidChoice
from idp.protocol.logout import LogoutRequest

flow = flask.Blueprint("sign_out", __name__)

DONE = "/sign-out/done"


@flow.get("/sign-out")
@flow.get("/sign-out/<logout_id>")
def ask(logout_id: str | None = None) -> Response:
    """Ask whether to sign out, naming the person and the portal; who is signed out already is not asked."""
    session, request = browser.session(), _find_request(logout_id)
    if session is None:
        return _leave(request)
    account = browser.services().accounts.find(session.account_id)
    client = browser.services().clients.find(request.client_id) if request.client_id else None
    return browser.show(
        "account/sign_out.html",
        form_action=_sources(request),
        path=flask.request.path,
        person=account.full_name if account else None,
        client_name=client.name if client else None,
    )


@flow.post("/sign-out")
@flow.post("/sign-out/<logout_id>")
def answer(logout_id: str | None = None) -> Response:
    """Sign out and go back to the portal, or stay signed in."""
    session, request = browser.session(), _find_request(logout_id)
    action = flask.request.form.get("action", "")
    if action not in {"", "stay"}:
        raise InvalidChoice(field="action")
    if logout_id is not None:
        browser.services().logout.close(logout_id)
    if action == "stay":
        return browser.redirect_to("/")
    if session is not None:
        browser.services().logout.end(session, reason="person")
    browser.send_cookie(browser.edge().cookies.clear(browser.edge().cookies.session))
    return _leave(request)


@flow.get(DONE)
def done() -> Response:
    """Say that the person is signed out; who is signed in (again) is told that instead."""
    if browser.session() is not None:
        return browser.redirect_to("/")
    return browser.show("account/signed_out.html")


def _find_request(logout_id: str | None) -> LogoutRequest:
    """Give the portal's kept request; one that expired or was answered counts as the person's own wish."""
    kept = browser.services().logout.get(logout_id) if logout_id else None
    return kept or LogoutRequest()


def _leave(request: LogoutRequest) -> Response:
    """Go back where the portal has proven that it may receive the browser, with its `state` (RP-Initiated Logout 1.0, 3)."""
    if request.post_logout_redirect_uri is None:
        return browser.redirect_to(DONE)
    state = {"state": request.state} if request.state is not None else {}
    return browser.redirect_to(with_query(request.post_logout_redirect_uri, state))


def _sources(request: LogoutRequest) -> tuple[str, ...]:
    uri = request.post_logout_redirect_uri
    return (form_action_source(uri),) if uri else ()
