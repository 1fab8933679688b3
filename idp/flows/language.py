"""The language switch of pages that are shown again from stored state."""

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.edge.languages import find_language
from idp.edge.pages import LANGUAGE_PATH, safe_return_path

flow = flask.Blueprint("language", __name__)


@flow.get(LANGUAGE_PATH)
def switch() -> Response:
    """Keep the chosen language in this browser, and go back to the page; an unknown language changes nothing."""
    wanted = find_language(flask.request.args.get("to", ""))
    if wanted is not None:
        browser.remember_language(wanted)
    return browser.redirect_to(safe_return_path(flask.request.args.get("return_to")))
