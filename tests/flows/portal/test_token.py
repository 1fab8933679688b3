"""The token endpoint: client authentication, codes, PKCE, refresh tokens, and what a replay costs."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import update
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp.errors import StoreUnavailable
from idp.protocol.authorization_codes import grant_id_of
from idp.protocol.clients import Client
from idp.storage.tables import refresh_tokens
from tests.world import REDIRECT_URI, VERIFIER, World, token_request, unguessable

# What the losers of a race may be told; on a busy machine some wait too long for the database and are sent away instead.
LOST = {(400, "invalid_grant"), (503, "temporarily_unavailable")}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def signed_in(world: World) -> tuple[Browser, Client, str]:
    """Give a signed-in browser with a portal."""
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    return browser, client, secret


def error_of(response: TestResponse) -> tuple[int, str]:
    assert response.mimetype == "application/json", response.text[:300]
    assert response.headers["Cache-Control"] == "no-store"
    return response.status_code, str((response.json or {})["error"])


def refresh(browser: Browser, client: Client, secret: str, token: str, **more: str | None) -> TestResponse:
    return token_request(browser, client, secret, {"grant_type": "refresh_token", "refresh_token": token, **more})


# --- the code -----------------------------------------------------------------------------------------------------------------------


def test_a_code_becomes_tokens_that_say_who_and_how_well_proven(world: World) -> None:
    browser, client, secret = signed_in(world)
    response = world.redeem(browser, client, secret, world.code(browser, client))
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json or {}
    assert set(tokens) == {"access_token", "token_type", "expires_in", "id_token", "refresh_token", "scope"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 600
    claims = world.claims(tokens["id_token"])
    assert set(claims) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"}
    assert (claims["iss"], claims["aud"], claims["nonce"]) == ("http://localhost:8400", client.client_id, "nonce-1")
    assert claims["acr"] == "urn:senid:loa:2"
    assert set(claims["amr"]) == {"pwd", "sms", "mfa"}


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_the_id_token_is_signed_by_a_published_key_of_the_clients_algorithm(world: World, algorithm: str) -> None:
    client, secret = world.client(id_token_algorithm=algorithm)
    browser = world.browser()
    world.sign_in(browser, world.account())
    id_token = world.tokens(browser, client, secret)["id_token"]
    header = json.loads(base64.urlsafe_b64decode(id_token.split(".")[0] + "=="))
    published = {key["kid"]: key for key in json.loads(browser.get("/jwks").data)["keys"]}
    assert header["alg"] == algorithm
    assert published[header["kid"]]["alg"] == algorithm
    assert not {"d", "p", "q", "k"} & set(published[header["kid"]])


def test_a_code_works_once_and_a_replay_revokes_what_it_gave(world: World) -> None:
    browser, client, secret = signed_in(world)
    code = world.code(browser, client)
    tokens = world.redeem(browser, client, secret, code).json or {}
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get("/userinfo", headers=bearer).status_code == 200
    assert error_of(world.redeem(browser, client, secret, code)) == (400, "invalid_grant")
    assert browser.get("/userinfo", headers=bearer).status_code == 401
    assert error_of(refresh(browser, client, secret, tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_replay_that_comes_before_the_grant_is_written_forbids_it(world: World) -> None:
    browser, client, secret = signed_in(world)
    code = world.code(browser, client)
    world.services.grants.revoke(grant_id_of(code), reason="code_replayed", client_id=client.client_id)
    assert error_of(world.redeem(browser, client, secret, code)) == (400, "invalid_grant")


@pytest.mark.race
def test_fifty_redemptions_of_one_code_have_at_most_one_winner_and_leave_nothing_usable(world: World) -> None:
    browser, client, secret = signed_in(world)
    code = world.code(browser, client)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: world.redeem(world.browser(), client, secret, code), range(50)))
    won = [answer.json or {} for answer in answers if answer.status_code == 200]
    assert len(won) <= 1
    assert {error_of(answer) for answer in answers if answer.status_code != 200} <= LOST
    for tokens in won:
        assert browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "unknown"},
        {"code": "x" * 5000},
        {"redirect_uri": "https://portal.example/other"},
        {"redirect_uri": None},
        {"code_verifier": None},
        {"code_verifier": "w" * 64},
        {"code_verifier": "short"},
        {"code_verifier": VERIFIER + "ế"},
    ],
)
def test_a_code_with_anything_else_is_invalid_grant(world: World, changes: dict[str, str | None]) -> None:
    browser, client, secret = signed_in(world)
    assert error_of(world.redeem(browser, client, secret, world.code(browser, client), **changes)) == (400, "invalid_grant")


def test_a_verifier_without_a_challenge_is_invalid_grant(world: World) -> None:
    client, secret = world.client(pkce="optional")
    browser = world.browser()
    world.sign_in(browser, world.account())
    without = {"code_challenge": None, "code_challenge_method": None}
    assert error_of(world.redeem(browser, client, secret, world.code(browser, client, **without))) == (400, "invalid_grant")
    assert world.redeem(browser, client, secret, world.code(browser, client, **without), code_verifier=None).status_code == 200


def test_a_code_of_another_client_is_unknown_to_this_one_and_stays_good_for_its_own(world: World) -> None:
    browser, client, secret = signed_in(world)
    other, other_secret = world.client()
    code = world.code(browser, client)
    assert error_of(world.redeem(browser, other, other_secret, code)) == (400, "invalid_grant")
    assert world.redeem(browser, client, secret, code).status_code == 200


@pytest.mark.parametrize("world", ["embedded"], indirect=True)  # nobody can move the time of a Redis server
def test_a_code_expires(world: World) -> None:
    browser, client, secret = signed_in(world)
    code = world.code(browser, client)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=61), tick=True):
        assert error_of(world.redeem(browser, client, secret, code)) == (400, "invalid_grant")


# --- the request --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "mật khẩu"}, "unsupported_grant_type"),
    ],
)
def test_an_incomplete_request_names_its_error(world: World, form: dict[str, str], error: str) -> None:
    client, secret = world.client()
    assert error_of(token_request(world.browser(), client, secret, dict(form))) == (400, error)


def test_parameters_of_the_query_do_not_count_and_repeated_ones_are_refused(world: World) -> None:
    browser, client, secret = signed_in(world)
    code = world.code(browser, client)
    basic = "Basic " + base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
    query = f"grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}"
    assert error_of(browser.post(f"/token?{query}", headers={"Authorization": basic})) == (400, "invalid_request")
    kind = "application/x-www-form-urlencoded"
    twice = browser.post("/token", data=f"{query}&code={code}", headers={"Authorization": basic}, content_type=kind)
    assert error_of(twice) == (400, "invalid_request")
    assert world.redeem(browser, client, secret, code).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"grant_type":"authorization_code"}', "application/json", (400, "invalid_request")),
        (b"grant_type=%ff%fe", "application/x-www-form-urlencoded", (400, "invalid_request")),
        (b"grant_type=\xff", "application/x-www-form-urlencoded", (400, "invalid_request")),
        (b"code=" + b"x" * 9000, "application/x-www-form-urlencoded", (400, "invalid_request")),
        (b"a=1&" * 500, "application/x-www-form-urlencoded", (400, "invalid_request")),
        (b"x" * 1_000_000, "application/x-www-form-urlencoded", (413, "invalid_request")),
    ],
)
def test_malformed_bodies_are_told_as_json(world: World, body: bytes, kind: str, expected: tuple[int, str]) -> None:
    assert error_of(world.browser().post("/token", data=body, content_type=kind)) == expected


def test_a_get_is_refused_with_the_method_that_works(world: World) -> None:
    response = world.browser().get("/token")
    assert error_of(response) == (405, "invalid_request")
    assert response.headers["Allow"] == "POST"


# --- client authentication ----------------------------------------------------------------------------------------------------------


def test_the_client_authenticates_by_its_registered_method_alone(world: World) -> None:
    browser, _, _ = signed_in(world)
    basic, basic_secret = world.client()
    post, post_secret = world.client(auth_method="client_secret_post")
    form = {"grant_type": "authorization_code", "code": "x", "redirect_uri": REDIRECT_URI}
    assert error_of(token_request(browser, post, post_secret, dict(form))) == (400, "invalid_grant")
    by_post = {**form, "client_id": basic.client_id, "client_secret": basic_secret}
    assert error_of(browser.post("/token", data=by_post)) == (401, "invalid_client")
    header = "Basic " + base64.b64encode(f"{post.client_id}:{post_secret}".encode()).decode()
    assert error_of(browser.post("/token", data=form, headers={"Authorization": header})) == (401, "invalid_client")
    both = browser.post("/token", data={**by_post, "client_secret": "x"}, headers={"Authorization": header})
    assert error_of(both) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "Basic Og==", "Bearer abc", "Basic " + "A" * 6000]
)
def test_a_malformed_header_is_invalid_client_with_a_challenge(world: World, header: str) -> None:
    response = world.browser().post("/token", data={"grant_type": "authorization_code", "code": "x"}, headers={"Authorization": header})
    assert error_of(response) == (401, "invalid_client")
    assert response.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_unknown_client_and_a_wrong_secret_look_the_same(world: World) -> None:
    client, _ = world.client()
    wrong = token_request(world.browser(), client, "wrong-ế", {"grant_type": "authorization_code", "code": "x"})
    header = "Basic " + base64.b64encode(b"nobody:wrong").decode()
    unknown = world.browser().post("/token", data={"grant_type": "authorization_code", "code": "x"}, headers={"Authorization": header})
    assert (wrong.status_code, wrong.data) == (unknown.status_code, unknown.data)


def test_failures_of_a_known_client_are_audited_and_a_flood_of_them_is_not(world: World) -> None:
    client, _ = world.client()
    for _ in range(25):
        token_request(world.browser(), client, "wrong", {"grant_type": "authorization_code", "code": "x"})
    failures = [one for one in world.services.audit.events(most=200) if one.event == "client_authentication_failed"]
    assert len([one for one in failures if one.client_id == client.client_id]) == 20


def test_a_public_client_needs_only_its_name_and_the_verifier(world: World) -> None:
    client, _ = world.client(auth_method="none")
    browser = world.browser()
    world.sign_in(browser, world.account())
    code = world.code(browser, client)
    assert error_of(world.redeem(browser, client, "", code, code_verifier=None)) == (400, "invalid_grant")
    assert world.redeem(browser, client, "", world.code(browser, client)).status_code == 200
    confidential, _ = world.client()
    bare = {"grant_type": "authorization_code", "code": "x", "client_id": confidential.client_id}
    assert error_of(browser.post("/token", data=bare)) == (401, "invalid_client")


def assertion(client: Client, key: ECKey, **changes: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": "http://localhost:8400",
        "exp": now + 60,
        "iat": now,
        "jti": unguessable(),
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, key, algorithms=["ES256"])


def by_assertion(world: World, client: Client, code: str, token: str, **more: str) -> TestResponse:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": token,
        **more,
    }
    return world.browser().post("/token", data=form)


def assertion_client(world: World) -> tuple[Client, ECKey, Browser]:
    key = ECKey.generate_key("P-256", {"kid": "k1"})
    client, _ = world.client(auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    browser = world.browser()
    world.sign_in(browser, world.account())
    return client, key, browser


@pytest.mark.parametrize("audience", ["http://localhost:8400", "http://localhost:8400/token", ["http://localhost:8400"]])
def test_private_key_jwt_works_once_per_assertion(world: World, audience: str | list[str]) -> None:
    client, key, browser = assertion_client(world)
    token = assertion(client, key, aud=audience)
    assert by_assertion(world, client, world.code(browser, client), token).status_code == 200
    assert error_of(by_assertion(world, client, world.code(browser, client), token)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://else.example"},
        {"aud": ["http://localhost:8400", "https://else.example"]},
        {"aud": None},
        {"iss": "else"},
        {"sub": "else"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 99999999999},
        {"exp": 10**400},
        {"nbf": 99999999999},
        {"iat": 99999999999},
        {"jti": None},
        {"jti": 5},
        {"jti": "x" * 1000},
    ],
)
def test_a_bad_assertion_is_invalid_client(world: World, changes: dict[str, Any]) -> None:
    client, key, browser = assertion_client(world)
    token = assertion(client, key, **changes)
    assert error_of(by_assertion(world, client, world.code(browser, client), token)) == (401, "invalid_client")


def test_an_assertion_of_a_foreign_key_or_without_signature_is_invalid_client(world: World) -> None:
    client, key, browser = assertion_client(world)
    foreign = assertion(client, ECKey.generate_key("P-256", {"kid": "k1"}))
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    unsigned = f"{header}.{assertion(client, key).split('.')[1]}."
    deep = f"{header}.{base64.urlsafe_b64encode(b'[' * 5000).decode()}."
    for token in (foreign, unsigned, deep, "junk", "a.b.c", "ế.ế.ế", "x" * 8000):
        assert error_of(by_assertion(world, client, world.code(browser, client), token))[1] in {"invalid_client", "invalid_request"}
    with_secret = by_assertion(world, client, "x", assertion(client, key), client_secret="x")
    assert error_of(with_secret) == (400, "invalid_request")
    other_id = by_assertion(world, client, "x", assertion(client, key), client_id="else")
    assert error_of(other_id) == (401, "invalid_client")


# --- refresh tokens -----------------------------------------------------------------------------------------------------------------


def test_a_refresh_rotates_and_keeps_who_and_when(world: World) -> None:
    browser, client, secret = signed_in(world)
    first = world.tokens(browser, client, secret, scope="openid profile offline_access")
    second = refresh(browser, client, secret, first["refresh_token"]).json or {}
    before, after = world.claims(first["id_token"]), world.claims(second["id_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert all(before[name] == after[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "sid"))
    assert "nonce" not in after
    assert browser.get("/userinfo", headers={"Authorization": f"Bearer {second['access_token']}"}).status_code == 200


def test_a_loser_within_the_grace_gets_nothing_and_the_family_lives(world: World) -> None:
    browser, client, secret = signed_in(world)
    first = world.tokens(browser, client, secret)["refresh_token"]
    second = (refresh(browser, client, secret, first).json or {})["refresh_token"]
    assert error_of(refresh(browser, client, secret, first)) == (400, "invalid_grant")
    assert refresh(browser, client, secret, second).status_code == 200


def test_a_later_reuse_revokes_the_family(world: World) -> None:
    browser, client, secret = signed_in(world)
    first = world.tokens(browser, client, secret)["refresh_token"]
    answer = refresh(browser, client, secret, first).json or {}
    with world.services.database.transaction() as tx:
        earlier = datetime.now(UTC) - timedelta(seconds=6)
        tx.execute(update(refresh_tokens).where(refresh_tokens.c.used_at.is_not(None)).values(used_at=earlier))
    assert error_of(refresh(browser, client, secret, first)) == (400, "invalid_grant")
    assert error_of(refresh(browser, client, secret, answer["refresh_token"])) == (400, "invalid_grant")
    assert browser.get("/userinfo", headers={"Authorization": f"Bearer {answer['access_token']}"}).status_code == 401


@pytest.mark.race
def test_fifty_refreshes_of_one_token_have_one_winner(world: World) -> None:
    browser, client, secret = signed_in(world)
    token = world.tokens(browser, client, secret)["refresh_token"]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: refresh(world.browser(), client, secret, token), range(50)))
    won = [answer.json or {} for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {error_of(answer) for answer in answers if answer.status_code != 200} <= LOST
    assert refresh(browser, client, secret, won[0]["refresh_token"]).status_code == 200


def test_a_client_without_rotation_keeps_its_token(world: World) -> None:
    client, secret = world.client(refresh_rotation=False)
    browser = world.browser()
    world.sign_in(browser, world.account())
    token = world.tokens(browser, client, secret)["refresh_token"]
    for _ in range(3):
        assert (refresh(browser, client, secret, token).json or {})["refresh_token"] == token


def test_a_refresh_token_of_another_client_is_invalid_grant_and_stays_good(world: World) -> None:
    browser, client, secret = signed_in(world)
    other, other_secret = world.client()
    token = world.tokens(browser, client, secret)["refresh_token"]
    assert error_of(refresh(browser, other, other_secret, token)) == (400, "invalid_grant")
    assert refresh(browser, client, secret, token).status_code == 200


def test_a_refresh_may_narrow_the_scope_and_never_widen_it(world: World) -> None:
    browser, client, secret = signed_in(world)
    token = world.tokens(browser, client, secret, scope="openid profile")["refresh_token"]
    narrowed = refresh(browser, client, secret, token, scope="openid").json or {}
    assert narrowed["scope"] == "openid"
    wider = refresh(browser, client, secret, narrowed["refresh_token"], scope="openid email")
    assert error_of(wider) == (400, "invalid_scope")


def test_a_refresh_ends_with_the_account_the_level_and_the_session(world: World) -> None:
    browser, client, secret = signed_in(world)
    session = world.services.sessions.find((browser.get_cookie("senid_session")).value)  # type: ignore[union-attr]
    assert session is not None
    bound = world.tokens(browser, client, secret)["refresh_token"]
    lasting = world.tokens(browser, client, secret, scope="openid offline_access")["refresh_token"]
    world.services.logout.end(session, reason="test")
    assert error_of(refresh(browser, client, secret, bound)) == (400, "invalid_grant")
    again = (refresh(browser, client, secret, lasting).json or {})["refresh_token"]
    world.services.accounts.lock(session.account_id, reason="test", operator="test")
    assert error_of(refresh(browser, client, secret, again)) == (400, "invalid_grant")


def test_a_refresh_token_expires(world: World) -> None:
    browser, client, secret = signed_in(world)
    token = world.tokens(browser, client, secret)["refresh_token"]
    with world.services.database.transaction() as tx:
        tx.execute(update(refresh_tokens).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert error_of(refresh(browser, client, secret, token)) == (400, "invalid_grant")
    assert error_of(refresh(browser, client, secret, "unknown")) == (400, "invalid_grant")


def test_a_refresh_without_openid_gives_no_id_token_and_no_claims_of_a_person(world: World) -> None:
    browser, client, secret = signed_in(world)
    tokens = world.tokens(browser, client, secret, scope="openid profile")
    narrowed = refresh(browser, client, secret, tokens["refresh_token"], scope="profile").json or {}
    assert (narrowed["scope"], "id_token" in narrowed) == ("profile", False)
    response = browser.get("/userinfo", headers={"Authorization": f"Bearer {narrowed['access_token']}"})
    assert error_of(response) == (401, "invalid_token")


def test_a_wish_for_a_wider_scope_does_not_spend_the_refresh_token(world: World) -> None:
    browser, client, secret = signed_in(world)
    tokens = world.tokens(browser, client, secret)
    assert error_of(refresh(browser, client, secret, tokens["refresh_token"], scope="openid email")) == (400, "invalid_scope")
    assert refresh(browser, client, secret, tokens["refresh_token"]).status_code == 200


def test_refresh_and_userinfo_go_on_without_the_short_lived_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, client, secret = signed_in(world)
    tokens = world.tokens(browser, client, secret)

    def is_away(*_: object, **__: object) -> None:
        raise StoreUnavailable("short-lived store: away")

    for name in ("put", "get", "take", "exchange", "swap", "count", "peek", "remaining", "drop"):
        monkeypatch.setattr(world.services.short_lived, name, is_away)
    again = refresh(browser, client, secret, tokens["refresh_token"])
    assert again.status_code == 200
    assert browser.get("/userinfo", headers={"Authorization": f"Bearer {(again.json or {})['access_token']}"}).status_code == 200
    assert error_of(world.redeem(browser, client, secret, "any-code")) == (503, "temporarily_unavailable")


# --- a client of its own ------------------------------------------------------------------------------------------------------------


def machine(world: World, **changes: Any) -> tuple[Client, str]:
    wanted: dict[str, Any] = {"grant_types": ("client_credentials",), "machine_scopes": ("records.read", "records.write")}
    return world.client(**{**wanted, **changes})


def ask_for_itself(world: World, client: Client, secret: str, **form: str) -> TestResponse:
    return token_request(world.browser(), client, secret, {"grant_type": "client_credentials", **form})


@pytest.mark.parametrize(
    "form, scope",
    [({}, "records.read records.write"), ({"scope": "records.write"}, "records.write"), ({"scope": ""}, "records.read records.write")],
)
def test_a_client_gets_a_token_of_its_own_without_a_person(world: World, form: dict[str, str], scope: str) -> None:
    client, secret = machine(world)
    response = ask_for_itself(world, client, secret, **form)
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json or {}
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["scope"]) == ("Bearer", 600, scope)
    assert error_of(world.browser().get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})) == (
        401,
        "invalid_token",
    )
    assert [(event.event, event.facts) for event in world.services.audit.events(most=1)] == [
        ("client_token_issued", {"scopes": scope.split()})
    ]


@pytest.mark.parametrize("scope", ["openid", "records.delete", "records.read openid", "records.read  records.write"])
def test_a_client_gets_no_scope_that_it_was_not_given(world: World, scope: str) -> None:
    client, secret = machine(world)
    assert error_of(ask_for_itself(world, client, secret, scope=scope)) == (400, "invalid_scope")


def test_only_a_client_that_was_given_the_grant_and_has_credentials_may_ask_for_itself(world: World) -> None:
    client, secret = world.client()
    assert error_of(ask_for_itself(world, client, secret)) == (400, "unauthorized_client")
    client, secret = machine(world)
    assert error_of(ask_for_itself(world, client, f"{secret}x")) == (401, "invalid_client")
    public, _ = world.client(auth_method="none")
    assert error_of(ask_for_itself(world, public, "")) == (400, "unauthorized_client")
