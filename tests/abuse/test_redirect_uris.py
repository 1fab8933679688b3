"""Unregistered and near-miss `redirect_uri`: never a redirect, however else the request is wrong, and whoever is signed in."""

import pytest

from tests.abuse.calls import Call, escaped, send
from tests.abuse.recipes import RECIPES
from tests.abuse.siege import Siege
from tests.abuse.stage import OF_ANOTHER_PORTAL, Stage
from tests.world import REDIRECT_URI, World, authorization_parameters

NEAR_MISSES = {
    "another scheme": "http://portal.example/callback",
    "a scheme in capitals": "HTTPS://portal.example/callback",
    "a host in capitals": "https://PORTAL.example/callback",
    "a dot behind the host": "https://portal.example./callback",
    "a host in front": "https://evil.portal.example/callback",
    "a host behind": "https://portal.example.evil.example/callback",
    "a user before the host": "https://portal.example@evil.example/callback",
    "a user of the host": "https://x@portal.example/callback",
    "a port": "https://portal.example:8443/callback",
    "the port it has anyway": "https://portal.example:443/callback",
    "a longer path": "https://portal.example/callback/evil",
    "a longer name": "https://portal.example/callbacks",
    "a path that goes up": "https://portal.example/callback/../evil",
    "a path that goes up and comes back": "https://portal.example/x/../callback",
    "a letter in hexadecimal": "https://portal.example/%63allback",
    "a slash in hexadecimal": "https://portal.example%2fcallback",
    "two slashes": "https://portal.example//callback",
    "backslashes": "https:\\\\portal.example\\callback",
    "a query": "https://portal.example/callback?next=//evil.example",
    "an empty query": "https://portal.example/callback?",
    "a fragment": "https://portal.example/callback#x",
    "a parameter": "https://portal.example/callback;x=1",
    "a space before": " https://portal.example/callback",
    "a space behind": "https://portal.example/callback ",
    "a tab inside": "https://portal.example/call\tback",
    "a line end": "https://portal.example/callback\r\nSet-Cookie: x=1",
    "a look-alike letter": "https://p\u043ertal.example/callback",
    "a wide letter": "https://portal.example/\uff43allback",
    "no scheme": "//portal.example/callback",
    "a path alone": "/callback",
    "a script": "javascript:alert(1)//https://portal.example/callback",
    "data": "data:text/html,<script>alert(1)</script>",
    "a list": "https://portal.example/callback https://evil.example/",
    "where logout leads": "https://portal.example/signed-out",
    "of another portal": OF_ANOTHER_PORTAL,
}
# Each of these would be returned to the portal, if it were the portal's address.
OTHER_MISTAKES: dict[str, dict[str, str | None]] = {
    "none": {},
    "prompt=none": {"prompt": "none"},
    "an unsupported response type": {"response_type": "token"},
    "no scope": {"scope": None},
    "by form": {"response_mode": "form_post", "prompt": "none"},
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_near_misses_are_a_page(stage: Stage, method: str) -> None:
    siege = Siege.lay(stage, RECIPES.all()[f"{method} /authorize"])
    for label, redirect_uri in NEAR_MISSES.items():
        for more, changes in OTHER_MISTAKES.items():
            fields = tuple(authorization_parameters(stage.client, **{**changes, "redirect_uri": redirect_uri}).items())
            answer = siege.attack(f"{label}, {more}", siege.target.with_fields(fields))
            assert answer.status == 400, (label, more, answer.status)
            assert 'data-error="invalid_redirect_uri"' in answer.text, (label, more)
            assert "<form" not in answer.text, (label, more)
    assert siege.problems == []


def test_near_misses_stay_on_a_page_for_whoever_is_signed_in(stage: Stage) -> None:
    """There is a session and consent, so that only the address stands between the attacker and a code."""
    siege = Siege.lay(stage, RECIPES.all()["GET /end_session"])
    jar = siege.target.jar
    good = Call.with_fields("GET", "/authorize", tuple(authorization_parameters(stage.client).items()), {})
    assert "code=" in send(stage.world.app, good, dict(jar)).header("Location")
    for label, redirect_uri in NEAR_MISSES.items():
        answer = siege.attack(label, good.with_raw(good.raw.replace(escaped(REDIRECT_URI), escaped(redirect_uri))), jar=jar)
        assert (answer.status, answer.header("Location")) == (400, ""), label
    assert siege.problems == []


def test_near_misses_of_the_address_after_logout_are_a_page(stage: Stage) -> None:
    siege = Siege.lay(stage, RECIPES.all()["GET /end_session"])
    registered = dict(siege.target.fields)["post_logout_redirect_uri"]
    for label, near_miss in NEAR_MISSES.items():
        if near_miss != registered:
            wanted = near_miss.replace("callback", "signed-out")
            fields = (*siege.without("post_logout_redirect_uri"), ("post_logout_redirect_uri", wanted))
            answer = siege.attack(label, siege.target.with_fields(fields), is_refused=True)
            assert 'data-error="invalid_logout_request"' in answer.text, label
    assert siege.problems == []


def test_a_code_is_not_redeemed_for_a_near_miss(stage: Stage) -> None:
    siege = Siege.lay(stage, RECIPES.all()["POST /token with a code"])
    for label, redirect_uri in NEAR_MISSES.items():
        fields = (*siege.without("redirect_uri"), ("redirect_uri", redirect_uri))
        answer = siege.attack(label, siege.target.with_fields(fields), is_refused=True)
        assert '"error":"invalid_grant"' in answer.text, label
    assert siege.problems == []


def test_two_registered_addresses_are_told_apart(stage: Stage) -> None:
    """The second registered address is as good as the first, and a code for one is worth nothing with the other."""
    stage.begin()
    world: World = stage.world
    other = "https://portal.example/other"
    client, secret = world.client(redirect_uris=(REDIRECT_URI, other))
    browser = stage.signed_in().browser
    code = world.code(browser, client)
    assert world.redeem(browser, client, secret, code, redirect_uri=other).status_code == 400
    answer = world.authorize(browser, client, redirect_uri=other).headers["Location"]
    assert answer.startswith(f"{other}?code=")
