"""Everything that has an end is good in its last second and not at its end; Redis is given the same lifetimes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import redis

from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.values import new_secret
from tests.clocks.nodes import HOUR, SECOND, Cluster, Node
from tests.clocks.perishables import OF_DATABASE_ALONE, OF_NODES, PERISHABLES, Perishable, signed_assertion
from tests.world import answer_of

DAY = timedelta(days=1)


@pytest.mark.parametrize("kind", PERISHABLES.values(), ids=PERISHABLES)
def test_it_is_good_until_its_end_and_not_at_it(embedded: Cluster, kind: Perishable) -> None:
    one, other = kind.make(embedded), kind.make(embedded)
    embedded.pass_time(kind.lifetime(embedded.config) - kind.margin)
    assert one()
    embedded.pass_time(kind.margin)
    assert not other()


@pytest.mark.parametrize("name", OF_NODES)
def test_a_node_ends_it_by_its_own_clock_although_redis_keeps_it(on_servers: Cluster, name: str) -> None:
    """The time of Redis stands almost still here: only the node's goes on."""
    kind = PERISHABLES[name]
    one, other = kind.make(on_servers), kind.make(on_servers)
    on_servers.step(kind.lifetime(on_servers.config) - kind.margin)
    assert one()
    on_servers.step(kind.margin)
    assert not other()


def test_a_session_that_is_used_ends_at_its_last_second_all_the_same(embedded: Cluster) -> None:
    node, lifetimes = embedded.right, embedded.config.sessions
    browser = node.signed_in(embedded.citizen().account_id)
    step = lifetimes.idle_lifetime - SECOND
    left = lifetimes.absolute_lifetime - SECOND
    while left > step:
        embedded.pass_time(step)
        left -= step
        assert node.knows(browser)
    embedded.pass_time(left)
    assert node.knows(browser)
    embedded.pass_time(SECOND)
    assert not node.knows(browser)


def test_a_consent_has_no_end(embedded: Cluster) -> None:
    node, (client, _), account_id = embedded.right, embedded.portal(), embedded.citizen().account_id
    node.services.consents.record(account_id, client, client.scopes)
    embedded.pass_time(3650 * DAY)

    assert "code" in answer_of(node.world.authorize(node.signed_in(account_id), client, prompt="none"))


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.999999])
def test_an_id_token_tells_whole_seconds_that_have_begun(cluster: Cluster, fraction: float) -> None:
    """`iat` and `auth_time` are never ahead of the clocks that told them, and `exp` lies the lifetime behind `iat`, to the second."""
    node, portal = cluster.right, cluster.portal()
    began = int(node.clock.now().timestamp())
    node.clock.move(timedelta(seconds=fraction))
    browser = node.signed_in(cluster.citizen().account_id)
    before = time_of_database(node)
    claims = node.world.claims(node.world.tokens(browser, *portal, max_age="600")["id_token"])

    assert claims["auth_time"] == began
    assert int(before) <= claims["iat"] <= time_of_database(node)
    assert claims["exp"] == claims["iat"] + cluster.config.tokens.id_token_lifetime.total_seconds()


def time_of_database(node: Node) -> float:
    with node.services.database.reading() as connection:
        return node.services.database.now(connection).timestamp()


@pytest.mark.parametrize("name", OF_DATABASE_ALONE)
def test_the_database_ends_it_by_its_own_time(on_servers: Cluster, name: str) -> None:
    """Neither the clocks of the nodes nor the time of Redis go on here."""
    kind = PERISHABLES[name]
    one, other = kind.make(on_servers), kind.make(on_servers)
    on_servers.time.move(kind.lifetime(on_servers.config) - kind.margin)
    assert one()
    on_servers.time.move(kind.margin)
    assert not other()


# --- the lifetimes that Redis is given ----------------------------------------------------------------------------------------------


