"""What the lane does with threads: people's pages may wait, software finds a place."""

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp.edge.software_lane import SoftwareLane
from tests.world import World, sandbox_config

HELD = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    config = sandbox_config(folder)
    return World.build(config.model_copy(update={"server": config.server.model_copy(update={"threads": HELD + 1})}))


@contextmanager
def slow_pages(lane: SoftwareLane, count: int) -> Iterator[None]:
    """Hold so many people's pages in the middle of their work, as password hashes and text messages do."""
    inside, go_on = threading.Semaphore(0), threading.Event()
    real = lane._fallback

    def slow(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        inside.release()
        assert go_on.wait(30)
        return real(environ, start)

    lane._fallback = slow
    pages = [threading.Thread(target=Browser(lane, TestResponse).get, args=("/",)) for _ in range(count)]
    for page in pages:
        page.start()
    assert all(inside.acquire(timeout=30) for _ in pages)
    try:
        yield
    finally:
        go_on.set()
        for page in pages:
            page.join()
        lane._fallback = real


def test_software_is_answered_while_people_hold_every_place_of_theirs(world: World) -> None:
    client, secret = world.client()
    browser = world.browser()
    world.sign_in(browser, world.account())
    with slow_pages(world.app, HELD):
        tokens = world.tokens(browser, client, secret)
        assert browser.get("/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}).status_code == 200
        assert browser.get("/jwks").status_code == 200


@pytest.mark.parametrize("language", ["vi", "en"])
def test_one_page_more_is_told_to_come_back_and_has_its_place_later(world: World, language: str) -> None:
    with slow_pages(world.app, HELD):
        busy = world.browser().get("/", headers={"Accept-Language": language})
        assert (busy.status_code, busy.headers["Retry-After"], busy.mimetype) == (503, "2", "text/html")
        assert f'lang="{language}"' in busy.text
        assert 'data-error="unavailable"' in busy.text
        assert busy.headers["Content-Security-Policy"]
    assert [world.browser().get("/").status_code for _ in range(2 * HELD)] == [200] * (2 * HELD)


def test_a_page_that_breaks_gives_its_place_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_environ: object, _start: object) -> Iterable[bytes]:
        raise RuntimeError("broken")

    monkeypatch.setattr(world.app, "_fallback", broken)
    assert [world.browser().get("/").status_code for _ in range(2 * HELD)] == [500] * (2 * HELD)
    monkeypatch.undo()
    assert world.browser().get("/").status_code == 200


@pytest.mark.parametrize("threads, people", [(1, 1), (2, 1), (4, 3), (32, 28), (64, 56)])
def test_an_eighth_of_the_threads_is_left_to_software(world: World, threads: int, people: int) -> None:
    assert world.services.config.server.model_copy(update={"threads": threads}).people_at_once == people


def test_the_body_of_a_page_that_found_no_place_need_not_be_read(world: World) -> None:
    with slow_pages(world.app, HELD):
        response = world.browser().post("/register", input_stream=io.BytesIO(b"a=1"), content_length=3)
        assert response.status_code == 503
