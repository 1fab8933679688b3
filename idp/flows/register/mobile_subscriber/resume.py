"""A draft resumed in whatever browser: by its phone and a one-time code.

Whether a phone has a draft is nobody else's business. So every phone is given a code, with the same waits and the same limits, and whoever
types one meets the same verification; only behind the answer it is decided whether the code is sent. A draft is looked for in the open once
the phone is proven.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Self

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.edge.pages import NEW_CAPTCHA_ACTION
from idp.errors import (
    DraftMissing,
    FieldError,
    InteractionElsewhere,
    InteractionMissing,
    OtpBudgetSpent,
    OtpExpired,
    OtpWait,
    Required,
    StepOutOfOrder,
)
from idp.flows.register.mobile_subscriber import behind, picture_code, progress, starts
from idp.identity import phone_numbers
from idp.identity.one_time_codes import CHALLENGE_LIFETIME, Delivery, Purpose
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.registration_drafts import Draft, RegistrationDrafts
from idp.values import new_secret

flow = flask.Blueprint("register_resume", __name__)
PATH = "/register/resume"
CODE_PATH = "/register/resume/<resume_id>"

RESUME = "registration_resume"


@dataclass(frozen=True, repr=False)
class Resume:
    """One try to resume: the browser and the phone that it is about, and the interaction that a draft found would return to.

    `draft_id` is the draft that the right code has handed over.
    """

    id: str
    browser_hash: str
    phone: PhoneNumber
    challenge_id: str
    interaction_id: str | None
    draft_id: str | None = None

    @classmethod
    def from_dict(cls, resume_id: str, value: dict[str, Any]) -> Self:
        """Read what `to_dict` gave."""
        return cls(**{**value, "id": resume_id, "phone": PhoneNumber(value["phone"])})

    def to_dict(self) -> dict[str, Any]:
        """Give what the store keeps."""
        return {
            "browser_hash": self.browser_hash,
            "phone": self.phone.e164,
            "challenge_id": self.challenge_id,
            "interaction_id": self.interaction_id,
            "draft_id": self.draft_id,
        }


@flow.get(PATH)
def show() -> Response:
    """Ask for the phone."""
    return _phone_page("")


@flow.post(PATH)
def submit() -> Response:
    """Take the phone, behind the picture code, and send a code if it has a draft; the answer is the same without one."""
    form = flask.request.form
    typed = form.get("phone", "").strip()
    if browser.switch_language() or form.get("action") == NEW_CAPTCHA_ACTION:
        return _phone_page(typed)
    try:
        phone = _read_phone(typed)
        if picture_code.is_asked_for():
            picture_code.check(form)
        resume = _begin(phone)
    except FieldError as error:
        return _phone_page(typed, error)
    return browser.redirect_to(f"/register/resume/{resume.id}")


@flow.get(CODE_PATH)
def show_code(resume_id: str) -> Response:
    """Ask for the code."""
    resume = _find(resume_id)
    return _code_page(resume) if resume else browser.redirect_to(PATH)


@flow.post(CODE_PATH)
def submit_code(resume_id: str) -> Response:
    """Take the code and go on with the draft in this browser, or send another code."""
    resume = _find(resume_id)
    if resume is None:
        return browser.redirect_to(PATH)
    try:
        if flask.request.form.get("action") == "resend":
            _resend(resume)
            return browser.redirect_to(f"/register/resume/{resume.id}")
        return progress.to_due_page(_take(resume))
    except FieldError as error:
        return _code_page(resume, error)


# --- the phone ----------------------------------------------------------------------------------------------------------------------


def _read_phone(typed: str) -> PhoneNumber:
    if not typed:
        raise Required(field="phone")
    return phone_numbers.parse(typed)


def _begin(phone: PhoneNumber) -> Resume:
    """Start a try for the phone, whether it has a draft or not; raises `TooManyRequests`, `OtpWait` and `OtpBudgetSpent`."""
    services = browser.services()
    starts.check_limit()
    try:
        challenge = services.one_time_codes.send(
            Purpose.RESUME, phone=phone, owner=phone.e164, language=browser.language(), post=_post_for(phone)
        )
    except (OtpBudgetSpent, OtpWait) as error:
        error.field = "phone"
        raise
    resume = Resume(new_secret(), browser.browser_hash(), phone, challenge.id, _find_interaction_id())
    services.store.put(RESUME, resume.id, resume.to_dict(), CHALLENGE_LIFETIME)
    return resume


def _find_interaction_id() -> str | None:
    """Give the interaction of this browser that the form came from, if it is alive."""
    interaction_id = flask.request.form.get("interaction", "")
    with suppress(InteractionMissing, InteractionElsewhere):
        return browser.load_interaction(interaction_id).id if interaction_id else None
    return None


def _post_for(phone: PhoneNumber) -> Callable[[Delivery], None]:
    """Give what looks for the draft and sends the code behind the answer, which therefore takes as long without a draft."""
    drafts = browser.services().drafts
    return lambda deliver: behind.post(partial(_deliver_for_draft, drafts, phone, deliver))


def _deliver_for_draft(drafts: RegistrationDrafts, phone: PhoneNumber, deliver: Delivery) -> None:
    if drafts.find_resumable(phone) is not None:
        deliver()


# --- the code -----------------------------------------------------------------------------------------------------------------------


def _find(resume_id: str) -> Resume | None:
    """Give the try of this browser, or None when it is over or another browser's."""
    value = browser.services().store.get(RESUME, resume_id)
    resume = Resume.from_dict(resume_id, value) if value else None
    return resume if resume and resume.browser_hash == browser.browser_hash() else None


