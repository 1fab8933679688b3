"""The traps in which real providers fall, one test or more each, by their numbers in the catalogue of the protocol.

Not here, each for its reason:
- T2 (`prompt=login` and `max_age` handed on to an upstream): there is no upstream yet; it comes with the broker.
- T9, the half of FAPI 2.0 (an old refresh token lives on after a rotation): no client is sender-constrained yet.
- T20, the halves of back-channel and front-channel logout: nothing sends logout notices yet, and discovery does not say so; `sid` and the
  order of a logout that a portal asks for are tested.
- T22, the half of rotating our own keys: nothing rotates them yet; that clients may rotate theirs is tested.
- T24 (`DELETE` of a registration answers 204): there is no dynamic registration.
"""

import json
import secrets
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from idp.protocol.client_assertions import ASSERTION_TYPE
from tests.conformance import judges
from tests.conformance.judges import Sent
from tests.conformance.provider import REDIRECT_URI, SIGNED_OUT_URI, Provider
from tests.conformance.suite import Flow, RegisteredClient, Suite, random_text
from tests.connectors.local_servers import Exchange, serving
from tests.interop.page import Page

EVERYTHING = "openid profile email phone"


# --- T1, T3: the session of our own ------------------------------------------------------------------------------------------------


def test_t1_one_sign_in_serves_until_somebody_really_signs_in_again(suite: Suite) -> None:
    first = suite.flow(scope="openid offline_access")
    for changes in ({}, {"max_age": "10000"}, {"prompt": "none"}, {"prompt": "none", "id_token_hint": first.tokens["id_token"]}):
        suite.site.wait(60)
        again = suite.flow(**changes)
        assert suite.person.visited == ["/authorize"]
        assert (again.claims["sub"], again.claims["auth_time"]) == (first.claims["sub"], first.claims["auth_time"])
    _tokens, refreshed = suite.tokens(first.sent, refresh(suite, first), has_nonce=False)
    assert refreshed["auth_time"] == first.claims["auth_time"]
    assert suite.flow(prompt="login").claims["auth_time"] == first.claims["auth_time"] + 240


