"""Pages are whole without JavaScript, hold no inline code, name every field, tell errors where they belong, and trust no value."""

import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from idp import errors
from idp.edge.pages import (
    LANGUAGE_ACTIONS,
    REDRAW_ACTIONS,
    SECURITY_HEADERS,
    Pages,
    View,
    content_security_policy,
    form_action_source,
    language_of_action,
    safe_return_path,
)
from idp.values import LocalText
from tests.edge.gallery import FORM_ERRORS, NOW, open_pages, states

PAGES = open_pages()
STATES = dict(states(PAGES))
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Outline(HTMLParser):
    """The elements of a page with their attributes, and whether every element is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Give the attributes of every element `tag`."""
        return [attributes for name, attributes in self.elements if name == tag]

    def by_id(self, identifier: str) -> dict[str, str | None]:
        """Give the attributes of the one element with this id."""
        (found,) = [attributes for _, attributes in self.elements if attributes.get("id") == identifier]
        return found

    def ids(self) -> Counter[str]:
        """Give how often each id stands."""
        return Counter(attributes["id"] or "" for _, attributes in self.elements if "id" in attributes)


@pytest.fixture(params=STATES, ids=str)
def outline(request: pytest.FixtureRequest) -> Outline:
    """Give the outline of one state of the gallery after the other."""
    return Outline(STATES[request.param])


def form(view: View | None = None, errors_shown: list[errors.ShownError] | None = None, pages: Pages = PAGES) -> Outline:
    """Give the outline of the gallery's form."""
    return Outline(pages.render("form.html", view or View("vi"), errors_shown or []))


# --- Every page in every state --------------------------------------------------------------------------------------------------------


def test_a_page_is_well_formed_with_unique_ids(outline: Outline) -> None:
    assert outline.unbalanced == []
    assert [identifier for identifier, times in outline.ids().items() if times > 1] == []


def test_a_page_has_no_inline_code_and_asks_nobody_else(outline: Outline) -> None:
    for tag, attributes in outline.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
        assert tag not in {"style", "base", "iframe", "object"}
    for script in outline.all("script"):
        assert (script["src"] or "").startswith("/static/")
        assert script["type"] == "module"


