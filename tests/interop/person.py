"""A person with a browser that has no scripts: walks from a portal's request to the portal's answer by what the pages offer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import httpx2

from tests.interop.page import Page

MOST_STEPS = 25
REDIRECTS = {302, 303}


@dataclass(frozen=True)
class Arrival:
    """What the person's browser brings to the portal: an address, and a form where it comes by POST."""

    url: str
    form: dict[str, str] | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """Give the parameters of the answer."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True)) if self.form is None else self.form


@dataclass
class Person:
    """Types what is in `knows` into the fields of those names; the one-time code is read from the phone when a page asks for it."""

    browser: httpx2.Client
    knows: dict[str, str]
    read_code: Callable[[], str] | None = None
    has_account: bool = True
    visited: list[str] = field(default_factory=list)

    def walk(self, url: str, *, to: str, declines: bool = False) -> Arrival:
        """Open `url` and go on until the browser is sent to the portal's address `to`."""
        self.visited = []
        response = self.browser.get(url)
        for _ in range(MOST_STEPS):
            self.visited.append(response.url.path)
            if response.status_code in REDIRECTS:
                location = str(response.url.join(response.headers["Location"]))
                if location.partition("?")[0] == to:
                    return Arrival(location)
                response = self.browser.get(location)
                continue
            page = Page(response.text)
            assert response.status_code == httpx2.codes.OK, (response.status_code, page.errors, self.visited)
            assert page.errors == [], (page.errors, self.visited)
            arrived = _posted(page, to)
            if arrived is not None:
                return arrived
            response = self._decline(response, page) if declines and "/consent/" in response.url.path else self._go_on(response, page)
        raise AssertionError(f"no end in sight: {self.visited}")

    def _go_on(self, response: httpx2.Response, page: Page) -> httpx2.Response:
        if "/sign-in/" in response.url.path and not self.has_account:
            self.has_account = True
            return self.browser.get(response.url.join(page.links["register"]))
        form = page.main_form
        if form is None:
            return self.browser.get(response.url.join(page.links["submit"]))
        if "otp" in form.typed and self.read_code is not None:
            self.knows["otp"] = self.read_code()
        return self._send(response, form.action, form.filled(self.knows))

    def _decline(self, response: httpx2.Response, page: Page) -> httpx2.Response:
        [form] = [form for form in page.forms if form.action.endswith("/decline")]
        return self._send(response, form.action, form.fields)

    def _send(self, response: httpx2.Response, action: str, fields: dict[str, str]) -> httpx2.Response:
        origin = f"{response.url.scheme}://{response.url.netloc.decode()}"
        return self.browser.post(response.url.join(action or response.url.path), data=fields, headers={"Origin": origin})


def _posted(page: Page, to: str) -> Arrival | None:
    """Give the form that the browser would send to the portal (OAuth 2.0 Form Post Response Mode), if the page is that one."""
    form = next((form for form in page.forms if form.action == to and form.method == "post"), None)
    return Arrival(to, form.fields) if form else None
