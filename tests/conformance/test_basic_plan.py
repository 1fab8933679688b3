"""Every module of `oidcc-basic-certification-test-plan[server_metadata=discovery][client_registration=static_client]`."""

import json
from collections.abc import Mapping
from typing import Any

from tests.conformance import judges
from tests.conformance.plans import BASIC_PLAN
from tests.conformance.suite import Suite, module, random_text
from tests.world import CHALLENGE, VERIFIER

Claims = Mapping[str, Any]
NOT_SILENT = {"login_required", "interaction_required", "account_selection_required", "consent_required"}


def test_every_module_of_the_plan_has_its_test() -> None:
    assert len(BASIC_PLAN) == 35
    assert [name for name in BASIC_PLAN if f"test_{name.replace('-', '_')}" not in globals()] == []


# --- the response types and the ID token --------------------------------------------------------------------------------------------


@module("oidcc-server")
def test_oidcc_server(suite: Suite) -> None:
    flow = suite.flow()
    assert suite.has_seen_login()
    suite.judge(judges.minimal_id_token(flow.claims))
    assert "at_hash" in flow.claims


@module("oidcc-response-type-missing")
def test_oidcc_response_type_missing(suite: Suite) -> None:
    assert suite.error(suite.request(response_type=None)) in {"invalid_request", "unsupported_response_type"}


@module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: Suite) -> None:
    assert "nonce" not in suite.flow(nonce=None).claims


@module("oidcc-server-client-secret-post")
def test_oidcc_server_client_secret_post(suite: Suite) -> None:
    suite.judge(judges.minimal_id_token(suite.flow("client_secret_post").claims))


@module("oidcc-ensure-request-with-valid-pkce-succeeds")
def test_oidcc_ensure_request_with_valid_pkce_succeeds(suite: Suite) -> None:
    sent = suite.request(code_challenge=CHALLENGE, code_challenge_method="S256")
    suite.finish(sent, code_verifier=VERIFIER)


# --- userinfo -----------------------------------------------------------------------------------------------------------------------


@module("oidcc-userinfo-get")
def test_oidcc_userinfo_get(suite: Suite) -> None:
    flow = suite.flow()
    suite.known(suite.userinfo(flow.access_token), flow.claims["sub"])


@module("oidcc-userinfo-post-header")
def test_oidcc_userinfo_post_header(suite: Suite) -> None:
    flow = suite.flow()
    response = suite.userinfo(flow.access_token, method="POST")
    assert response.request.content == b""
    suite.known(response, flow.claims["sub"])


@module("oidcc-userinfo-post-body")
def test_oidcc_userinfo_post_body(suite: Suite) -> None:
    flow = suite.flow()
    response = suite.http.post(suite.metadata["userinfo_endpoint"], data={"access_token": flow.access_token})
    suite.known(response, flow.claims["sub"])


# --- scopes and claims --------------------------------------------------------------------------------------------------------------


@module("oidcc-scope-profile")
def test_oidcc_scope_profile(suite: Suite) -> None:
    assert not suite.lacks_scopes("profile")
    flow = suite.flow(scope="openid profile")
    # Six of the fourteen are known of nobody: `plans` lists them, so that one more or one less is seen.
    suite.judge(judges.claims_of(["openid", "profile"], flow.userinfo))
    told = judges.CLAIMS_OF_SCOPE["profile"] & set(suite.metadata["claims_supported"])
    assert told | {"sub"} == set(flow.userinfo)


@module("oidcc-scope-email")
def test_oidcc_scope_email(suite: Suite) -> None:
    assert not suite.lacks_scopes("email")
    flow = suite.flow(scope="openid email")
    suite.judge(judges.claims_of(["openid", "email"], flow.userinfo))
    suite.judge(judges.minimal_id_token(flow.claims))
    assert "name" not in flow.userinfo


@module("oidcc-alternate-happy-flow")
def test_oidcc_alternate_happy_flow(suite: Suite) -> None:
    sent = suite.request(scope="email openid")
    backwards = judges.Sent(sent.issuer, dict(reversed(list(sent.parameters.items()))))
    assert next(iter(backwards.parameters)) == "response_type"
    flow = suite.finish(backwards)
    suite.judge(judges.claims_of(["openid", "email"], flow.userinfo))
    suite.judge(judges.minimal_id_token(flow.claims))


@module("oidcc-scope-phone")
def test_oidcc_scope_phone(suite: Suite) -> None:
    assert not suite.lacks_scopes("phone")
    flow = suite.flow(scope="openid phone")
    suite.judge(judges.claims_of(["openid", "phone"], flow.userinfo))


