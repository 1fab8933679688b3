"""Redis and PostgreSQL go and come back under load: the answer is "no" or "later", in time and never "yes", and afterwards all is well."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest
from sqlalchemy import select

from idp import config as configuration
from idp import services as product
from idp.storage.db import open_database
from idp.storage.tables import refresh_tokens
from idp.values import secret_hash
from tests.certificate import make_certificate
from tests.cli import people
from tests.crashes.journeys import Tour
from tests.crashes.load import JSON, Answer, Load
from tests.crashes.results import note
from tests.crashes.servers import LastingRedis, OwnPostgresql
from tests.interop.page import Page
from tests.serve.installed import install
from tests.serve.portal import REDIRECT_URI, Portal
from tests.serve.server import Deployment, deploy, stop

pytestmark = pytest.mark.timeout(300)  # the first test builds, installs and starts
PHASE_SECONDS = 40.0  # by when each kind of request has been answered in an outage, or all is well behind it
OF_EACH_KIND = 3
# Without Redis (design, rule 8).
REFUSED, GOES_ON = ("page", "code"), ("refresh", "userinfo", "jwks", "discovery")
SETTINGS = """
[sign_in]
tries_per_address_and_minute = 100000
"""


@dataclass
class Site:
    """A production server with both stores of its own, and the load on it."""

    deployment: Deployment
    database: OwnPostgresql
    short_lived: LastingRedis
    portal: Portal

    def load(self) -> Load:
        return Load(self.deployment, self.portal, {"id_number": people.ID_NUMBER, "password": people.PASSWORD})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a running site."""
    with ExitStack() as ending, pytest.MonkeyPatch.context() as patch:
        # PostgreSQL runs as somebody else, for whom the folders of pytest are closed.
        database = OwnPostgresql(Path(ending.enter_context(TemporaryDirectory(prefix="senid-outage-"))))
        short_lived = LastingRedis(tmp_path_factory.mktemp("values"))
        for store in (database, short_lived):
            store.start()
            ending.callback(store.stop)
        folder = tmp_path_factory.mktemp("site")
        certificate = make_certificate(tmp_path_factory.mktemp("certificate"))
        deployment = deploy(install(), folder, certificate, database=database.url, short_lived=short_lived.url, workers=1)
        deployment.config.write_text(deployment.config.read_text(encoding="utf-8") + SETTINGS, encoding="utf-8")
        ending.callback(stop, deployment.start())
        for name, value in deployment.variables.items():
            patch.setenv(name, value)
        rows = open_database(database.url)
        people.register(product.build(configuration.load(deployment.config), rows))
        rows.close()
        added = deployment.idp("clients", "add", "--name", "Cổng tỉnh", "--redirect-uri", REDIRECT_URI, "--json")
        yield Site(deployment, database, short_lived, Portal(deployment.address, **json.loads(added.stdout)))


# --- what is said -------------------------------------------------------------------------------------------------------------------


def check_always(answers: list[Answer]) -> None:
    """Check what holds in every moment."""
    for answer in answers:
        assert answer.status > 0, f"{answer.kind}: {answer.text} after {answer.answered_at - answer.asked_at:.1f} s"
        assert answer.status in {200, 303, 400, 401, 410, 503}, (answer, answer.text)
        assert "Traceback" not in answer.text
        if answer.status == 503:
            assert int(answer.retry_after) > 0, answer
            expected = "application/json" if answer.kind in JSON else "text/html"
            assert answer.content_type.startswith(expected), answer


@dataclass(frozen=True)
class Said:
    """What was said in an outage."""

    answers: list[Answer]

    def of(self, kind: str) -> set[int]:
        """Give what a kind of request was answered with."""
        return {answer.status for answer in self.answers if answer.kind == kind}

    @property
    def arrivals(self) -> int:
        """Count the people who came back to the portal with a code."""
        return sum(answer.is_arrival for answer in self.answers)


def outage(load: Load, begin: Callable[[], None], end: Callable[[], None], *, meanwhile: Callable[[], None] | None = None) -> Said:
    """Take a store away until each kind of request has been answered, and bring it back, behind which all has to be well again."""
    started_at = time.monotonic()
    await_that(lambda: all_well(load, started_at) and len(load.families) > 1, load, started_at)
    with load.deployment.client() as browser:
        code = load.walk(browser)
    begin()
    begun_at = time.monotonic()
    load.reserve = code
    try:
        await_that(lambda: load.has_all_kinds(begun_at, each=OF_EACH_KIND), load, begun_at)
        if meanwhile:
            meanwhile()
        within = load.since(begun_at)
    finally:
        end()
    back_at = time.monotonic()
    await_that(lambda: all_well(load, back_at), load, back_at)
    return Said(within)


