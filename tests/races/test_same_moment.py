"""A second request between any two storage calls of the first: a code replayed and a refresh token sent twice in the same moment.

A race of threads meets these moments by chance; here the second request comes after each call of the first in turn, before the first has
its answer. Where the first holds a lock that the second needs, the second waits, and the first goes on.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from werkzeug.test import Client as Browser
from werkzeug.test import TestResponse

from idp.config import Config
from idp.protocol.clients import Client
from idp.storage.short_lived import EmbeddedShortLived
from tests.crashes.invariants import half_things
from tests.wire import Tally, count_sqlite, postgresql_proxy, redis_proxy
from tests.world import World, token_request

pytestmark = pytest.mark.race
HEAD_START_SECONDS = 0.4  # for the second request, if nothing of the first is in its way


@dataclass
class Moment:
    """A provider whose storage calls are counted, with a portal and a signed-in person."""

    world: World
    tally: Tally
    browser: Browser
    client: Client
    secret: str

    def redeem(self, code: str) -> TestResponse:
        return self.world.redeem(self.world.browser(), self.client, self.secret, code)

    def refresh(self, refresh_token: str) -> TestResponse:
        form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return token_request(self.world.browser(), self.client, self.secret, form)

    def code(self) -> str:
        return self.world.code(self.browser, self.client)

    def is_alive(self, access_token: str) -> bool:
        answer = self.world.browser().get("/userinfo", headers={"Authorization": f"Bearer {access_token}"})
        assert answer.status_code in {200, 401}
        return answer.status_code == 200

    def calls_of(self, run: Callable[[str], TestResponse], take: Callable[[], str]) -> int:
        """Count the storage calls of a request that nobody disturbs; the first few prepare statements, which later ones find prepared."""
        for _ in range(3):
            given = take()
            self.tally.reset()
            assert run(given).status_code == 200
        assert self.tally.trips() > 0
        return self.tally.trips()

    def disturbed(self, run: Callable[[], TestResponse], call: int, other: Callable[[], TestResponse]) -> list[TestResponse]:
        """Run a request, and `other` when storage call `call` of it has taken effect; gives both answers."""
        answers: list[TestResponse] = []
        second = threading.Thread(target=lambda: answers.append(other()))

        def strike() -> None:
            second.start()
            second.join(HEAD_START_SECONDS)

        self.tally.reset()
        self.tally.at(call, strike)
        first = run()
        second.join()
        self.tally.reset()
        return [first, *answers]


@pytest.fixture(params=["embedded", "production"])
def moment(request: pytest.FixtureRequest, config: Config) -> Iterator[Moment]:
    """Give a provider with all defaults, also the grace of a refresh race, on stores that count."""
    tally = Tally()
    with ExitStack() as ending:
        if request.param == "production":
            url = request.getfixturevalue("postgresql_database").engine.url.render_as_string(hide_password=False)
            assert request.getfixturevalue("redis_short_lived").is_up()
            rows = ending.enter_context(postgresql_proxy(url, tally))
            values = ending.enter_context(redis_proxy(request.getfixturevalue("redis_url"), tally))
            settings = {"database": {"url": rows.url}, "short_lived": {"url": values.url}}
            config = Config.model_validate({**config.model_dump(exclude_unset=True), **settings})
        else:
            ending.enter_context(count_sqlite(tally))
        world = World.build(config)
        ending.callback(world.services.database.close)
        client, secret = world.client()
        browser = world.browser()
        world.sign_in(browser, world.account())
        yield Moment(world, tally, browser, client, secret)
        assert half_things(world.services.database) == []


def tokens_of(answers: list[TestResponse]) -> list[dict[str, str]]:
    """Give what was given; everything else is a plain no."""
    for answer in answers:
        assert answer.status_code == 200 or (answer.json or {})["error"] == "invalid_grant", answer.text
    return [answer.json or {} for answer in answers if answer.status_code == 200]


def test_a_replay_in_any_moment_of_the_exchange_leaves_no_token_alive(moment: Moment) -> None:
    calls = moment.calls_of(moment.redeem, moment.code)
    given = []
    for call in range(1, calls + 1):
        code = moment.code()
        answers = moment.disturbed(partial(moment.redeem, code), call, partial(moment.redeem, code))
        tokens = tokens_of(answers)
        given.append(len(tokens))
        for one in tokens:
            assert not moment.is_alive(one["access_token"]), call
            assert moment.refresh(one["refresh_token"]).status_code == 400, call
    # In some moments the replay comes before the grant is written, in others after; the embedded stores have none between their locks.
    assert set(given) == ({0, 1} if moment.world.services.database.is_postgresql else {1})


def test_a_second_refresh_in_any_moment_of_the_first_keeps_the_family(moment: Moment) -> None:
    newest = (moment.redeem(moment.code()).json or {})["refresh_token"]
    calls = moment.calls_of(moment.refresh, lambda: (moment.redeem(moment.code()).json or {})["refresh_token"])
    for call in range(1, calls + 1):
        token = newest
        answers = moment.disturbed(partial(moment.refresh, token), call, partial(moment.refresh, token))
        [winner] = tokens_of(answers)
        assert moment.is_alive(winner["access_token"]), call
        newest = winner["refresh_token"]
    spent, newest = newest, (moment.refresh(newest).json or {})["refresh_token"]
    moment.world.services.database.offset += timedelta(seconds=6)  # a second behind the grace
    assert moment.refresh(spent).status_code == 400
    assert moment.refresh(newest).status_code == 400


def test_a_replayed_code_in_any_moment_of_a_refresh_leaves_no_token_alive(moment: Moment) -> None:
    def begun() -> tuple[str, str]:
        code = moment.code()
        return code, (moment.redeem(code).json or {})["refresh_token"]

    calls = moment.calls_of(moment.refresh, lambda: begun()[1])
    for call in range(1, calls + 1):
        code, token = begun()
        answers = moment.disturbed(partial(moment.refresh, token), call, partial(moment.redeem, code))
        for one in tokens_of(answers):
            assert not moment.is_alive(one["access_token"]), call
            assert moment.refresh(one["refresh_token"]).status_code == 400, call


@pytest.mark.parametrize("command", ["exchange", "take"])
def test_the_embedded_store_gives_a_value_to_one_of_two_processes(command: str, tmp_path: Path) -> None:
    tally, path = Tally(), tmp_path / "short-lived.db"

    def give(store: EmbeddedShortLived) -> bytes | None:
        return store.take("key") if command == "take" else store.exchange("key", b"spent", timedelta(minutes=1))

    with count_sqlite(tally):
        first, second = EmbeddedShortLived(path), EmbeddedShortLived(path)  # each queues by itself, as processes do
        moments = 0
        while True:
            first.put("key", b"value", timedelta(minutes=1))
            given: list[bytes | None] = []
            tally.reset()
            tally.at(moments + 1, partial(lambda given: given.append(give(second)), given))
            given.append(give(first))
            if len(given) == 1:
                break
            assert given.count(b"value") == 1
            moments += 1
        first.close()
        second.close()
    assert moments > 0
