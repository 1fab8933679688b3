"""A person at a browser: the page, what its console complains of, and an album of what the person saw."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, expect

from tests.live import LiveSandbox

PATIENCE_MILLISECONDS = 20_000
LANGUAGE_COOKIE = "senid_language"
# Chromium says this of every page whose status is not 2xx, as the pages with errors in forms are.
STATUS_NOTE = "Failed to load resource: the server responded with a status of"


@dataclass
class Window:
    """One browser context with its own cookies; `page` is the tab that the person looks at."""

    context: BrowserContext
    page: Page
    live: LiveSandbox
    album: Path | None = None
    complaints: list[str] = field(default_factory=list)
    _shots: int = 0
    _navigations: set[str] = field(default_factory=set)

    # --- tabs -------------------------------------------------------------------------------------------------------------------------

    def new_tab(self) -> Page:
        """Open another tab and look at it; `page` may be set back to the first one."""
        self.page = self.context.new_page()
        return self.page

    def watch(self, page: Page) -> None:
        """Collect what goes wrong in a tab without the person seeing it."""
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", self._hear)
        page.on("response", self._note)
        page.set_default_timeout(PATIENCE_MILLISECONDS)

    def _hear(self, message: ConsoleMessage) -> None:
        is_status = message.text.startswith(STATUS_NOTE) and message.location["url"] in self._navigations
        if message.type in {"error", "warning"} and not is_status:
            self.complaints.append(f"{message.location['url']}: {message.text}")

    def _note(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._navigations.add(response.url)
        elif response.status >= 400:
            self.complaints.append(f"{response.url}: status {response.status}")

    # --- what the person does ---------------------------------------------------------------------------------------------------------

    def open(self, address: str) -> None:
        """Go to an address; one without a host is the provider's."""
        self.page.goto(f"{self.live.provider}{address}" if address.startswith("/") else address)

    def fill(self, **fields: str) -> None:
        """Type into the named fields."""
        for name, value in fields.items():
            self.page.locator(f"[name={name}]").fill(value)

    def submit(self, **fields: str) -> None:
        """Type into the named fields and press the main button."""
        self.fill(**fields)
        self.press("#submit")

    def press(self, selector: str) -> None:
        """Press what leads to another page, and wait for that."""
        with self.page.expect_navigation():
            self.page.locator(selector).click()

    def reads(self, **texts: str) -> None:
        """Expect texts in the elements with these ids."""
        for name, value in texts.items():
            expect(self.page.locator(f"#{name}")).to_contain_text(value)

    # --- where the person is ----------------------------------------------------------------------------------------------------------

    def comes_to(self, path: str, *, origin: str | None = None) -> re.Match[str]:
        """Expect a page by the pattern of its path; gives the match."""
        pattern = re.compile(re.escape(origin or self.live.provider) + path + r"(?:[?#].*)?$")
        expect(self.page).to_have_url(pattern, timeout=PATIENCE_MILLISECONDS)
        found = pattern.match(self.page.url)
        assert found is not None, self.page.url
        return found

    def told(self, code: str) -> None:
        """Expect the error with this stable code, in the words of a page."""
        expect(self.page.locator(f"[data-error={code}]").first).to_be_visible()

    def claim(self, name: str) -> str:
        """Give a claim as the portal shows it."""
        return self.page.locator(f"[data-claim={name}]").first.inner_text()

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie of the provider into the browser."""
        self.context.add_cookies([{"name": name, "value": value, "url": self.live.provider}])

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        if self.album is not None:
            self._shots += 1
            self.page.screenshot(path=self.album / f"{self._shots:02}-{name}.png", full_page=True)


@contextmanager
def open_window(browser: Browser, live: LiveSandbox, *, album: Path | None = None, **options: Any) -> Iterator[Window]:
    """Give a browser to a person; when the person is done, nothing may have complained."""
    context = browser.new_context(**{"locale": "vi-VN", "viewport": {"width": 360, "height": 740}, **options})
    window = Window(context, context.new_page(), live, album)
    context.on("page", window.watch)
    window.watch(window.page)
    try:
        yield window
        assert not window.complaints, "\n".join(window.complaints)
    finally:
        context.close()
