"""The form: what an applicant types, read and kept as a draft, and the code that is sent to the phone."""

import json
from contextlib import suppress
from uuid import UUID

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.edge.pages import NEW_CAPTCHA_ACTION, VIETNAM_TIME
from idp.errors import (
    BadRequest,
    BirthDateDisagrees,
    CaptchaWrong,
    DraftMissing,
    FieldError,
    OtpBudgetSpent,
    OtpWait,
    ShownError,
    SmsUnavailable,
    StepOutOfOrder,
)
from idp.flows.register.mobile_subscriber import carrier_match, picture_code, progress, starts
from idp.flows.register.mobile_subscriber.typed import Typed
from idp.identity.registration_drafts import Applicant, Draft, DraftState

flow = flask.Blueprint("register_mobile_subscriber", __name__)
PATH = "/register/<interaction_id>/mobile-subscriber"

METHOD = "mobile_subscriber"
OPENED = "registration_form"


@flow.get(PATH)
def show(interaction_id: str) -> Response:
    """Show the form, empty or with the draft that is to be corrected."""
    draft = _find_edited(flask.request.args.get("draft", ""))
    if draft is not None and _may_edit(draft):
        return _page(Typed.from_applicant(draft.applicant), draft)
    if draft is not None and draft.state is not DraftState.FILLED:
        return progress.to_due_page(draft)
    subject = flask.request.args.get("subject", "citizen")
    if not _serves(subject):
        return browser.redirect_to(f"/register/{interaction_id}")
    return _page(Typed(subject=subject), None)


