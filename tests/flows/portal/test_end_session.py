"""The logout endpoint: hints, addresses, and what ends with the session."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import time_machine
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from tests.world import World, answer_of

BACK = "https://portal.example/signed-out"


def end_session(browser: Browser, **parameters: str) -> TestResponse:
    return browser.get(f"/end_session?{urlencode(parameters)}")


def test_a_hint_of_this_session_signs_out_and_returns_with_state(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    tokens = world.tokens(browser, client, secret)
    response = end_session(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BACK, state="s" * 128)
    assert response.headers["Location"].startswith(BACK + "?")
    assert dict(parse_qsl(urlsplit(response.headers["Location"]).query)) == {"state": "s" * 128}
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "login_required"
    assert browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 401


def test_no_state_in_means_no_state_out_and_a_post_works_too(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    # A form of another site does not carry our cookie: the decision waits for the GET that follows, which does.
    posted = world.browser().post("/end_session", data={"id_token_hint": hint, "post_logout_redirect_uri": BACK})
    assert posted.headers["Location"].startswith("/end_session/")
    assert browser.get(posted.headers["Location"]).headers["Location"] == BACK
    assert answer_of(world.authorize(browser, client, prompt="none"))["error"] == "login_required"


def test_a_head_signs_nobody_out(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    assert browser.head(f"/end_session?{urlencode({'id_token_hint': hint})}").status_code == 405
    world.code(browser, client)


def test_nobody_signed_in_stores_nothing_and_is_told_so(world: World) -> None:
    assert end_session(world.browser()).headers["Location"] == "/sign-out/done"


def test_a_code_on_its_way_gives_nothing_after_the_session_has_ended(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    code = world.code(browser, client)
    end_session(browser, id_token_hint=hint)
    refused = world.redeem(browser, client, secret, code)
    assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_grant")


def test_without_a_hint_the_person_is_asked_and_nobody_is_sent_anywhere(world: World) -> None:
    client, _ = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    world.code(browser, client)
    for parameters in ({}, {"state": "x"}, {"client_id": client.client_id, "post_logout_redirect_uri": BACK}):
        response = end_session(browser, **parameters)
        assert response.headers["Location"].startswith("/sign-out/")
    assert "code" in answer_of(world.authorize(browser, client, prompt="none"))


def test_a_hint_of_somebody_elses_session_asks_first(world: World) -> None:
    client, secret = world.client()
    mine, theirs = world.browser(), world.browser()
    world.sign_in(mine, world.account())
    world.sign_in(theirs, world.account())
    hint = world.tokens(theirs, client, secret)["id_token"]
    response = end_session(mine, id_token_hint=hint, post_logout_redirect_uri=BACK)
    assert response.headers["Location"].startswith("/sign-out/")
    world.code(mine, client)


@pytest.mark.parametrize(
    "address", [BACK + "?x=1", BACK + "/", "https://evil.example/", "javascript://x", "https://portal.example/callback"]
)
def test_an_unregistered_address_is_a_page(world: World, address: str) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    response = end_session(browser, id_token_hint=hint, post_logout_redirect_uri=address)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_a_forged_hint_is_a_page(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    good = world.tokens(browser, client, secret)["id_token"]
    header, payload, _signature = good.split(".")
    unsigned = "eyJhbGciOiJub25lIn0." + payload + "."
    for hint in (unsigned, f"{header}.{payload}.AAAA", "junk", "é", good[:-4] + "AAAA"):
        response = end_session(browser, id_token_hint=hint, post_logout_redirect_uri=BACK)
        assert response.status_code == 400, hint[:20]
        assert "Location" not in response.headers
    other, _ = world.client()
    assert end_session(browser, id_token_hint=good, client_id=other.client_id).status_code == 400
    world.code(browser, client)


def test_an_expired_hint_still_signs_out(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    hint = world.tokens(browser, client, secret)["id_token"]
    with time_machine.travel(world.services.clock.now() + world.services.config.tokens.id_token_lifetime * 2, tick=True):
        assert end_session(browser, id_token_hint=hint, post_logout_redirect_uri=BACK).headers["Location"] == BACK