@module("oidcc-scope-address")
def test_oidcc_scope_address(suite: Suite) -> None:
    assert suite.lacks_scopes("address")  # once it is told, this has to judge the claim as the tests beside it do
    assert set(suite.flow(scope="openid address").userinfo) == {"sub"}


@module("oidcc-scope-all")
def test_oidcc_scope_all(suite: Suite) -> None:
    assert suite.lacks_scopes("email", "phone", "address", "profile")
    # The suite stops before the request. A client that asks all the same is given what the scopes give one by one.
    flow = suite.flow(scope="openid email phone address profile")
    lacking = {finding.text for finding in judges.claims_of(["openid", "email", "phone", "profile"], flow.userinfo)}
    assert lacking == set(BASIC_PLAN["oidcc-scope-profile"].notes)
    suite.judge(judges.minimal_id_token(flow.claims))


@module("oidcc-claims-essential")
def test_oidcc_claims_essential(suite: Suite) -> None:
    flow = suite.flow(claims=json.dumps({"userinfo": {"name": {"essential": True}}}))
    suite.judge(judges.claims_of(["openid"], flow.userinfo))
    suite.judge(judges.minimal_id_token(flow.claims))
    assert set(flow.userinfo) == {"sub", "name"}


# --- what may stand in a request ----------------------------------------------------------------------------------------------------


@module("oidcc-display-page")
def test_oidcc_display_page(suite: Suite) -> None:
    suite.flow(display="page")


@module("oidcc-display-popup")
def test_oidcc_display_popup(suite: Suite) -> None:
    suite.flow(display="popup")


@module("oidcc-ensure-request-with-unknown-parameter-succeeds")
def test_oidcc_ensure_request_with_unknown_parameter_succeeds(suite: Suite) -> None:
    suite.flow(extra="foobar")


@module("oidcc-login-hint")
def test_oidcc_login_hint(suite: Suite) -> None:
    suite.flow(login_hint="buffy@senid.example")
    assert suite.has_seen_login()


@module("oidcc-ui-locales")
def test_oidcc_ui_locales(suite: Suite) -> None:
    suite.flow(ui_locales="se")


@module("oidcc-claims-locales")
def test_oidcc_claims_locales(suite: Suite) -> None:
    suite.flow(claims_locales="se")


@module("oidcc-ensure-request-with-acr-values-succeeds")
def test_oidcc_ensure_request_with_acr_values_succeeds(suite: Suite) -> None:
    supported = suite.metadata["acr_values_supported"]
    flow = suite.flow(acr_values=" ".join(supported))
    assert flow.claims["acr"] in supported


@module("oidcc-ensure-post-request-succeeds")
def test_oidcc_ensure_post_request_succeeds(suite: Suite) -> None:
    sent = suite.request()
    answer = suite.post(sent)
    suite.judge(judges.authorization_response(sent, answer))
    suite.finish(sent, answer["code"])


# --- who is signed in ---------------------------------------------------------------------------------------------------------------


