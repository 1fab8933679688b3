"""One good request to every route, and how to come to where it is good: what a new route has to add itself to."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import flask
import pytest
from joserfc.jwk import ECKey

from idp.identity import phone_numbers
from idp.promises import CarrierVerdict
from idp.protocol.clients import Client
from tests.abuse.calls import Call, Fields, jar_of, send
from tests.abuse.stage import ID_NUMBER, Stage
from tests.flows.portal.test_token import ASSERTION_TYPE, assertion
from tests.flows.register.office import E164, PERSON, draft_id, wait_for_codes
from tests.flows.sign_in.person import Page, Person
from tests.world import PASSWORD, REDIRECT_URI, VERIFIER, authorization_parameters

SIGNED_OUT = "https://portal.example/signed-out"
ANSWERED_LIKE_GET = {"HEAD", "OPTIONS"}
# What a person types into a field of that name; a field that is neither here nor filled already has no case yet.
TYPED = {**PERSON, "password": PASSWORD, "password_confirm": PASSWORD, "subject": "citizen"}
MAY_BE_EMPTY = {"birth_date_confirmed", "interaction"}
# Wrong once, these are used up, and rightly so: the next try needs new ones.
USED_UP = frozenset({"captcha", "captcha_id"})


@dataclass(frozen=True)
class Target:
    """A good request.

    `more` are the fields that it could have besides, `used_up` the ones that one wrong try costs, `other_growth` the rows that may be
    written where it is understood as the beginning of something else.
    """

    call: Call
    fields: Fields
    jar: dict[str, str]
    more: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    used_up: frozenset[str] = USED_UP
    other_growth: dict[str, int] = field(default_factory=dict)
    is_for_software: bool = False

    def with_fields(self, fields: Fields) -> Call:
        """Give the request with other fields."""
        return Call.with_fields(self.call.method, self.call.path, fields, self.call.headers)

    @property
    def is_strict(self) -> bool:
        """Tell whether malformed fields are refused: wherever a form is posted, or software asks.

        The query of a page is read leniently, as addresses are copied and cut short by people.
        """
        return self.call.method == "POST" or self.is_for_software or self.call.path in {"/authorize", "/end_session"}


Recipe = Callable[[Stage], Target]
Route = tuple[str, str]  # method and rule


@dataclass
class Recipes:
    """The good requests by route, each with a name of its own where a route has several."""

    by_route: dict[Route, dict[str, Recipe]] = field(default_factory=dict)

    def to(self, method: str, rule: str, name: str = "") -> Callable[[Recipe], Recipe]:
        """Register the decorated function."""

        def keep(recipe: Recipe) -> Recipe:
            self.by_route.setdefault((method, rule), {})[name] = recipe
            return recipe

        return keep

    def all(self) -> dict[str, Recipe]:
        """Give every good request under a readable name."""
        return {
            " ".join(filter(None, (method, rule, name))): recipe
            for (method, rule), recipes in self.by_route.items()
            for name, recipe in recipes.items()
        }


RECIPES = Recipes()


def every_route(prefix: str = "") -> pytest.MarkDecorator:
    """Run a test for each good request whose name begins with `prefix`."""
    chosen = {name: recipe for name, recipe in RECIPES.all().items() if name.startswith(prefix)}
    return pytest.mark.parametrize("recipe", chosen.values(), ids=chosen)


def routes_of(stage: Stage) -> set[Route]:
    """Give every route of the application, as its two lanes know them."""
    lane = stage.world.app
    routes = [(route.rule, set(route.methods)) for route in (*lane._exact.values(), *lane._prefixes)]
    routes += [(rule.rule, rule.methods or set()) for rule in flask_of(stage).url_map.iter_rules()]
    return {(method, rule) for rule, methods in routes for method in methods - ANSWERED_LIKE_GET}


def flask_of(stage: Stage) -> flask.Flask:
    """Give the part of the application that serves people."""
    return stage.world.app._fallback.__self__  # type: ignore[attr-defined,no-any-return] # the lane knows a WSGI callable only


def is_of_people(stage: Stage, path: str) -> bool:
    """Tell whether Flask answers the path."""
    lane = stage.world.app
    return path not in lane._exact and not path.startswith(tuple(route.rule for route in lane._prefixes))


# --- helpers ------------------------------------------------------------------------------------------------------------------------


def looked_at(person: Person, page: Page | str, fields: dict[str, str] | None = None, *more: str) -> Target:
    """Give the GET of a page."""
    parts = urlsplit(page if isinstance(page, str) else page.path)
    given = tuple({**dict(parse_qsl(parts.query)), **(fields or {})}.items())
    return Target(Call.with_fields("GET", parts.path, given, {}), given, jar_of(person.browser), frozenset({"ui_locales", *more}))


def pressed(stage: Stage, person: Person, page: Page, button: str = "submit", **typed: str) -> Target:
    """Give the POST of a form on a page, filled in well."""
    chosen = page.buttons[button]
    form = page.forms[chosen.form]
    fields = {name: value or typed.get(name, "") or filled(stage, page, name) for name, value in {**form.fields, **typed}.items()}
    if chosen.name:
        fields[chosen.name] = chosen.value
    named = {other.name for other in page.buttons.values() if other.form == chosen.form and other.name}
    call = Call.with_fields("POST", form.action, tuple(fields.items()), {})
    return Target(call, tuple(fields.items()), jar_of(person.browser), frozenset(named | {"draft", "action"}), required_of(form.fields))


def filled(stage: Stage, page: Page, name: str) -> str:
    """Give what a person types into a field."""
    if name == "captcha":
        return stage.office.picture_code(page)
    if name == "otp":
        return stage.office.sms.messages[-1].text.split(" la ")[1][:6]
    assert name in TYPED or name in MAY_BE_EMPTY, f"no case for the field {name}: add it to tests/abuse/recipes.py"
    return TYPED.get(name, "")


def required_of(fields: dict[str, str]) -> frozenset[str]:
    """Give the fields without which the form is refused; without `shown` the page of consent is shown again."""
    optional = {"email", "shown", *MAY_BE_EMPTY}
    return frozenset(name for name in fields if name not in optional)


def asked_by_portal(stage: Stage, person: Person, **changes: str | None) -> Page:
    """Come from the portal."""
    return person.open(f"/authorize?{urlencode(authorization_parameters(stage.client, **changes))}")


def at_password(stage: Stage, person: Person) -> Page:
    """Come to the page that asks for ID number and password."""
    return asked_by_portal(stage, person)


def at_code(stage: Stage, person: Person) -> Page:
    """Come to the page that asks for the code of a sign-in."""
    return person.press(at_password(stage, person), id_number=ID_NUMBER, password=PASSWORD)


def at_consent(stage: Stage, person: Person) -> Page:
    """Come to the page that asks for consent."""
    page = asked_by_portal(stage, person)
    assert page.path.startswith("/consent/")
    return page


def at_step_up(stage: Stage, person: Person) -> Page:
    """Come to the page that asks for more."""
    stage.world.services.consents.record(stage.account_id, stage.client, ("openid",))
    page = asked_by_portal(stage, person, acr_values="urn:senid:loa:2")
    assert page.path.startswith("/step-up/")
    return page


def at_draft_page(stage: Stage, verdict: CarrierVerdict, page: str, **changes: str) -> tuple[Person, Page]:
    """Walk a registration to what a carrier's answer leads to."""
    stage.office.carrier_says(verdict)
    person = stage.person()
    found = stage.office.after_code(person, None, **changes)
    assert found.path.endswith(f"/{page}"), found.path
    return person, found


