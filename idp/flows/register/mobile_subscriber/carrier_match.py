"""The question to the mobile carrier: asked once the phone is proven, and never more often than the day allows."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import CarrierAsksSpent, StepOutOfOrder
from idp.flows.register.mobile_subscriber import progress
from idp.flows.register.mobile_subscriber.progress import Page
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.registration_drafts import Draft, DraftState
from idp.jobs.carrier_retry import ask_carrier, count_ask
from idp.promises import CarrierVerdict

flow = flask.Blueprint("register_carrier_match", __name__)
PATH = "/register/draft/<uuid:draft_id>/carrier"

ASKS_OF_PHONE = "carrier_asks"
DAY = timedelta(days=1)


@flow.get(PATH)
def show(draft_id: UUID) -> Response:
    """Offer to ask the carrier: whoever comes here was held up between the code and the answer."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.CARRIER:
        return progress.to_due_page(draft)
    return browser.show("register/carrier.html", draft=draft)


@flow.post(PATH)
def submit(draft_id: UUID) -> Response:
    """Ask the carrier."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is Page.CARRIER:
        prove_and_ask(draft, draft.applicant.phone)
    return progress.to_due_page(draft)


def prove_and_ask(draft: Draft, phone: PhoneNumber) -> None:
    """Move a draft whose `phone` is proven on to the carrier's answer; in a draft that another tab has moved on, nothing happens.

    Raises `CarrierAsksSpent`.
    """
    drafts = browser.services().drafts
    with suppress(StepOutOfOrder):
        if draft.state is DraftState.FILLED:
            drafts.prove_phone(draft.id, phone=phone)
        if draft.state in {DraftState.FILLED, DraftState.PHONE_PROVEN}:
            _ask(draft)


def asks_left(phone: PhoneNumber) -> int:
    """Give how often the carrier may still be asked about the phone today."""
    services = browser.services()
    most = services.config.registration.carrier_asks_per_phone_and_day
    return max(most - services.rate_limits.used(ASKS_OF_PHONE, phone.e164), 0)


def _ask(draft: Draft) -> None:
    """Ask, and keep the answer, or wait for it where the carrier is away; raises `StepOutOfOrder` where the draft moved on meanwhile."""
    services = browser.services()
    # An answer tells a thief of the phone whether a guessed name or number is right, so a phone has a few a day.
    services.rate_limits.hit(
        ASKS_OF_PHONE,
        draft.applicant.phone.e164,
        most=services.config.registration.carrier_asks_per_phone_and_day,
        window=DAY,
        error=CarrierAsksSpent,
    )
    count_ask(services, draft)
    answer = ask_carrier(services, draft)
    if answer.verdict is CarrierVerdict.UNAVAILABLE:
        services.drafts.wait(draft.id)
    else:
        services.drafts.settle(draft, answer)
