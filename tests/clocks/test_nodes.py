"""Two nodes whose clocks differ by a minute serve the same people and portals, and agree."""

from datetime import timedelta
from urllib.parse import parse_qs, urlencode

import pytest
from joserfc.jwk import ECKey

from idp.errors import OtpExpired
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.protocol.clients import Client
from tests.clocks.nodes import HOUR, RACE_GRACE, SECOND, SKEW, Citizen, Cluster, Node
from tests.flows.portal.test_token import ASSERTION_TYPE, assertion
from tests.flows.sign_in.person import Person
from tests.world import PASSWORD, REDIRECT_URI, VERIFIER, answer_of, authorization_parameters

TOLERANCE = timedelta(minutes=5)  # of a relying party that checks `iat` and `exp`
ORDERS = pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["ahead first", "ahead second"])


@pytest.fixture
def nodes(cluster: Cluster) -> tuple[Node, Node]:
    """Give a node whose clock is a minute ahead, and one whose clock is right."""
    return cluster.nodes


@pytest.fixture
def portal(cluster: Cluster) -> tuple[Client, str]:
    return cluster.portal()


@pytest.fixture
def citizen(cluster: Cluster) -> Citizen:
    return cluster.citizen()


@ORDERS
def test_a_code_of_one_is_redeemed_at_the_other_and_its_tokens_work_at_both(
    nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number] for number in order)
    browser = here.signed_in(citizen.account_id)
    tokens = there.world.redeem(there.world.browser(), *portal, here.world.code(browser, portal[0])).json or {}

    assert [here.userinfo(tokens["access_token"]), there.userinfo(tokens["access_token"])] == [200, 200]
    status, second = here.refresh(*portal, tokens["refresh_token"])
    assert status == 200
    status, third = there.refresh(*portal, second["refresh_token"])
    assert status == 200
    assert {node.userinfo(one["access_token"]) for node in nodes for one in (second, third)} == {200}


@ORDERS
def test_what_is_spent_at_one_is_spent_at_the_other(
    nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number] for number in order)
    code = here.world.code(here.signed_in(citizen.account_id), portal[0])
    tokens = here.world.redeem(here.world.browser(), *portal, code).json or {}

    assert there.world.redeem(there.world.browser(), *portal, code).status_code == 400
    assert [node.userinfo(tokens["access_token"]) for node in nodes] == [401, 401]
    assert here.refresh(*portal, tokens["refresh_token"])[0] == 400


@ORDERS
def test_an_id_token_of_either_is_good_for_whoever_allows_five_minutes(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number] for number in order)
    code = here.world.code(here.signed_in(citizen.account_id), portal[0], max_age="600")
    claims = here.world.claims((there.world.redeem(there.world.browser(), *portal, code).json or {})["id_token"])
    now, allowed = cluster.time.now().timestamp(), TOLERANCE.total_seconds()

    assert now - allowed <= claims["iat"] <= now + allowed
    assert claims["exp"] - claims["iat"] == here.services.config.tokens.id_token_lifetime.total_seconds()
    assert now < claims["exp"] + allowed
    assert claims["auth_time"] <= now + allowed
    assert now - claims["auth_time"] <= 600 + allowed


@ORDERS
def test_a_person_signs_in_page_by_page_at_different_nodes(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    """Cookies, anti-forgery tokens, the interaction and the one-time code of one node are good at the other."""
    here, there = (nodes[number] for number in order)
    person = Person(here.world)
    page = person.open(f"/authorize?{urlencode(authorization_parameters(portal[0]))}")
    there.moved_here(person.browser)
    page = person.press(page, id_number=citizen.id_number, password=PASSWORD)
    assert page.path.endswith("/one-time-code"), page.errors
    here.moved_here(person.browser)
    page = person.press(page, otp=cluster.sms.last_code("+84" + citizen.phone[1:]))
    assert page.path.startswith("/consent/"), page.errors
    there.moved_here(person.browser)
    left = person.press(page)

    assert left.left_for.startswith(REDIRECT_URI)
    assert here.world.redeem(here.world.browser(), *portal, parse_qs(left.query)["code"][0]).status_code == 200
    assert [node.knows(person.browser) for node in nodes] == [True, True]


@ORDERS
def test_a_one_time_code_of_one_node_lives_at_the_other_and_dies_for_both(
    cluster: Cluster, nodes: tuple[Node, Node], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number].services.one_time_codes for number in order)
    phone = phone_numbers.parse(citizen.phone)
    challenge = here.send(Purpose.SIGN_IN, phone=phone, owner="account", language="vi")
    cluster.pass_time(nodes[0].services.config.one_time_codes.lifetime - SKEW - SECOND)
    code = cluster.sms.last_code(phone.e164)

    assert there.verify(challenge.id, code, purpose=Purpose.SIGN_IN, owner="account") == phone
    with pytest.raises(OtpExpired):
        here.verify(challenge.id, code, purpose=Purpose.SIGN_IN, owner="account")


# --- how old a sign-in is -----------------------------------------------------------------------------------------------------------


