"""The UserInfo endpoint: claims by scope and by name, tokens only where they belong."""

from dataclasses import replace

import pytest

from idp.values import LocalText
from tests.world import World, answer_of, token_request


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_each_scope_gives_its_claims_and_nothing_blank(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account(id_number="033090123456", phone="0912345678", email="tuyet@example.vn"))
    tokens = world.tokens(browser, client, secret, scope="openid profile email phone assurance id_number")
    claims = browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {}
    assert claims["sub"] == world.claims(tokens["id_token"])["sub"]
    assert claims["name"] == "Nguyễn Thị Ánh Tuyết"
    assert (claims["family_name"], claims["middle_name"], claims["given_name"]) == ("Nguyễn", "Thị Ánh", "Tuyết")
    assert claims["birthdate"] == "1990-02-01"
    assert (claims["email"], claims["email_verified"]) == ("tuyet@example.vn", False)
    assert (claims["phone_number"], claims["phone_number_verified"]) == ("+84912345678", True)
    assert (claims["proofing_level"], claims["authentication_level"]) == (2, 2)
    assert (claims["id_number"], claims["id_number_type"]) == ("033090123456", "cccd")
    assert 1_700_000_000 < claims["updated_at"] < 4_000_000_000
    assert not [value for value in claims.values() if value in {"", "null"}]


def test_a_bare_openid_gives_the_subject_alone(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    token = world.tokens(browser, client, secret)["access_token"]
    assert set(browser.get("/userinfo", headers=bearer(token)).json or {}) == {"sub"}


def test_post_works_with_header_and_with_body(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    token = world.tokens(browser, client, secret)["access_token"]
    assert browser.post("/userinfo", headers=bearer(token)).status_code == 200
    assert browser.post("/userinfo", data={"access_token": token}).status_code == 200
    assert browser.get("/userinfo", headers={"Authorization": f"bEARER {token}"}).status_code == 200


def test_a_token_in_the_query_or_in_two_places_is_refused(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    token = world.tokens(browser, client, secret)["access_token"]
    assert browser.get(f"/userinfo?access_token={token}").status_code == 401
    assert browser.post("/userinfo", data={"access_token": token}, headers=bearer(token)).status_code == 400


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Basic abc", "Bearer unknown", "Bearer " + "x" * 7000])
def test_a_missing_or_unknown_token_is_challenged(world: World, header: str | None) -> None:
    response = world.browser().get("/userinfo", headers={"Authorization": header} if header else {})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert ("error=" in response.headers["WWW-Authenticate"]) is (header is not None)


def test_claims_asked_for_by_name_come_when_the_client_may_have_them(world: World) -> None:
    client, secret = world.client(scopes=("openid", "profile"))
    browser = world.browser()
    world.sign_in(browser, world.account(email="a@example.vn"))
    wanted = '{"userinfo":{"name":{"essential":true},"email":null,"unknown":null},"id_token":{"birthdate":null},"else":7}'
    tokens = world.tokens(browser, client, secret, claims=wanted)
    assert set(browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {}) == {"sub", "name"}
    assert world.claims(tokens["id_token"])["birthdate"] == "1990-02-01"


def test_claims_by_name_need_consent_like_their_scope(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    world.services.consents.record(account_id, client, ("openid",))
    assert "code" in answer_of(world.authorize(browser, client, prompt="none"))
    named = world.authorize(browser, client, prompt="none", claims='{"userinfo":{"name":null}}')
    assert answer_of(named)["error"] == "consent_required"


def test_a_changed_purpose_asks_for_consent_again(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    world.services.consents.record(account_id, client, client.scopes)
    relation = world.services.relations.find(account_id, client)
    assert relation is not None
    assert relation.consent is not None
    assert relation.consent.covers(client, ("openid", "profile"))
    changed = replace(client, purpose=LocalText("Mục đích khác", "Another purpose"))
    assert not relation.consent.covers(changed, ("openid",))


def test_portals_of_two_sectors_know_a_person_by_different_names(world: World) -> None:
    one, one_secret = world.client()
    same, same_secret = world.client()
    other, other_secret = world.client(sector="other.example")
    public, public_secret = world.client(subject_type="public")
    browser = world.browser()
    world.sign_in(browser, world.account())
    subs = [
        world.claims(world.tokens(browser, client, secret)["id_token"])["sub"]
        for client, secret in ((one, one_secret), (same, same_secret), (other, other_secret), (public, public_secret))
    ]
    assert subs[0] == subs[1]
    assert len(set(subs)) == 3


def test_a_disabled_client_reads_nothing_any_more(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    token = world.tokens(browser, client, secret)["access_token"]
    world.services.clients.disable(client.client_id)
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 401


def test_a_locked_account_has_no_claims(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    token = world.tokens(browser, client, secret)["access_token"]
    world.services.accounts.lock(account_id, reason="test", operator="test")
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 401


def test_a_withdrawn_consent_ends_the_tokens_and_asks_again(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    account_id = world.account()
    world.sign_in(browser, account_id)
    tokens = world.tokens(browser, client, secret, scope="openid offline_access")
    assert world.services.consents.withdraw(account_id, client.client_id)
    assert not world.services.consents.withdraw(account_id, client.client_id)
    assert browser.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 401
    form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert token_request(browser, client, secret, form).status_code == 400
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "consent_required"
