"""The proof of the phone: the one-time code of a draft."""

from datetime import timedelta
from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import FieldError, Required, ShownError, SmsUnavailable
from idp.flows.register.mobile_subscriber import carrier_match, progress
from idp.flows.register.mobile_subscriber.progress import Page
from idp.identity.registration_drafts import Draft, DraftState

flow = flask.Blueprint("register_one_time_code", __name__)
PATH = "/register/draft/<uuid:draft_id>/one-time-code"


@flow.get(PATH)
def show(draft_id: UUID) -> Response:
    """Ask for the code."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.ONE_TIME_CODE:
        return progress.to_due_page(draft)
    return _page(draft)


@flow.post(PATH)
def submit(draft_id: UUID) -> Response:
    """Take the code and ask the carrier, or send another code."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.ONE_TIME_CODE:
        return progress.to_due_page(draft)
    try:
        if flask.request.form.get("action") == "resend":
            progress.resend_code(draft)
        else:
            _take(draft)
    except (FieldError, SmsUnavailable) as error:
        return _after_trouble(draft, error)
    return progress.to_due_page(draft)


def _take(draft: Draft) -> None:
    typed = flask.request.form.get("otp", "").strip()
    if not typed:
        raise Required(field="otp")
    phone = progress.take_code(draft, typed)
    carrier_match.prove_and_ask(draft, phone)


def _after_trouble(draft: Draft, error: ShownError) -> Response:
    """Show what went wrong, unless another tab has taken the code meanwhile: a second submit of the same code ends well."""
    latest = progress.get_draft(UUID(draft.id))
    if progress.due_page(latest) is not Page.ONE_TIME_CODE:
        return progress.to_due_page(latest)
    return _page(latest, error)


def _page(draft: Draft, *errors: ShownError) -> Response:
    return browser.show(
        "register/one_time_code.html",
        errors=errors,
        draft=draft,
        challenge=progress.find_challenge(draft),
        minutes=browser.services().config.one_time_codes.lifetime // timedelta(minutes=1),
        may_edit=draft.state is DraftState.FILLED,
    )