def test_t1_another_client_is_served_by_the_same_session(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(5)
    second = suite.flow("client2")
    assert not suite.has_seen_login()
    assert second.claims["auth_time"] == first.claims["auth_time"]


def test_t1_an_old_sign_in_is_asked_for_anew(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(60)
    again = suite.flow(max_age="59")
    assert suite.has_seen_login()
    assert again.claims["auth_time"] == first.claims["auth_time"] + 60


def test_t1_max_age_0_asks_for_a_sign_in_at_once(suite: Suite) -> None:
    suite.flow()
    suite.flow(max_age="0")
    assert suite.has_seen_login()


def test_t1_a_sign_in_of_exactly_max_age_is_still_young(suite: Suite) -> None:
    suite.flow()
    suite.site.wait(60)
    suite.flow(max_age="60")
    assert not suite.has_seen_login()


@pytest.mark.parametrize("response_mode", [None, "form_post"])
def test_t3_prompt_none_shows_no_page_whatever_is_missing(suite: Suite, response_mode: str | None) -> None:
    silent = {"prompt": "none", "response_mode": response_mode}
    assert suite.error(suite.request(**silent)) == "login_required"
    assert suite.person.visited == ["/authorize"]
    suite.flow()
    assert suite.error(suite.request("client2", **silent)) == "consent_required"
    assert suite.person.visited == ["/authorize"]
    assert suite.error(suite.request(scope="openid email", **silent)) == "consent_required"
    suite.site.wait(60)
    assert suite.error(suite.request(max_age="59", **silent)) == "login_required"
    assert suite.person.visited == ["/authorize"]


def test_t3_consent_is_asked_for_once(suite: Suite) -> None:
    suite.flow()
    assert consents_seen(suite) == 1
    suite.flow(prompt="none")
    suite.flow(prompt="login")
    assert consents_seen(suite) == 0


def test_t3_prompt_none_beside_another_prompt_is_an_error(suite: Suite) -> None:
    assert suite.error(suite.request(prompt="none login")) == "invalid_request"


# --- T4: state and nonce -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["-._~", "x" * 128, "a b+c%20d&e=f/?#", "-._~" * 32])
def test_t4_state_comes_back_as_it_was(suite: Suite, state: str) -> None:
    suite.finish(suite.request(state=state))
    assert suite.error(suite.request(state=state, response_type="token")) == "unsupported_response_type"


@pytest.mark.parametrize("length", [1, 43, 64, 384])
def test_t4_nonces_of_every_length_come_back_in_the_id_token(suite: Suite, length: int) -> None:
    nonce = random_text(length)
    assert suite.flow(nonce=nonce).claims["nonce"] == nonce


def test_t4_what_is_too_long_is_refused_and_not_cut(suite: Suite) -> None:
    assert suite.error(suite.request(nonce="x" * 1025)) == "invalid_request"
    assert suite.error(suite.request(state="x" * 2049)) == "invalid_request"


# --- T5, T6, T7: what the ID token says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "acr_values", ["urn:senid:loa:1 urn:senid:loa:2", "urn:senid:loa:2 urn:senid:loa:1", "urn:senid:loa:4", "1 2", "nonsense"]
)
def test_t5_acr_values_never_fail_and_the_acr_is_one_that_is_told(suite: Suite, acr_values: str) -> None:
    assert suite.flow(acr_values=acr_values).claims["acr"] in suite.metadata["acr_values_supported"]


def test_t5_an_essential_acr_is_met_or_refused(suite: Suite) -> None:
    assert suite.flow(claims=essential_acr("urn:senid:loa:2")).claims["acr"] == "urn:senid:loa:2"
    assert suite.error(suite.request(claims=essential_acr("urn:senid:loa:4"))) == "unmet_authentication_requirements"
    assert suite.error(suite.request(claims=essential_acr("nonsense"))) == "unmet_authentication_requirements"


def test_t5_every_level_that_is_told_can_be_reached(suite: Suite) -> None:
    for level in suite.metadata["acr_values_supported"]:
        suite.flow(claims=essential_acr(level))


def test_t6_the_id_token_says_who_and_how_and_nothing_more(suite: Suite) -> None:
    flow = suite.flow(scope=EVERYTHING)
    assert list(judges.minimal_id_token(flow.claims)) == []
    assert {"name", "email", "phone_number"} <= set(flow.userinfo)


@pytest.mark.parametrize(
    "claims",
    [
        {"userinfo": {"name": None, "unknown": {"essential": True}, "email": {"value": 7}}},
        {"userinfo": {"name": {}}, "id_token": {"acr": {"essential": "yes"}, "unknown": None}, "else": [1]},
        {"userinfo": {"name": {"essential": True, "values": []}}, "id_token": None},
    ],
)
def test_t7_members_of_claims_that_nobody_knows_are_ignored(suite: Suite, claims: dict[str, object]) -> None:
    flow = suite.flow(claims=json.dumps(claims))
    assert "name" in flow.userinfo
    assert set(flow.userinfo) <= {"sub", "name", "email"}
    assert list(judges.minimal_id_token(flow.claims)) == []


def test_t7_claims_live_with_the_code_and_through_a_refresh(suite: Suite) -> None:
    first = suite.flow(scope="openid offline_access", claims=json.dumps({"userinfo": {"name": None}}))
    suite.site.wait(1)
    tokens, _claims = suite.tokens(first.sent, refresh(suite, first), has_nonce=False)
    assert set(suite.known(suite.userinfo(tokens["access_token"]), first.claims["sub"])) == {"sub", "name"}


def test_t7_claims_for_the_id_token_stand_there_alone(suite: Suite) -> None:
    flow = suite.flow(claims=json.dumps({"id_token": {"birthdate": {"essential": True}}}))
    assert flow.claims["birthdate"] == "1990-02-01"
    assert set(flow.userinfo) == {"sub"}


# --- T8, T9: codes and refresh tokens ----------------------------------------------------------------------------------------------


def test_t8_a_second_use_of_a_code_ends_all_that_the_first_gave(suite: Suite) -> None:
    first = suite.flow(scope="openid offline_access")
    suite.judge(judges.token_error(suite.redeem(first.sent, first.code), "invalid_grant"))
    assert suite.userinfo(first.access_token).status_code == httpx2.codes.UNAUTHORIZED
    suite.judge(judges.token_error(refresh(suite, first), "invalid_grant"))


def test_t8_a_code_is_worth_nothing_to_another_client(suite: Suite) -> None:
    sent = suite.request()
    code = suite.code(sent)
    theirs = suite.token(
        suite.site.clients["client2"], {"grant_type": "authorization_code", "code": code, "redirect_uri": sent.redirect_uri}
    )
    suite.judge(judges.token_error(theirs, "invalid_grant"))
    suite.finish(sent, code)


def test_t8_a_code_is_bound_to_the_redirect_uri_that_it_came_to(provider: Provider, suite: Suite) -> None:
    client = provider.register("two-uris", redirect_uris=(REDIRECT_URI, REDIRECT_URI + "?two"))
    sent = suite.request(client)
    code = suite.code(sent)
    suite.judge(judges.token_error(suite.redeem(sent, code, redirect_uri=REDIRECT_URI + "?two"), "invalid_grant"))


def test_t8_an_old_code_is_worth_nothing(suite: Suite) -> None:
    sent = suite.request()
    code = suite.code(sent)
    suite.site.wait(61)
    suite.judge(judges.token_error(suite.redeem(sent, code), "invalid_grant"))


def test_t9_a_refresh_gives_a_new_id_token_of_the_same_sign_in(suite: Suite) -> None:
    first = suite.flow(scope="openid email offline_access")
    suite.site.wait(7)
    tokens, claims = suite.tokens(first.sent, refresh(suite, first), has_nonce=False)
    assert claims["iat"] >= first.claims["iat"] + 7
    for name in ("iss", "sub", "aud", "auth_time", "azp", "sid", "acr"):
        assert claims.get(name) == first.claims.get(name)
    assert tokens["scope"].split() == ["openid", "email", "offline_access"]
    assert judges.is_unguessable(tokens["refresh_token"])


def test_t9_a_refresh_may_ask_for_less_and_never_for_more(suite: Suite) -> None:
    first = suite.flow(scope="openid email offline_access")
    client = suite.site.clients["client"]
    more = suite.refresh(client, first.tokens["refresh_token"], scope="openid email phone")
    suite.judge(judges.token_error(more, "invalid_scope"))
    less, _claims = suite.tokens(first.sent, suite.refresh(client, first.tokens["refresh_token"], scope="openid"), has_nonce=False)
    assert set(suite.known(suite.userinfo(less["access_token"]), first.claims["sub"])) == {"sub"}


def test_t9_somebody_elses_refresh_token_is_an_invalid_grant_and_does_them_no_harm(suite: Suite) -> None:
    first = suite.flow(scope="openid offline_access")
    theirs = suite.refresh(suite.site.clients["client2"], first.tokens["refresh_token"])
    suite.judge(judges.token_error(theirs, "invalid_grant"))
    suite.tokens(first.sent, refresh(suite, first), has_nonce=False)


# --- T10, T11: POST from elsewhere -------------------------------------------------------------------------------------------------


def test_t10_userinfo_by_post_asks_for_no_form_of_ours(suite: Suite) -> None:
    flow = suite.flow()
    headers = {"Authorization": f"Bearer {flow.access_token}", "Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    endpoint = suite.metadata["userinfo_endpoint"]
    suite.known(suite.http.post(endpoint, headers=headers), flow.claims["sub"])
    in_body = suite.http.post(endpoint, data={"access_token": flow.access_token}, headers={"Origin": "https://elsewhere.example"})
    suite.known(in_body, flow.claims["sub"])


def test_t11_a_request_by_post_from_another_site_signs_in_and_is_served_by_the_session(suite: Suite) -> None:
    answered(suite, suite.request())
    assert suite.has_seen_login()
    suite.site.wait(5)
    answered(suite, suite.request())
    assert not any(path.startswith(("/sign-in/", "/consent/")) for path in suite.person.visited)


def test_t11_a_request_by_post_from_another_site_leaves_what_is_open_in_the_browser_alone(suite: Suite) -> None:
    browser = suite.person.browser
    opened = browser.get(browser.get(suite.url(suite.request())).headers["Location"])
    lasting = browser.cookies["__Host-senid_browser"]
    answered(suite, suite.request())
    assert browser.cookies["__Host-senid_browser"] == lasting
    resumed = browser.get(opened.headers["Location"])
    assert resumed.status_code in {httpx2.codes.OK, httpx2.codes.SEE_OTHER}


def answered(suite: Suite, sent: Sent) -> None:
    suite.judge(judges.authorization_response(sent, suite.post(sent)))


# --- T12, T13: requests that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "redirect_uri",
    [
        *(REDIRECT_URI + tail for tail in ("/", "/x", "?x=1", "#x", "%2e", "x", " ", "\r\n", ":443", "/../callback")),
        *(
            REDIRECT_URI.replace(*change)
            for change in (("https", "http"), ("suite.", "SUITE."), ("callback", "CALLBACK"), (".example", ".example:8443"))
        ),
        REDIRECT_URI.replace("https://", "https://user@"),
        "https://evil.example/test/a/senid/callback",
        "",
        None,
    ],
)
def test_t12_an_address_that_is_not_registered_letter_by_letter_is_a_page(suite: Suite, redirect_uri: str | None) -> None:
    parameters = suite.request(redirect_uri=redirect_uri or "").parameters
    sent = {name: value for name, value in parameters.items() if name != "redirect_uri" or redirect_uri is not None}
    response = suite.person.browser.get(suite.metadata["authorization_endpoint"], params=sent)
    assert (response.status_code, "Location" in response.headers) == (400, False)
    assert Page(response.text).errors == ["invalid_redirect_uri"]


def test_t12_an_unknown_client_is_a_page(suite: Suite) -> None:
    for client_id in ("nobody", "", None):
        assert suite.page(suite.request(client_id=client_id)) == "unknown_client"


def test_t12_what_is_wrong_behind_a_proven_address_goes_back_there(suite: Suite) -> None:
    told = {
        "unsupported_response_type": {"response_type": "id_token token"},
        "invalid_scope": {"scope": "profile"},
        "invalid_request": {"prompt": "sometimes"},
    }
    for error, changes in told.items():
        assert suite.error(suite.request(**changes)) == error


def test_t12_a_registered_query_is_kept(provider: Provider, suite: Suite) -> None:
    client = provider.register("with-query", redirect_uris=(REDIRECT_URI + "?dummy1=lorem&dummy2=ipsum",))
    suite.flow(client)
    assert suite.error(suite.request(client, prompt="none login")) == "invalid_request"
    assert suite.page(suite.request(client, redirect_uri=REDIRECT_URI + "?dummy1=lorem")) == "invalid_redirect_uri"


def test_t13_request_objects_are_refused_and_never_ignored(suite: Suite) -> None:
    assert suite.metadata["request_parameter_supported"] is False
    assert suite.metadata["request_uri_parameter_supported"] is False
    assert "none" not in suite.metadata["request_object_signing_alg_values_supported"]
    assert suite.error(suite.request(request="e30.e30.")) == "request_not_supported"
    assert suite.error(suite.request(request_uri="https://suite.example/request")) == "request_uri_not_supported"
    assert suite.error(suite.request(registration="{}")) == "registration_not_supported"


def test_scopes_that_nobody_knows_are_ignored(suite: Suite) -> None:
    # OpenID Connect Core 3.1.2.1: they SHOULD be.
    flow = suite.flow(scope="openid https://example.com/unknown email groups")
    assert set(flow.userinfo) == {"sub", "email", "email_verified"}
    assert set(flow.tokens["scope"].split()) == {"openid", "email"}


def test_a_scope_that_is_known_and_not_for_this_client_is_refused(suite: Suite) -> None:
    assert "id_number" in suite.metadata["scopes_supported"]
    assert suite.error(suite.request(scope="openid id_number")) == "invalid_scope"


# --- T14, T16: how an answer travels -----------------------------------------------------------------------------------------------


def test_t14_form_post_carries_answers_and_errors(suite: Suite) -> None:
    suite.flow(response_mode="form_post")
    assert suite.error(suite.request(response_mode="form_post", scope="email")) == "invalid_scope"
    assert suite.error(suite.request("client2", response_mode="form_post"), declines=True) == "access_denied"


def test_t14_the_page_that_posts_may_do_so_with_and_without_scripts(suite: Suite) -> None:
    suite.flow()
    response = suite.person.browser.get(suite.url(suite.request(response_mode="form_post", prompt="none")))
    policy = dict(part.strip().split(" ", 1) for part in response.headers["Content-Security-Policy"].split(";"))
    assert "https://suite.example" in policy["form-action"].split()
    form = Page(response.text).main_form
    assert form is not None
    assert (form.action, form.method) == (REDIRECT_URI, "post")
    assert "no-store" in response.headers["Cache-Control"]
    # Its script is a file of ours, which the policy allows, and none stands in the page.
    assert policy["script-src"] == "'self'"
    [script] = [part.partition("</script>")[0] for part in response.text.split("<script")[1:] if "form_post" in part]
    assert script.rpartition(">")[2].strip() == ""


@pytest.mark.parametrize("response_mode", [None, "query", "form_post"])
def test_t16_every_answer_names_the_issuer_letter_by_letter(suite: Suite, response_mode: str | None) -> None:
    assert suite.metadata["authorization_response_iss_parameter_supported"] is True
    good, bad = (suite.request(response_mode=response_mode, scope=scope) for scope in ("openid", "email"))
    assert suite.send(good)["iss"] == suite.site.issuer == suite.metadata["issuer"]
    assert suite.send(bad)["iss"] == suite.site.issuer


# --- T15, T17: signatures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_t15_at_hash_is_there_and_fits_also_after_a_refresh(provider: Provider, suite: Suite, algorithm: str) -> None:
    client = provider.register(f"by-{algorithm}", id_token_algorithm=algorithm)
    first = suite.flow(client, scope="openid offline_access")
    _tokens, refreshed = suite.tokens(first.sent, suite.refresh(client, first.tokens["refresh_token"]), has_nonce=False)
    assert len(first.claims["at_hash"]) == len(refreshed["at_hash"]) == 22


def test_t17_each_client_has_its_own_algorithm_and_every_key_its_name(provider: Provider, suite: Suite) -> None:
    assert {"RS256", "ES256"} == set(suite.metadata["id_token_signing_alg_values_supported"])
    kids = set()
    for algorithm in ("RS256", "ES256"):
        flow = suite.flow(provider.register(f"signed-by-{algorithm}", id_token_algorithm=algorithm))
        header = jws.extract_compact(str(flow.tokens["id_token"]).encode()).headers()
        assert header["alg"] == algorithm
        kids.add(header["kid"])
    assert kids == {key.kid for key in suite.keys.keys}


# --- T18: texts of errors ----------------------------------------------------------------------------------------------------------

NASTY = 'lỗi "x" \\ \t é'


@pytest.mark.parametrize(
    "name",
    [
        "scope",
        "prompt",
        "response_type",
        "response_mode",
        "max_age",
        "claims",
        "code_challenge_method",
        "id_token_hint",
        "nonce",
        "request",
    ],
)
def test_t18_errors_that_go_back_are_ascii_whatever_was_sent(suite: Suite, name: str) -> None:
    suite.error(suite.request(**{name: NASTY}, ui_locales="vi"))


def test_t18_state_beyond_ascii_is_refused(suite: Suite) -> None:
    assert suite.error(suite.request(state=NASTY)) == "invalid_request"


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": NASTY},
        {"grant_type": "authorization_code", "code": NASTY, "redirect_uri": REDIRECT_URI},
        {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI},
        {"grant_type": "refresh_token", "refresh_token": NASTY},
        {NASTY: "x"},
    ],
)
def test_t18_errors_of_the_token_endpoint_are_ascii_whatever_was_sent(suite: Suite, form: dict[str, str]) -> None:
    response = suite.token(suite.site.clients["client"], form)
    assert response.status_code == httpx2.codes.BAD_REQUEST
    suite.judge(judges.error_texts(response.json()))


