"""A person at a browser over HTTP, who follows redirects up to the portal and keeps every answer."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode, urljoin

import httpx2

from tests.flows.sign_in.person import Page

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

FORM = "application/x-www-form-urlencoded"
MOST_REDIRECTS = 10
PATIENCE_SECONDS = 120.0  # for a machine that is busy with something else


@dataclass
class Walker:
    """One browser without JavaScript, in one language."""

    address: str
    language: str
    answers: list[httpx2.Response] = field(default_factory=list)
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS, headers={"Accept-Language": self.language})

    def open(self, path: str) -> Page:
        """Go to a page and follow where it leads."""
        return self._follow(self._send("GET", path), path)

    def press(self, page: Page, button: str = "submit", **typed: str) -> Page:
        """Type into the form of a button, and press it."""
        pressed = page.buttons[button]
        form = page.forms[pressed.form]
        fields = {**form.fields, **typed, **({pressed.name: pressed.value} if pressed.name else {})}
        return self.post(form.action, urlencode(fields))

    def post(self, path: str, body: str, content_type: str = FORM) -> Page:
        """Post a body, and follow where it leads."""
        return self._follow(self._send("POST", path, body, content_type), path)

    def _send(self, method: str, path: str, body: str = "", content_type: str = "") -> httpx2.Response:
        headers = {"Content-Type": content_type} if content_type else {}
        answer = self.client.request(method, urljoin(self.address, path), content=body or None, headers=headers)
        self.answers.append(answer)
        return answer

    def _follow(self, answer: httpx2.Response, path: str) -> Page:
        for _ in range(MOST_REDIRECTS):
            location = answer.headers.get("Location")
            if not answer.is_redirect or location is None:
                return page_of(answer, path)
            if location.startswith("http"):
                return Page(cast("TestResponse", answer), path, left_for=location)
            path = location
            answer = self._send("GET", path)
        raise AssertionError(f"redirected in a circle: {re.sub('[^/]{40,}', '...', path)}")


def page_of(answer: httpx2.Response, path: str) -> Page:
    """Read an answer as a page: both clients call its parts alike."""
    return Page(cast("TestResponse", answer), path)
