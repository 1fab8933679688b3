"""Every macro and every shared page in its states, for the tests and, served by `python -m tests.edge.gallery`, for the eye."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from idp import errors
from idp.clock import Clock
from idp.edge.assets import Assets, find_folder
from idp.edge.languages import load_texts
from idp.edge.pages import Pages, View
from idp.values import LANGUAGES, LocalText

NOW = datetime(2026, 3, 2, 3, 30, 0, tzinfo=UTC)

PORTAL = LocalText(vi="Cổng Dịch vụ công tỉnh Mẫu", en="Public Service Portal of Sample Province")

FORM_ERRORS: list[errors.ShownError] = [
    errors.Required(field="id_number"),
    errors.InvalidFullName(),
    errors.BirthDateDisagrees(),
    errors.InvalidPhone(),
    errors.InvalidEmail(),
    errors.PasswordRule(minimum=8),
    errors.PasswordsDiffer(),
    errors.CaptchaWrong(),
    errors.InvalidChoice(field="subject"),
    errors.Required(field="agree"),
    errors.SmsUnavailable(),
]


class StandingClock(Clock):
    """A clock that stands still."""

    def now(self) -> datetime:
        """Give the one instant."""
        return NOW


def open_pages(assets: Assets | None = None, *, is_sandbox: bool = True) -> Pages:
    """Give pages that also find the gallery's own templates."""
    return Pages(
        texts=load_texts(find_folder("locales")),
        assets=assets or Assets(find_folder("static")),
        clock=StandingClock(),
        service_name=LocalText(vi="Cổng Dịch vụ công", en="Public Service Portal"),
        hotline="18001096",
        counter=LocalText(vi="quầy giao dịch", en="the counter"),
        is_sandbox=is_sandbox,
        folders=[find_folder("templates"), Path(__file__).parent],
    )


def states(pages: Pages) -> Iterator[tuple[str, str]]:
    """Give each page of the gallery in each language: its name and its HTML."""
    for language in LANGUAGES:
        for name, page in _states(pages, View(language, request_path="/sample?x=1", request_id="01JABCDEF", csrf_token="token")):
            yield f"{name}.{language}", page


def _states(pages: Pages, view: View) -> Iterator[tuple[str, str]]:
    portal_view = replace(view, client_name=PORTAL, client_host="dichvucong.mau.vn")
    times: dict[str, Any] = {"expires_at": NOW + timedelta(seconds=115), "resend_at": NOW + timedelta(seconds=55)}
    yield "form", pages.render("form.html", view)
    yield "form-errors", pages.render("form.html", portal_view, errors=FORM_ERRORS)
    yield "otp", pages.render("otp.html", portal_view, **times)
    yield "otp-errors", pages.render("otp.html", replace(portal_view, client_host=None), errors=[errors.OtpWrong(left=3)], **times)
    yield "blocks", pages.render("blocks.html", portal_view, refusal=errors.CarrierRefused(reason="mismatch"))
    yield "forgot", pages.render("help/forgot_password.html", view, sign_in_href="/sign_in")
    yield "error", pages.render_error(errors.InteractionMissing(), portal_view, back_href="https://dichvucong.mau.vn/")
    yield "error-home", pages.render_error(errors.TooManyRequests(retry_after_seconds=90), view)
    answer = {"code": "a&\"'<b>", "state": "s"}
    yield (
        "form-post",
        pages.render("portal/form_post.html", portal_view, redirect_uri="https://dichvucong.mau.vn/cb?x=1", parameters=answer),
    )