def test_every_field_and_every_description_has_its_place(outline: Outline) -> None:
    ids = outline.ids()
    labelled = {label["for"] for label in outline.all("label")}
    for field in outline.all("input"):
        if field["type"] != "hidden":
            assert field["id"] in labelled
    for _, attributes in outline.elements:
        for name in ("aria-describedby", "aria-labelledby", "for", "form", "aria-controls"):
            for reference in (attributes.get(name) or "").split():
                assert reference in ids, reference
        if (attributes.get("href") or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids


def test_a_page_has_its_language_one_heading_a_skip_link_and_at_most_one_main_button(outline: Outline) -> None:
    assert outline.all("html")[0]["lang"] in {"vi", "en"}
    assert len(outline.all("h1")) == 1
    assert outline.all("a")[0]["href"] == "#main"
    assert outline.ids()["submit"] <= 1
    assert all("alt" in image for image in outline.all("img"))


def test_every_posting_form_of_ours_carries_the_anti_forgery_token(outline: Outline) -> None:
    ours = [attributes for attributes in outline.all("form") if "data-form-post" not in attributes]
    tokens = [field for field in outline.all("input") if field.get("name") == "csrf_token"]
    assert len(ours) == len(tokens)
    assert all(field["value"] == "token" for field in tokens)


def test_the_form_post_page_carries_the_answer_and_nothing_of_ours() -> None:
    outline = Outline(STATES["form-post.vi"])
    assert [(field["name"], field["value"]) for field in outline.all("input")] == [("code", "a&\"'<b>"), ("state", "s")]
    assert outline.all("form")[0]["action"] == "https://dichvucong.mau.vn/cb?x=1"
    assert "<strong>https://dichvucong.mau.vn</strong>" in STATES["form-post.vi"]
    assert len(outline.all("button")) == 1


# --- Errors ---------------------------------------------------------------------------------------------------------------------------


def test_every_error_stands_once_with_its_code_and_the_summary_links_to_fields() -> None:
    outline = Outline(STATES["form-errors.vi"])
    shown = [attributes for _, attributes in outline.elements if "data-error" in attributes]
    assert sorted(str(item["data-error"]) for item in shown) == sorted(error.code for error in FORM_ERRORS)
    assert all(item["role"] == "alert" for item in shown)
    links = {link["href"] for link in outline.all("a") if (link["href"] or "").startswith("#")} - {"#main"}
    assert links == {f"#{error.field}" for error in FORM_ERRORS if isinstance(error, errors.FieldError)}
    assert {"role": "alert", "tabindex": "-1", "autofocus": None}.items() <= outline.by_id("error-summary").items()


def test_an_error_whose_field_is_not_on_the_page_is_told_in_the_summary() -> None:
    page = PAGES.render("otp.html", View("vi"), [errors.SlowDown(minutes=3)], expires_at=NOW, resend_at=None)
    assert re.findall(r'role="alert" data-error="(\w+)"', page) == ["slow_down"]
    assert "sau 3 phút" in page


def test_a_second_error_of_the_same_field_is_told_in_the_summary() -> None:
    outline = form(errors_shown=[errors.InvalidPhone(), errors.TooLong(field="phone")])
    assert [a["data-error"] for _, a in outline.elements if "data-error" in a] == ["too_long", "phone_format"]


def test_a_field_with_an_error_says_so() -> None:
    outline = form(errors_shown=[errors.InvalidPhone()])
    assert outline.by_id("phone")["aria-invalid"] == "true"
    assert outline.by_id("phone")["aria-describedby"] == "phone-hint phone-error"
    assert "aria-invalid" not in outline.by_id("email")


def test_the_title_says_that_there_are_errors() -> None:
    assert "<title>Lỗi: Đăng ký | Cổng Dịch vụ công</title>" in STATES["form-errors.vi"]
    assert "<title>Error: Register | Public Service Portal</title>" in STATES["form-errors.en"]
    assert "<title>Đăng ký | Cổng Dịch vụ công</title>" in STATES["form.vi"]


def test_a_required_field_is_named_in_the_sentence() -> None:
    page = PAGES.render("form.html", View("en"), [errors.Required(field="phone"), errors.Required(field="unheard_of")])
    assert "Please enter your phone number." in page
    assert "Please enter this." in page


@pytest.mark.requirement("A5.53")
def test_a_refusal_of_the_carrier_says_why_and_what_to_do() -> None:
    page = PAGES.render_error(errors.CarrierRefused(reason="old_document"), View("vi"))
    assert "Thuê bao đang gắn với CMND 9 số." in page
    assert "Mang thẻ căn cước đến điểm giao dịch" in page
    assert "Chưa xác minh được với nhà mạng</h1>" in page
    assert 'role="alert" data-error="carrier_refused"' in page


def test_a_refusal_for_a_reason_without_a_text_gets_the_general_one() -> None:
    assert "Nhà mạng chưa xác nhận được" in PAGES.render_error(errors.CarrierRefused(reason="<new>"), View("vi"))


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("cls", [cls for cls in errors.catalogue() if issubclass(cls, errors.ShownError)], ids=lambda cls: cls.code)
def test_every_shown_error_can_be_a_page(cls: type[errors.ShownError], language: str) -> None:
    error = cls(minutes=1, left=1, seconds=1, minimum=8)
    page = PAGES.render_error(error, View("en" if language == "en" else "vi", request_id="support-1"))
    assert f'data-error="{cls.code}"' in page
    assert "support-1" in page


def test_a_wait_that_is_known_is_told_in_minutes() -> None:
    assert "sau khoảng 2 phút" in PAGES.render_error(errors.TooManyRequests(retry_after_seconds=90), View("vi"))
    assert "sau ít phút" in PAGES.render_error(errors.TooManyRequests(), View("vi"))


def test_the_way_back_leads_to_the_portal_or_home() -> None:
    view = View("vi", client_name=LocalText(vi="Cổng Mẫu", en="Sample"))
    portal = PAGES.render_error(errors.InteractionMissing(), view, back_href="https://mau.vn/")
    assert '<a class="button primary" href="https://mau.vn/" id="submit">Quay lại Cổng Mẫu</a>' in portal
    assert '<a class="button primary" href="/" id="submit">Về trang chủ</a>' in PAGES.render_error(errors.InteractionMissing(), view)


# --- Values, fields, secrets ----------------------------------------------------------------------------------------------------------


def test_values_are_escaped() -> None:
    view = View("vi", client_name=LocalText(vi="<b>Xấu", en="x"), client_host='"><script>', request_path="/\"'<")
    page = PAGES.render("form.html", view)
    for bad in ("<b>Xấu", '"><script>', "/\"'<", 'value="<script>'):
        assert bad not in page
    assert "&lt;b&gt;Xấu" in page


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        PAGES.render("otp.html", View("vi"))


@pytest.mark.requirement("A5.48")
def test_fields_have_the_names_and_the_comfort_of_the_contract() -> None:
    outline = form()
    expected = {
        "id_number": {"inputmode": "numeric", "autocomplete": "username"},
        "full_name": {"autocomplete": "name"},
        "birth_date": {"autocomplete": "bday"},
        "phone": {"type": "tel", "autocomplete": "tel-national"},
        "email": {"type": "email", "autocomplete": "email"},
        "password": {"type": "password", "autocomplete": "new-password"},
        "password_confirm": {"type": "password", "autocomplete": "new-password"},
        "captcha": {"autocomplete": "off"},
    }
    for name, attributes in expected.items():
        assert {"name": name, **attributes}.items() <= outline.by_id(name).items()


@pytest.mark.requirement("A5.49")
def test_required_fields_are_checked_by_the_browser_too() -> None:
    outline = form()
    assert all("required" in outline.by_id(name) for name in ("id_number", "full_name", "birth_date", "phone", "captcha", "password"))
    assert "required" not in outline.by_id("email")
    assert "novalidate" not in outline.by_id("form")
    assert "formnovalidate" in outline.by_id("deny")


def test_a_password_field_never_has_a_value() -> None:
    assert all("value" not in form().by_id(name) for name in ("password", "password_confirm", "captcha"))


@pytest.mark.requirement("A9.80")
def test_the_one_time_code_is_one_field_with_its_end_and_its_resend() -> None:
    outline = Outline(STATES["otp.vi"])
    field = {"name": "otp", "inputmode": "numeric", "autocomplete": "one-time-code", "aria-describedby": "otp-hint"}
    assert field.items() <= outline.by_id("otp").items()
    assert [item["data-countdown"] for item in outline.all("span") if "data-countdown" in item] == ["115", "55"]
    assert "Mã có hiệu lực đến 10:31:55." in STATES["otp.vi"]  # 03:31:55 UTC, for a reader without JavaScript
    assert {"name": "action", "value": "resend", "formnovalidate": None}.items() <= outline.by_id("resend").items()
    assert "disabled" not in outline.by_id("resend")


def test_a_code_that_is_over_counts_nothing() -> None:
    page = PAGES.render("otp.html", View("vi"), expires_at=NOW - timedelta(hours=1), resend_at=NOW)
    assert re.findall(r'data-countdown="(\d+)"', page) == ["0"]


def test_the_picture_code_has_a_picture_a_speech_and_a_reload() -> None:
    outline = form()
    assert outline.all("img")[1]["src"] == "/captcha/sample.png"
    assert outline.all("audio")[0]["src"] == "/captcha/sample.wav"
    reload = next(button for button in outline.all("button") if button.get("value") == "new_captcha")
    assert {"name": "action", "formnovalidate": None}.items() <= reload.items()
    assert reload["value"] in REDRAW_ACTIONS


def test_digits_have_the_digit_keyboard_but_for_the_sandbox_whose_picture_code_is_a_word() -> None:
    assert form().by_id("captcha")["inputmode"] == "text"
    assert form(pages=open_pages(is_sandbox=False)).by_id("captcha")["inputmode"] == "numeric"


def test_the_enter_key_never_presses_a_lesser_button() -> None:
    """A form's first submit button is the one that Enter presses (HTML, implicit submission)."""
    for outline in (form(), Outline(STATES["otp.vi"])):
        first = next(button for button in outline.all("button") if button["type"] == "submit")
        assert "name" not in first
        assert "formnovalidate" not in first


def test_a_page_of_the_sandbox_says_so() -> None:
    view = View("vi")
    assert "hệ thống thử nghiệm" in PAGES.render("form.html", view)
    assert "hệ thống thử nghiệm" not in open_pages(is_sandbox=False).render("form.html", view)


# --- The language switch --------------------------------------------------------------------------------------------------------------


def test_the_switch_is_a_link_that_comes_back_to_the_page() -> None:
    outline = Outline(STATES["otp.vi"])
    assert outline.by_id("language")["href"] == "/language?to=en&return_to=%2Fsample%3Fx%3D1"
    assert Outline(STATES["otp.en"]).by_id("language")["href"] == "/language?to=vi&return_to=%2Fsample%3Fx%3D1"


def test_a_form_that_can_be_drawn_again_keeps_what_was_typed() -> None:
    button = form().by_id("language")
    assert {"type": "submit", "form": "form", "name": "action", "value": "language_en", "formnovalidate": None}.items() <= button.items()
    assert language_of_action(button["value"]) == "en"


def test_only_the_actions_that_decide_nothing_draw_a_form_again() -> None:
    assert {"new_captcha", "language_vi", "language_en"} == REDRAW_ACTIONS
    assert [language_of_action(action) for action in (None, "", "deny", "language_fr", *LANGUAGE_ACTIONS)] == [None] * 4 + ["vi", "en"]


@pytest.mark.parametrize("path", ["/", "/otp?interaction=a%20b&x=1", "/a/b#c"])
def test_a_path_of_ours_is_returned_to(path: str) -> None:
    assert safe_return_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "otp",
        "//evil.vn",
        "/\\evil.vn",
        "/a\\b",
        "https://evil.vn/",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x",
        "/ a",
        "/\tevil.vn",
        "/é",
    ],
)
def test_any_other_address_is_not(path: str | None) -> None:
    assert safe_return_path(path) == "/"


