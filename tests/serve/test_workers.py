import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx2
import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families

from sandbox import provider
from sandbox.people import everybody
from tests.cli import people
from tests.cli.command import run_idp
from tests.interop.person import Person
from tests.serve.portal import REDIRECT_URI, Portal
from tests.serve.server import METRICS_VARIABLE, Deployment, OwnRedis
from tests.serve.two_workers import TwoWorkers, two_workers

pytestmark = pytest.mark.timeout(300)
_read = cast("Callable[[str], Iterator[tuple[str, float]]]", MmapedDict.read_all_values_from_file)  # the library leaves it untyped
TRIES = 20
SUBSCRIBERS = [person for person in everybody() if person.case == "match"][:TRIES]
NEW_CONNECTION = {"Connection": "close"}  # so that every request may meet another worker
PASSWORD = "qZ7!vB3#kW9x"  # holds no part of anybody's name or number


def answered_by_worker(metrics: Path) -> dict[str, float]:
    """Give how many requests each worker has answered, by what each wrote down itself."""
    return {file.stem: sum(value for _, value, *_ in _read(str(file))) for file in metrics.glob("counter_*.db")}


def have_both_answered(metrics: Path, before: dict[str, float]) -> bool:
    return sum(count > before.get(worker, 0) for worker, count in answered_by_worker(metrics).items()) == 2


def counted(software: httpx2.Client, route: str) -> float:
    """Give how many requests of a route `/metrics` tells of, whichever worker is asked."""
    families = text_string_to_metric_families(software.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == "senid_requests_total"]
    return sum(sample.value for sample in samples if sample.labels["route"] == route)


def test_a_sign_in_goes_on_whichever_worker_answers(production: Deployment, portal: Portal) -> None:
    metrics = Path(production.variables[METRICS_VARIABLE])
    for _ in range(TRIES):
        before = answered_by_worker(metrics)
        with production.client() as browser, production.client() as software:
            browser.headers.update(NEW_CONNECTION)
            software.headers.update(NEW_CONNECTION)
            person = Person(browser, {"id_number": people.ID_NUMBER, "password": people.PASSWORD})
            tokens = portal.redeem(software, portal.code(person)).json()
            assert software.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 200
            assert portal.refresh(software, tokens["refresh_token"]).status_code == 200
        if have_both_answered(metrics, before):
            return
    pytest.fail("one worker answered everything")


@pytest.fixture
def sandboxed(another_database: str, own_redis: OwnRedis, place: Path) -> Iterator[TwoWorkers]:
    """Give the provider of the sandbox with two workers."""
    with two_workers(place, SUBSCRIBERS, database=another_database, short_lived=own_redis.url) as running:
        yield running


def test_a_registration_goes_on_whichever_worker_answers(sandboxed: TwoWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandboxed.variables.items():
        monkeypatch.setenv(name, value)
    added = run_idp("clients", "add", "--name", "Cổng tỉnh", "--redirect-uri", REDIRECT_URI, "--json")
    portal = Portal(sandboxed.address, **json.loads(added.out))
    for subscriber in SUBSCRIBERS:
        before = answered_by_worker(sandboxed.metrics)
        knows = {name: getattr(subscriber, name) for name in ("id_number", "full_name", "birth_date", "phone")}
        knows |= {"captcha": provider.PICTURE_CODE_WORD, "password": PASSWORD, "password_confirm": PASSWORD}
        with httpx2.Client(base_url=sandboxed.address, trust_env=False, timeout=30, headers=NEW_CONNECTION) as browser:
            phone = subscriber.phone
            person = Person(browser, knows, read_code=lambda phone=phone: sandboxed.last_code(phone), has_account=False)  # type: ignore[misc]
            assert portal.redeem(browser, portal.code(person)).status_code == 200
        assert any(path.endswith("/success") for path in person.visited)
        if have_both_answered(sandboxed.metrics, before):
            return
    pytest.fail("one worker answered everything")


def test_metrics_sum_the_workers(production: Deployment) -> None:
    metrics = Path(production.variables[METRICS_VARIABLE])
    with production.client() as software:
        software.headers.update(NEW_CONNECTION)
        before, by_worker = counted(software, "/healthz"), answered_by_worker(metrics)
        for _ in range(TRIES):
            assert software.get("/healthz").status_code == 200
        assert counted(software, "/healthz") - before == TRIES
    assert have_both_answered(metrics, by_worker), "one worker answered everything"