def held_up(stage: Stage) -> tuple[Person, Page]:
    """Walk a registration to where the phone is proven and the carrier was not asked."""
    person = stage.person()
    page = stage.office.at_code(person)
    draft, services = draft_id(page), stage.world.services
    services.drafts.prove_phone(draft, phone=phone_numbers.parse(PERSON["phone"]))
    proof = {"phone": E164, "at": services.clock.now().isoformat()}
    services.store.put("registration_phone_proof", draft, proof, timedelta(hours=1))
    return person, person.open(page.path)


# --- what software calls ------------------------------------------------------------------------------------------------------------

AUTHORIZATION_MORE = frozenset({
    "response_mode", "prompt", "max_age", "acr_values", "claims", "ui_locales", "login_hint", "id_token_hint", "display", "request",
    "request_uri", "registration", "resource",
})  # fmt: skip
TOKEN_MORE = frozenset({"client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "refresh_token", "code"})


def authorization(stage: Stage, method: str) -> Target:
    """Ask as a portal does."""
    person = stage.person()
    fields = tuple(authorization_parameters(stage.client).items())
    required = frozenset({"response_type", "client_id", "redirect_uri", "scope", "code_challenge", "code_challenge_method"})
    return Target(Call.with_fields(method, "/authorize", fields, {}), fields, jar_of(person.browser), AUTHORIZATION_MORE, required)


@RECIPES.to("GET", "/authorize")
def _ask(stage: Stage) -> Target:
    return authorization(stage, "GET")


@RECIPES.to("POST", "/authorize")
def _ask_by_form(stage: Stage) -> Target:
    return authorization(stage, "POST")


@RECIPES.to("GET", "/authorize/")
def _resume(stage: Stage) -> Target:
    person = stage.person()
    response = stage.world.authorize(person.browser, stage.client)
    return looked_at(person, response.headers["Location"])


@RECIPES.to("POST", "/authorize/")
def _decline(stage: Stage) -> Target:
    person = stage.signed_in()
    return pressed(stage, person, at_consent(stage, person), "deny")


def token_call(stage: Stage, form: dict[str, str]) -> Target:
    """Ask for tokens; what stands in the form of a good request is required, and a code that is shown badly is spoilt."""
    credentials = base64.b64encode(f"{stage.client.client_id}:{stage.secret}".encode()).decode()
    headers = {} if {"client_secret", "client_assertion"} & form.keys() else {"Authorization": f"Basic {credentials}"}
    fields = tuple(form.items())
    call = Call.with_fields("POST", "/token", fields, headers)
    more = TOKEN_MORE - form.keys()
    return Target(call, fields, {}, more, frozenset(form), frozenset({"redirect_uri", "code_verifier"}), is_for_software=True)


def code_form(stage: Stage, client: Client) -> dict[str, str]:
    """Give the form that redeems a fresh code."""
    code = stage.world.code(stage.signed_in().browser, client)
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}


@RECIPES.to("POST", "/token", "with a code")
def _redeem(stage: Stage) -> Target:
    return token_call(stage, code_form(stage, stage.client))


@RECIPES.to("POST", "/token", "with the secret in the form")
def _redeem_by_post(stage: Stage) -> Target:
    client, secret = stage.world.client(auth_method="client_secret_post")
    return token_call(stage, code_form(stage, client) | {"client_id": client.client_id, "client_secret": secret})


@RECIPES.to("POST", "/token", "with an assertion")
def _redeem_by_assertion(stage: Stage) -> Target:
    key = ECKey.generate_key("P-256", {"kid": "k1"})
    client, _ = stage.world.client(auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    now = int(stage.office.clock.now().timestamp())
    signed = assertion(client, key, iat=now, exp=now + 600)
    return token_call(stage, code_form(stage, client) | {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed})


@RECIPES.to("POST", "/token", "with a refresh token")
def _refresh(stage: Stage) -> Target:
    tokens = stage.world.tokens(stage.signed_in().browser, stage.client, stage.secret)
    return token_call(stage, {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})


@RECIPES.to("POST", "/token", "for the client itself")
def _ask_for_itself(stage: Stage) -> Target:
    more = {"machine_scopes": ("files.read", "files.write"), "grant_types": ("authorization_code", "refresh_token", "client_credentials")}
    client, secret = stage.world.client(auth_method="client_secret_post", **more)
    form = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": secret}
    return token_call(stage, form)


@RECIPES.to("POST", "/introspect")
def _introspect(stage: Stage) -> Target:
    token = stage.world.tokens(stage.signed_in().browser, stage.client, stage.secret)["access_token"]
    asked = replace(token_call(stage, {"token": token}), more=frozenset({"token_type_hint", "client_id", "client_secret"}))
    return replace(asked, call=replace(asked.call, path="/introspect"))


@RECIPES.to("GET", "/userinfo")
def _userinfo(stage: Stage) -> Target:
    token = stage.world.tokens(stage.signed_in().browser, stage.client, stage.secret)["access_token"]
    call = Call("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
    return Target(call, (), {}, frozenset({"access_token"}), is_for_software=True)


@RECIPES.to("POST", "/userinfo")
def _userinfo_by_form(stage: Stage) -> Target:
    token = stage.world.tokens(stage.signed_in().browser, stage.client, stage.secret)["access_token"]
    fields = (("access_token", token),)
    call = Call.with_fields("POST", "/userinfo", fields, {})
    return Target(call, fields, {}, required=frozenset({"access_token"}), is_for_software=True)


def logout_call(stage: Stage, method: str) -> Target:
    """Sign out as a portal does."""
    person = stage.signed_in()
    hint = stage.world.tokens(person.browser, stage.client, stage.secret)["id_token"]
    given = {"id_token_hint": hint, "client_id": stage.client.client_id, "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}
    fields = tuple(given.items())
    more = frozenset({"logout_hint", "ui_locales"})
    return Target(Call.with_fields(method, "/end_session", fields, {}), fields, jar_of(person.browser), more)


@RECIPES.to("GET", "/end_session")
def _end_session(stage: Stage) -> Target:
    return logout_call(stage, "GET")


@RECIPES.to("POST", "/end_session")
def _end_session_by_form(stage: Stage) -> Target:
    return logout_call(stage, "POST")


@RECIPES.to("GET", "/end_session/")
def _end_session_goes_on(stage: Stage) -> Target:
    posted = logout_call(stage, "POST")
    jar = dict(posted.jar)
    location = send(stage.world.app, posted.call, jar).header("Location")
    return Target(Call("GET", location), (), jar, frozenset({"ui_locales"}))


def document(path: str) -> Recipe:
    """Give the GET of a document without parameters."""
    return lambda _stage: Target(Call("GET", path), (), {}, frozenset({"x"}), is_for_software=True)


for _path in ("/jwks", "/.well-known/openid-configuration", "/healthz", "/readyz", "/metrics"):
    RECIPES.to("GET", _path)(document(_path))


@RECIPES.to("GET", "/static/")
def _static(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, next(path for path in person.open("/").images if path.startswith("/static/")))


# --- open pages ---------------------------------------------------------------------------------------------------------------------


@RECIPES.to("GET", "/")
def _home(stage: Stage) -> Target:
    return looked_at(stage.signed_in(), "/")


@RECIPES.to("POST", "/", "signing in")
def _begin_sign_in(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, person.open("/"))


@RECIPES.to("POST", "/", "registering")
def _begin_registration(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, person.open("/"), "register")


@RECIPES.to("GET", "/language")
def _language(stage: Stage) -> Target:
    return looked_at(stage.person(), "/language", {"to": "en", "return_to": "/help/forgot-password"})


@RECIPES.to("GET", "/help/forgot-password")
def _forgot_password(stage: Stage) -> Target:
    person = stage.person()
    interaction = at_password(stage, person).path.split("/")[2]
    return looked_at(person, "/help/forgot-password", {"interaction": interaction})


@RECIPES.to("GET", "/captcha/<captcha_id>.png")
def _picture(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, next(path for path in stage.office.at_form(person).images if path.endswith(".png")))


@RECIPES.to("GET", "/captcha/<captcha_id>.wav")
def _speech(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, next(path for path in stage.office.at_form(person).images if path.endswith(".wav")))


# --- registration -------------------------------------------------------------------------------------------------------------------


@RECIPES.to("GET", "/register")
def _register(stage: Stage) -> Target:
    return looked_at(stage.person(), "/register")


@RECIPES.to("GET", "/register/<interaction_id>")
def _choice(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, stage.office.at_choice(person), {"subject": "business"})


@RECIPES.to("POST", "/register/<interaction_id>")
def _choose(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, stage.office.at_choice(person), subject="citizen", method="mobile_subscriber")


FORM_RULE = "/register/<interaction_id>/mobile-subscriber"


def edited_form(stage: Stage) -> tuple[Person, Page]:
    """Come to the form with a draft that is to be corrected."""
    person = stage.person()
    form = stage.office.at_form(person)
    page = stage.office.fill(person, form)
    return person, person.open(f"{urlsplit(form.path).path}?draft={draft_id(page)}")


@RECIPES.to("GET", FORM_RULE)
def _form(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, stage.office.at_form(person), None, "draft")


@RECIPES.to("GET", FORM_RULE, "with a draft")
def _form_with_draft(stage: Stage) -> Target:
    return looked_at(*edited_form(stage))


@RECIPES.to("POST", FORM_RULE)
def _fill(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, stage.office.at_form(person))


@RECIPES.to("POST", FORM_RULE, "with a draft")
def _correct(stage: Stage) -> Target:
    person, page = edited_form(stage)
    target = pressed(stage, person, page)
    fields = tuple((name, "Nguyễn Thị Khác" if name == "full_name" else value) for name, value in target.fields)
    required = target.required - {"draft", "subject"}
    return Target(target.with_fields(fields), fields, target.jar, target.more, required, other_growth={"registration_drafts": 1})


RESUME_RULE = "/register/resume"


def at_resume(stage: Stage) -> tuple[Person, Page]:
    """Come to the page that asks for the phone of an unfinished registration."""
    at_draft_page(stage, CarrierVerdict.MISMATCH, "refused")
    person = stage.person()
    return person, person.open(RESUME_RULE)


def at_resume_code(stage: Stage) -> tuple[Person, Page]:
    """Come to the page that asks for the code of an unfinished registration."""
    person, page = at_resume(stage)
    code = person.press(page, phone=PERSON["phone"], captcha=stage.office.picture_code(page))
    wait_for_codes()
    return person, code


@RECIPES.to("GET", RESUME_RULE)
def _resume_phone(stage: Stage) -> Target:
    person, page = at_resume(stage)
    return looked_at(person, page, None, "interaction", "phone")


@RECIPES.to("POST", RESUME_RULE)
def _resume_by_phone(stage: Stage) -> Target:
    return pressed(stage, *at_resume(stage))


@RECIPES.to("GET", "/register/resume/<resume_id>")
def _resume_code(stage: Stage) -> Target:
    return looked_at(*at_resume_code(stage))


@RECIPES.to("POST", "/register/resume/<resume_id>")
def _resume_by_code(stage: Stage) -> Target:
    return pressed(stage, *at_resume_code(stage))


DRAFT_RULE = "/register/draft/<uuid:draft_id>"


@RECIPES.to("GET", DRAFT_RULE)
def _draft(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, f"/register/draft/{draft_id(stage.office.at_code(person))}")


@RECIPES.to("GET", f"{DRAFT_RULE}/edit")
def _edit(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, f"/register/draft/{draft_id(stage.office.at_code(person))}/edit")


@RECIPES.to("GET", f"{DRAFT_RULE}/one-time-code")
def _registration_code(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, stage.office.at_code(person))


@RECIPES.to("POST", f"{DRAFT_RULE}/one-time-code")
def _prove_phone(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, stage.office.at_code(person))


@RECIPES.to("GET", f"{DRAFT_RULE}/carrier")
def _carrier(stage: Stage) -> Target:
    return looked_at(*held_up(stage))


@RECIPES.to("POST", f"{DRAFT_RULE}/carrier")
def _ask_carrier(stage: Stage) -> Target:
    return pressed(stage, *held_up(stage))


@RECIPES.to("GET", f"{DRAFT_RULE}/refused")
def _refused(stage: Stage) -> Target:
    return looked_at(*at_draft_page(stage, CarrierVerdict.MISMATCH, "refused"))


@RECIPES.to("GET", f"{DRAFT_RULE}/waiting")
def _waiting(stage: Stage) -> Target:
    return looked_at(*at_draft_page(stage, CarrierVerdict.UNAVAILABLE, "waiting"))


def at_duplicate(stage: Stage) -> tuple[Person, Page]:
    """Come to the page that tells of an account with the same number."""
    return at_draft_page(stage, CarrierVerdict.MATCH, "duplicate", id_number=ID_NUMBER)


@RECIPES.to("GET", f"{DRAFT_RULE}/duplicate")
def _duplicate(stage: Stage) -> Target:
    return looked_at(*at_duplicate(stage))


@RECIPES.to("POST", f"{DRAFT_RULE}/duplicate")
def _dispute(stage: Stage) -> Target:
    return pressed(stage, *at_duplicate(stage), "dispute")


@RECIPES.to("GET", f"{DRAFT_RULE}/disputed")
def _disputed(stage: Stage) -> Target:
    person, page = at_duplicate(stage)
    return looked_at(person, person.press(page, "dispute"))


@RECIPES.to("GET", f"{DRAFT_RULE}/password")
def _new_password(stage: Stage) -> Target:
    return looked_at(*at_draft_page(stage, CarrierVerdict.MATCH, "password"))


@RECIPES.to("POST", f"{DRAFT_RULE}/password")
def _set_password(stage: Stage) -> Target:
    return pressed(stage, *at_draft_page(stage, CarrierVerdict.MATCH, "password"))


@RECIPES.to("GET", f"{DRAFT_RULE}/success")
def _success(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, stage.office.register(person))


# --- signing in ---------------------------------------------------------------------------------------------------------------------


@RECIPES.to("GET", "/sign-in/<interaction_id>/password")
def _password(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, at_password(stage, person))


@RECIPES.to("POST", "/sign-in/<interaction_id>/password")
def _sign_in(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, at_password(stage, person), id_number=ID_NUMBER)


@RECIPES.to("POST", "/sign-in/<interaction_id>/password", "with a picture code")
def _sign_in_after_guessing(stage: Stage) -> Target:
    person = stage.person()
    page = at_password(stage, person)
    for _ in range(2):
        page = person.press(page, id_number=ID_NUMBER, password="Sai-8-mat-khau")
    assert "captcha" in page.forms["form"].fields
    return pressed(stage, person, page, id_number=ID_NUMBER)


@RECIPES.to("GET", "/sign-in/<interaction_id>/one-time-code")
def _code(stage: Stage) -> Target:
    person = stage.person()
    return looked_at(person, at_code(stage, person))


@RECIPES.to("POST", "/sign-in/<interaction_id>/one-time-code")
def _answer_code(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, at_code(stage, person))


@RECIPES.to("POST", "/sign-in/<interaction_id>/one-time-code", "starting over")
def _start_over(stage: Stage) -> Target:
    person = stage.person()
    return pressed(stage, person, at_code(stage, person), "start-over")


def at_phones(stage: Stage) -> tuple[Person, Page]:
    """Come to the page that offers the phones of the account, when another code may be sent."""
    person = stage.person()
    page = at_code(stage, person)
    stage.office.clock.move(timedelta(seconds=61))
    return person, person.open(page.links["other-phone"])


@RECIPES.to("GET", "/sign-in/<interaction_id>/other-phone")
def _phones(stage: Stage) -> Target:
    return looked_at(*at_phones(stage))


@RECIPES.to("POST", "/sign-in/<interaction_id>/other-phone")
def _choose_phone(stage: Stage) -> Target:
    return pressed(stage, *at_phones(stage))


@RECIPES.to("GET", "/step-up/<interaction_id>")
def _step_up(stage: Stage) -> Target:
    person = stage.signed_in("pwd")
    return looked_at(person, at_step_up(stage, person))


@RECIPES.to("POST", "/step-up/<interaction_id>")
def _more(stage: Stage) -> Target:
    person = stage.signed_in("pwd")
    return pressed(stage, person, at_step_up(stage, person))


@RECIPES.to("POST", "/step-up/<interaction_id>", "skipping")
def _skip(stage: Stage) -> Target:
    person = stage.signed_in("pwd")
    return pressed(stage, person, at_step_up(stage, person), "deny")


@RECIPES.to("GET", "/consent/<interaction_id>")
def _consent(stage: Stage) -> Target:
    person = stage.signed_in()
    return looked_at(person, at_consent(stage, person))


@RECIPES.to("POST", "/consent/<interaction_id>")
def _agree(stage: Stage) -> Target:
    person = stage.signed_in()
    return pressed(stage, person, at_consent(stage, person))


# --- signing out --------------------------------------------------------------------------------------------------------------------


def at_sign_out(stage: Stage) -> tuple[Person, Page]:
    """Come to the page that a portal's logout request without a hint leads to."""
    person = stage.signed_in()
    return person, person.open("/end_session")


@RECIPES.to("GET", "/sign-out")
def _sign_out(stage: Stage) -> Target:
    return looked_at(stage.signed_in(), "/sign-out")


@RECIPES.to("POST", "/sign-out")
def _leave(stage: Stage) -> Target:
    person = stage.signed_in()
    return pressed(stage, person, person.open("/sign-out"))


@RECIPES.to("GET", "/sign-out/<logout_id>")
def _sign_out_for_portal(stage: Stage) -> Target:
    return looked_at(*at_sign_out(stage))


@RECIPES.to("POST", "/sign-out/<logout_id>")
def _leave_portal(stage: Stage) -> Target:
    return pressed(stage, *at_sign_out(stage))


@RECIPES.to("GET", "/sign-out/done")
def _signed_out(stage: Stage) -> Target:
    return looked_at(stage.person(), "/sign-out/done")
