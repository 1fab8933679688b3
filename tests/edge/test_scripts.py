"""The static modules and the look of the pages, in Chromium: comfort that never steals focus, and pages that axe has nothing against."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from idp.edge.assets import Assets, find_folder
from idp.edge.pages import SECURITY_HEADERS, content_security_policy
from tests.browser_fixture import chromium
from tests.edge.gallery import open_pages, states

__all__ = ["chromium"]

pytestmark = pytest.mark.browser

ASSETS = Assets(find_folder("static"))
STATES = dict(states(open_pages(ASSETS)))
PORTAL = "https://dichvucong.mau.vn"
WIDTH = 360
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Window:
    """A browser window on the gallery, what was posted from it, and what its console complained of."""

    page: Page
    posts: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, state: str) -> Page:
        """Show a state of the gallery."""
        self.page.goto(f"https://gallery.test/{state}")
        return self.page

    def answer(self, route: Route) -> None:
        """Answer for the server, under the headers of the product."""
        request = route.request
        path = request.url.removeprefix("https://gallery.test")
        file = ASSETS.find_static(path)
        if request.method == "POST":
            self.posts.append(request.post_data or "")
            route.fulfill(status=204)
        elif file:
            route.fulfill(body=file.body, content_type=file.content_type)
        elif path.strip("/") in STATES:
            policy = content_security_policy((PORTAL,))
            headers = dict((*SECURITY_HEADERS, ("Content-Security-Policy", policy), ("Content-Type", "text/html; charset=utf-8")))
            route.fulfill(body=STATES[path.strip("/")], headers=headers)
        else:
            route.fulfill(status=204)


@pytest.fixture
def window(chromium: Browser) -> Iterator[Window]:
    context = chromium.new_context(viewport={"width": WIDTH, "height": 740})
    window = Window(context.new_page())
    window.page.on("console", lambda message: window.complaints.append(message.text) if message.type in {"error", "warning"} else None)
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    context.route("**/*", window.answer)
    yield window
    context.close()


def has_focus(page: Page, selector: str) -> bool:
    """Tell whether the element has the focus."""
    return bool(page.locator(selector).evaluate("element => element === document.activeElement"))


@pytest.mark.parametrize("state", [name for name in STATES if name.endswith(".vi") and name != "form-post.vi"])
def test_axe_finds_nothing_and_a_narrow_screen_needs_no_sideways_scroll(window: Window, state: str) -> None:
    page = window.open(state)
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}}).response["violations"]
    assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    # WCAG 1.4.4: text at twice its size, on a screen of 720 px, which is 360 px for the layout.
    page.set_viewport_size({"width": 720, "height": 740})
    page.evaluate("document.documentElement.style.setProperty('font-size', '225%')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert [text for text in window.complaints if "inline style" not in text] == []


@pytest.mark.parametrize("state", ["form-errors.vi", "otp.vi", "blocks.vi", "error.vi"])
def test_what_is_pressed_is_large_enough(window: Window, state: str) -> None:
    boxes = window.open(state).evaluate(
        """() => [...document.querySelectorAll("main button, main .button, main .cards a, header a.brand, input:not([type=hidden])")]
            .filter((element) => !element.classList.contains("sr-only"))
            .map((element) => [element.outerHTML, element.getBoundingClientRect().height, element.getBoundingClientRect().width])"""
    )
    assert boxes
    assert [box for box in boxes if min(box[1:]) < 44] == []


def test_the_summary_of_errors_has_the_focus_and_leads_to_the_field(window: Window) -> None:
    page = window.open("form-errors.vi")
    assert has_focus(page, "#error-summary")
    page.locator('#error-summary a[href="#phone"]').click()
    assert has_focus(page, "#phone")


def test_the_countdown_ticks_speaks_at_its_marks_and_leaves_the_focus(window: Window) -> None:
    window.page.clock.install()
    page = window.open("otp.vi")
    page.locator("#otp").focus()
    ticking, spoken = page.locator("#otp-hint .countdown span").all()
    expect(ticking).to_have_text("Còn 1:55")
    page.clock.run_for(30_000)
    expect(ticking).to_have_text("Còn 1:25")
    expect(spoken).to_have_text("")
    page.clock.run_for(25_000)
    expect(spoken).to_have_text("Mã OTP còn hiệu lực 60 giây.")
    page.clock.run_for(61_000)
    expect(spoken).to_have_text("Mã OTP đã hết hiệu lực. Vui lòng chọn Gửi lại OTP.")
    expect(page.locator(".resend .countdown [role=status]")).to_have_text("Quý vị có thể gửi lại mã OTP.")
    assert has_focus(page, "#otp")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH


def test_a_password_can_be_shown_and_is_hidden_again_before_it_is_sent(window: Window) -> None:
    page = window.open("form.vi")
    page.locator("#password").fill("Mat-khau-1")
    button = page.locator("[data-show-password] button").first
    button.click()
    expect(page.locator("#password")).to_have_attribute("type", "text")
    expect(button).to_have_text("Ẩn mật khẩu")
    page.locator("#deny").click()
    expect(page.locator("#password")).to_have_attribute("type", "password")


def test_a_form_is_sent_once_with_the_value_of_its_button(window: Window) -> None:
    page = window.open("form.vi")
    page.locator("#deny").dblclick()
    expect(page.locator("#submit")).to_be_disabled()
    assert len(window.posts) == 1
    assert "action=deny" in window.posts[0]


def test_a_page_that_is_shown_again_can_be_sent_again(window: Window) -> None:
    page = window.open("form.vi")
    page.locator("#deny").click()
    expect(page.locator("#deny")).to_be_disabled()
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    page.locator("#deny").click()
    expect(page.locator("#deny")).to_be_disabled()
    assert len(window.posts) == 2


def test_the_enter_key_sends_the_form_and_asks_for_no_new_picture(window: Window) -> None:
    page = window.open("form.vi")
    for name, value in {
        "id_number": "001234567890",
        "phone": "0912345678",
        "password": "x",
        "password_confirm": "x",
        "captcha": "123",
    }.items():
        page.locator(f"#{name}").fill(value)
    page.locator("#agree").check()
    page.locator("#captcha").press("Enter")
    expect(page.locator("#submit")).to_be_disabled()
    assert len(window.posts) == 1
    assert "action=" not in window.posts[0]
    assert "captcha=123" in window.posts[0]


def test_the_language_button_sends_what_was_typed(window: Window) -> None:
    page = window.open("form.vi")
    page.locator("#phone").fill("0912")
    page.locator("#language").click()
    expect(page.locator("#language")).to_be_disabled()
    assert "phone=0912" in window.posts[0]
    assert "action=language_en" in window.posts[0]


def test_the_answer_is_posted_to_the_portal_at_once(window: Window) -> None:
    with window.page.expect_request(lambda request: request.method == "POST") as sent:
        window.page.goto("https://gallery.test/form-post.vi", wait_until="commit")
    assert sent.value.url == f"{PORTAL}/cb?x=1"
    assert sent.value.post_data == "code=a%26%22%27%3Cb%3E&state=s"


def test_without_javascript_a_button_posts_the_answer(chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    window = Window(context.new_page())
    context.route("**/*", window.answer)
    window.open("form-post.vi").locator("#submit").click()
    assert window.posts == ["code=a%26%22%27%3Cb%3E&state=s"]
    context.close()
