"""Every route stands behind a protection that holds, and what is advertised is what is served."""

import importlib
import pkgutil
import re
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import flask
import pytest
from werkzeug.routing import Rule
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp import flows
from idp.edge.browser import PROTECTIONS, Protection
from tests.world import World, sandbox_config

# Answered by the software lane and no part of OpenID.
OPERATED = {"/.well-known/openid-configuration", "/healthz", "/readyz", "/metrics"}
NOBODYS = {"interaction_id": "x" * 43, "draft_id": uuid.UUID(int=7), "captcha_id": "x" * 43, "resume_id": "x" * 43, "logout_id": "x" * 43}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World.build(sandbox_config(tmp_path_factory.mktemp("world")))
    yield world
    world.services.database.close()


@pytest.fixture
def people(world: World) -> flask.Flask:
    """Give the part of the application that people walk."""
    found = world.app._fallback.__self__  # type: ignore[attr-defined] # the lane knows a WSGI callable only
    assert isinstance(found, flask.Flask)
    return found


def rules_of(people: flask.Flask, method: str) -> list[Rule]:
    return [rule for rule in people.url_map.iter_rules() if method in (rule.methods or set())]


def protection_of(people: flask.Flask, rule: Rule) -> Protection | None:
    protections: dict[str, Protection] = people.extensions[PROTECTIONS]
    return protections.get(rule.endpoint.rpartition(".")[0])


def path_of(people: flask.Flask, rule: Rule, **values: object) -> str:
    given = {name: {**NOBODYS, **values}[name] for name in rule.arguments}
    return str(people.url_map.bind("localhost").build(rule.endpoint, given, method=next(iter(rule.methods or set()))))


def error_of(response: TestResponse) -> str:
    found = re.search(r'data-error="(\w+)"', response.text)
    return found[1] if found else f"status {response.status_code}"


def browser_of(world: World) -> tuple[Browser, str]:
    """Give a browser that was here before, with the anti-forgery token of its forms."""
    browser = world.browser()
    browser.get("/")
    cookie = browser.get_cookie(world.cookies.browser)
    assert cookie is not None
    return browser, world.services.encryption.mac("csrf", cookie.value)


# --- who may come in ----------------------------------------------------------------------------------------------------------------


def test_every_flow_is_mounted(people: flask.Flask) -> None:
    names = [module.name for module in pkgutil.walk_packages(flows.__path__, "idp.flows.")]
    written = {value.name for name in names for value in vars(importlib.import_module(name)).values() if isinstance(value, flask.Blueprint)}

    assert written == set(people.blueprints)
    assert len(written) > 10


def test_every_route_belongs_to_a_flow_with_a_protection(people: flask.Flask) -> None:
    assert [rule.rule for rule in people.url_map.iter_rules() if not isinstance(protection_of(people, rule), Protection)] == []


def test_a_route_that_no_flow_registered_is_refused(world: World, people: flask.Flask) -> None:
    stray = flask.Flask("stray")
    stray.extensions = people.extensions
    stray.before_request_funcs, stray.error_handler_spec = people.before_request_funcs, people.error_handler_spec
    stray.after_request_funcs = people.after_request_funcs
    stray.add_url_rule("/stray", view_func=lambda: "open to everybody")

    response = Browser(stray, TestResponse).get("/stray")

    assert (response.status_code, error_of(response)) == (404, "page_not_found")


def test_routes_of_an_interaction_are_behind_it(people: flask.Flask) -> None:
    """A path that names an interaction is checked before its view runs."""
    named = [rule for rule in people.url_map.iter_rules() if "interaction_id" in rule.arguments]

    assert named
    assert [rule.rule for rule in named if protection_of(people, rule) is not Protection.INTERACTION] == []


def test_every_form_needs_its_anti_forgery_token(world: World, people: flask.Flask) -> None:
    browser, _ = browser_of(world)
    _, token_of_another = browser_of(world)
    for rule in rules_of(people, "POST"):
        path = path_of(people, rule)
        assert error_of(browser.post(path)) == "form_expired", path
        assert error_of(browser.post(path, data={"csrf_token": token_of_another})) == "form_expired", path
        assert error_of(world.browser().post(path, data={"csrf_token": token_of_another})) == "cookie_missing", path


def test_no_form_is_taken_from_another_site(world: World, people: flask.Flask) -> None:
    browser, token = browser_of(world)
    foreign = [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "x")]
    foreign += [
        {"Origin": origin} for origin in ("https://evil.example", "null", "http://localhost:8401", "http://localhost:8400.evil.example")
    ]
    for rule in rules_of(people, "POST"):
        for headers in foreign:
            response = browser.post(path_of(people, rule), data={"csrf_token": token}, headers=headers)
            assert error_of(response) == "cross_site", (rule.rule, headers)


def test_an_unknown_and_a_foreign_interaction_are_refused_everywhere(world: World, people: flask.Flask) -> None:
    owner, _ = browser_of(world)
    stranger, token = browser_of(world)
    client, _ = world.client()
    foreign = world.authorize(owner, client).headers["Location"].rpartition("/")[2]
    guarded = [rule for rule in people.url_map.iter_rules() if protection_of(people, rule) is Protection.INTERACTION]
    assert len(guarded) > 10
    for rule in guarded:
        for interaction_id, error in ((NOBODYS["interaction_id"], "interaction_missing"), (foreign, "interaction_elsewhere")):
            path = path_of(people, rule, interaction_id=interaction_id)
            is_form = "POST" in (rule.methods or set())
            response = stranger.post(path, data={"csrf_token": token}) if is_form else stranger.get(path)
            assert error_of(response) == error, path


def test_every_page_answers_whoever_comes_by(world: World, people: flask.Flask) -> None:
    browser, _ = browser_of(world)
    for rule in rules_of(people, "GET"):
        path = path_of(people, rule)
        got, looked = browser.get(path), browser.head(path)
        assert got.status_code < 500, path
        assert (looked.status_code, looked.data) == (got.status_code, b""), path


# --- what is advertised -------------------------------------------------------------------------------------------------------------


def test_discovery_names_every_endpoint_and_no_other(world: World) -> None:
    document = world.browser().get("/.well-known/openid-configuration").json or {}
    advertised = {urlsplit(value).path for name, value in document.items() if name.endswith("_endpoint") or name == "jwks_uri"}

    assert advertised == world.app._exact.keys() - OPERATED


def test_discovery_names_the_methods_that_work(world: World) -> None:
    """OpenID Connect Core 3.1.2.1, 3.1.3.1, 5.3.1 and RP-Initiated Logout 2: the methods that each endpoint has to take."""
    methods = {rule: set(route.methods) - {"HEAD"} for rule, route in world.app._exact.items()}

    both = {"GET", "POST"}
    assert {rule: methods[rule] for rule in methods.keys() - OPERATED} == {
        "/authorize": both,
        "/token": {"POST"},
        "/introspect": {"POST"},
        "/userinfo": both,
        "/end_session": both,
        "/jwks": {"GET"},
    }