# --- T19, T20: signing out ---------------------------------------------------------------------------------------------------------


def test_t19_a_portal_that_proves_itself_signs_out_and_gets_the_person_back(suite: Suite) -> None:
    flow = suite.flow()
    state = random_text(124) + "-._~"
    assert back(sign_out(suite, flow, state=state)) == {"state": state}
    assert suite.error(suite.request(prompt="none")) == "login_required"


def test_t19_without_state_none_comes_back(suite: Suite) -> None:
    assert back(sign_out(suite, suite.flow())) == {}


def test_t19_an_expired_hint_is_still_a_hint(suite: Suite) -> None:
    flow = suite.flow()
    suite.site.wait(1200)
    assert suite.site.now() > flow.claims["exp"]
    assert back(sign_out(suite, flow)) == {}


@pytest.mark.parametrize(
    "address", [SIGNED_OUT_URI + "?x=1", SIGNED_OUT_URI + "/", SIGNED_OUT_URI[:-1], REDIRECT_URI, "https://evil.example/"]
)
def test_t19_an_address_that_is_not_registered_letter_by_letter_is_a_page(suite: Suite, address: str) -> None:
    stays(suite, sign_out(suite, suite.flow(), post_logout_redirect_uri=address))


def test_t19_a_hint_that_we_did_not_sign_is_a_page(suite: Suite) -> None:
    flow = suite.flow()
    claims = dict(flow.claims)
    swapped = {**claims, "iss": claims["aud"], "aud": claims["iss"]}
    unsigned = judges.base64url(b'{"alg":"none"}') + "." + str(flow.tokens["id_token"]).split(".")[1] + "."
    key = RSAKey.generate_key(2048, {"kid": str(suite.keys.keys[0].kid)})
    by_the_client = jwt.encode({"alg": "RS256", "kid": key.kid}, swapped, key, algorithms=["RS256"])
    for hint in (unsigned, by_the_client, "nonsense"):
        stays(suite, sign_out(suite, flow, id_token_hint=hint))