def _resend(resume: Resume) -> None:
    """Send another code; raises `OtpWait`, `OtpBudgetSpent` and `OtpExpired`."""
    codes = browser.services().one_time_codes
    codes.resend(resume.challenge_id, Purpose.RESUME, resume.phone.e164, post=_post_for(resume.phone))


def _take(resume: Resume) -> Draft:
    """Take the code, hand the draft over to this browser and note the proof; raises a `FieldError`."""
    services = browser.services()
    typed = flask.request.form.get("otp", "").strip()
    if not typed:
        raise Required(field="otp")
    phone = services.one_time_codes.verify(resume.challenge_id, typed, purpose=Purpose.RESUME, owner=resume.phone.e164)
    found = services.drafts.find_resumable(phone)
    if found is None:
        raise OtpExpired("the draft moved on meanwhile")
    try:
        draft = services.drafts.adopt(found.id, browser.browser_hash(), interaction_id=resume.interaction_id)
    except StepOutOfOrder:
        raise OtpExpired("the draft moved on meanwhile") from None
    progress.record_proof(draft, phone)
    services.store.put(RESUME, resume.id, replace(resume, draft_id=draft.id).to_dict(), CHALLENGE_LIFETIME)
    return draft


def _find_adopted(resume: Resume) -> Draft | None:
    """Give the draft that this try has handed to this browser already, perhaps by another submit of the same code."""
    latest = _find(resume.id)
    with suppress(DraftMissing):
        if latest and latest.draft_id:
            return browser.services().drafts.get(latest.draft_id, browser_hash=latest.browser_hash)
    return None


# --- the pages ----------------------------------------------------------------------------------------------------------------------


def _phone_page(typed: str, *errors: FieldError) -> Response:
    posted = flask.request.form if flask.request.method == "POST" else flask.request.args
    return browser.show(
        "register/resume.html",
        errors=errors,
        phone=typed,
        interaction_id=posted.get("interaction", ""),
        captcha_id=browser.services().captcha.issue() if picture_code.is_asked_for() else None,
    )


def _answered_page(resume: Resume, *errors: FieldError) -> Response:
    """Go on with the draft that the code was good for, or ask for the phone again."""
    adopted = _find_adopted(resume)
    if adopted:
        return progress.to_due_page(adopted)
    for error in errors:
        error.field = "phone"
    return _phone_page(resume.phone.national, *errors) if errors else browser.redirect_to(PATH)


def _code_page(resume: Resume, *errors: FieldError) -> Response:
    challenge = browser.services().one_time_codes.describe(resume.challenge_id)
    if challenge is None:
        return _answered_page(resume, *errors)
    return browser.show(
        "register/resume_code.html",
        errors=errors,
        resume_id=resume.id,
        challenge=challenge,
        minutes=browser.services().config.one_time_codes.lifetime // timedelta(minutes=1),
    )
