"""A person with a browser that has no JavaScript: reads pages as HTML, types into their forms and presses their buttons."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from tests.world import World

_MOST_REDIRECTS = 10
_VOID_TYPES = {"submit", "button", "file"}


@dataclass
class Form:
    """A form as it stands in a page, with what its fields hold."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Button:
    """A submit button, and the form that it sends."""

    form: str
    name: str
    value: str


class _Reader(HTMLParser):
    """Collects forms, buttons, links and error codes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, Form] = {}
        self.buttons: dict[str, Button] = {}
        self.links: dict[str, str] = {}
        self.errors: list[str] = []
        self.images: list[str] = []
        self.words: list[str] = []
        self._open = ""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "data-error" in given:
            self.errors.append(given["data-error"])
        if tag in {"style", "script"}:
            self._hidden += 1
        if tag == "form":
            self._open = given.get("id", "")
            self.forms[self._open] = Form(given.get("action", ""), given.get("method", "get"))
        elif tag == "input" and self._open:
            self._read_input(given)
        elif tag == "button":
            button = Button(given.get("form", self._open), given.get("name", ""), given.get("value", ""))
            self.buttons[given.get("id") or f"{given.get('name')}={given.get('value')}"] = button
        elif tag == "a":
            self.links[given.get("id") or given.get("href", "")] = given.get("href", "")
        elif tag in {"img", "audio"}:
            self.images.append(given.get("src", ""))

    def _read_input(self, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind in _VOID_TYPES or (kind in {"radio", "checkbox"} and "checked" not in given):
            return
        self.forms[self._open].fields[given.get("name", "")] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = ""
        if tag in {"style", "script"}:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


class Page:
    """What a browser shows after the redirects that it followed; `left_for` is the address of another site that it was sent to."""

    def __init__(self, response: TestResponse, path: str, left_for: str = "") -> None:
        self.response = response
        self.status = response.status_code
        self.path = path
        self.left_for = left_for
        self.html = response.text
        reader = _Reader()
        reader.feed(self.html)
        self.forms = reader.forms
        self.buttons = reader.buttons
        self.links = reader.links
        self.errors = reader.errors
        self.images = reader.images
        self.text = " ".join(" ".join(reader.words).split())

    @property
    def query(self) -> str:
        """Give the query under which another site was reached."""
        return urlsplit(self.left_for).query

    def typed(self, name: str, form: str = "form") -> str:
        """Give what a field holds."""
        return self.forms[form].fields[name]


class Person:
    """Somebody at a browser."""

    def __init__(self, world: World, *, address: str = "203.0.113.7", browser: Browser | None = None) -> None:
        self.world = world
        self.browser = browser or world.browser()
        self.address = address

    def open(self, path: str) -> Page:
        """Go to a page of ours and follow where it leads."""
        return self._follow(self._send("GET", path), path)

    def press(self, page: Page, button: str = "submit", **typed: str) -> Page:
        """Type into the button's form, press the button, and follow where it leads."""
        response, path = self.send(page, button, **typed)
        return self._follow(response, path)

    def send(self, page: Page, button: str = "submit", **typed: str) -> tuple[TestResponse, str]:
        """Press a button and stay with the first answer; gives it with its path."""
        pressed = page.buttons[button]
        form = page.forms[pressed.form]
        fields = {**form.fields, **typed}
        if pressed.name:
            fields[pressed.name] = pressed.value
        return self.post(form.action, fields), form.action

    def post(self, path: str, fields: dict[str, str] | str | bytes) -> TestResponse:
        """Post raw fields."""
        data = urlencode(fields) if isinstance(fields, dict) else fields
        return self._send("POST", path, data=data, content_type="application/x-www-form-urlencoded")

    def _send(self, method: str, path: str, *, data: str | bytes | None = None, content_type: str | None = None) -> TestResponse:
        environ = {"REMOTE_ADDR": self.address}
        return self.browser.open(path, method=method, data=data, content_type=content_type, environ_overrides=environ)

    def _follow(self, response: TestResponse, path: str) -> Page:
        for _ in range(_MOST_REDIRECTS):
            location = response.headers.get("Location")
            if response.status_code != 303 or location is None:
                return Page(response, path)
            if urlsplit(location).netloc:
                return Page(response, path, left_for=location)
            path = location
            response = self._send("GET", path)
        raise AssertionError(f"redirected in a circle: {path}")
