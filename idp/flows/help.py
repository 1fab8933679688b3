"""Help that needs no account: what to do about a forgotten password."""

import re

import flask

from idp.edge import browser

flow = flask.Blueprint("help", __name__)

_INTERACTION_ID = re.compile(r"[A-Za-z0-9_-]{20,64}")


@flow.get("/help/forgot-password")
def forgot_password() -> flask.Response:
    """Tell how a password is recovered at the counter, with the way back into the sign-in that `interaction` names."""
    named = flask.request.args.get("interaction", "")
    back = f"/authorize/{named}" if _INTERACTION_ID.fullmatch(named) else "/"
    return browser.show("help/forgot_password.html", sign_in_href=back)
