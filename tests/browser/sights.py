"""Every page in every state that a person can bring about, as journeys; each says which routes it shows, and in what states."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from playwright.sync_api import Route

from tests.browser.backstage import Backstage
from tests.browser.inspection import Inspector
from tests.browser.journeys import (
    NEW_PASSWORD,
    PICTURE_CODE,
    applicant,
    choose,
    come_to_code,
    come_to_sign_in,
    leave_portal,
    type_code,
    type_password,
)
from tests.live import LiveSandbox

Walk = Callable[[Inspector, Backstage], None]
WRONG = {"password": "Sai-Mat-Khau-1"}
CODE_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

REGISTER = "/register/<interaction_id>"
FORM = f"{REGISTER}/mobile-subscriber"
DRAFT = "/register/draft/<uuid:draft_id>"
RESUME = "/register/resume"
SIGN_IN = "/sign-in/<interaction_id>"


@dataclass(frozen=True)
class Journey:
    """A walk, and what it shows in this order: routes and states."""

    walk: Walk
    shows: tuple[tuple[str, str], ...]


JOURNEYS: dict[str, Journey] = {}

# Routes that answer no page, whatever one does.
WITHOUT_PAGE = {
    "/language": "goes back to the page that it was pressed on",
    "/end_session/": "goes on with what a portal posted",
    "/register": "opens an interaction and goes on to its first page",
}


def shows(*sights: tuple[str, str]) -> Callable[[Walk], Walk]:
    """Register a journey that shows these routes in these states."""

    def noted(walk: Walk) -> Walk:
        JOURNEYS[walk.__name__] = Journey(walk, sights)
        return walk

    return noted


# --- around an account ------------------------------------------------------------------------------------------------------------------


@shows(
    ("/", "welcome"),
    ("/help/forgot-password", "on its own"),
    ("/", "signed in"),
    ("/sign-out", "question"),
    ("/sign-out/done", "signed out"),
    ("(none)", "no such page"),
)
def front_door(see: Inspector, backstage: Backstage) -> None:
    """Come without a portal, sign in and out."""
    window, person = see.window, backstage.account()
    window.open("/")
    see("welcome")
    window.open("/help/forgot-password")
    see("on its own")
    window.open("/")
    window.submit()
    window.comes_to(r"/sign-in/([^/]+)/password")
    type_password(window, person)
    type_code(window, person)
    window.comes_to("/")
    see("signed in")
    window.press("#sign-out")
    see("question")
    window.submit()
    window.comes_to("/sign-out/done")
    see("signed out")
    window.open("/no/such/page")
    see("no such page", "page_not_found")


@shows(
    ("/sign-out/<logout_id>", "a portal asks"),
    ("/end_session", "forged hint"),
    ("/authorize", "unknown portal"),
    ("/authorize", "unregistered address"),
    ("/authorize", "answer by a form"),
    ("/authorize/", "unknown interaction"),
    ("/step-up/<interaction_id>", "offered"),
    ("/step-up/<interaction_id>", "unknown interaction"),
    ("/static/", "no such file"),
    ("/captcha/<captcha_id>.png", "unknown"),
    ("/captcha/<captcha_id>.wav", "unknown"),
)
def portals_and_addresses(see: Inspector, backstage: Backstage) -> None:
    """Come from a portal that asks for something special, or by an address that leads nowhere."""
    window, person = see.window, backstage.account()
    window.open("/")
    backstage.sign_in_with_password_alone(window, person)
    window.open(f"/end_session?{urlencode({'client_id': client_id(window.live)})}")
    see("a portal asks")
    window.open("/end_session?id_token_hint=forged")
    see("forged hint", "invalid_logout_request")
    window.open(asking(window.live, client_id="nobody"))
    see("unknown portal", "unknown_client")
    window.open(asking(window.live, redirect_uri="https://elsewhere.example/"))
    see("unregistered address", "invalid_redirect_uri")
    window.context.route("**/form_post*.js*", _stay)
    window.open(asking(window.live, response_mode="form_post", prompt="none", max_age="0", acr_values="urn:senid:loa:2"))
    see("answer by a form")
    window.open("/authorize/nothing")
    see("unknown interaction", "interaction_missing")
    window.open(asking(window.live, acr_values="urn:senid:loa:2"))
    see("offered")
    window.open("/step-up/nothing")
    see("unknown interaction", "interaction_missing")
    for path, state in {"/static/nothing.css": "no such file", "/captcha/x.png": "unknown", "/captcha/x.wav": "unknown"}.items():
        window.open(path)
        see(state, "page_not_found")


def _stay(route: Route) -> None:
    """Keep the browser on the page that would go on by itself."""
    route.fulfill(body="", content_type="text/javascript")


def client_id(live: LiveSandbox) -> str:
    """Give what the provider calls portal 1."""
    portals = json.loads((live.folder / "portals.json").read_text(encoding="utf-8"))["portals"]
    return str(portals["hung_yen"]["client_id"])


def asking(live: LiveSandbox, **changes: str) -> str:
    """Give an authorization request of portal 1, with changes."""
    parameters = {
        "response_type": "code",
        "client_id": client_id(live),
        "redirect_uri": f"{live.portals[0]}/callback",
        "scope": "openid",
        "state": "x" * 20,
        "code_challenge": CODE_CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return f"/authorize?{urlencode(parameters)}"


# --- signing in -------------------------------------------------------------------------------------------------------------------------


@shows(
    (f"{SIGN_IN}/password", "empty"),
    ("/help/forgot-password", "in the middle"),
    (f"{SIGN_IN}/password", "nothing typed"),
    (f"{SIGN_IN}/password", "no number"),
    (f"{SIGN_IN}/password", "wrong"),
    (f"{SIGN_IN}/password", "no picture code"),
    (f"{SIGN_IN}/password", "wrong picture code"),
    (f"{SIGN_IN}/password", "too many tries"),
    (f"{SIGN_IN}/password", "unknown interaction"),
)
def passwords(see: Inspector, backstage: Backstage) -> None:
    """Make every mistake with ID number and password."""
    window, person = see.window, backstage.account()
    typed = {"id_number": person["id_number"], **WRONG}
    come_to_sign_in(window)
    see("empty")
    window.press("#forgot")
    window.comes_to("/help/forgot-password")
    see("in the middle")
    window.press("main a.button >> nth=-1")
    window.comes_to("/sign-in/[^/]+/password")
    _without_browser_checks(see)
    window.submit()
    see("nothing typed", "required")
    window.submit(**{**typed, "id_number": "12"})
    see("no number", "id_number_format")
    window.submit(**typed)
    see("wrong", "credentials_wrong")
    _without_browser_checks(see)
    window.submit(**typed, captcha="")
    see("no picture code", "required")
    window.submit(**typed, captcha="0000")
    see("wrong picture code", "captcha_wrong")
    for _ in range(4):
        _without_browser_checks(see)
        window.submit(**typed, captcha=PICTURE_CODE)
    see("too many tries", "slow_down")
    window.open("/sign-in/nothing/password")
    see("unknown interaction", "interaction_missing")


@shows(
    (f"{SIGN_IN}/one-time-code", "empty"),
    (f"{SIGN_IN}/one-time-code", "nothing typed"),
    (f"{SIGN_IN}/one-time-code", "wrong"),
    (f"{SIGN_IN}/one-time-code", "void"),
    (f"{SIGN_IN}/one-time-code", "too early for another"),
    (f"{SIGN_IN}/other-phone", "offered"),
    (f"{SIGN_IN}/other-phone", "too early for another"),
    (f"{SIGN_IN}/one-time-code", "over"),
    ("/consent/<interaction_id>", "consent"),
    ("/authorize/", "expired form"),
    ("/consent/<interaction_id>", "notice"),
)
def codes_and_consent(see: Inspector, backstage: Backstage) -> None:
    """Make every mistake with the code, and sign in to both portals."""
    window, person = see.window, backstage.account()
    come_to_sign_in(window)
    interaction = type_password(window, person)
    see("empty")
    _mistake_codes(see)
    window.press("#resend")
    see("too early for another", "otp_wait")
    window.open(f"/sign-in/{interaction}/other-phone")
    see("offered")
    window.submit()
    see("too early for another", "otp_wait")
    window.open(f"/sign-in/{interaction}/one-time-code")
    backstage.let_time_pass()
    window.submit(otp="123456")
    see("over", "otp_expired")
    window.press("#resend")
    type_code(window, person, of=2)
    window.comes_to("/consent/[^/]+")
    see("consent")
    window.page.evaluate("document.querySelector('#decline [name=csrf_token]').value = 'x'")
    window.press("#deny")
    see("expired form", "form_expired")
    leave_portal(window, 2)
    window.comes_to("/consent/[^/]+")
    see("notice")


def _mistake_codes(see: Inspector) -> None:
    """Type nothing, then codes that nobody sent, until the code is void."""
    window = see.window
    _without_browser_checks(see)
    window.submit()
    see("nothing typed", "required")
    window.submit(otp="000000")
    see("wrong", "otp_wrong")
    for _ in range(4):
        window.submit(otp="000000")
    see("void", "otp_void")


@shows((f"{SIGN_IN}/password", "locked"), (f"{SIGN_IN}/one-time-code", "none could be sent"))
def closed_accounts(see: Inspector, backstage: Backstage) -> None:
    """Come to an account that is locked, and to one whose day's codes are spent."""
    window, locked, spent = see.window, backstage.account(), backstage.account()
    backstage.lock(locked)
    backstage.spend_sign_in_codes(spent)
    come_to_sign_in(window)
    window.submit(id_number=locked["id_number"], password=locked["password"] or "")
    see("locked", "account_locked")
    type_password(window, spent)
    see("none could be sent", "otp_budget_spent")