@pytest.mark.parametrize("parameters", [{}, {"state": "only"}, {"post_logout_redirect_uri": SIGNED_OUT_URI}], ids=str)
def test_t19_without_a_hint_the_person_is_asked_and_sent_nowhere(suite: Suite, parameters: dict[str, str]) -> None:
    flow = suite.flow()
    client_id = {"client_id": suite.site.clients["client"].client_id} if "post_logout_redirect_uri" in parameters else {}
    browser = suite.person.browser
    response = browser.get(suite.metadata["end_session_endpoint"], params={**parameters, **client_id})
    page = browser.get(response.headers["Location"])
    form = Page(page.text).main_form
    assert form is not None
    suite.finish(suite.request(prompt="none"))  # nothing has ended yet
    done = browser.post(form.action, data=form.fields, headers={"Origin": suite.site.issuer})
    assert urlsplit(done.headers["Location"]).netloc in {"", urlsplit(suite.site.issuer).netloc}
    assert suite.error(suite.request(prompt="none")) == "login_required"
    assert suite.userinfo(flow.access_token).status_code == httpx2.codes.UNAUTHORIZED


def test_t20_sid_names_the_session_and_the_session_is_over_before_the_redirect(suite: Suite) -> None:
    first, again = suite.flow(), suite.flow()
    other = suite.flow("client2")
    assert first.claims["sid"] == again.claims["sid"] != other.claims["sid"]
    response = sign_out(suite, first)
    # Even a browser that keeps its cookie is not signed in: the session has ended, not only the cookie.
    assert response.status_code == httpx2.codes.SEE_OTHER
    assert suite.userinfo(other.access_token).status_code == httpx2.codes.UNAUTHORIZED
    assert suite.error(suite.request(prompt="none")) == "login_required"
    assert suite.flow(prompt="login").claims["sid"] != first.claims["sid"]


