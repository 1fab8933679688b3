"""Two people, one in each language, walk through everything with mistakes and mishaps on the way: what is written then is searched.

Everything that may not be written is noted as the journey comes by it.
"""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx2

from idp.identity import phone_numbers
from idp.protocol.clients import Client
from tests.abuse.provider import BREAKING_PASSWORD, BREAKING_TOKEN
from tests.abuse.running import GATEWAY_TOKEN, Running, running
from tests.abuse.stores import Files, Servers, without_table
from tests.abuse.walker import PATIENCE_SECONDS, Walker
from tests.flows.sign_in.person import Page
from tests.instances import Run
from tests.world import REDIRECT_URI, VERIFIER, authorization_parameters

FOLDER = "journey"
PICTURE_CODE = "sandbox"


@dataclass(frozen=True)
class Traveller:
    """A person with data that nobody else has."""

    language: str
    id_number: str
    full_name: str
    birth_date: str
    phone: str
    email: str
    password: str


TRAVELLERS = (
    Traveller("vi", "031187204519", "Lường Thị Huyền Trân", "29/08/1987", "0987314026", "huyentran.luong@example.vn", "Quat-gio-4519-Xoay"),
    Traveller("en", "079092758341", "Đặng Quốc Ngữ Khuê", "17/11/1992", "0935802647", "khue.dang@example.vn", "Kinh-lup-8341-Vuong"),
)


@dataclass
class Traces:
    """What came of a journey: the secrets in it by what they are, the error pages, and everything that was written.

    `places` are the identifiers in addresses, which only their browser may use: the stores know them, logs and metrics need not.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    error_pages: list[str] = field(default_factory=list)
    forms_with_errors: list[str] = field(default_factory=list)
    log: str = ""
    log_of_database: str = ""
    metrics: str = ""
    places: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Keep them in a folder."""
        for name, content in self.stored.items():
            (folder / f"stored {name}").write_bytes(content)
        told = {name: value for name, value in vars(self).items() if name != "stored"}
        (folder / "traces.json").write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Traces":
        """Give what was kept."""
        stored = {path.name.removeprefix("stored "): path.read_bytes() for path in sorted(folder.glob("stored *"))}
        return cls(**json.loads((folder / "traces.json").read_text(encoding="utf-8")), stored=stored)


def traces_of_journey(stores: str) -> Traces:
    """Give the traces of the one journey of this run of the tests on `files` or `servers`."""
    return Traces.read(Run.current().once(f"{FOLDER}-{stores}", lambda folder: _make(folder, stores)))


def _make(folder: Path, kind: str) -> None:
    place = folder / "place"
    place.mkdir(parents=True)
    stores: Files | Servers = Files(place) if kind == "files" else Servers()
    with closing(stores), running(place, stores) as provider:
        journey = Journey(provider, *provider.register_portal())
        stores.plant()
        for traveller in TRAVELLERS:
            journey.walk(traveller)
        traces = journey.traces
        traces.metrics = httpx2.get(f"{provider.address}/metrics", trust_env=False).text
        traces.stored = stores.contents()  # while the provider runs, so that the side files of SQLite are there, too
        traces.log = provider.log
        if isinstance(stores, Servers):
            traces.log_of_database = stores.said().decode(errors="replace")
    traces.log = provider.log
    traces.write(folder)


