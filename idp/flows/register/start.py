"""The door of registration for whoever comes without a portal: it opens an interaction of ours."""

import flask
from werkzeug.wrappers import Response

from idp.edge import browser

flow = flask.Blueprint("register_start", __name__)


@flow.get("/register")
def start() -> Response:
    """Open an interaction and offer the ways to register."""
    return browser.redirect_to(f"/register/{browser.open_own_interaction().id}")