def test_t20_a_cookie_that_outlives_the_logout_is_worth_nothing(suite: Suite) -> None:
    flow = suite.flow()
    cookies = httpx2.Cookies(suite.person.browser.cookies)
    sign_out(suite, flow)
    suite.person.browser.cookies = cookies
    assert suite.error(suite.request(prompt="none")) == "login_required"


def sign_out(suite: Suite, flow: Flow, **changes: str) -> httpx2.Response:
    parameters = {"id_token_hint": str(flow.tokens["id_token"]), "post_logout_redirect_uri": SIGNED_OUT_URI, **changes}
    return suite.person.browser.get(suite.metadata["end_session_endpoint"], params=parameters)


def back(response: httpx2.Response) -> dict[str, str]:
    assert response.status_code == httpx2.codes.SEE_OTHER, response.text[:300]
    address, _, query = response.headers["Location"].partition("?")
    assert address == SIGNED_OUT_URI
    return dict(parse_qsl(query))


def stays(suite: Suite, response: httpx2.Response) -> None:
    """Demand a page that leads nowhere, and that the person is still signed in."""
    assert (response.status_code, "Location" in response.headers) == (400, False)
    assert "text/html" in response.headers["Content-Type"]
    suite.finish(suite.request(prompt="none"))


# --- T21, T22, T23 -----------------------------------------------------------------------------------------------------------------


