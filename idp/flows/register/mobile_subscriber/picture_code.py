"""The picture code of the form: solved once, it holds for one draft, however often other fields have to be corrected before."""

import re

from werkzeug.datastructures import MultiDict

from idp.edge import browser
from idp.errors import CaptchaWrong, FieldError, Required
from idp.protocol.interactions import Interaction

SOLVED = "registration_picture_code"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_asked_for() -> bool:
    """Tell whether this deployment asks for picture codes at registration."""
    return browser.services().config.picture_code.registration == "always"


def is_solved(current: Interaction) -> bool:
    """Tell whether a code was solved here and not spent yet, or none is asked for."""
    return not is_asked_for() or browser.services().store.get(SOLVED, current.id) is not None


def check(form: MultiDict[str, str]) -> None:
    """Take the answer of a form; raises `Required` and `CaptchaWrong`."""
    captcha_id, answer = form.get("captcha_id", ""), form.get("captcha", "").strip()
    if not answer:
        raise Required(field="captcha")
    browser.services().captcha.check(captcha_id if _ID.fullmatch(captcha_id) else None, answer)


def find_errors(current: Interaction, form: MultiDict[str, str]) -> list[FieldError]:
    """Take the answer where one is due, and remember a right one."""
    if is_solved(current):
        return []
    try:
        check(form)
    except FieldError as error:
        return [error]
    remember(current)
    return []


def remember(current: Interaction) -> None:
    """Note a code that is solved and not spent."""
    services = browser.services()
    services.store.put(SOLVED, current.id, {}, services.config.sessions.interaction_lifetime)


def spend(current: Interaction) -> None:
    """Take the solved code for one draft; raises `CaptchaWrong` for whoever comes second."""
    if is_asked_for() and browser.services().store.take(SOLVED, current.id) is None:
        raise CaptchaWrong("spent by another tab")
