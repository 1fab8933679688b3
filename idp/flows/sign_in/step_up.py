"""One more proof: a portal asks for a higher level than the session has reached."""

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import InvalidChoice
from idp.protocol.interactions import Interaction
from idp.protocol.steps import StepKind

flow = flask.Blueprint("step_up", __name__)
PATH = "/step-up/<interaction_id>"


@flow.get(PATH)
def show(interaction_id: str) -> Response:
    """Explain why more is asked."""
    current = browser.interaction()
    if browser.session() is None or not _is_due(current):
        return browser.to_dispatcher(current)
    return browser.show("portal/step_up.html", interaction_id=interaction_id)


@flow.post(PATH)
def answer(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Go on to the second factor, or skip; where the level is hard, the dispatcher refuses whoever skipped."""
    current, session, interactions = browser.interaction(), browser.session(), browser.services().interactions
    action = flask.request.form.get("action", "")
    if session is None or not _is_due(current):
        return browser.to_dispatcher(current)
    if action == "skip":
        return browser.to_dispatcher(interactions.record_step_up_skipped(current))
    if action:
        raise InvalidChoice(field="action")
    return browser.to_dispatcher(interactions.begin_step_up(current, session.account_id, session.factors))


def _is_due(current: Interaction) -> bool:
    """Tell whether the dispatcher asked for a step-up: it builds on the session, so it must never stand in for a sign-in."""
    return current.due == StepKind.STEP_UP.value