@contextmanager
def lifetimes(cluster: Cluster) -> Iterator[dict[str, timedelta]]:
    """Give the longest lifetime of each kind of key that the block writes, counted from the block's beginning."""
    found: dict[str, timedelta] = {}
    with redis.Redis.from_url(cluster.redis_url) as store:
        before = {key: store.get(key) for key in store.scan_iter()}
        began = time.monotonic()
        yield found
        for key in store.scan_iter():
            if before.get(key) != store.get(key):
                kind = key.decode().partition(":")[0]
                left = timedelta(milliseconds=int(store.pttl(key)))
                assert left > timedelta(0), f"{kind} would be kept for ever"
                found[kind] = max(found.get(kind, left), left)
        found["(took)"] = timedelta(seconds=time.monotonic() - began)


def assert_given(found: dict[str, timedelta], kind: str, lifetime: timedelta) -> None:
    """Hold a lifetime to what was given, less the time since."""
    assert lifetime - found["(took)"] - SECOND <= found[kind] <= lifetime, (kind, found)


def test_redis_is_given_the_lifetimes_of_a_code_and_its_tokens(on_servers: Cluster) -> None:
    node, portal, tokens = on_servers.right, on_servers.portal(), on_servers.config.tokens
    browser = node.signed_in(on_servers.citizen().account_id)
    with lifetimes(on_servers) as found:
        code = node.world.code(browser, portal[0])
    assert_given(found, "authorization_code", tokens.code_lifetime)
    with lifetimes(on_servers) as found:
        assert node.world.redeem(node.world.browser(), *portal, code).status_code == 200
    assert_given(found, "authorization_code", DAY)  # its tombstone


def test_redis_is_given_what_is_left_of_a_session(on_servers: Cluster) -> None:
    node, settings = on_servers.right, on_servers.config.sessions
    with lifetimes(on_servers) as found:
        browser = node.signed_in(on_servers.citizen().account_id)
    assert_given(found, "session", settings.idle_lifetime)
    # Only the node's clock goes on, as if it had been used all the time: Redis cannot be moved.
    for _ in range(23):
        node.clock.move(20 * timedelta(minutes=1))
        assert node.knows(browser)
    with lifetimes(on_servers) as found:
        node.clock.move(10 * timedelta(minutes=1))
        assert node.knows(browser)
    assert_given(found, "session", settings.absolute_lifetime - 23 * 20 * timedelta(minutes=1) - 10 * timedelta(minutes=1))


def send_code(cluster: Cluster) -> None:
    citizen = cluster.citizen()
    codes = cluster.right.services.one_time_codes
    codes.send(Purpose.SIGN_IN, phone=phone_numbers.parse(citizen.phone), owner=citizen.account_id, language="vi")


def finish_interaction(cluster: Cluster) -> None:
    interactions = cluster.right.services.interactions
    interactions.finish(interactions.open(None, browser_hash="browser", language="vi"))


def guess(cluster: Cluster) -> None:
    guard, login = cluster.right.services.sign_in_guard, new_secret()
    guard.check(login, "203.0.113.99", known_device=False)
    guard.failed(login, "203.0.113.99", known_device=False)


def show_picture(cluster: Cluster) -> None:
    cluster.right.services.captcha.issue()


def hit_limit(cluster: Cluster) -> None:
    cluster.right.services.rate_limits.hit("test", new_secret(), most=1, window=3 * HOUR)


def show_assertion(cluster: Cluster) -> None:
    assert signed_assertion(cluster)()


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    "act, given",
    [
        (send_code, {"otp_code": 2 * MINUTE, "otp": HOUR, "otp_wait": MINUTE, "limit": DAY}),
        (finish_interaction, {"interaction": HOUR}),
        (guess, {"sign_in_tries": DAY}),
        (show_picture, {"captcha": 5 * MINUTE}),
        (hit_limit, {"limit": 3 * HOUR}),
    ],
    ids=["a one-time code", "an interaction", "a wrong password", "a picture code", "a limit"],
)
def test_redis_is_given_the_lifetimes_of(on_servers: Cluster, act: Callable[[Cluster], None], given: dict[str, timedelta]) -> None:
    with lifetimes(on_servers) as found:
        act(on_servers)

    for kind, lifetime in given.items():
        assert_given(found, kind, lifetime)


def test_redis_remembers_an_assertion_as_long_as_it_could_be_good(on_servers: Cluster) -> None:
    with lifetimes(on_servers) as found:
        show_assertion(on_servers)

    assert found["client_assertion"] >= HOUR - found["(took)"]  # the longest that one may be signed for
