"""What the carrier's answer leads to when it is no plain yes: refused, not answered yet, or a number that has an account already."""

from datetime import datetime, timedelta
from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import AccountExists, CarrierRefused
from idp.flows.register.mobile_subscriber import carrier_match, progress
from idp.flows.register.mobile_subscriber.progress import Page
from idp.identity.registration_drafts import Draft

flow = flask.Blueprint("register_carrier_answer", __name__)
DRAFT_PATH = "/register/draft/<uuid:draft_id>"

DISPUTE = "registration_dispute"


@flow.get(f"{DRAFT_PATH}/refused")
def show_refused(draft_id: UUID) -> Response:
    """Say what the carrier did not confirm, and what to do."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.REFUSED:
        return progress.to_due_page(draft)
    refused = CarrierRefused(reason=str(draft.verdict))
    asks_left = carrier_match.asks_left(draft.applicant.phone)
    return browser.show("register/refused.html", draft=draft, refused=refused, hours=_hours_left(draft), asks_left=asks_left)


@flow.get(f"{DRAFT_PATH}/waiting")
def show_waiting(draft_id: UUID) -> Response:
    """Say that the carrier is away and that we ask again."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.WAITING:
        return progress.to_due_page(draft)
    return browser.show("register/waiting.html", draft=draft, hours=_hours_left(draft))


@flow.get(f"{DRAFT_PATH}/duplicate")
def show_duplicate(draft_id: UUID) -> Response:
    """Say that the number has an account, with the three ways out."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.DUPLICATE:
        return progress.to_due_page(draft)
    current = progress.find_interaction(draft)
    return browser.show("register/duplicate.html", draft=draft, exists=AccountExists(), interaction_id=current.id if current else None)


@flow.post(f"{DRAFT_PATH}/duplicate")
def dispute(draft_id: UUID) -> Response:
    """Take the complaint of whoever does not own that account, once a draft."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.DUPLICATE:
        return progress.to_due_page(draft)
    services = browser.services()
    if services.store.put(DISPUTE, draft.id, {"reference": _reference(draft)}, _lifetime(draft), only_if_new=True):
        disputed = services.accounts.find_by_login(draft.applicant.id_number)
        services.audit.registration_disputed(draft.id, account_id=disputed.account_id if disputed else None)
    return browser.redirect_to(f"/register/draft/{draft.id}/disputed")


@flow.get(f"{DRAFT_PATH}/disputed")
def show_disputed(draft_id: UUID) -> Response:
    """Say what happens with the complaint."""
    draft = progress.get_draft(draft_id)
    complaint = browser.services().store.get(DISPUTE, draft.id)
    if complaint is None or progress.due_page(draft) is not Page.DUPLICATE:
        return progress.to_due_page(draft)
    return browser.show("register/disputed.html", reference=complaint["reference"])


def _reference(draft: Draft) -> str:
    """Give what the person quotes at the counter: the random end of the draft's id, which stands in the audit."""
    return f"KN-{draft.id[-12:-6]}-{draft.id[-6:]}".upper()


def _lifetime(draft: Draft) -> timedelta:
    return max(draft.expires_at - _now(), timedelta(minutes=1))


def _hours_left(draft: Draft) -> int:
    """Give the whole hours for which what was typed is kept, never promising more than there are."""
    return max((draft.expires_at - _now()) // timedelta(hours=1), 1)


def _now() -> datetime:
    return browser.services().clock.now()