# --- Headers --------------------------------------------------------------------------------------------------------------------------


def test_the_policy_allows_our_own_files_alone() -> None:
    policy = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    assert policy.pop("img-src") == "'self'"
    assert {policy.pop(name) for name in ("default-src", "frame-ancestors", "base-uri")} == {"'none'"}
    assert set(policy.values()) == {"'self'"}
    assert set(policy) == {"style-src", "script-src", "media-src", "font-src", "connect-src", "form-action"}


def test_a_form_may_lead_to_the_portal() -> None:
    source = form_action_source("https://user@portal.vn:8443/cb?x=1")
    assert source == "https://portal.vn:8443"
    assert f"form-action 'self' {source}; " in content_security_policy((source,))
    assert form_action_source("vn.gov.app:/cb") == "vn.gov.app:"
    assert "form-action 'self' vn.gov.app:; " in content_security_policy(("vn.gov.app:",))


@pytest.mark.parametrize("source", ["*", "https://a.vn; script-src *", "https://a.vn/path", "'unsafe-inline'", "", "https://a.vn\r\nX: y"])
def test_nothing_else_gets_into_the_policy(source: str) -> None:
    with pytest.raises(ValueError, match="form-action"):
        content_security_policy((source,))


def test_the_headers_that_guard_every_page() -> None:
    headers = dict(SECURITY_HEADERS)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
