"""The choice of who registers and by which method; which method serves whom is configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import flask
from werkzeug.wrappers import Response

from idp.edge import browser
from idp.errors import FieldError, InvalidChoice, Required
from idp.identity.registration_drafts import Subject

flow = flask.Blueprint("register_choose", __name__)
PATH = "/register/<interaction_id>"

SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# Where each method goes on; a method that the configuration names and nobody built yet is not offered.
WAYS = {"mobile_subscriber": "mobile-subscriber"}


@dataclass(frozen=True)
class MethodChoice:
    """One method as the page offers it to a subject; `reason` says why it is greyed."""

    method: str
    reason: str | None

    @property
    def is_open(self) -> bool:
        """Tell whether the method may be chosen."""
        return self.reason is None


@flow.get(PATH)
def show(interaction_id: str) -> Response:  # noqa: ARG001 - `Protection.INTERACTION` has read it
    """Offer subjects and methods."""
    return _page(flask.request.args.get("subject", ""))


@flow.post(PATH)
def submit(interaction_id: str) -> Response:
    """Go on with the chosen method, if it serves the chosen subject."""
    subject, method = (flask.request.form.get(name, "") for name in ("subject", "method"))
    if browser.switch_language():
        return _page(subject, method)
    errors = list(_find_errors(subject, method))
    if errors:
        return _page(subject, method, *errors)
    return browser.redirect_to(f"/register/{interaction_id}/{WAYS[method]}?subject={subject}")


def _find_errors(subject: str, method: str) -> Iterator[FieldError]:
    if subject not in SUBJECTS:
        yield InvalidChoice(field="subject") if subject else Required(field="subject")
        return
    choice = next((one for one in _choices(subject) if one.method == method), None)
    if choice is None:
        yield InvalidChoice(field="method") if method else Required(field="method")
    elif not choice.is_open:
        yield InvalidChoice(field="method", reason=choice.reason)


def _choices(subject: str) -> list[MethodChoice]:
    """Give the methods in the order of the configuration, the ones that do not serve `subject` with the reason."""
    methods = browser.services().config.registration.methods
    return [MethodChoice(method, _find_reason(subject, serves)) for method, serves in methods.items() if method in WAYS]


def _find_reason(subject: str, serves: tuple[str, ...]) -> str | None:
    if subject in serves:
        return None
    return "only_citizen" if serves == ("citizen",) else "other_subjects"


def _page(subject: str, method: str = "", *errors: FieldError) -> Response:
    chosen = subject if subject in SUBJECTS else SUBJECTS[0]
    return browser.show(
        "register/choose.html",
        errors=errors,
        interaction_id=browser.interaction().id,
        subjects=SUBJECTS,
        subject=chosen,
        choices=_choices(chosen),
        method=method,
    )