@module("oidcc-prompt-login")
def test_oidcc_prompt_login(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(1)
    second = suite.flow(prompt="login")
    suite.has_seen_page = suite.has_seen_login()
    assert second.claims["auth_time"] > first.claims["auth_time"]


@module("oidcc-prompt-none-not-logged-in")
def test_oidcc_prompt_none_not_logged_in(suite: Suite) -> None:
    assert suite.error(suite.request(prompt="none", state=random_text(124) + "-._~")) in NOT_SILENT
    assert suite.person.visited == ["/authorize"]


@module("oidcc-prompt-none-logged-in")
def test_oidcc_prompt_none_logged_in(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(1)
    second = suite.flow(prompt="none")
    assert suite.person.visited == ["/authorize"]
    assert same_sign_in(first.claims) == same_sign_in(second.claims)


@module("oidcc-max-age-1")
def test_oidcc_max_age_1(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(2)
    second = suite.flow(max_age="1")
    suite.has_seen_page = suite.has_seen_login()
    assert second.claims["auth_time"] > first.claims["auth_time"]
    assert suite.site.now() - second.claims["auth_time"] <= 300


@module("oidcc-max-age-10000")
def test_oidcc_max_age_10000(suite: Suite) -> None:
    first = suite.flow(max_age="15000")
    suite.site.wait(1)
    second = suite.flow(max_age="10000")
    assert suite.person.visited == ["/authorize"]
    assert same_sign_in(first.claims) == same_sign_in(second.claims)


@module("oidcc-id-token-hint")
def test_oidcc_id_token_hint(suite: Suite) -> None:
    first = suite.flow()
    suite.site.wait(1)
    second = suite.flow(prompt="none", id_token_hint=first.tokens["id_token"])
    assert suite.person.visited == ["/authorize"]
    assert same_sign_in(first.claims) == same_sign_in(second.claims)


def same_sign_in(claims: Claims) -> tuple[object, object]:
    return claims["sub"], claims["auth_time"]


# --- codes and refresh tokens -------------------------------------------------------------------------------------------------------


@module("oidcc-codereuse")
def test_oidcc_codereuse(suite: Suite) -> None:
    flow = suite.flow()
    suite.judge(judges.token_error(suite.redeem(flow.sent, flow.code), "invalid_grant"))


@module("oidcc-codereuse-30seconds")
def test_oidcc_codereuse_30seconds(suite: Suite) -> None:
    flow = suite.flow()
    suite.site.wait(30)
    suite.judge(judges.token_error(suite.redeem(flow.sent, flow.code), "invalid_grant"))
    assert 400 <= suite.userinfo(flow.access_token).status_code < 500


@module("oidcc-refresh-token")
def test_oidcc_refresh_token(suite: Suite) -> None:
    assert "refresh_token" in suite.metadata["grant_types_supported"]
    assert "offline_access" in suite.metadata["scopes_supported"]
    scope = "openid offline_access"
    first = suite.flow(scope=scope, prompt="consent", nonce=random_text(64))
    suite.site.wait(1)
    response = suite.refresh(suite.site.clients["client"], first.tokens["refresh_token"], scope=scope)
    tokens, claims = suite.tokens(first.sent, response, has_nonce=False)
    assert tokens["access_token"] != first.access_token
    assert unchanged(claims) == unchanged(first.claims)
    assert claims["iat"] > first.claims["iat"]
    suite.known(suite.userinfo(tokens["access_token"]), first.claims["sub"])

    # The second client has a nonce of 43 characters and no scope in its refresh; the first client then uses what is not its own.
    second = suite.flow("client2", scope=scope, prompt="consent", nonce=random_text(43))
    suite.site.wait(1)
    tokens, claims = suite.tokens(
        second.sent, suite.refresh(suite.site.clients["client2"], second.tokens["refresh_token"]), has_nonce=False
    )
    assert unchanged(claims) == unchanged(second.claims)
    stolen = suite.refresh(suite.site.clients["client"], tokens["refresh_token"], scope=scope)
    suite.judge(judges.token_error(stolen, "invalid_grant"))


def unchanged(claims: Claims) -> dict[str, object]:
    """Give what a refresh must leave as it is (OpenID Connect Core 12.2); an `azp` that was absent stays so."""
    return {name: claims.get(name) for name in ("iss", "sub", "aud", "auth_time", "azp")}


# --- what is refused ----------------------------------------------------------------------------------------------------------------


@module("oidcc-ensure-registered-redirect-uri")
def test_oidcc_ensure_registered_redirect_uri(suite: Suite) -> None:
    registered = suite.site.clients["client"].redirect_uri
    assert suite.page(suite.request(redirect_uri=f"{registered}/{random_text(10)}"))


@module("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")
def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(suite: Suite) -> None:
    skip_if_none_is_not_told(suite)
    sent = with_request_object(suite, suite.request().parameters)
    assert suite.send(sent)["error"] == "request_not_supported"


@module("oidcc-ensure-request-object-with-redirect-uri")
def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite) -> None:
    skip_if_none_is_not_told(suite)
    good = suite.request().parameters
    bad = with_request_object(suite, good, redirect_uri=good["redirect_uri"] + "/" + random_text(10))
    assert suite.page(bad)


def skip_if_none_is_not_told(suite: Suite) -> None:
    """Note what makes the suite skip; the request is sent all the same, since a silent server would be the trap."""
    if "none" not in suite.metadata["request_object_signing_alg_values_supported"]:
        suite.skip("request_object_signing_alg_values_supported lacks none")


def with_request_object(suite: Suite, parameters: Mapping[str, str], **outer: str) -> judges.Sent:
    """Give a request whose `state` and `nonce` stand in the unsigned request object alone (OpenID Connect Core 6.1)."""
    parts = ({"alg": "none"}, {**parameters, "iss": parameters["client_id"], "aud": suite.site.issuer})
    request_object = ".".join(judges.base64url(json.dumps(part).encode()) for part in parts) + "."
    told = {name: parameters[name] for name in ("client_id", "redirect_uri", "scope", "response_type")}
    return judges.Sent(suite.site.issuer, {**told, "request": request_object, **outer})
