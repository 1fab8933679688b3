"""Where a draft stands for this browser: the code that was sent, when its phone was proven, and the one page that is due.

    FILLED, unproven            -> one-time-code      MATCHED, number unknown   -> password
    FILLED/PHONE_PROVEN, proven -> carrier            MATCHED, number known     -> duplicate
    WAITING                     -> waiting            REGISTERED                -> success
    REFUSED                     -> refused

A proof of the phone lasts as long as an interaction. Whatever shows or decides more than that we wait asks for a fresh one: a browser
that was left behind in a public place must not finish the registration of somebody whom the carrier vouched for hours later.
"""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import InteractionElsewhere, InteractionMissing, OtpExpired
from idp.identity.one_time_codes import CHALLENGE_LIFETIME, Challenge, Purpose
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.registration_drafts import Draft, DraftState
from idp.protocol.interactions import Interaction

CHALLENGE = "registration_challenge"
PROOF = "registration_phone_proof"


class Page(StrEnum):
    """The pages of a draft, as they stand in the path."""

    ONE_TIME_CODE = "one-time-code"
    CARRIER = "carrier"
    REFUSED = "refused"
    WAITING = "waiting"
    DUPLICATE = "duplicate"
    PASSWORD = "password"  # noqa: S105 - the name of a page
    SUCCESS = "success"


def get_draft(draft_id: UUID) -> Draft:
    """Give the draft of this browser, with its interaction at hand where that is alive; raises `DraftMissing`."""
    draft = browser.services().drafts.get(str(draft_id), browser_hash=browser.browser_hash())
    find_interaction(draft)
    return draft


def find_interaction(draft: Draft) -> Interaction | None:
    """Give the interaction that the draft returns to, if it is alive in this browser."""
    with suppress(InteractionMissing, InteractionElsewhere):
        return browser.load_interaction(draft.interaction_id) if draft.interaction_id else None
    return None


def due_page(draft: Draft) -> Page:
    """Give the one page of the draft that may be shown now."""
    settled = {DraftState.REGISTERED: Page.SUCCESS, DraftState.WAITING: Page.WAITING}
    if draft.state in settled:
        return settled[draft.state]
    if find_proof(draft) is None:
        return Page.ONE_TIME_CODE
    if draft.state is DraftState.REFUSED:
        return Page.REFUSED
    if draft.state is not DraftState.MATCHED:
        return Page.CARRIER
    # Only here, where phone and carrier vouch for the person, it may be said that the number has an account.
    return Page.DUPLICATE if browser.services().accounts.exists_with(draft.applicant.id_number) else Page.PASSWORD


def to_due_page(draft: Draft) -> Response:
    """Send the browser where the draft really stands, whatever page it came from."""
    current = browser.services().drafts.get(draft.id, browser_hash=browser.browser_hash())
    return browser.redirect_to(f"/register/draft/{current.id}/{due_page(current)}")


# --- the code on its way ------------------------------------------------------------------------------------------------------------


def send_code(draft: Draft) -> None:
    """Send a code to the draft's phone; raises `OtpWait`, `OtpBudgetSpent` and `SmsUnavailable`."""
    services = browser.services()
    phone = draft.applicant.phone
    sent = services.one_time_codes.send(Purpose.REGISTER, phone=phone, owner=draft.id, language=browser.language())
    services.store.put(CHALLENGE, draft.id, {"id": sent.id, "phone": phone.e164}, CHALLENGE_LIFETIME)


def resend_code(draft: Draft) -> None:
    """Send another code; raises `OtpWait`, `OtpBudgetSpent` and `SmsUnavailable`."""
    challenge = find_challenge(draft)
    if challenge is None:
        send_code(draft)
    else:
        browser.services().one_time_codes.resend(challenge.id, Purpose.REGISTER, draft.id)


def find_challenge(draft: Draft) -> Challenge | None:
    """Give the code that was sent to the draft's present phone and not answered yet, also after its end; or None."""
    services = browser.services()
    known = services.store.get(CHALLENGE, draft.id)
    return services.one_time_codes.describe(known["id"]) if known and known["phone"] == draft.applicant.phone.e164 else None


def take_code(draft: Draft, typed: str) -> PhoneNumber:
    """Take the code, once, and note what it proves; raises the errors of `OneTimeCodes.verify`."""
    challenge = find_challenge(draft)
    if challenge is None:
        raise OtpExpired("no code on its way")
    phone = browser.services().one_time_codes.verify(challenge.id, typed, purpose=Purpose.REGISTER, owner=draft.id)
    record_proof(draft, phone)
    return phone


# --- the proof of the phone ---------------------------------------------------------------------------------------------------------


def record_proof(draft: Draft, phone: PhoneNumber) -> None:
    """Note that whoever holds this browser has just proven `phone`."""
    services = browser.services()
    proof = {"phone": phone.e164, "at": services.clock.now().isoformat()}
    services.store.put(PROOF, draft.id, proof, services.config.sessions.interaction_lifetime)


def find_proof(draft: Draft) -> datetime | None:
    """Tell when the draft's present phone was proven, if that is fresh."""
    services = browser.services()
    proof = services.store.get(PROOF, draft.id)
    if proof is None or proof["phone"] != draft.applicant.phone.e164:
        return None
    at = datetime.fromisoformat(proof["at"])
    return at if services.clock.now() < at + services.config.sessions.interaction_lifetime else None
