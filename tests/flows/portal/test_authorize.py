"""The authorization endpoint: what is refused on a page, what is returned to the portal, and what is issued."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from sqlalchemy import update
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp.storage.tables import evidence
from tests.world import REDIRECT_URI, World, answer_of, authorization_parameters, session_cookie, set_cookies, token_request


def test_a_new_browser_is_sent_to_a_page_bound_to_its_cookie(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    response = world.authorize(browser, client)
    assert response.status_code == 303
    assert response.headers["Location"].startswith("/authorize/")
    assert "HttpOnly" in set_cookies(response)["senid_browser"]
    dispatched = browser.get(response.headers["Location"])
    assert dispatched.headers["Location"].startswith("/sign-in/")


def test_a_signed_in_browser_with_consent_gets_a_code_with_state_and_iss_at_once(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    world.code(browser, client)
    answer = answer_of(world.authorize(browser, client, state="a~b-c._" + "s" * 121))
    assert answer["state"] == "a~b-c._" + "s" * 121
    assert answer["iss"] == "http://localhost:8400"
    assert len(answer["code"]) >= 43
    assert set(answer) == {"code", "state", "iss"}


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "https://evil.example/callback",
        REDIRECT_URI + "/",
        REDIRECT_URI + "?x=1",
        REDIRECT_URI + "#f",
        REDIRECT_URI.upper(),
        "https://portal.example:443/callback",
        "https://portal.example/./callback",
        "https://portal.example@evil.example/callback",
        "javascript://portal.example/%0aalert(1)",
    ],
)
def test_an_address_that_is_not_exactly_registered_is_a_page_and_never_a_redirect(world: World, redirect_uri: str | None) -> None:
    client, _ = world.client()
    response = world.authorize(world.browser(), client, redirect_uri=redirect_uri)
    assert response.status_code == 400
    assert "Location" not in response.headers
    assert 'data-error="invalid_redirect_uri"' in response.text


def test_an_unknown_and_a_disabled_client_are_the_same_page(world: World) -> None:
    client, _ = world.client()
    world.services.clients.disable(client.client_id)
    disabled = world.authorize(world.browser(), client)
    unknown = world.authorize(world.browser(), client, client_id="nobody")
    missing = world.authorize(world.browser(), client, client_id=None)
    assert [one.status_code for one in (disabled, unknown, missing)] == [400, 400, 400]
    assert all('data-error="unknown_client"' in one.text for one in (disabled, unknown, missing))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "cốde"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid address"}, "invalid_scope"),
        ({"scope": "openid ế"}, "invalid_scope"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "ế" * 43}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "bogus"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "bogus"}, "invalid_request"),
        ({"max_age": "abc"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "9" * 30}, "invalid_request"),
        ({"claims": "{bad"}, "invalid_request"),
        ({"claims": "[1]"}, "invalid_request"),
        ({"claims": "[" * 4000}, "invalid_request"),
        ({"id_token_hint": "junk"}, "invalid_request"),
        ({"nonce": "n" * 2000}, "invalid_request"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request_uri": "https://portal.example/r"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_bad_request_of_a_proven_portal_is_returned_with_state_and_iss(world: World, changes: dict[str, str | None], error: str) -> None:
    client, _ = world.client()
    answer = answer_of(world.authorize(world.browser(), client, **changes))
    assert answer["error"] == error
    assert answer["state"] == authorization_parameters(client)["state"]
    assert answer["iss"] == "http://localhost:8400"
    assert set(answer) <= {"error", "error_description", "state", "iss"}
    assert all(0x20 <= ord(char) <= 0x7E and char not in '"\\' for char in answer.get("error_description", ""))


@pytest.mark.parametrize("name", ["state", "nonce", "scope", "prompt", "response_type", "code_challenge"])
def test_a_repeated_parameter_is_returned_as_invalid_request(world: World, name: str) -> None:
    client, _ = world.client()
    parameters = authorization_parameters(client, prompt="login")
    answer = answer_of(world.browser().get(f"/authorize?{urlencode(parameters)}&{name}=again"))
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_address_is_a_page(world: World, name: str) -> None:
    client, _ = world.client()
    parameters = authorization_parameters(client)
    response = world.browser().get(f"/authorize?{urlencode(parameters)}&{name}={parameters[name]}")
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("client_id=%ff", 400),
        ("client_id=%00", 400),
        ("client_id=" + "x" * 9000, 400),
        ("&".join("a=1" for _ in range(200)), 400),
        ("", 400),
    ],
)
def test_malformed_queries_are_a_page(world: World, query: str, status: int) -> None:
    response = world.browser().get(f"/authorize?{query}")
    assert response.status_code == status
    assert response.mimetype == "text/html"


def test_unknown_parameters_and_display_and_locales_are_tolerated(world: World) -> None:
    client, _ = world.client()
    more = {"extra": "foobar", "display": "popup", "ui_locales": "se", "claims_locales": "se", "login_hint": "buffy@localhost"}
    assert world.authorize(world.browser(), client, **more).headers["Location"].startswith("/authorize/")


def test_an_optional_pkce_policy_accepts_no_challenge_and_a_public_client_never_goes_without(world: World) -> None:
    lenient, _ = world.client(pkce="optional")
    browser = world.browser()
    world.sign_in(browser, world.account())
    none = {"code_challenge": None, "code_challenge_method": None}
    assert world.code(browser, lenient, **none)
    public, _ = world.client(auth_method="none")
    assert answer_of(world.authorize(browser, public, **none))["error"] == "invalid_request"


def test_a_post_from_another_site_opens_a_cookie_of_its_own_and_keeps_the_browsers(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.authorize(browser, client)
    mine = browser.get_cookie("senid_browser")
    posted = world.browser().post("/authorize", data=authorization_parameters(client))  # carries no Lax cookie of ours
    assert posted.status_code == 303
    (name, header), *rest = set_cookies(posted).items()
    assert name.startswith("senid_opened_")
    assert rest == []
    assert mine is not None
    browser.set_cookie(name, header.split("=", 1)[1].split(";")[0], domain="localhost")
    moved = browser.get(posted.headers["Location"])
    assert moved.headers["Location"] == posted.headers["Location"]
    assert browser.get(moved.headers["Location"]).headers["Location"].startswith("/sign-in/")
    kept = browser.get_cookie("senid_browser")
    assert kept is not None
    assert kept.value == mine.value


def test_an_interaction_of_another_browser_is_refused_with_a_page(world: World) -> None:
    client, _ = world.client()
    location = world.authorize(world.browser(), client).headers["Location"]
    other = world.browser()
    world.authorize(other, client)
    response = other.get(location)
    assert response.status_code == 403
    assert 'data-error="interaction_elsewhere"' in response.text
    stranger = world.browser().get(location)
    assert 'data-error="cookie_missing"' in stranger.text


def test_form_post_answers_codes_and_errors_by_a_form_and_allows_only_that_origin(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    denied = world.authorize(browser, client, response_mode="form_post", prompt="none", state='a&b"<é'[:4])
    assert denied.status_code == 200
    assert 'name="error" value="login_required"' in denied.text.replace("\n", " ")
    assert "form-action 'self' https://portal.example" in denied.headers["Content-Security-Policy"]
    assert "&#34;" in denied.text
    world.sign_in(browser, world.account())
    world.code(browser, client)
    given = world.authorize(browser, client, response_mode="form_post")
    assert 'name="code"' in given.text
    assert 'name="iss"' in given.text
    assert given.headers["Cache-Control"] == "no-store"


def test_prompt_none_needs_consent_and_never_shows_a_page(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "consent_required"
    world.code(browser, client)
    assert "code" in answer_of(world.authorize(browser, client, prompt="none"))


def test_prompt_login_and_consent_ask_again_although_everything_is_there(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    world.code(browser, client)
    for prompt, page in (("login", "/sign-in/"), ("select_account", "/sign-in/"), ("consent", "/consent/")):
        opened = world.authorize(browser, client, prompt=prompt)
        assert browser.get(opened.headers["Location"]).headers["Location"].startswith(page)


@pytest.mark.parametrize(("age", "max_age", "is_asked"), [(100, "10000", False), (100, "99", True), (3, "1", True), (0, "0", True)])
def test_max_age_compares_whole_seconds(world: World, age: int, max_age: str, *, is_asked: bool) -> None:
    client, _ = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id, at=datetime.now(UTC) - timedelta(seconds=age))
    world.services.consents.record(account_id, client, client.scopes)
    response = world.authorize(browser, client, max_age=max_age)
    assert response.headers["Location"].startswith("/authorize/") is is_asked


def test_a_hint_of_another_person_asks_for_that_person(world: World) -> None:
    client, secret = world.client()
    browser, other = world.browser(), world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    assert "code" in answer_of(world.authorize(browser, client, prompt="none", id_token_hint=hint))
    other_account = world.account()
    world.sign_in(other, other_account)
    world.services.consents.record(other_account, client, client.scopes)
    assert answer_of(world.authorize(other, client, prompt="none", id_token_hint=hint))["error"] == "login_required"
    foreign, _ = world.client()
    assert answer_of(world.authorize(browser, foreign, prompt="none", id_token_hint=hint))["error"] == "invalid_request"


def test_the_level_reached_is_told_and_an_unreachable_demand_is_refused(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    claims = world.claims(world.tokens(browser, client, secret, acr_values="urn:senid:loa:1 urn:senid:loa:2")["id_token"])
    assert claims["acr"] == "urn:senid:loa:2"
    assert "code" in answer_of(world.authorize(browser, client, acr_values="urn:senid:loa:4"))
    essential = '{"id_token":{"acr":{"essential":true,"values":["urn:senid:loa:3"]}}}'
    assert answer_of(world.authorize(browser, client, claims=essential))["error"] == "unmet_authentication_requirements"
    unknown = essential.replace("urn:senid:loa:3", "urn:else:9")
    assert answer_of(world.authorize(browser, client, claims=unknown))["error"] == "unmet_authentication_requirements"
    strict, _ = world.client(minimum_level=3)
    assert answer_of(world.authorize(browser, strict))["error"] == "unmet_authentication_requirements"


def test_a_session_of_one_factor_is_offered_one_step_up(world: World) -> None:
    client, _ = world.client(minimum_level=2)
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id, "pwd")
    world.services.consents.record(account_id, client, client.scopes)
    opened = world.authorize(browser, client)
    assert browser.get(opened.headers["Location"]).headers["Location"].startswith("/step-up/")
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "unmet_authentication_requirements"


def test_a_locked_account_is_signed_in_nowhere(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    world.code(browser, client)
    world.services.accounts.lock(account_id, reason="test", operator="test")
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "login_required"


def test_a_finished_interaction_issues_once(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    opened = world.authorize(browser, client).headers["Location"]
    account_id = world.account()
    world.sign_in(browser, account_id)
    world.services.consents.record(account_id, client, client.scopes)
    assert "code" in answer_of(browser.get(opened))
    again = browser.get(opened)
    assert again.status_code == 410
    assert 'data-error="interaction_missing"' in again.text


def test_declining_returns_access_denied_and_needs_the_anti_forgery_token(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    opened = world.authorize(browser, client).headers["Location"]
    forged = browser.post(f"{opened}/decline", data={"csrf_token": "x"})
    assert 'data-error="form_expired"' in forged.text
    cookie = browser.get_cookie("senid_browser")
    assert cookie is not None
    token = world.services.encryption.mac("csrf", cookie.value)
    crossed = browser.post(f"{opened}/decline", data={"csrf_token": token}, headers={"Sec-Fetch-Site": "cross-site"})
    assert 'data-error="cross_site"' in crossed.text
    assert answer_of(browser.post(f"{opened}/decline", data={"csrf_token": token}))["error"] == "access_denied"


def test_other_methods_are_refused_on_a_page(world: World) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert world.browser().open("/authorize", method=method).status_code == 405


def test_security_headers_stand_on_every_answer(world: World) -> None:
    client, _ = world.client()
    for response in (world.authorize(world.browser(), client), world.browser().get("/authorize"), world.browser().get("/nowhere")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("planted", ['x={"a":1}', "path=1", "domain=x", "a[b]=1", "v=a b", 'q="abc', "noequals", "=v"])
def test_cookies_that_other_sites_of_the_domain_set_change_nothing(world: World, planted: str) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    world.code(browser, client)
    ours = f"senid_session={session_cookie(browser, world.cookies)}"
    query = urlencode(authorization_parameters(client, prompt="none"))
    bare = Browser(world.app, TestResponse, use_cookies=False)
    response = bare.get(f"/authorize?{query}", headers={"Cookie": f"{planted}; {ours}"})
    assert "code" in answer_of(response)


def test_the_one_time_code_alone_never_stands_in_for_a_sign_in(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id, at=datetime.now(UTC) - timedelta(hours=1))
    world.services.consents.record(account_id, client, client.scopes)
    opened = world.authorize(browser, client, prompt="login").headers["Location"]
    browser.get(opened)
    cookie = browser.get_cookie("senid_browser")
    assert cookie is not None
    token = world.services.encryption.mac("csrf", cookie.value)
    stepped = browser.post(opened.replace("/authorize/", "/step-up/"), data={"csrf_token": token})
    assert stepped.headers["Location"] == opened
    assert browser.get(opened).headers["Location"].endswith("/password")


def test_a_sub_that_is_asked_for_is_the_only_one_that_answers(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    sub = world.claims(world.tokens(browser, client, secret)["id_token"])["sub"]
    wanted = '{"id_token":{"sub":{"value":"%s"}}}'
    assert "code" in answer_of(world.authorize(browser, client, prompt="none", claims=wanted % sub))
    assert answer_of(world.authorize(browser, client, prompt="none", claims=wanted % "somebody"))["error"] == "login_required"


def test_a_lone_surrogate_in_claims_is_no_defect(world: World) -> None:
    client, _ = world.client()
    claims = '{"id_token":{"acr":{"essential":true,"value":"\\ud800"}}}'
    assert world.authorize(world.browser(), client, claims=claims).status_code == 303


def test_a_lock_ends_what_was_signed_in_before_it_for_good(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id, at=datetime.now(UTC) - timedelta(seconds=5))
    tokens = world.tokens(browser, client, secret, scope="openid offline_access")
    world.services.accounts.lock(account_id, reason="test", operator="test")
    world.services.accounts.unlock(account_id, reason="test", operator="test")
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "login_required"
    form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert token_request(browser, client, secret, form).status_code == 400


def test_a_withdrawn_proof_lowers_the_level_at_the_next_request(world: World) -> None:
    client, _ = world.client(minimum_level=2)
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    world.code(browser, client)
    _withdraw_evidence(world, account_id)
    assert answer_of(world.authorize(browser, client))["error"] == "unmet_authentication_requirements"


def _withdraw_evidence(world: World, account_id: str) -> None:
    with world.services.database.transaction() as tx:
        tx.execute(update(evidence).where(evidence.c.account_id == account_id).values(withdrawn_at=datetime.now(UTC)))