@ORDERS
def test_max_age_is_off_by_no_more_than_the_skew(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number] for number in order)
    browser = there.moved_here(here.signed_in(citizen.account_id))
    there.services.consents.record(citizen.account_id, portal[0], portal[0].scopes)
    cluster.pass_time(timedelta(seconds=200))

    assert "code" in answer_of(there.world.authorize(browser, portal[0], max_age="261"))
    too_old = there.world.authorize(browser, portal[0], max_age="139", prompt="none")
    assert answer_of(too_old)["error"] == "login_required"


def test_signing_in_anew_for_max_age_ends_although_the_other_node_is_behind(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen
) -> None:
    """What the node that is behind signs in looks old already to the one that is ahead: it asks once, and not again."""
    ahead, right = nodes
    right.services.consents.record(citizen.account_id, portal[0], portal[0].scopes)
    person = Person(ahead.world, browser=right.signed_in(citizen.account_id))
    ahead.moved_here(person.browser)
    page = person.open(f"/authorize?{urlencode(authorization_parameters(portal[0], max_age='30'))}")
    assert page.path.startswith("/sign-in/")
    right.moved_here(person.browser)
    page = person.press(page, id_number=citizen.id_number, password=PASSWORD)
    response, path = person.send(page, otp=cluster.sms.last_code("+84" + citizen.phone[1:]))
    ahead.moved_here(person.browser)
    left = person._follow(response, path)

    assert left.left_for.startswith(REDIRECT_URI), left.path
    claims = right.world.claims(
        (right.world.redeem(right.world.browser(), *portal, parse_qs(left.query)["code"][0]).json or {})["id_token"]
    )
    assert claims["auth_time"] == int(right.clock.now().timestamp())


# --- what the database's time decides -----------------------------------------------------------------------------------------------


@ORDERS
def test_the_grace_of_a_refresh_race_is_of_the_databases_time(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    """Clocks that are hours apart neither make a race into theft, nor theft into a race."""
    here, there = (nodes[number] for number in order)
    first = here.world.tokens(here.signed_in(citizen.account_id), *portal)["refresh_token"]
    there.clock.move(5 * HOUR)
    here.clock.move(-5 * HOUR)
    second = here.refresh(*portal, first)[1]["refresh_token"]

    assert there.refresh(*portal, first)[0] == 400  # a race: the family lives
    third = there.refresh(*portal, second)[1]["refresh_token"]
    cluster.time.move(RACE_GRACE + SECOND)
    here.clock.move(-HOUR)
    assert here.refresh(*portal, second)[0] == 400  # theft
    assert there.refresh(*portal, third)[0] == 400


@ORDERS
def test_locking_an_account_ends_its_sessions_whichever_clock_began_them(
    cluster: Cluster, nodes: tuple[Node, Node], portal: tuple[Client, str], citizen: Citizen, order: tuple[int, int]
) -> None:
    here, there = (nodes[number] for number in order)
    browser = here.signed_in(citizen.account_id)
    tokens = here.world.tokens(browser, *portal)
    cluster.pass_time(10 * SECOND)
    assert there.services.accounts.lock(citizen.account_id, reason="a test", operator="nobody")
    assert there.services.accounts.unlock(citizen.account_id, reason="a test", operator="nobody")

    silent = [node.world.authorize(node.moved_here(browser), portal[0], prompt="none") for node in nodes]
    assert [answer_of(answer).get("error") for answer in silent] == ["login_required", "login_required"]
    assert [node.userinfo(tokens["access_token"]) for node in nodes] == [401, 401]
    assert here.refresh(*portal, tokens["refresh_token"])[0] == 400


# --- what a client signs ------------------------------------------------------------------------------------------------------------


def asserted(cluster: Cluster, *, ahead: timedelta) -> int:
    """Redeem a code with an assertion of a client whose clock is `ahead` of the node's; gives the status."""
    node, key = cluster.right, ECKey.generate_key("P-256", {"kid": "k1"})
    client, _ = cluster.portal(auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    now = int((node.clock.now() + ahead).timestamp())
    form = {
        "grant_type": "authorization_code",
        "code": node.world.code(node.signed_in(cluster.citizen().account_id), client),
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(client, key, iat=now, nbf=now, exp=now + 60),
    }
    return node.world.browser().post("/token", data=form).status_code


@pytest.mark.parametrize("ahead, status", [(0, 200), (8, 200), (30, 200), (-30, 200), (61, 401), (120, 401), (3600, 401)], ids=str)
def test_a_client_may_be_half_a_minute_ahead_and_not_more_than_a_minute(embedded: Cluster, ahead: int, status: int) -> None:
    """FAPI 2.0 Security Profile 5.3.2.1: up to 10 s have to be accepted, and more than 60 s refused."""
    assert asserted(embedded, ahead=ahead * SECOND) == status


def test_the_nodes_share_nothing_but_what_they_stand_on(nodes: tuple[Node, Node]) -> None:
    ahead, right = nodes
    assert ahead.clock.now() - right.clock.now() == SKEW
    assert ahead.services.short_lived is not right.services.short_lived
    assert ahead.services.database is not right.services.database