@contextmanager
def open_form(site: Site) -> Iterator[Callable[[], httpx2.Response]]:
    """Open the page that asks for the password, before whatever comes; gives what sends its form."""
    with site.deployment.client() as browser:
        page = browser.get(site.portal.request(), follow_redirects=True)
        form = Page(page.text).main_form
        assert form is not None
        fields = form.filled({"id_number": people.ID_NUMBER, "password": people.PASSWORD})
        yield lambda: browser.post(page.url.join(form.action), data=fields)


def all_well(load: Load, since: float) -> bool:
    """Tell whether every kind of request has succeeded since then."""
    good = {answer.kind for answer in load.since(since) if answer.status == 200}
    return {"page", "code", "refresh", "userinfo", "jwks", "discovery"} <= good


def await_that(condition: Callable[[], bool], load: Load, since: float) -> None:
    """Wait for a condition of the load's answers since then."""
    while not condition():
        heard = Counter((answer.kind, answer.status) for answer in load.since(since))
        assert time.monotonic() - since < PHASE_SECONDS, f"not in time: {heard}"
        time.sleep(0.1)


def check_tokens(site: Site, load: Load) -> None:
    """Check that each token that was given is stored: it is good, unless its family ended with an answer that got lost."""
    assert any(len(family.refresh_tokens) > 1 for family in load.families)
    rows = open_database(site.database.url)
    with rows.reading() as connection:
        stored = set(connection.execute(select(refresh_tokens.c.token_hash)).scalars())
    rows.close()
    with site.deployment.client() as software:
        for family in load.families:
            assert {secret_hash(token) for token in family.refresh_tokens} <= stored
            bearers = [{"Authorization": f"Bearer {token}"} for token in family.access_tokens[-5:]]
            assert not family.is_certain or {software.get("/userinfo", headers=bearer).status_code for bearer in bearers} == {200}


# --- the outages --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["killed", "frozen"])
def test_without_redis_what_is_used_once_is_refused_and_refresh_goes_on(site: Site, way: str) -> None:
    redis = site.short_lived
    begin, end = (redis.stop, redis.start) if way == "killed" else (redis.freeze, redis.thaw)
    sent: list[httpx2.Response] = []
    with open_form(site) as send, site.load().running() as load:
        said = outage(load, begin, end, meanwhile=lambda: sent.append(send()))
        sent.append(send())
    check_always(load.answers)
    assert [(kind, said.of(kind)) for kind in REFUSED] == [(kind, {503}) for kind in REFUSED]
    assert [(kind, said.of(kind)) for kind in GOES_ON] == [(kind, {200}) for kind in GOES_ON]
    assert [answer.status_code for answer in sent] == [503, 303]  # the same form, signed in only where a session can be kept
    assert "session" not in sent[0].headers.get("Set-Cookie", "")
    check_tokens(site, load)


def test_without_postgresql_everything_is_later_and_nothing_breaks(site: Site) -> None:
    with site.load().running() as load:
        said = outage(load, site.database.stop, site.database.start)
    check_always(load.answers)
    assert [(kind, said.of(kind)) for kind in ("code", "refresh", "userinfo")] == [("code", {503}), ("refresh", {503}), ("userinfo", {503})]
    assert (said.arrivals, said.of("page") - {200, 303}) == (0, {503})
    assert said.of("discovery") == {200}
    check_tokens(site, load)


@pytest.mark.proof
def test_a_postgresql_that_does_not_answer_holds_up_nobody(site: Site) -> None:
    with site.load().running() as load:
        said = outage(load, site.database.freeze, site.database.thaw)
    check_always(load.answers)
    assert [(kind, said.of(kind)) for kind in ("code", "refresh", "userinfo")] == [("code", {503}), ("refresh", {503}), ("userinfo", {503})]
    check_tokens(site, load)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_a_minute_and_a_half_of_stops_and_starts(site: Site) -> None:
    ways = [
        (site.short_lived.stop, site.short_lived.start),
        (site.short_lived.freeze, site.short_lived.thaw),
        (site.database.stop, site.database.start),
        (site.database.freeze, site.database.thaw),
    ]
    dice = random.Random(69)  # noqa: S311 - the same stops each time
    ends_at, stops = time.monotonic() + 90, 0
    with site.load().running() as load:
        while time.monotonic() < ends_at:
            begin, end = dice.choice(ways)
            begin()
            time.sleep(dice.uniform(0.05, 4))
            end()
            stops += 1
            time.sleep(dice.uniform(0, 3))
        back_at = time.monotonic()
        await_that(lambda: all_well(load, back_at), load, back_at)
    check_always(load.answers)
    check_tokens(site, load)
    counted = Counter(str(answer.status) for answer in load.answers)
    ends = {f"answered {status}": number for status, number in counted.items()}
    note("Under load", "production", Tour(len(load.answers), stops, ends), at=datetime.now(UTC))
