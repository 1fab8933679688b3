"""Every page x state x language: nothing that axe objects to, nothing to scroll sideways, nothing that the console complains of.

The list of pages is the routes of the running app: a new route without a journey that shows it fails here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import flask
import httpx2
import pytest
from playwright.sync_api import Route

from idp import app as composition
from idp import config as configuration
from idp import errors
from idp.clock import Clock
from idp.edge.pages import SECURITY_HEADERS, Pages, View, content_security_policy
from idp.promises import CarrierVerdict
from idp.values import LANGUAGES, Language
from tests.browser.backstage import Backstage
from tests.browser.conftest import OpenWindow
from tests.browser.inspection import Inspector, Look, look, overflows, violations
from tests.browser.sights import JOURNEYS, WITHOUT_PAGE
from tests.browser.window import Window
from tests.live import LiveSandbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Routes:
    """What the running app answers: people's rules, and the rules of the software lane whose errors are pages."""

    people: flask.Flask
    lane: tuple[str, ...]

    def rules(self) -> set[str]:
        """Give every rule under which a person may see a page."""
        return {str(rule.rule) for rule in self.people.url_map.iter_rules()} | set(self.lane)


@pytest.fixture(scope="session")
def routes(live: LiveSandbox) -> Routes:
    """Give the routes of the app, composed as the running one."""
    lane = composition.create_app(configuration.load(live.config), with_jobs=False)
    people = lane._fallback.__self__  # type: ignore[attr-defined]
    for_people = [route.rule for route in (*lane._exact.values(), *lane._prefixes) if route.for_people]
    return Routes(people, tuple(for_people))


@pytest.mark.parametrize("name", JOURNEYS)
def test_every_page_of_a_journey_is_readable_for_everybody(name: str, new_window: OpenWindow, backstage: Backstage, routes: Routes) -> None:
    see = Inspector(new_window(album=f"pages/{name.replace('_', '-')}"), routes.people.url_map, routes.lane)
    journey = JOURNEYS[name]
    journey.walk(see, backstage)
    assert tuple(see.seen) == journey.shows


def test_every_route_is_shown_by_a_journey(routes: Routes) -> None:
    shown = {route for journey in JOURNEYS.values() for route, _ in journey.shows}
    missing = routes.rules() - shown - WITHOUT_PAGE.keys()
    assert not missing, f"no axe case for {sorted(missing)}: let a journey of tests/browser/sights.py show each, in each of its states"
    gone = (shown | WITHOUT_PAGE.keys()) - routes.rules() - {"(none)"}
    assert not gone, f"tests/browser/sights.py shows routes that the app does not have: {sorted(gone)}"


def test_the_inspection_finds_what_is_wrong(window: Window) -> None:
    page = window.page
    page.set_content(
        "<html lang='vi'><title>x</title><main><h1>Your</h1><h1 data-error='x'>x</h1><img src='data:,'><hr width='900'></main>"
    )
    assert len(look(page).problems) == 3
    assert len(overflows(page)) == 3
    assert any(violation.startswith("image-alt") for violation in violations(page))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_page_in_plain_words(language: Language, window: Window, live: LiveSandbox) -> None:
    pages = Pages.open(configuration.load(live.config), Clock())
    for error in _errors():
        answer = pages.render_error(error, View(language, request_id="01J0000000"))
        window.context.route("**/shown-error", partial(_answer, answer))
        window.open("/shown-error")
        found = look(window.page)
        assert found == Look(language, []), f"{error.code}: {found}"
        assert overflows(window.page) == [], error.code
        assert error.code in str(window.page.locator("main [data-error]").get_attribute("data-error"))


def _errors() -> Iterator[errors.ShownError]:
    """Give every error that is a page of its own, each with the values of its text."""
    for kind in errors.catalogue():
        if issubclass(kind, errors.CarrierRefused):
            yield from (kind(reason=verdict.value) for verdict in CarrierVerdict)
        elif issubclass(kind, errors.ShownError) and not issubclass(kind, errors.FieldError):
            yield kind(retry_after_seconds=90)


def _answer(page: str, route: Route) -> None:
    headers = dict(
        (*SECURITY_HEADERS, ("Content-Security-Policy", content_security_policy()), ("Content-Type", "text/html; charset=utf-8"))
    )
    route.fulfill(body=page, headers=headers)


@pytest.mark.parametrize("route", WITHOUT_PAGE)
def test_a_route_without_a_page_leads_on(route: str, live: LiveSandbox) -> None:
    assert httpx2.get(f"{live.provider}{route}", trust_env=False).status_code == 303
