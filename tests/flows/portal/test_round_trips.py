"""The budget of round trips to the stores, per endpoint: counted on the wire, so that nobody adds one by accident.

What a process keeps (clients, keys, scripts that Redis knows, prepared statements) is warm, as it is on a server that has run for a minute.
"""

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine, text
from werkzeug.test import Client as Browser

from idp.protocol import clients, signing_keys
from idp.protocol.clients import Client
from tests.fakes import FakeCarrier, FakeSms
from tests.instances import Run
from tests.wire import Tally, postgresql_proxy, redis_proxy
from tests.world import World, answer_of, authorization_parameters, sandbox_config, token_request

tally = Tally()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Engine, worker_id: str) -> Iterator[World]:
    """Give a provider whose way to PostgreSQL and Redis is watched."""
    name = f"trips_{uuid.uuid4().hex}"
    with postgresql_server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_senid STRATEGY file_copy"))
    run, number = Run.current(), int(worker_id.removeprefix("gw")) + 8 if worker_id != "master" else 7
    with postgresql_proxy(run.postgresql(name), tally) as database, redis_proxy(run.redis(number), tally) as short_lived:
        config = sandbox_config(tmp_path_factory.mktemp("world"), database=database.url, short_lived=short_lived.url)
        world = World.build(config, carrier=FakeCarrier(), sms=FakeSms())
        yield world
        world.services.short_lived.close()
        world.services.database.close()


@pytest.fixture(autouse=True)
def lasting_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is cached for longer than a busy machine takes for a test."""
    monkeypatch.setattr(clients, "CACHE_SECONDS", 3600.0)
    monkeypatch.setattr(signing_keys, "CACHE_SECONDS", 3600.0)


@pytest.fixture
def portal(world: World) -> tuple[Client, str]:
    return world.client()


@pytest.fixture
def browser(world: World, portal: tuple[Client, str]) -> Browser:
    """Give a signed-in browser that has been at the portal before, so that nothing happens for the first time."""
    browser = world.browser()
    world.sign_in(browser, world.account())
    world.tokens(browser, *portal)
    return browser


def trips(work: Callable[[], object]) -> list[str]:
    """Do the work a few times, since a statement is prepared at its first run; give the trips of the last time."""
    for _ in range(3):
        tally.reset()
        work()
    return tally.calls()


def test_an_authorization_request_with_a_session_takes_three(world: World, portal: tuple[Client, str], browser: Browser) -> None:
    calls = trips(lambda: answer_of(world.authorize(browser, portal[0]))["code"])
    assert len(calls) == 3, calls


def test_a_code_becomes_tokens_by_three(world: World, portal: tuple[Client, str], browser: Browser) -> None:
    codes = [world.code(browser, portal[0]) for _ in range(3)]
    calls = trips(lambda: world.redeem(browser, *portal, codes.pop()))
    assert len(calls) == 3, calls


def test_a_refresh_takes_one(world: World, portal: tuple[Client, str], browser: Browser) -> None:
    token = [world.tokens(browser, *portal)["refresh_token"]]

    def refresh() -> None:
        answer = token_request(browser, *portal, {"grant_type": "refresh_token", "refresh_token": token[0]}).json or {}
        token[0] = answer["refresh_token"]

    calls = trips(refresh)
    assert len(calls) == 1, calls


def test_userinfo_takes_one(world: World, portal: tuple[Client, str], browser: Browser) -> None:
    headers = {"Authorization": f"Bearer {world.tokens(browser, *portal)['access_token']}"}
    calls = trips(lambda: browser.get("/userinfo", headers=headers))
    assert len(calls) == 1, calls


def test_introspection_takes_one(world: World, portal: tuple[Client, str], browser: Browser) -> None:
    client, secret = world.client(auth_method="client_secret_post", may_introspect=True)
    form = {"token": world.tokens(browser, *portal)["access_token"], "client_id": client.client_id, "client_secret": secret}
    calls = trips(lambda: browser.post("/introspect", data=form))
    assert len(calls) == 1, calls


def test_a_token_for_a_client_takes_one(world: World) -> None:
    machine = world.client(grant_types=("client_credentials",), machine_scopes=("records.read",))
    browser = world.browser()
    calls = trips(lambda: token_request(browser, *machine, {"grant_type": "client_credentials"}))
    assert len(calls) == 1, calls


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration", "/healthz"])
def test_a_document_takes_none(world: World, path: str) -> None:
    browser = world.browser()
    assert trips(lambda: browser.get(path)) == []


def test_an_error_that_names_no_client_takes_none(world: World) -> None:
    browser = world.browser()
    assert trips(lambda: browser.post("/token", data={"grant_type": "authorization_code"})) == []
    assert trips(lambda: browser.get("/userinfo", headers={"Authorization": "Bearer nothing"})) == []


def test_a_request_that_needs_a_page_takes_four(world: World, portal: tuple[Client, str]) -> None:
    query = urlencode(authorization_parameters(portal[0]))
    browser = world.browser()
    calls = trips(lambda: browser.get(f"/authorize?{query}"))
    assert len(calls) <= 4, calls