def test_t21_offline_access_with_prompt_consent_shows_one_page_with_one_button(suite: Suite) -> None:
    for _ in range(2):
        suite.flow(scope="openid offline_access", prompt="consent")
        assert consents_seen(suite) == 1  # `walk` went on by the button with id="submit"
    suite.flow(scope="openid offline_access")
    assert consents_seen(suite) == 0


def test_t22_a_client_that_rotates_its_keys_is_served_within_a_minute(
    provider: Provider, suite: Suite, jwks_of_the_client: "ClientKeys"
) -> None:
    client = provider.register("rotating", auth_method="private_key_jwt", jwks_uri=jwks_of_the_client.uri)
    assert authenticated(suite, client, jwks_of_the_client.rotate()).status_code == httpx2.codes.OK
    asked = jwks_of_the_client.asked
    assert authenticated(suite, client, jwks_of_the_client.current).status_code == httpx2.codes.OK
    assert jwks_of_the_client.asked == asked  # what is known is not fetched again

    for _ in range(2):
        new = jwks_of_the_client.rotate()
        suite.site.wait(31)  # an unknown kid may make us ask, and not more often than twice a minute
        assert authenticated(suite, client, new).status_code == httpx2.codes.OK
    stranger = ECKey.generate_key("P-256", {"kid": "nobody's"})
    asked = jwks_of_the_client.asked
    for _ in range(5):
        refused = authenticated(suite, client, stranger)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert jwks_of_the_client.asked == asked


