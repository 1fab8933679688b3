"""A person who wants to get to a portal, whatever dies on the way: does what the page at hand asks for, and starts again when it must."""

import ssl
from dataclasses import dataclass, field
from enum import Enum
from http.cookiejar import Cookie
from urllib.parse import parse_qsl, urlencode

import httpx2

from idp.protocol.clients import Client
from tests.abuse.walker import PATIENCE_SECONDS, Walker
from tests.crashes.provider import ONE_TIME_CODE, PICTURE_CODE
from tests.flows.sign_in.person import Page
from tests.world import PASSWORD, REDIRECT_URI, authorization_parameters

MOST_PAGES = 40
GONE = {403, 404, 410}
RESUME_PATH = "/register/resume"
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here uses it, and to make one for each browser takes long


class Again(Enum):
    """How a person goes on when a page did not come."""

    RELOAD = "reloads the page, and with it a form that was sent"
    RESTART = "comes from the portal again"
    ELSEWHERE = "comes from the portal in another browser"
    RESUME = "resumes the registration in another browser, by phone and code"


class Crashed(Exception):
    """The server went away before it answered."""


class QuickWalker(Walker):
    """A walker that needs no certificates."""

    def __post_init__(self) -> None:
        self.client = httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS, verify=TLS, headers={"Accept-Language": self.language})


@dataclass
class Citizen:
    """Somebody with an ID number and a phone; `has_account` is what they believe."""

    address: str
    client: Client
    serial: int
    has_account: bool = False
    seen: list[str] = field(default_factory=list)
    _last: tuple[str, str] = ("", "")
    _walker: Walker = field(init=False)

    def __post_init__(self) -> None:
        self._take_browser()

    @property
    def id_number(self) -> str:
        """Give the ID number of nobody else."""
        return f"001090{self.serial:06}"

    @property
    def phone(self) -> str:
        """Give the phone of nobody else."""
        return f"0977{self.serial:06}"

    def arrive(self) -> str:
        """Come from the portal and go on until it gets a code; gives the code. Raises `Crashed`."""
        return self._go_on(self._from_portal())

    def arrive_after_crash(self, again: Again) -> str:
        """Go on after a crash, in one of three ways."""
        if again in {Again.ELSEWHERE, Again.RESUME}:
            self.close()
            self._take_browser()
        match again:
            case Again.RELOAD:
                return self._go_on(self._load(*self._last))
            case Again.RESUME:
                return self._go_on(self._load(RESUME_PATH))
            case _:
                return self.arrive()

    def cookies(self) -> list[Cookie]:
        """Give what the browser keeps."""
        return list(self._walker.client.cookies.jar)

    def close(self) -> None:
        """Close the browser."""
        self._walker.client.close()

    def _take_browser(self) -> None:
        self._walker = QuickWalker(self.address, "vi")
        # Each comes from an address of their own, as the limits are for places.
        self._walker.client.headers["X-Forwarded-For"] = f"10.{self.serial // 65_536 % 256}.{self.serial // 256 % 256}.{self.serial % 256}"

    def _go_on(self, page: Page) -> str:
        for _ in range(MOST_PAGES):
            if page.left_for:
                assert page.left_for.startswith(REDIRECT_URI), page.left_for
                answer = dict(parse_qsl(page.query))
                assert "code" in answer, answer
                return answer["code"]
            self.seen.append(f"{page.status} {page.path.rpartition('/')[2][:20]} {' '.join(page.errors)}".strip())
            page = self._do(page)
        raise AssertionError(f"no end in sight: {self.seen}")

    def _do(self, page: Page) -> Page:
        """Do what the page asks for."""
        if page.status in GONE:
            return self._from_portal()
        if page.path.startswith(RESUME_PATH):
            return self._resume(page)
        if page.path.startswith("/sign-in/") and page.path.endswith("/password"):
            return self._sign_in(page)
        tasks = {"one-time-code": self._type_code, "mobile-subscriber": self._fill_in, "success": self._leave, "duplicate": self._leave}
        part = page.path.rpartition("/")[2].partition("?")[0]
        if part in tasks:
            return tasks[part](page)
        if part == "password":
            return self._press(page, password=PASSWORD, password_confirm=PASSWORD)
        if page.path.startswith("/register/") and "subject" in page.html:
            return self._press(page, subject="citizen", method="mobile_subscriber")
        assert not page.errors, self.seen
        return self._press(page)

    def _sign_in(self, page: Page) -> Page:
        if self.has_account:
            return self._press(page, id_number=self.id_number, password=PASSWORD)
        return self._load(next(href for href in page.links.values() if href.startswith("/register/")))

    def _type_code(self, page: Page) -> Page:
        asks_anew = "resend" in page.buttons and (page.errors or "submit" not in page.buttons)
        return self._press(page, "resend") if asks_anew else self._press(page, otp=ONE_TIME_CODE)

    def _leave(self, page: Page) -> Page:
        """Learn that there is an account, and go on to the portal."""
        self.has_account = True
        way_on = page.links.get("submit", "")
        return self._load(way_on) if way_on.startswith("/authorize/") else self._from_portal()

    def _resume(self, page: Page) -> Page:
        """Type the phone, then the code; where there is nothing to resume, come from the portal."""
        if page.path == RESUME_PATH:
            return self._press(page, phone=self.phone, captcha=PICTURE_CODE)
        return self._from_portal() if page.errors else self._press(page, otp=ONE_TIME_CODE)

    def _fill_in(self, page: Page) -> Page:
        papers = {"id_number": self.id_number, "full_name": "Nguyễn Thị Ánh Tuyết", "birth_date": "01/02/1990", "phone": self.phone}
        return self._press(page, **papers, email="", captcha=PICTURE_CODE)

    def _from_portal(self) -> Page:
        return self._load(f"/authorize?{urlencode(authorization_parameters(self.client, scope='openid profile'))}")

    def _press(self, page: Page, button: str = "submit", **typed: str) -> Page:
        assert button in page.buttons, (button, self.seen, page.text[:300])
        pressed = page.buttons[button]
        form = page.forms[pressed.form]
        fields = {**form.fields, **typed, **({pressed.name: pressed.value} if pressed.name else {})}
        return self._load(form.action or page.path, urlencode(fields))

    def _load(self, path: str, body: str = "") -> Page:
        self._last = (path, body)
        try:
            return self._walker.post(path, body) if body else self._walker.open(path)
        except httpx2.TransportError as error:
            raise Crashed(type(error).__name__) from error