@flow.post(PATH)
def submit(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Read the form; when all is well, keep it and send the code."""
    typed = Typed.from_form(flask.request.form)
    draft = _find_edited(flask.request.form.get("draft", ""))
    if draft is not None and not _may_edit(draft):
        return progress.to_due_page(draft)
    if browser.switch_language() or flask.request.form.get("action") == NEW_CAPTCHA_ACTION:
        return _page(typed, draft)
    try:
        return _take(typed, draft)
    except StepOutOfOrder:
        # Another tab moved the draft on while its form was read here.
        return progress.to_due_page(draft) if draft else browser.redirect_to(flask.request.path)


def _take(typed: Typed, draft: Draft | None) -> Response:
    services = browser.services()
    if not _serves(typed.subject):
        raise BadRequest("a subject whom the method does not serve")
    picture_errors = picture_code.find_errors(browser.interaction(), flask.request.form)
    today = services.clock.now().astimezone(VIETNAM_TIME).date()
    applicant, errors = typed.read(accept_old=services.config.registration.accept_old_id_numbers, today=today)
    earlier = draft or (_find_opened(applicant) if applicant else None)
    # Of a double submit the second one finds its picture code used: that is no error of the person's.
    if earlier is not None and _is_under_way(earlier, applicant, is_edit=draft is not None):
        return progress.to_due_page(earlier)
    if applicant is None or errors or picture_errors:
        return _page(typed, draft, *errors, *picture_errors)
    return _begin(typed, applicant, earlier)


def _begin(typed: Typed, applicant: Applicant, draft: Draft | None) -> Response:
    """Keep the applicant, and prove the phone: by a code, or by the fresh proof of a draft that was corrected elsewhere."""
    try:
        picture_code.spend(browser.interaction())
    except CaptchaWrong as error:
        return _page(typed, draft, error)
    # Behind the picture code: whoever solves none cannot use up the beginnings of everybody else at this address.
    starts.check_limit()
    draft = _keep(applicant, draft)
    if progress.find_proof(draft) is not None:
        carrier_match.prove_and_ask(draft, applicant.phone)
        return progress.to_due_page(draft)
    try:
        progress.send_code(draft)
    except (OtpBudgetSpent, OtpWait, SmsUnavailable) as error:
        # Where something else than the phone was corrected, the code on its way is good for it.
        if isinstance(error, OtpWait) and progress.find_challenge(draft) is not None:
            return progress.to_due_page(draft)
        picture_code.remember(browser.interaction())
        return _page(typed, draft, _on_phone(error))
    return progress.to_due_page(draft)


def _keep(applicant: Applicant, draft: Draft | None) -> Draft:
    """Open a draft, or correct the one that there is; raises `StepOutOfOrder` when it moved on meanwhile."""
    services, current = browser.services(), browser.interaction()
    if draft is None:
        draft = services.drafts.open(applicant, browser_hash=browser.browser_hash(), interaction_id=current.id)
    elif draft.applicant != applicant or draft.state is not DraftState.FILLED:
        draft = services.drafts.edit(draft.id, applicant)
    services.store.put(OPENED, _form_id(applicant), {"draft": draft.id}, services.config.sessions.interaction_lifetime)
    return draft


def _is_under_way(draft: Draft, applicant: Applicant | None, *, is_edit: bool) -> bool:
    """Tell whether this very form was taken already: a double submit, or the back button. To correct a refused draft is a new question."""
    if draft.state is DraftState.REFUSED and is_edit:
        return False
    if draft.state is not DraftState.FILLED:
        return True
    return draft.applicant == applicant and progress.find_challenge(draft) is not None


def _find_opened(applicant: Applicant) -> Draft | None:
    """Give the draft that this browser has opened here with the same words, and that still has them; or None."""
    services = browser.services()
    opened = services.store.get(OPENED, _form_id(applicant))
    with suppress(DraftMissing):
        draft = services.drafts.get(opened["draft"], browser_hash=browser.browser_hash()) if opened else None
        return draft if draft and draft.applicant == applicant else None
    return None


def _form_id(applicant: Applicant) -> str:
    """Give what makes a form the same form: this interaction, whose id nobody can guess, and every word."""
    words = (applicant.id_number.digits, applicant.full_name, applicant.birth_date.iso, applicant.phone.e164, applicant.email)
    return json.dumps([browser.interaction().id, applicant.subject, *words])


def _find_edited(draft_id: str) -> Draft | None:
    """Give the draft of this browser that the form is to correct, or None; raises `DraftMissing`."""
    if not draft_id:
        return None
    try:
        parsed = UUID(draft_id)
    except ValueError:
        raise BadRequest("not a draft id") from None
    return browser.services().drafts.get(str(parsed), browser_hash=browser.browser_hash())


def _may_edit(draft: Draft) -> bool:
    """Tell whether the draft may be shown and corrected: one that just began here, or one whose phone is freshly proven."""
    if draft.state is DraftState.FILLED:
        return draft.interaction_id == browser.interaction().id or progress.find_proof(draft) is not None
    return draft.state is DraftState.REFUSED and progress.find_proof(draft) is not None


def _serves(subject: str) -> bool:
    """Tell whether the method serves the subject; the choice before this form offers nothing else."""
    return subject in browser.services().config.registration.methods.get(METHOD, ())


def _on_phone(error: ShownError) -> ShownError:
    """Tell at the phone field what is wrong with its codes."""
    if isinstance(error, FieldError):
        error.field = "phone"
    return error


def _page(typed: Typed, draft: Draft | None, *errors: ShownError) -> Response:
    services, current = browser.services(), browser.interaction()
    is_solved = picture_code.is_solved(current)
    disagrees = any(isinstance(error, BirthDateDisagrees) for error in errors)
    return browser.show(
        "register/mobile_subscriber.html",
        errors=errors,
        interaction_id=current.id,
        typed=typed,
        draft=draft,
        birth_date_confirmed=typed.birth_date if disagrees else typed.birth_date_confirmed,
        captcha_id=None if is_solved else services.captcha.issue(),
        is_picture_code_solved=is_solved and picture_code.is_asked_for(),
        accepts_old=services.config.registration.accept_old_id_numbers,
    )
