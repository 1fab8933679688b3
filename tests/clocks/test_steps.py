"""A machine whose clock is set forward or back brings nothing back, and takes nothing that the stores keep."""

from datetime import timedelta

import pytest

from idp.errors import OtpWait
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from tests.clocks.nodes import HOUR, SECOND, Cluster
from tests.clocks.perishables import OF_STORES, PERISHABLES, SHORT_LIVED, SINGLE_USE
from tests.world import answer_of

MINUTE = timedelta(minutes=1)
STEPS = {"an hour forward": HOUR, "five minutes forward": 5 * MINUTE, "five minutes back": -5 * MINUTE, "an hour back": -HOUR}
EACH_STEP = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
EACH_STEP_BACK = pytest.mark.parametrize("step", [-5 * MINUTE, -HOUR], ids=["five minutes", "an hour"])


@EACH_STEP
def test_what_is_spent_stays_spent(cluster: Cluster, step: timedelta) -> None:
    kinds = {name: PERISHABLES[name].make(cluster) for name in SINGLE_USE}
    assert [name for name, use in kinds.items() if not use()] == []
    cluster.step(step)

    assert [name for name, use in kinds.items() if use()] == []


@EACH_STEP_BACK
def test_what_was_found_dead_stays_dead(embedded: Cluster, step: timedelta) -> None:
    """The embedded store knows no time but the machine's: what it has told to be over it must not tell to be alive."""
    kinds = {name: PERISHABLES[name].make(embedded) for name in SHORT_LIVED}
    embedded.pass_time(max(PERISHABLES[name].lifetime(embedded.config) for name in SHORT_LIVED))
    assert [name for name, use in kinds.items() if use()] == []
    embedded.step(-max(PERISHABLES[name].lifetime(embedded.config) for name in SHORT_LIVED) + step)

    assert [name for name, use in kinds.items() if use()] == []


@EACH_STEP
def test_what_the_stores_keep_lives_whatever_the_clock_of_a_node_says(on_servers: Cluster, step: timedelta) -> None:
    kinds = {name: PERISHABLES[name].make(on_servers) for name in OF_STORES}
    on_servers.step(step)

    assert [name for name, is_good in kinds.items() if not is_good()] == []


@pytest.mark.parametrize("step", [5 * MINUTE, -5 * MINUTE, -HOUR], ids=["five minutes forward", "five minutes back", "an hour back"])
def test_people_stay_signed_in_over_a_step(cluster: Cluster, step: timedelta) -> None:
    node = cluster.right
    browser = node.signed_in(cluster.citizen().account_id)
    cluster.step(step)
    assert node.knows(browser)
    cluster.step(-step)
    assert node.knows(browser)


@EACH_STEP
def test_a_step_and_its_correction_take_nothing_of_production(on_servers: Cluster, step: timedelta) -> None:
    """What is told to be over while a clock is wrong is not thrown away."""
    kinds = {name: PERISHABLES[name].make(on_servers) for name in ("session", "one-time code", "known device")}
    node = on_servers.right
    browser = node.signed_in(on_servers.citizen().account_id)
    on_servers.step(step)
    node.knows(browser)
    on_servers.step(-step)

    assert node.knows(browser)
    assert [name for name, is_good in kinds.items() if not is_good()] == []


@EACH_STEP
def test_the_family_of_a_refresh_race_outlives_a_step(on_servers: Cluster, step: timedelta) -> None:
    node, portal = on_servers.right, on_servers.portal()
    first = node.world.tokens(node.signed_in(on_servers.citizen().account_id), *portal)["refresh_token"]
    second = node.refresh(*portal, first)[1]["refresh_token"]
    on_servers.step(step)

    assert node.refresh(*portal, first)[0] == 400
    assert node.refresh(*portal, second)[0] == 200


@EACH_STEP
def test_locking_an_account_ends_its_sessions_although_the_clock_was_set(cluster: Cluster, step: timedelta) -> None:
    node, portal, citizen = cluster.right, cluster.portal(), cluster.citizen()
    browser = node.signed_in(citizen.account_id)
    tokens = node.world.tokens(browser, *portal, scope="openid offline_access")
    cluster.step(step)
    cluster.pass_time(10 * SECOND)
    assert node.services.accounts.lock(citizen.account_id, reason="a test", operator="nobody")
    assert node.services.accounts.unlock(citizen.account_id, reason="a test", operator="nobody")

    assert answer_of(node.world.authorize(browser, portal[0], prompt="none"))["error"] == "login_required"
    assert node.userinfo(tokens["access_token"]) == 401
    assert node.refresh(*portal, tokens["refresh_token"])[0] == 400


# --- nobody waits longer than was meant ---------------------------------------------------------------------------------------------


@EACH_STEP_BACK
def test_nobody_is_kept_from_signing_in_for_longer_than_the_longest_delay(cluster: Cluster, step: timedelta) -> None:
    keeps_away = PERISHABLES["delay after wrong passwords"].make(cluster)
    cluster.step(step)
    cluster.pass_time(cluster.config.sign_in.longest_delay)

    assert not keeps_away()


@EACH_STEP_BACK
def test_nobody_is_told_to_wait_longer_for_a_code_than_the_wait(on_servers: Cluster, step: timedelta) -> None:
    codes, citizen = on_servers.right.services.one_time_codes, on_servers.citizen()
    phone, owner = phone_numbers.parse(citizen.phone), citizen.account_id
    codes.send(Purpose.SIGN_IN, phone=phone, owner=owner, language="vi")
    on_servers.step(step)
    with pytest.raises(OtpWait) as caught:
        codes.send(Purpose.SIGN_IN, phone=phone, owner=owner, language="vi")

    assert timedelta(seconds=caught.value.retry_after_seconds or 0) <= on_servers.config.one_time_codes.resend_wait