def test_t23_every_claim_has_the_type_of_the_specification(suite: Suite) -> None:
    claims = suite.flow(scope=EVERYTHING).userinfo
    types = {"email_verified": bool, "phone_number_verified": bool, "updated_at": int, "birthdate": str, "zoneinfo": str, "locale": str}
    assert {name: type(claims[name]) for name in types} == types
    assert suite.site.now() - 365 * 24 * 3600 < claims["updated_at"] <= suite.site.now()
    assert "address" not in claims
    assert [name for name, value in claims.items() if value in {"", "null", None}] == []


class ClientKeys:
    """The `jwks_uri` of a client, with a key that it changes."""

    def __init__(self) -> None:
        self.current = ECKey.generate_key("P-256", {"kid": "0"})
        self.asked = 0
        self.uri = ""

    def rotate(self) -> ECKey:
        """Change the key; gives the new one."""
        self.current = ECKey.generate_key("P-256", {"kid": str(int(self.current.kid or 0) + 1)})
        return self.current

    def behave(self, exchange: Exchange) -> None:
        """Answer with the key of the moment."""
        self.asked += 1
        exchange.answer({"keys": [self.current.as_dict(private=False)]}, headers={"Connection": "close"})


@pytest.fixture
def jwks_of_the_client() -> Iterator[ClientKeys]:
    keys = ClientKeys()
    with serving(keys.behave) as server:
        keys.uri = f"{server.url}/jwks"
        yield keys


def authenticated(suite: Suite, client: RegisteredClient, key: ECKey) -> httpx2.Response:
    """Redeem a new code with an assertion (RFC 7523) that `key` has signed."""
    sent = suite.request(client)
    now = int(suite.site.now())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": suite.site.issuer,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_hex(8),
    }
    form = {
        "grant_type": "authorization_code",
        "code": suite.code(sent),
        "redirect_uri": sent.redirect_uri,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"]),
    }
    return suite.http.post(suite.metadata["token_endpoint"], data=form)


def refresh(suite: Suite, flow: Flow) -> httpx2.Response:
    return suite.refresh(suite.site.clients["client"], str(flow.tokens["refresh_token"]))


def consents_seen(suite: Suite) -> int:
    """Count the consent pages of the last walk: each was opened once and sent once."""
    return sum(path.startswith("/consent/") for path in suite.person.visited) // 2


def essential_acr(value: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "value": value}}})