@dataclass
class Journey:
    """The walk of one person after the other."""

    provider: Running
    client: Client
    secret: str
    traces: Traces = field(default_factory=Traces)

    def walk(self, who: Traveller) -> None:
        """Register, sign in, hand the portal its tokens, refresh, sign out and sign in again, with all that can go wrong between."""
        self._note(who.language, **{name: value for name, value in asdict(who).items() if name != "language"})
        self._note("", client_secret=self.secret, gateway_token=GATEWAY_TOKEN, breaking_password=BREAKING_PASSWORD)
        self._note("", breaking_token=BREAKING_TOKEN, code_verifier=VERIFIER)
        with self._browser(who) as walker:
            self._walk(walker, who)

    def _walk(self, walker: Walker, who: Traveller) -> None:
        code = self._consent(walker, self._register(walker, who))
        tokens = self._redeem(who, code)
        self._use(who, tokens)
        self._replay(code)
        self._sign_out(walker, tokens["id_token"])
        self._sign_in(walker, who)
        self._break(walker, who)
        self._stumble(walker, who)

    # --- the way ----------------------------------------------------------------------------------------------------------------------

    def _ask(self, walker: Walker, **changes: str | None) -> Page:
        wanted = {"scope": " ".join(self.client.scopes), "ui_locales": walker.language, **changes}
        return walker.open(f"/authorize?{urlencode(authorization_parameters(self.client, **wanted))}")

    def _register(self, walker: Walker, who: Traveller) -> Page:
        page = walker.open(next(href for href in self._ask(walker).links.values() if href.startswith("/register/")))
        page = walker.press(page, subject="citizen", method="mobile_subscriber")
        fields = {name: getattr(who, name) for name in ("id_number", "full_name", "birth_date", "phone", "email")}
        page = walker.press(page, **fields, captcha="000000")
        page = walker.press(page, **fields, captcha=PICTURE_CODE)
        assert page.path.endswith("/one-time-code"), (page.path, page.errors)
        page = walker.press(page, otp=self._wrong_code(who))
        page = walker.press(page, "resend")
        page = walker.press(page, otp=self._code(who))
        page = walker.press(page, password=who.id_number + "Aa@", password_confirm=who.id_number + "Aa@")
        assert page.errors == ["password_known"]
        page = walker.press(page, password=who.password, password_confirm=who.password)
        assert page.path.endswith("/success"), (page.path, page.errors)
        return page

    def _consent(self, walker: Walker, page: Page) -> str:
        page = walker.open(page.links["submit"])
        assert page.path.startswith("/consent/"), page.path
        return self._code_of(walker.press(page))

    def _sign_in(self, walker: Walker, who: Traveller) -> None:
        page = self._ask(walker, login_hint=who.id_number)
        page = walker.press(page, id_number=who.id_number, password=who.password[::-1])
        assert page.errors == ["credentials_wrong"]
        page = walker.press(page, id_number=who.id_number, password=who.password)
        assert page.path.endswith("/one-time-code"), (page.path, page.errors)
        page = walker.press(page, otp=self._wrong_code(who))
        assert page.errors == ["otp_wrong"]
        page = walker.press(page, "resend")
        self._code_of(walker.press(page, otp=self._code(who)))
        answer = self._ask(walker, response_mode="form_post")
        code = re.search(r'name="code" value="([\w-]+)"', answer.html)
        assert code
        self._note("form post", code=code[1])

    def _sign_out(self, walker: Walker, id_token: str) -> None:
        query = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": self.client.post_logout_redirect_uris[0]})
        assert walker.open(f"/end_session?{query}").left_for == self.client.post_logout_redirect_uris[0]

    # --- the portal -------------------------------------------------------------------------------------------------------------------

    def _token(self, form: dict[str, str], secret: str = "") -> httpx2.Response:
        return self._call("POST", "/token", data=form, headers=self._credentials(secret or self.secret))

    def _credentials(self, secret: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{self.client.client_id}:{secret}".encode()).decode()}

    def _redeem(self, who: Traveller, code: str) -> dict[str, str]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        assert self._token(form, "wrong-" + self.secret[::-1]).status_code == 401
        assert self._token({**form, "code": code[::-1]}).status_code == 400
        answer = self._token(form)
        assert answer.status_code == 200, answer.text
        tokens = {name: str(value) for name, value in answer.json().items() if name.endswith("_token")}
        self._note(f"{who.language} first", **tokens)
        return tokens

    def _replay(self, code: str) -> None:
        """Show a code a second time, which takes back what it has given."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        assert self._token(form).status_code == 400

    def _use(self, who: Traveller, tokens: dict[str, str]) -> None:
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert self._call("GET", "/userinfo", headers=bearer).json()["name"] == who.full_name
        assert self._call("GET", f"/userinfo?access_token={tokens['access_token']}").status_code == 401
        told = self._call("POST", "/introspect", data={"token": tokens["access_token"]}, headers=self._credentials(self.secret))
        assert told.json()["active"] is True
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answer = self._token(form)
        self._note(f"{who.language} second", **{name: value for name, value in answer.json().items() if name.endswith("_token")})
        assert self._token(form).status_code == 400

    def _call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        answer = httpx2.request(method, f"{self.provider.address}{path}", trust_env=False, timeout=PATIENCE_SECONDS, **more)
        self._keep_page(answer)
        return answer

    # --- what goes wrong --------------------------------------------------------------------------------------------------------------

    def _break(self, walker: Walker, who: Traveller) -> None:
        page = self._ask(walker, prompt="login")
        assert walker.press(page, id_number=TRAVELLERS[0].id_number, password=BREAKING_PASSWORD).errors == ["internal_error"]
        bearer = {"Authorization": f"Bearer {BREAKING_TOKEN}"}
        assert self._call("GET", "/userinfo", headers=bearer).status_code == 500
        with without_table(self.provider.stores.database_url, "documents"):
            page = self._ask(walker, prompt="login")
            assert walker.press(page, id_number=who.id_number, password=who.password).errors == ["internal_error"]

    def _stumble(self, walker: Walker, who: Traveller) -> None:
        """Send what a page of its own is the answer to, each time with something in it that may not be repeated."""
        hint = f"login_hint={who.id_number}&state={quote(who.full_name)}"
        assert self._ask(walker, client_id=who.phone, login_hint=who.id_number).errors == ["unknown_client"]
        assert self._ask(walker, redirect_uri=f"https://portal.example/{quote(who.full_name)}").errors == ["invalid_redirect_uri"]
        assert walker.open(f"/nowhere/{who.id_number}/{quote(who.full_name)}?{hint}").errors == ["page_not_found"]
        page = self._ask(walker, prompt="login")
        typed = urlencode({**page.forms["form"].fields, "id_number": who.id_number, "password": who.password})
        assert walker.post(page.path, f"{typed}&password=%00{quote(who.full_name)}").errors == ["bad_request"]
        assert walker.post(page.path, f"{typed}&id_number={who.id_number}").errors == ["bad_request"]
        forged = urlencode({"csrf_token": who.phone, "password": who.password})
        assert walker.post(page.path, forged).errors == ["form_expired"]
        with self._browser(who) as stranger:
            assert stranger.open(page.path).errors == ["interaction_elsewhere"]
            assert stranger.post(page.path, typed).errors == ["form_expired"]
        broken = self._call("POST", "/token", content=f"code={who.password}&code=%ff".encode(), headers={"Content-Type": "text/plain"})
        assert broken.status_code == 400

    # --- what is noted ----------------------------------------------------------------------------------------------------------------

    def _code(self, who: Traveller) -> str:
        code = self.provider.outside.code()
        self._note(f"{who.language} one-time", **{f"code_{len(self.provider.outside.texts)}": code})
        return code

    def _wrong_code(self, who: Traveller) -> str:
        return f"{(int(self._code(who)) + 1) % 1_000_000:06}"

    def _code_of(self, page: Page) -> str:
        code = dict(parse_qsl(page.query))["code"]
        self._note("authorization", **{f"code_{len(self.traces.secrets)}": code})
        return code

    def _note(self, whose: str, **secrets: str) -> None:
        self.traces.secrets.update({f"{whose} {name}".strip(): value for name, value in secrets.items()})

    @contextmanager
    def _browser(self, who: Traveller) -> Iterator[Walker]:
        """Give a new browser, and keep what it has come by."""
        walker = Walker(self.provider.address, who.language)
        try:
            yield walker
            self._keep(who, walker)
        finally:
            walker.client.close()

    def _keep(self, who: Traveller, walker: Walker) -> None:
        """Keep the pages of a browser, and note its cookies and the anti-forgery token of its forms."""
        number = len(self.traces.secrets)
        cookies = {cookie.name: cookie.value for cookie in walker.client.cookies.jar if cookie.name != "senid_language"}
        self._note(f"{who.language} cookie {number}", **{name: value or "" for name, value in cookies.items()})
        for answer in walker.answers:
            self._keep_page(answer)
            self.traces.places += re.findall(r"/(?:sign-in|consent|authorize|register|draft)/([\w-]{20,})", answer.request.url.path)

    def _keep_page(self, answer: httpx2.Response) -> None:
        """Keep an answer that tells of an error: as a page of its own, or in a form, which repeats what was typed."""
        if answer.status_code >= 400:
            kept = self.traces.forms_with_errors if 'id="error-summary"' in answer.text else self.traces.error_pages
            kept.append(answer.text)


def forms_of(who: Traveller) -> dict[str, list[str]]:
    """Give the ways to write what a person is known by."""
    day, month, year = who.birth_date.split("/")
    national = phone_numbers.parse(who.phone).e164.removeprefix("+84")
    groups = ((national[:3], national[3:6], national[6:]), (national[:2], national[2:5], national[5:]))
    return {
        "birth_date": [
            who.birth_date,
            f"{year}-{month}-{day}",
            f"{day}-{month}-{year}",
            f"{day}.{month}.{year}",
            f"{int(day)}/{int(month)}/{year}",
            f"{year}/{month}/{day}",
            f"{day}{month}{year}",
            f"{year}{month}{day}",
        ],
        "phone": [national, *(mark.join(parts) for parts in groups for mark in (" ", ".", "-"))],  # what every way to write it ends with
        "full_name": [who.full_name, " ".join(who.full_name.split()[-2:])],
    }
