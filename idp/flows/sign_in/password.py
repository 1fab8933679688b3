"""The first step of signing in: ID number and password, with a picture code where somebody has been guessing."""

import re
from dataclasses import dataclass, field

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.edge.pages import NEW_CAPTCHA_ACTION
from idp.errors import AccountLocked, CredentialsWrong, FieldError, InvalidIdNumber, Required
from idp.identity import documents
from idp.identity.accounts import LoginRecord
from idp.identity.assurance import Factor
from idp.protocol.interactions import Interaction
from idp.safety.caller import CALLER

flow = flask.Blueprint("password", __name__)
PATH = "/sign-in/<interaction_id>/password"

_CAPTCHA_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Form:
    """What was typed; the password and the picture code are never written back into the page."""

    id_number: str = ""
    password: str = field(default="", repr=False)
    captcha: str = ""
    captcha_id: str = ""

    @classmethod
    def read(cls) -> "Form":
        """Take the posted fields; a missing one is empty."""
        posted = flask.request.form
        captcha_id = posted.get("captcha_id", "")
        return cls(
            id_number=posted.get("id_number", "").strip(),
            password=posted.get("password", ""),
            captcha=posted.get("captcha", "").strip(),
            captcha_id=captcha_id if _CAPTCHA_ID.fullmatch(captcha_id) else "",
        )


@dataclass(frozen=True)
class Attempt:
    """Who is tried and from where, which the limits on guessing count by, and the account behind it, if there is one."""

    login: str
    address: str
    known_device: bool
    record: LoginRecord | None


@flow.get(PATH)
def show(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Ask for ID number and password."""
    current = browser.interaction()
    if _is_past(current):
        return browser.to_dispatcher(current)
    return _page(Form(id_number=_hinted_number(current)))


@flow.post(PATH)
def submit(interaction_id: str) -> Response:  # noqa: ARG001 - as above
    """Check what was typed, and note the proven password."""
    current, form = browser.interaction(), Form.read()
    if _is_past(current):
        return browser.to_dispatcher(current)
    if browser.switch_language():
        return _page(form)
    if flask.request.form.get("action") == NEW_CAPTCHA_ACTION:
        return _page(form, is_spent=True)
    try:
        account_id = _prove(form)
    except (Required, InvalidIdNumber) as error:
        return _page(form, error)
    except FieldError as error:
        return _page(form, error, is_spent=True)
    return _go_on(current, account_id)


def _is_past(current: Interaction) -> bool:
    """Tell whether this very sign-in is done already: a stale tab or the back button. The session of a locked account does not count."""
    session = browser.session()
    if session is None or not current.signed_in:
        return False
    standing = browser.services().accounts.standing(session.account_id)
    return standing is not None and standing.status == "active"


def _hinted_number(current: Interaction) -> str:
    """Give the ID number that the portal hints at; any other `login_hint` is ignored (OpenID Connect Core 3.1.2.1 leaves it to us)."""
    hint = (current.request.login_hint if current.request else None) or ""
    try:
        return documents.parse(hint, accept_old=True).digits
    except InvalidIdNumber:
        return ""


def _prove(form: Form) -> str:
    """Give the account whose password was typed; raises a `FieldError`, the same one for a wrong password and an unknown number."""
    for name, typed in (("id_number", form.id_number), ("password", form.password)):
        if not typed:
            raise Required(field=name)
    attempt = _attempt(documents.parse(form.id_number, accept_old=True))
    if _is_picture_code_due(attempt):
        _check_picture_code(form)
    record = _check_password(attempt, form.password)
    if record.status == "locked":
        browser.services().audit.sign_in_failed(record.account_id, reason="account_locked")
        raise AccountLocked
    return record.account_id


def _attempt(number: documents.IdNumber) -> Attempt:
    """Look up who is tried. The device is asked for without an account too, so that its absence costs the same work."""
    services = browser.services()
    record = services.accounts.find_by_login(number)
    known = services.known_devices.is_known(record.account_id if record else None, browser.device_token())
    return Attempt(login=number.digits, address=CALLER.get().address, known_device=known, record=record)


def _is_picture_code_due(attempt: Attempt) -> bool:
    guard = browser.services().sign_in_guard
    return guard.needs_picture_code(attempt.login, attempt.address, known_device=attempt.known_device)


def _check_picture_code(form: Form) -> None:
    if not form.captcha_id or not form.captcha:
        raise Required(field="captcha")
    browser.services().captcha.check(form.captcha_id, form.captcha)


def _check_password(attempt: Attempt, password: str) -> LoginRecord:
    """Compare, and count what is wrong; gives the account's record. Without an account the same work is done."""
    services, record = browser.services(), attempt.record
    services.sign_in_guard.check(attempt.login, attempt.address, known_device=attempt.known_device)
    is_right = services.passwords.matches(record.password_hash if record else None, password)
    if record is None or not is_right:
        services.sign_in_guard.failed(attempt.login, attempt.address, known_device=attempt.known_device)
        services.audit.sign_in_failed(record.account_id if record else None, reason="password")
        raise CredentialsWrong
    services.sign_in_guard.succeeded(attempt.login, known_device=attempt.known_device)
    _renew_hash(record, password)
    return record


def _renew_hash(record: LoginRecord, password: str) -> None:
    """Hash anew what was hashed with older parameters: only now the password is at hand."""
    services = browser.services()
    if record.password_hash and services.passwords.is_outdated(record.password_hash):
        services.accounts.renew_password_hash(record.account_id, old=record.password_hash, new=services.passwords.hash(password))


def _go_on(current: Interaction, account_id: str) -> Response:
    """Note the factor; where the deployment asks for no code, it is a session at once."""
    services = browser.services()
    factor = Factor("pwd", services.clock.now())
    if not services.config.one_time_codes.required_at_sign_in:
        browser.start_session(current, account_id, (factor,))
        services.audit.sign_in_succeeded(account_id)
        return browser.to_dispatcher(current)
    noted = services.interactions.record_factor(current, account_id, factor)
    if current.account_id == account_id:
        # The password again, after the back button or a double submit: the code on its way stays good, and no other is sent.
        noted = services.interactions.record_challenge(noted, current.challenge_id)
    return browser.to_dispatcher(noted)


def _page(form: Form, *errors: FieldError, is_spent: bool = False) -> Response:
    return browser.show(
        "sign_in/password.html",
        errors=errors,
        interaction_id=browser.interaction().id,
        id_number=form.id_number[: documents.LONGEST_INPUT],
        captcha_id=_picture_code(form, is_spent=is_spent),
    )


def _picture_code(form: Form, *, is_spent: bool) -> str | None:
    """Give the picture code of the page: the one that is still good, another one, a first one where it is due, or none."""
    if form.captcha_id and not is_spent:
        return form.captcha_id
    if form.captcha_id or _is_picture_code_due(_attempt_shown(form)):
        return browser.services().captcha.issue()
    return None


def _attempt_shown(form: Form) -> Attempt:
    """Give whom the page is for: the number in its field, or nobody yet."""
    try:
        return _attempt(documents.parse(form.id_number, accept_old=True))
    except InvalidIdNumber:
        return Attempt(login="", address=CALLER.get().address, known_device=False, record=None)
