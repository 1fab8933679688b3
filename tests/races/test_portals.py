"""Fifty at once, in one process and in two, with one code, refresh token, interaction or consent: nobody gets what another got."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from idp.storage.tables import consents, grants, refresh_tokens
from idp.values import secret_hash
from tests.crashes.invariants import half_things
from tests.races.attacks import ATTACKS
from tests.races.scene import GRACE, Scene, redemption, refreshing

pytestmark = pytest.mark.race


def is_alive(scene: Scene, access_token: str) -> bool:
    answer = scene.world.browser().get("/userinfo", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


def refresh_once(scene: Scene, named: dict[str, str]) -> tuple[str, dict[str, str]]:
    return ATTACKS["refresh"](scene.world, 0, named)()


# --- codes --------------------------------------------------------------------------------------------------------------------------


def test_one_takes_a_code_and_every_other_one_revokes_its_grant(scene: Scene) -> None:
    browser, client, _secret, _account = scene.signed_in()
    ends = scene.race("take_code", client_id=client.client_id, code=scene.world.code(browser, client))
    assert (len(ends.won), ends.lost) == (1, {"invalid_grant"}), ends.told
    with scene.world.services.database.reading() as connection:
        row = connection.execute(select(grants).where(grants.c.id == ends.won[0]["value"])).one()
    assert (row.account_id, row.revoked_reason) == (None, "code_replayed")
    assert half_things(scene.world.services.database) == []


def test_of_fifty_exchanges_one_at_most_gives_tokens_and_none_of_them_lives(scene: Scene) -> None:
    for _ in range(3):  # now the first redemption is written before the first replay, now after
        browser, client, secret, _account = scene.signed_in()
        ends = scene.race("redeem", **redemption(client, secret, scene.world.code(browser, client)))
        assert len(ends.won) <= 1, ends.told
        assert ends.lost == {"invalid_grant"}, ends.told
        for tokens in ends.won:
            assert not is_alive(scene, tokens["access_token"])
            assert refresh_once(scene, refreshing(client, secret, tokens["refresh_token"]))[0] == "invalid_grant"
        assert half_things(scene.world.services.database) == []
        tokens = scene.world.tokens(browser, client, secret)  # the person's session lets the portal start again
        assert is_alive(scene, tokens["access_token"])


# --- refresh tokens -----------------------------------------------------------------------------------------------------------------


def test_of_fifty_refreshes_one_wins_and_the_family_lives_until_the_token_comes_again_later(scene: Scene) -> None:
    browser, client, secret, _account = scene.signed_in()
    first = scene.world.tokens(browser, client, secret)
    named = refreshing(client, secret, first["refresh_token"])
    ends = scene.race("refresh", **named)
    assert (len(ends.won), ends.lost) == (1, {"invalid_grant"}), ends.told
    [second] = ends.won
    assert is_alive(scene, first["access_token"])
    assert is_alive(scene, second["access_token"])
    end, third = refresh_once(scene, refreshing(client, secret, second["refresh_token"]))
    assert end == "won"
    assert half_things(scene.world.services.database) == []
    with scene.later(GRACE + timedelta(seconds=1)):
        assert refresh_once(scene, named)[0] == "invalid_grant"
    assert refresh_once(scene, refreshing(client, secret, third["refresh_token"]))[0] == "invalid_grant"
    assert [is_alive(scene, tokens["access_token"]) for tokens in (first, second, third)] == [False, False, False]


def test_fifty_who_reuse_a_token_too_late_revoke_the_family_once_and_for_good(scene: Scene) -> None:
    browser, client, secret, _account = scene.signed_in()
    first = scene.world.tokens(browser, client, secret)
    named = refreshing(client, secret, first["refresh_token"])
    _end, second = refresh_once(scene, named)
    with scene.world.services.database.transaction() as tx:  # the attackers' clocks are the database's own
        long_ago = scene.world.services.database.now(tx) - GRACE - timedelta(seconds=1)
        tx.execute(
            refresh_tokens.update().where(refresh_tokens.c.token_hash == secret_hash(named["refresh_token"])).values(used_at=long_ago)
        )
    ends = scene.race("refresh", **named)
    assert (ends.won, ends.lost) == ([], {"invalid_grant"}), ends.told
    assert refresh_once(scene, refreshing(client, secret, second["refresh_token"]))[0] == "invalid_grant"
    assert not is_alive(scene, second["access_token"])


# --- interactions -------------------------------------------------------------------------------------------------------------------


def test_one_finishes_an_interaction(scene: Scene) -> None:
    interaction = scene.world.services.interactions.open(None, browser_hash="browser", language="vi")
    ends = scene.race("finish", id=interaction.id, browser_hash="browser")
    assert (len(ends.won), ends.lost) == (1, {"interaction_missing"}), ends.told


def test_of_fifty_tabs_at_the_dispatcher_one_brings_a_code_to_the_portal(scene: Scene) -> None:
    browser, client, secret, account = scene.signed_in()
    opened = scene.world.authorize(browser, client, scope="openid profile", prompt="consent")
    interaction_id = opened.headers["Location"].removeprefix("/authorize/")
    names = (scene.world.cookies.browser, scene.world.cookies.session)
    cookies = {name: cookie.value for name in names if (cookie := browser.get_cookie(name))}
    services = scene.world.services
    interaction = services.interactions.get(interaction_id, browser_hash=secret_hash(cookies[scene.world.cookies.browser]))
    services.consents.record(account, client, client.scopes)
    services.interactions.record_consent(interaction, account)
    ends = scene.race("dispatch", id=interaction_id, cookies=cookies)
    assert (len(ends.won), ends.lost) == (1, {"interaction_missing"}), ends.told
    assert scene.world.redeem(browser, client, secret, ends.won[0]["code"]).status_code == 200


# --- consent and subjects -----------------------------------------------------------------------------------------------------------


def test_fifty_consents_at_once_are_one_that_holds_every_scope(scene: Scene) -> None:
    _browser, client, _secret, account = scene.signed_in()
    ends = scene.race("agree", account=account, client_id=client.client_id)
    assert ends.lost == set(), ends.told
    agreed = {f"scope-{number}" for number, (end, _) in enumerate(ends.of_all) if end == "won"}
    assert agreed
    with scene.world.services.database.reading() as connection:
        [row] = connection.execute(select(consents).where(consents.c.account_id == account)).all()
    assert set(row.scopes) == agreed
    events = scene.world.services.audit.events(account_id=account, most=100)
    assert sum(event.event == "consent_given" for event in events) == len(agreed)


def test_one_takes_a_consent_back(scene: Scene) -> None:
    browser, client, secret, account = scene.signed_in()
    tokens = scene.world.tokens(browser, client, secret)
    ends = scene.race("withdraw", account=account, client_id=client.client_id)
    assert ends.lost == set(), ends.told
    assert [gave["value"] for gave in ends.won].count(True) == 1
    assert not is_alive(scene, tokens["access_token"])


def test_fifty_first_meetings_give_a_person_one_name(scene: Scene) -> None:
    _browser, client, _secret, account = scene.signed_in()
    ends = scene.race("name_subject", account=account, client_id=client.client_id)
    assert ends.lost == set(), ends.told
    assert len({gave["value"] for gave in ends.won}) == 1