# --- registering ------------------------------------------------------------------------------------------------------------------------


@shows(
    (REGISTER, "choice"),
    (REGISTER, "no method for an agency"),
    (REGISTER, "nothing chosen"),
    (REGISTER, "unknown interaction"),
    (FORM, "empty"),
    (FORM, "nothing typed"),
    (FORM, "every field wrong"),
    (FORM, "picture code done"),
    (FORM, "birth date disagrees"),
    (FORM, "corrected"),
    (f"{DRAFT}/one-time-code", "none on its way"),
)
def choice_and_form(see: Inspector, backstage: Backstage) -> None:
    """Choose, and make every mistake in the form."""
    window, person = see.window, see.window.live.newcomer()
    come_to_sign_in(window)
    window.press("#register")
    address = window.comes_to("/register/[^/]+")[0]
    see("choice")
    window.open(f"{address}?subject=agency")
    see("no method for an agency")
    window.submit()
    see("nothing chosen", "required")
    window.open("/register/nothing")
    see("unknown interaction", "interaction_missing")
    window.open(address)
    choose(window)
    see("empty")
    _mistake_fields(see, applicant(person))
    window.submit(**{name: value for name, value in applicant(person).items() if name != "captcha"})
    draft = window.comes_to("/register/draft/([^/]+)/one-time-code")[1]
    window.press("#edit")
    window.comes_to("/register/[^/]+/mobile-subscriber")
    see("corrected")
    backstage.forget_code(draft)
    window.open(f"/register/draft/{draft}/one-time-code")
    see("none on its way")


