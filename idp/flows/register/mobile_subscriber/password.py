"""The end of registration: the password makes the account, with the carrier's evidence, and signs the person in."""

from contextlib import suppress
from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import AccountExists, FieldError, PhoneCap, Required, StepOutOfOrder
from idp.flows.register.mobile_subscriber import progress
from idp.flows.register.mobile_subscriber.progress import Page
from idp.identity.assurance import CONFIRMED, Factor
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant, Draft
from idp.jobs.carrier_retry import question_reference

flow = flask.Blueprint("register_password", __name__)
PATH = "/register/draft/<uuid:draft_id>/password"
SUCCESS_PATH = "/register/draft/<uuid:draft_id>/success"

METHOD = "mobile_subscriber"


@flow.get(PATH)
def show(draft_id: UUID) -> Response:
    """Ask for a password."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.PASSWORD:
        return progress.to_due_page(draft)
    _check_phone_cap(draft.applicant)
    return _page(draft)


@flow.post(PATH)
def submit(draft_id: UUID) -> Response:
    """Make the account and sign in."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.PASSWORD:
        return progress.to_due_page(draft)
    try:
        password = _read_password(draft.applicant)
    except FieldError as error:
        return _page(draft, error)
    # Another draft was quicker with the same number, or another tab with this draft: the page that is due says which.
    with suppress(AccountExists, StepOutOfOrder):
        _register(draft, password)
    return progress.to_due_page(draft)


@flow.get(SUCCESS_PATH)
def show_success(draft_id: UUID) -> Response:
    """Say that the account is there, at which level, and what that means."""
    draft = progress.get_draft(draft_id)
    if progress.due_page(draft) is not Page.SUCCESS:
        return progress.to_due_page(draft)
    current = progress.find_interaction(draft)
    level = browser.services().config.assurance.proofing_levels.get(METHOD, 1)
    way_on = f"/authorize/{current.id}" if current is not None and current.request else None
    return browser.show("register/success.html", level=level, way_on=way_on)


def _read_password(applicant: Applicant) -> str:
    """Give the new password; raises a `FieldError` for one that breaks the rule."""
    password, confirm = (flask.request.form.get(name, "") for name in ("password", "password_confirm"))
    for name, typed in (("password", password), ("password_confirm", confirm)):
        if not typed:
            raise Required(field=name)
    words = [applicant.id_number.digits, applicant.full_name, applicant.phone.national]
    browser.services().passwords.check(password, confirm, words=words)
    return password


def _register(draft: Draft, password: str) -> None:
    """Make the account, then the session from what was proven here; raises `AccountExists`, `PhoneCap` and `StepOutOfOrder`."""
    services = browser.services()
    phone_proven_at = progress.find_proof(draft)
    if phone_proven_at is None:
        raise StepOutOfOrder("the proof of the phone is over")
    account_id = services.accounts.register(
        draft.applicant,
        password_hash=services.passwords.hash(password),
        evidence=_evidence(draft),
        language=browser.language(),
        phone_cap=services.config.registration.accounts_per_phone,
        draft_id=draft.id,
    )
    factors = (Factor("sms", phone_proven_at), Factor("pwd", services.clock.now()))
    browser.start_session(progress.find_interaction(draft), account_id, factors)


def _evidence(draft: Draft) -> NewEvidence:
    if draft.carrier is None or draft.checked_at is None:
        raise StepOutOfOrder("matched without a carrier's answer")
    return NewEvidence(
        method=METHOD,
        source=draft.carrier,
        result=CONFIRMED,
        fields_matched=draft.fields_matched,
        checked_at=draft.checked_at,
        reference=question_reference(browser.services(), draft),
    )


def _check_phone_cap(applicant: Applicant) -> None:
    """Tell of the cap before a password is thought up; the registration itself holds it."""
    services = browser.services()
    if services.accounts.accounts_with_phone(applicant.phone) >= services.config.registration.accounts_per_phone:
        raise PhoneCap


def _page(draft: Draft, *errors: FieldError) -> Response:
    return browser.show("register/password.html", errors=errors, draft=draft, minimum=browser.services().passwords.minimum_length)
