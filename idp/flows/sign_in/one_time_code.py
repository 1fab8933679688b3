"""The second step of signing in: a one-time code on one of the account's own phones."""

from datetime import timedelta

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import AccountLocked, FieldError, InvalidChoice, OtpExpired, Required, ShownError, SmsUnavailable
from idp.identity.assurance import Factor
from idp.identity.one_time_codes import Challenge, Purpose
from idp.identity.phone_numbers import PhoneNumber
from idp.protocol.interactions import Interaction

flow = flask.Blueprint("one_time_code", __name__)
PATH = "/sign-in/<interaction_id>/one-time-code"
OTHER_PHONE_PATH = "/sign-in/<interaction_id>/other-phone"

TROUBLE = "sign_in_code_trouble"
# What keeps a code from being sent or accepted: told in the page, which offers the way on.
_TROUBLE = (FieldError, SmsUnavailable)


@flow.get(PATH)
def show(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Ask for the code; the first look sends it, a reload does not send again, nor try again at once what no gateway took."""
    current = browser.interaction()
    account_id = _half_signed_in(current)
    if account_id is None:
        return browser.to_dispatcher(current)
    try:
        challenge = _find_challenge(current) or _send_first(current, account_id)
    except _TROUBLE as error:
        return _page(current, error)
    return _page(current, challenge=challenge)


@flow.post(PATH)
def submit(interaction_id: str) -> Response:  # noqa: ARG001 - as above
    """Take the code, or one of the other ways on."""
    current = browser.interaction()
    account_id = _half_signed_in(current)
    action = flask.request.form.get("action", "")
    if account_id is None:
        return browser.to_dispatcher(current)
    if action == "start_over":
        return browser.to_dispatcher(browser.services().interactions.start_over(current))
    try:
        return _resend(current, account_id) if action == "resend" else _take(current, account_id)
    except _TROUBLE as error:
        return _after_trouble(current, error)


@flow.get(OTHER_PHONE_PATH)
def show_phones(interaction_id: str) -> Response:  # noqa: ARG001 - as above
    """Offer the account's phones, masked."""
    current = browser.interaction()
    account_id = _half_signed_in(current)
    return _phones_page(account_id) if account_id else browser.to_dispatcher(current)


@flow.post(OTHER_PHONE_PATH)
def choose_phone(interaction_id: str) -> Response:  # noqa: ARG001 - as above
    """Send a new code to the chosen phone."""
    current = browser.interaction()
    account_id = _half_signed_in(current)
    if account_id is None:
        return browser.to_dispatcher(current)
    try:
        _send(current, account_id, _chosen_phone(account_id))
    except _TROUBLE as error:
        if isinstance(error, FieldError):
            error.field = "phone_id"
        return _phones_page(account_id, error)
    return browser.redirect_to(f"/sign-in/{current.id}/one-time-code")


def _half_signed_in(current: Interaction) -> str | None:
    """Give the account whose first factor stands here; raises `AccountLocked` when an operator has locked it meanwhile."""
    if current.account_id is None:
        return None
    if browser.services().accounts.get(current.account_id).is_locked:
        browser.services().interactions.start_over(current)
        raise AccountLocked
    return current.account_id


def _find_challenge(current: Interaction) -> Challenge | None:
    """Give the code that this browser was sent; its page is shown after its end too, until it is answered."""
    return browser.services().one_time_codes.describe(current.challenge_id) if current.challenge_id else None


def _send_first(current: Interaction, account_id: str) -> Challenge:
    if browser.services().store.get(TROUBLE, _trouble_id(current, account_id)) is not None:
        raise SmsUnavailable("no gateway took the code a moment ago")
    return _send(current, account_id, _default_phone(account_id))


def _send(current: Interaction, account_id: str, phone: PhoneNumber) -> Challenge:
    services = browser.services()
    try:
        challenge = services.one_time_codes.send(Purpose.SIGN_IN, phone=phone, owner=account_id, language=browser.language())
    except SmsUnavailable:
        services.store.put(TROUBLE, _trouble_id(current, account_id), {}, services.config.one_time_codes.resend_wait)
        raise
    services.interactions.record_challenge(current, challenge.id)
    return challenge


def _trouble_id(current: Interaction, account_id: str) -> str:
    return f"{current.id}:{account_id}"


def _resend(current: Interaction, account_id: str) -> Response:
    """Send another code to the same phone, or the first one where it could not be sent before."""
    if current.challenge_id and _find_challenge(current):
        browser.services().one_time_codes.resend(current.challenge_id, Purpose.SIGN_IN, account_id)
    else:
        _send(current, account_id, _default_phone(account_id))
    return browser.redirect_to(f"/sign-in/{current.id}/one-time-code")


def _take(current: Interaction, account_id: str) -> Response:
    """Take the code, once; only then the factors become a session."""
    services, typed = browser.services(), flask.request.form.get("otp", "").strip()
    if not typed:
        raise Required(field="otp")
    if current.challenge_id is None:
        raise OtpExpired
    services.one_time_codes.verify(current.challenge_id, typed, purpose=Purpose.SIGN_IN, owner=account_id)
    earlier = tuple(factor for factor in current.factors if factor.method != "sms")
    browser.start_session(current, account_id, (*earlier, Factor("sms", services.clock.now())))
    services.audit.sign_in_succeeded(account_id)
    return browser.to_dispatcher(current)


def _after_trouble(current: Interaction, error: ShownError) -> Response:
    """Show what went wrong, unless another tab has signed in meanwhile: a second submit of the same code ends well."""
    latest = browser.load_interaction(current.id)
    if latest.account_id is None:
        return browser.to_dispatcher(latest)
    return _page(latest, error, challenge=_find_challenge(latest))


def _default_phone(account_id: str) -> PhoneNumber:
    phone = browser.services().accounts.get(account_id).phone
    if phone is None:
        raise SmsUnavailable("account without a phone")
    return phone


def _chosen_phone(account_id: str) -> PhoneNumber:
    """Give the phone that was chosen among the account's own."""
    phones = {phone.id: phone.number for phone in browser.services().accounts.phones(account_id)}
    chosen = phones.get(flask.request.form.get("phone_id", ""))
    if chosen is None:
        raise InvalidChoice(field="phone_id")
    return chosen


def _page(current: Interaction, *errors: ShownError, challenge: Challenge | None = None) -> Response:
    return browser.show(
        "sign_in/one_time_code.html",
        errors=errors,
        interaction_id=current.id,
        challenge=challenge,
        minutes=browser.services().config.one_time_codes.lifetime // timedelta(minutes=1),
        is_step_up=_is_step_up(current),
    )


def _is_step_up(current: Interaction) -> bool:
    """Tell whether the signed-in person proves more of the same account: then nobody starts over as somebody else."""
    session = browser.session()
    return current.step_up_offered and session is not None and session.account_id == current.account_id


def _phones_page(account_id: str, *errors: ShownError) -> Response:
    return browser.show(
        "sign_in/other_phone.html",
        errors=errors,
        interaction_id=browser.interaction().id,
        phones=browser.services().accounts.phones(account_id),
        chosen=flask.request.form.get("phone_id"),
    )