def _mistake_fields(see: Inspector, typed: dict[str, str]) -> None:
    window = see.window
    _without_browser_checks(see)
    window.submit()
    see("nothing typed", "required")
    _without_browser_checks(see)
    window.submit(id_number="12", full_name="4", birth_date="32/01/1990", phone="12", email="@", captcha="0000")
    see("every field wrong", "full_name_format")
    _without_browser_checks(see)
    window.submit(**{**typed, "email": "", "phone": "12"})
    see("picture code done", "phone_format")
    year = "1990" if not typed["birth_date"].endswith("1990") else "1991"
    window.submit(**{**{name: value for name, value in typed.items() if name != "captcha"}, "birth_date": year})
    see("birth date disagrees", "birth_date_disagrees")


@shows(
    (f"{DRAFT}/one-time-code", "empty"),
    (f"{DRAFT}/one-time-code", "nothing typed"),
    (f"{DRAFT}/one-time-code", "wrong"),
    (f"{DRAFT}/one-time-code", "void"),
    (f"{DRAFT}/one-time-code", "over"),
    (f"{DRAFT}/password", "empty"),
    (f"{DRAFT}/password", "nothing typed"),
    (f"{DRAFT}/password", "weak"),
    (f"{DRAFT}/password", "different"),
    (f"{DRAFT}/one-time-code", "phone to be proven again"),
    (f"{DRAFT}/success", "to the portal"),
)
def code_and_password(see: Inspector, backstage: Backstage) -> None:
    """Make every mistake with the code and with the new password, and succeed."""
    window, person = see.window, see.window.live.newcomer()
    draft = come_to_code(window, person)
    see("empty")
    _mistake_codes(see)
    backstage.let_time_pass()
    window.submit(otp="123456")
    see("over", "otp_expired")
    window.press("#resend")
    type_code(window, person, of=2)
    window.comes_to("/register/draft/[^/]+/password")
    see("empty")
    _mistake_passwords(see)
    backstage.forget_proof(draft)
    window.open(f"/register/draft/{draft}/password")
    window.comes_to("/register/draft/[^/]+/one-time-code")
    see("phone to be proven again")
    window.submit()
    type_code(window, person, of=3)
    window.comes_to("/register/draft/[^/]+/password")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")
    see("to the portal")


