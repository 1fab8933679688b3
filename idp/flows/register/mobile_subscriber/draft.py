"""The two ways into a draft that name no page: on to where it stands, and back to its form."""

from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.flows.register.mobile_subscriber import progress

flow = flask.Blueprint("register_draft", __name__)
PATH = "/register/draft/<uuid:draft_id>"


@flow.get(PATH)
def show(draft_id: UUID) -> Response:
    """Go to the page that is due."""
    return progress.to_due_page(progress.get_draft(draft_id))


@flow.get(f"{PATH}/edit")
def edit(draft_id: UUID) -> Response:
    """Go to the form with what was typed, in the draft's interaction or, where that is over, in a new one."""
    draft = progress.get_draft(draft_id)
    current = progress.find_interaction(draft)
    if current is None:
        current = browser.services().interactions.open(None, browser_hash=browser.browser_hash(), language=browser.language())
    return browser.redirect_to(f"/register/{current.id}/mobile-subscriber?draft={draft.id}")
