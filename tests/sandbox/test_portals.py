"""The two portals as relying parties, against a provider that a test can make dishonest."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from sandbox.portals import MOST_ATTEMPTS, PORTALS, SCOPE, Registration, Visit, create_app
from tests.connectors.local_servers import refused_url
from tests.sandbox.fake_provider import CLIENT_ID, CLIENT_SECRET, CODE, FakeProvider
from tests.sandbox.servers import running

HUNG_YEN, THANH_HOA = PORTALS


def portal_client(issuer: str, number: int = 1) -> FlaskClient:
    portal = PORTALS[number - 1]
    address = f"http://127.0.0.1:{8400 + number}"
    registration = Registration(portal, address, issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, cookie_key="a cookie key")
    app = create_app(registration)
    app.config["SERVER_NAME"] = f"127.0.0.1:{8400 + number}"
    return app.test_client()


@contextmanager
def provider_like(provider: FakeProvider) -> Iterator[str]:
    with running(provider.app()) as address:
        provider.address = address
        yield address


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    fake = FakeProvider()
    with provider_like(fake):
        yield fake


def follow(provider: FakeProvider, client: FlaskClient, path: str) -> TestResponse:
    """Walk from a page of the portal over the provider and back, as a browser does."""
    answer = client.get(path)
    for _ in range(5):
        if answer.status_code not in {302, 303}:
            return answer
        location = answer.headers["Location"]
        if location.startswith(provider.address):
            with provider.app().test_client() as browser:
                location = browser.get(location.removeprefix(provider.address)).headers["Location"]
        parts = urlsplit(location)
        answer = client.get(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    raise AssertionError("the redirects do not end")


def claims_in(page: str, table: str) -> dict[str, str]:
    [found] = re.findall(rf'<table id="{table}">(.*?)</table>', page, re.DOTALL)
    return {name: unescape(value) for name, value in re.findall(r'<td data-claim="([^"]+)">(.*?)</td>', found, re.DOTALL)}


def error_in(answer: TestResponse) -> str:
    [code] = re.findall(r'role="alert" data-error="([^"]*)"', answer.text)
    return str(code)


# --- Signing in -----------------------------------------------------------------------------------------------------------------------


def test_the_home_page_is_public(provider: FakeProvider) -> None:
    answer = portal_client(provider.address).get("/")
    assert answer.status_code == 200
    assert HUNG_YEN.name_vi in answer.text
    assert 'id="login"' in answer.text
    assert 'id="dossiers"' in answer.text


def test_the_request_asks_for_code_with_pkce_state_and_nonce(provider: FakeProvider) -> None:
    location = portal_client(provider.address).get("/login").headers["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{provider.address}/authorize?")
    assert asked["response_type"] == "code"
    assert asked["scope"] == SCOPE
    assert asked["redirect_uri"] == "http://127.0.0.1:8401/callback"
    assert asked["code_challenge_method"] == "S256"
    assert asked["ui_locales"] == "vi"
    assert all(asked[name] for name in ("state", "nonce", "code_challenge"))
    assert "acr_values" not in asked


def test_the_claims_are_shown_plainly(provider: FakeProvider) -> None:
    page = follow(provider, portal_client(provider.address), "/login").text
    assert claims_in(page, "id_token")["acr"] == "urn:senid:loa:2"
    assert claims_in(page, "id_token")["amr"] == '["pwd", "sms", "mfa"]'
    assert claims_in(page, "userinfo")["name"] == "Đặng Thị Ứng"
    assert claims_in(page, "userinfo")["proofing_level"] == "2"
    assert all(f'id="{name}"' in page for name in ("me", "logout", "dossiers"))


def test_the_first_portal_authenticates_by_basic(provider: FakeProvider) -> None:
    follow(provider, portal_client(provider.address, 1), "/login")
    assert base64.b64decode(provider.token_authorization.removeprefix("Basic ")).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
    assert "client_secret" not in provider.token_request
    assert provider.token_request["code"] == CODE
    assert provider.code_verifier_fits()


def test_the_second_portal_authenticates_by_post(provider: FakeProvider) -> None:
    follow(provider, portal_client(provider.address, 2), "/login")
    assert provider.token_authorization == ""
    assert (provider.token_request["client_id"], provider.token_request["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)


def test_the_portals_differ_in_cookie_and_legal_basis(provider: FakeProvider) -> None:
    names = set()
    for number in (1, 2):
        client = portal_client(provider.address, number)
        names |= {part.split("=")[0] for part in client.get("/login").headers.getlist("Set-Cookie")}
    assert names == {"portal_hung_yen", "portal_thanh_hoa"}
    assert (HUNG_YEN.legal_basis, THANH_HOA.legal_basis) == ("consent", "notice")


def test_the_chosen_language_goes_along_to_the_provider(provider: FakeProvider) -> None:
    client = portal_client(provider.address)
    assert "Sign in" in client.get("/?lang=en").text
    assert "ui_locales=en" in client.get("/login").headers["Location"]


# --- A page that needs level 2 --------------------------------------------------------------------------------------------------------


def test_the_dossiers_ask_for_level_2_and_show_it(provider: FakeProvider) -> None:
    answer = follow(provider, portal_client(provider.address), "/dossiers")
    assert provider.asked["acr_values"] == "urn:senid:loa:2"
    assert answer.status_code == 200
    assert '<code data-claim="acr">urn:senid:loa:2</code>' in answer.text


def test_whoever_is_signed_in_at_level_1_is_sent_for_more(provider: FakeProvider) -> None:
    provider.level = 1
    client = portal_client(provider.address)
    follow(provider, client, "/login")
    provider.level = 2
    assert follow(provider, client, "/dossiers").status_code == 200


@pytest.mark.parametrize("acr", ["urn:senid:loa:1", "urn:other:loa:3", "urn:senid:loa:22", "2", ""])
def test_a_level_below_the_one_asked_for_opens_nothing_and_ends(provider: FakeProvider, acr: str) -> None:
    provider.id_claims = {"acr": acr}
    client = portal_client(provider.address)
    answer = follow(provider, client, "/dossiers")
    assert (answer.status_code, error_in(answer)) == (403, "level_too_low")
    assert client.get("/dossiers").status_code == 302


def test_a_higher_level_opens_it_too(provider: FakeProvider) -> None:
    provider.level = 3
    assert follow(provider, portal_client(provider.address), "/dossiers").status_code == 200


# --- Errors ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["access_denied", "login_required", "unmet_authentication_requirements", "invalid_scope"])
def test_an_error_of_the_provider_is_shown(provider: FakeProvider, error: str) -> None:
    provider.authorize_error = error
    client = portal_client(provider.address)
    answer = follow(provider, client, "/login")
    assert (answer.status_code, error_in(answer)) == (400, error)
    assert 'id="login"' in client.get("/").text


@pytest.mark.parametrize("query", ["", "code=x", "code=x&state=forged", "error=%3Cscript%3E&state=x"])
def test_an_answer_that_nobody_asked_for_signs_nobody_in(provider: FakeProvider, query: str) -> None:
    client = portal_client(provider.address)
    answer = client.get(f"/callback?{query}")
    assert answer.status_code == 400
    assert error_in(answer)
    assert "<script>" not in answer.text
    assert 'id="login"' in client.get("/").text


def test_an_answer_of_another_issuer_is_refused(provider: FakeProvider) -> None:
    provider.response_issuer = "http://evil.example"
    assert error_in(follow(provider, portal_client(provider.address), "/login")) == "issuer_mismatch"


def test_a_userinfo_of_somebody_else_is_refused(provider: FakeProvider) -> None:
    provider.userinfo = {"sub": "person-2"}
    assert error_in(follow(provider, portal_client(provider.address), "/login")) == "subject_mismatch"


@pytest.mark.parametrize(
    "wrong", [{"iss": "http://evil.example"}, {"aud": "another-portal"}, {"nonce": "another-nonce"}, {"exp": 1_000_000_000}, {"sub": None}]
)
def test_an_id_token_that_does_not_hold_is_refused(provider: FakeProvider, wrong: dict[str, object]) -> None:
    provider.id_claims = wrong
    client = portal_client(provider.address)
    answer = follow(provider, client, "/login")
    assert answer.status_code in {400, 502}
    assert error_in(answer) in {"invalid_token", "subject_mismatch"}
    assert 'id="login"' in client.get("/").text


def test_an_id_token_with_a_foreign_signature_is_refused(provider: FakeProvider) -> None:
    provider.published_key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
    assert error_in(follow(provider, portal_client(provider.address), "/login")) == "invalid_token"


def test_a_provider_that_is_away_is_told(provider: FakeProvider) -> None:
    answer = portal_client(refused_url()).get("/login")
    assert (answer.status_code, error_in(answer)) == (502, "provider_unreachable")


def test_a_userinfo_endpoint_that_fails_is_told(provider: FakeProvider) -> None:
    provider.userinfo_status = 503
    assert error_in(follow(provider, portal_client(provider.address), "/login")) == "provider_unreachable"


def test_abandoned_attempts_do_not_outgrow_the_cookie(provider: FakeProvider) -> None:
    client = portal_client(provider.address)
    for _ in range(40):
        cookie = client.get("/login").headers["Set-Cookie"]
    assert len(cookie) < 4000
    with client.session_transaction() as kept:
        assert sum(name.startswith("_state_") for name in kept) == MOST_ATTEMPTS + 1
    assert follow(provider, client, "/login").status_code == 200


# --- Signing out ----------------------------------------------------------------------------------------------------------------------


def test_signing_out_ends_the_visit_and_asks_the_provider_with_the_id_token(provider: FakeProvider) -> None:
    client = portal_client(provider.address)
    follow(provider, client, "/login")
    location = client.get("/logout").headers["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{provider.address}/end_session?")
    assert asked["id_token_hint"].count(".") == 2
    assert asked["post_logout_redirect_uri"] == "http://127.0.0.1:8401/signed-out"
    assert 'id="login"' in client.get("/").text
    answer = client.get(f"/signed-out?state={asked['state']}")
    assert answer.status_code == 200
    assert 'id="signed-out"' in answer.text


def test_a_sign_out_that_nobody_asked_for_is_told(provider: FakeProvider) -> None:
    assert portal_client(provider.address).get("/signed-out?state=forged").status_code == 400


def test_signing_out_without_a_visit_goes_home(provider: FakeProvider) -> None:
    answer = portal_client(provider.address).get("/logout")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


# --- Pages ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/me", "/dossiers"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_has_both_languages_and_no_script(provider: FakeProvider, path: str, language: str) -> None:
    client = portal_client(provider.address)
    follow(provider, client, "/login")
    answer = client.get(f"{path}?lang={language}")
    assert f'<html lang="{language}">' in answer.text
    assert (HUNG_YEN.name_en if language == "en" else HUNG_YEN.name_vi) in answer.text
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_browser_that_came_by_another_name_is_sent_to_the_registered_one(provider: FakeProvider) -> None:
    client = portal_client(provider.address)
    client.application.config["SERVER_NAME"] = None
    answer = client.get("/dossiers?lang=en", headers={"Host": "localhost:8401"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "http://127.0.0.1:8401/dossiers?lang=en")


def test_neither_secret_nor_claims_stand_in_a_repr() -> None:
    registration = Registration(HUNG_YEN, "http://x", "http://y", client_id="c", client_secret="s3cr3t", cookie_key="s3cr3t")
    visit = Visit(id_token="s3cr3t", id_claims={"sub": "s3cr3t"}, userinfo={"name": "s3cr3t"})
    assert "s3cr3t" not in repr(registration) + repr(visit)