def _mistake_passwords(see: Inspector) -> None:
    window = see.window
    _without_browser_checks(see)
    window.submit()
    see("nothing typed", "required")
    window.submit(password="abc", password_confirm="abc")
    see("weak", "password_rule")
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD[1:])
    see("different", "passwords_differ")


@shows(
    (f"{DRAFT}/refused", "mismatch"),
    (f"{DRAFT}/waiting", "carrier away"),
    (f"{DRAFT}/carrier", "held up"),
    (f"{DRAFT}/carrier", "asks spent"),
    (f"{DRAFT}/password", "too many accounts"),
    (DRAFT, "unknown"),
    (f"{DRAFT}/edit", "unknown"),
)
def carrier_answers(see: Inspector, backstage: Backstage) -> None:
    """Meet a carrier that does not simply say yes."""
    window, live = see.window, see.window.live
    mismatched, late, spent, shared = live.newcomer("mismatch"), live.newcomer("unavailable"), live.newcomer(), live.newcomer()
    for person, page in ((mismatched, "refused"), (late, "waiting")):
        come_to_code(window, person)
        type_code(window, person)
        window.comes_to(f"/register/draft/[^/]+/{page}")
        see(*(("mismatch", "carrier_refused") if page == "refused" else ("carrier away",)))
    backstage.spend_carrier_asks(spent)
    draft = come_to_code(window, spent)
    type_code(window, spent)
    window.told("carrier_asks_spent")
    window.open(f"/register/draft/{draft}")
    window.comes_to("/register/draft/[^/]+/carrier")
    see("held up")
    window.submit()
    see("asks spent", "carrier_asks_spent")
    backstage.spend_accounts(shared)
    come_to_code(window, shared)
    type_code(window, shared)
    see("too many accounts", "phone_cap")
    for rest in ("", "/edit"):
        window.open(f"/register/draft/{uuid.uuid4()}{rest}")
        see("unknown", "draft_missing")


@shows(
    (f"{DRAFT}/duplicate", "three ways out"),
    (f"{DRAFT}/disputed", "taken"),
    (RESUME, "empty"),
    (RESUME, "nothing typed"),
    (f"{RESUME}/<resume_id>", "empty"),
    (f"{RESUME}/<resume_id>", "nothing typed"),
    (f"{RESUME}/<resume_id>", "wrong"),
    (f"{RESUME}/<resume_id>", "void"),
    (f"{DRAFT}/success", "without a portal"),
)
def doubles_and_returns(see: Inspector, backstage: Backstage) -> None:
    """Register twice, come back to a registration that nobody began, and register without a portal."""
    window, owner, newcomer = see.window, backstage.account(), see.window.live.newcomer()
    come_to_code(window, owner)
    type_code(window, owner)
    window.comes_to("/register/draft/[^/]+/duplicate")
    see("three ways out", "account_exists")
    window.press("#dispute")
    window.comes_to("/register/draft/[^/]+/disputed")
    see("taken")
    window.open("/register/resume")
    see("empty")
    _without_browser_checks(see)
    window.submit()
    see("nothing typed", "required")
    window.submit(phone="0912000111", captcha=PICTURE_CODE)
    window.comes_to("/register/resume/[^/]+")
    see("empty")
    _mistake_codes(see)
    window.open("/register")
    window.comes_to("/register/[^/]+")
    choose(window)
    window.submit(**applicant(newcomer))
    window.comes_to("/register/draft/[^/]+/one-time-code")
    type_code(window, newcomer)
    window.submit(password=NEW_PASSWORD, password_confirm=NEW_PASSWORD)
    window.comes_to("/register/draft/[^/]+/success")
    see("without a portal")


def _without_browser_checks(see: Inspector) -> None:
    """Let the form go as it is, as a browser without the checks of HTML would."""
    see.window.page.evaluate("for (const form of document.forms) form.noValidate = true")
