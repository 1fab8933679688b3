"""What every short-lived store promises, proven of the embedded one and of Redis: atomic commands, expiry, and "no" when it is away."""

import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from socket import create_server
from typing import Any, TypeVar

import pytest
import redis

from idp.errors import ConfigError, StoreUnavailable
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived, ShortLived, open_short_lived
from tests.clock import MovableClock

T = TypeVar("T")

MINUTE = timedelta(minutes=1)
SHORT = timedelta(milliseconds=60)
THREADS = 50
LONGEST_WAIT_SECONDS = 2.0


def at_once(act: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """Let every thread wait for the others, then act."""
    barrier = threading.Barrier(threads)

    def one(number: int) -> T:
        barrier.wait(30)
        return act(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))


def let_pass(lifetime: timedelta, clock: MovableClock) -> None:
    """Let time pass: the embedded store follows the test's clock, Redis its own."""
    clock.move(lifetime)
    time.sleep(lifetime.total_seconds() * 1.5)


# --- Values -------------------------------------------------------------------------------------------------------------------------


def test_a_value_is_kept_whatever_its_bytes(short_lived: ShortLived) -> None:
    value = bytes(range(256)) * 40
    assert short_lived.put("key", value, MINUTE)
    assert short_lived.get("key") == value
    assert short_lived.get("key") == value


def test_an_unknown_key_gives_nothing(short_lived: ShortLived) -> None:
    assert short_lived.get("key") is None
    assert short_lived.take("key") is None
    assert short_lived.remaining("key") is None
    assert short_lived.peek("key") == 0
    short_lived.drop("key")


def test_a_later_value_replaces_an_earlier_one(short_lived: ShortLived) -> None:
    short_lived.put("key", b"first", MINUTE)
    assert short_lived.put("key", b"second", MINUTE)
    assert short_lived.get("key") == b"second"


def test_only_if_new_keeps_the_value_that_lives(short_lived: ShortLived, clock: MovableClock) -> None:
    assert short_lived.put("key", b"first", SHORT, only_if_new=True)
    assert not short_lived.put("key", b"second", MINUTE, only_if_new=True)
    assert short_lived.get("key") == b"first"
    let_pass(SHORT, clock)
    assert short_lived.put("key", b"third", MINUTE, only_if_new=True)
    assert short_lived.get("key") == b"third"


def test_a_value_is_taken_once(short_lived: ShortLived) -> None:
    short_lived.put("key", b"value", MINUTE)
    assert short_lived.take("key") == b"value"
    assert short_lived.take("key") is None
    assert short_lived.get("key") is None


def test_an_exchange_gives_the_old_value_and_leaves_the_new(short_lived: ShortLived) -> None:
    short_lived.put("key", b"old", SHORT)
    assert short_lived.exchange("key", b"new", MINUTE) == b"old"
    assert short_lived.exchange("key", b"newer", MINUTE) == b"new"
    assert short_lived.get("key") == b"newer"
    remaining = short_lived.remaining("key")
    assert remaining is not None
    assert remaining > SHORT


def test_an_exchange_of_nothing_writes_nothing(short_lived: ShortLived, clock: MovableClock) -> None:
    assert short_lived.exchange("key", b"new", MINUTE) is None
    assert short_lived.get("key") is None
    short_lived.put("key", b"old", SHORT)
    let_pass(SHORT, clock)
    assert short_lived.exchange("key", b"new", MINUTE) is None
    assert short_lived.get("key") is None


def test_a_swap_needs_the_expected_value(short_lived: ShortLived, clock: MovableClock) -> None:
    assert not short_lived.swap("key", b"", b"new", MINUTE)
    short_lived.put("key", b"old", SHORT)
    assert not short_lived.swap("key", b"other", b"new", MINUTE)
    assert short_lived.swap("key", b"old", b"new", SHORT)
    assert short_lived.get("key") == b"new"
    let_pass(SHORT, clock)
    assert not short_lived.swap("key", b"new", b"newer", MINUTE)
    assert short_lived.get("key") is None


def test_a_dropped_value_is_gone(short_lived: ShortLived) -> None:
    short_lived.put("key", b"value", MINUTE)
    short_lived.drop("key")
    assert short_lived.get("key") is None


def test_keys_do_not_touch_each_other(short_lived: ShortLived) -> None:
    short_lived.put("key", b"one", MINUTE)
    short_lived.put("key:2", b"two", MINUTE)
    short_lived.count("Key", MINUTE)
    short_lived.drop("key")
    assert (short_lived.get("key:2"), short_lived.peek("Key")) == (b"two", 1)


# --- Expiry -------------------------------------------------------------------------------------------------------------------------


def test_a_value_expires(short_lived: ShortLived, clock: MovableClock) -> None:
    short_lived.put("got", b"value", SHORT)
    short_lived.put("taken", b"value", SHORT)
    let_pass(SHORT, clock)
    assert short_lived.get("got") is None
    assert short_lived.take("taken") is None
    assert short_lived.remaining("got") is None


def test_a_lifetime_of_nothing_is_over_at_once(short_lived: ShortLived, clock: MovableClock) -> None:
    short_lived.put("key", b"value", timedelta(seconds=-5))
    let_pass(timedelta(milliseconds=2), clock)
    assert short_lived.get("key") is None


def test_remaining_tells_the_time_until_expiry(short_lived: ShortLived) -> None:
    short_lived.put("value", b"value", MINUTE)
    short_lived.count("count", MINUTE)
    for key in ("value", "count"):
        remaining = short_lived.remaining(key)
        assert remaining is not None
        assert MINUTE - timedelta(seconds=10) < remaining <= MINUTE


# --- Counts -------------------------------------------------------------------------------------------------------------------------


def test_a_count_goes_up_by_one(short_lived: ShortLived) -> None:
    assert [short_lived.count("key", MINUTE) for _ in range(12)] == list(range(1, 13))
    assert short_lived.peek("key") == 12
    short_lived.drop("key")
    assert short_lived.count("key", MINUTE) == 1


def test_the_window_of_a_count_runs_from_the_first(short_lived: ShortLived, clock: MovableClock) -> None:
    window = timedelta(milliseconds=300)
    assert short_lived.count("key", window) == 1
    assert short_lived.count("key", MINUTE) == 2
    remaining = short_lived.remaining("key")
    assert remaining is not None
    assert remaining <= window
    let_pass(window, clock)
    assert short_lived.peek("key") == 0
    assert short_lived.count("key", window) == 1


# --- Races of threads ---------------------------------------------------------------------------------------------------------------


@pytest.mark.race
def test_of_fifty_threads_one_takes(short_lived: ShortLived) -> None:
    keys = [f"key:{number}" for number in range(20)]
    for key in keys:
        short_lived.put(key, b"value", MINUTE)
    barrier = threading.Barrier(THREADS)

    def take_each(_: int) -> list[bytes | None]:
        short_lived.get("warm")  # each thread has its connection before the race
        taken = []
        for key in keys:
            barrier.wait(30)
            taken.append(short_lived.take(key))
        return taken

    for taken in zip(*at_once(take_each), strict=True):
        assert (taken.count(b"value"), taken.count(None)) == (1, THREADS - 1)


@pytest.mark.race
def test_of_fifty_threads_one_exchanges_the_first_value(short_lived: ShortLived) -> None:
    short_lived.put("key", b"code", MINUTE)
    old = at_once(lambda _: short_lived.exchange("key", b"tombstone", MINUTE))
    assert (old.count(b"code"), old.count(b"tombstone")) == (1, THREADS - 1)


@pytest.mark.race
def test_exchanges_of_fifty_threads_form_one_chain(short_lived: ShortLived) -> None:
    short_lived.put("key", b"start", MINUTE)
    old = at_once(lambda number: short_lived.exchange("key", b"%d" % number, MINUTE))
    everything = {b"start", *(b"%d" % number for number in range(THREADS))}
    assert {*old, short_lived.get("key")} == everything


@pytest.mark.race
def test_of_fifty_threads_one_swaps(short_lived: ShortLived) -> None:
    short_lived.put("key", b"old", MINUTE)
    swapped = at_once(lambda number: short_lived.swap("key", b"old", b"%d" % number, MINUTE))
    assert swapped.count(True) == 1
    assert short_lived.get("key") == b"%d" % swapped.index(True)


@pytest.mark.race
def test_of_fifty_threads_one_is_new(short_lived: ShortLived) -> None:
    kept = at_once(lambda number: short_lived.put("key", b"%d" % number, MINUTE, only_if_new=True))
    assert kept.count(True) == 1
    assert short_lived.get("key") == b"%d" % kept.index(True)


@pytest.mark.race
def test_of_fifty_threads_one_is_new_after_expiry(short_lived: ShortLived, clock: MovableClock) -> None:
    short_lived.put("key", b"old", SHORT)
    let_pass(SHORT, clock)
    assert at_once(lambda _: short_lived.put("key", b"new", MINUTE, only_if_new=True)).count(True) == 1


@pytest.mark.race
def test_fifty_threads_count_exactly(short_lived: ShortLived) -> None:
    counts = at_once(lambda _: [short_lived.count("key", MINUTE) for _ in range(4)])
    assert sorted(count for some in counts for count in some) == list(range(1, 4 * THREADS + 1))


# --- Races of processes -------------------------------------------------------------------------------------------------------------


def take_and_count(url: str, keys: int, start: Any, reports: Any) -> None:
    store = open_short_lived(url)
    start.wait(30)
    taken, exchanged, swapped = [], [], []
    for number in range(keys):
        taken += [number] if store.take(f"take:{number}") else []
        exchanged += [number] if store.exchange(f"exchange:{number}", b"tombstone", MINUTE) == b"code" else []
        swapped += [number] if store.swap(f"swap:{number}", b"old", b"new", MINUTE) else []
        store.count("count", MINUTE)
    reports.put((taken, exchanged, swapped))


@pytest.mark.race
@pytest.mark.parametrize("kind", ["embedded", "redis"])
def test_of_two_processes_one_wins_each_key(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    keys = 150
    url = f"sqlite:///{tmp_path}/shared.db" if kind == "embedded" else request.getfixturevalue("redis_url")
    store = open_short_lived(url)
    for number in range(keys):
        store.put(f"take:{number}", b"value", MINUTE)
        store.put(f"exchange:{number}", b"code", MINUTE)
        store.put(f"swap:{number}", b"old", MINUTE)
    store.drop("count")
    processes = multiprocessing.get_context("spawn")
    start, reports = processes.Barrier(2), processes.Queue()
    started = [processes.Process(target=take_and_count, args=(url, keys, start, reports)) for _ in range(2)]
    for process in started:
        process.start()
    ours, theirs = (reports.get(timeout=50) for _ in started)
    for process in started:
        process.join(20)
    for mine, other in zip(ours, theirs, strict=True):
        assert sorted(mine + other) == list(range(keys))
    assert store.peek("count") == 2 * keys


# --- The embedded store alone ---------------------------------------------------------------------------------------------------------


def test_the_embedded_store_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "var" / "short-lived.db"
    first = EmbeddedShortLived(path)
    first.put("key", b"value", MINUTE)
    first.put("spent", b"value", MINUTE)
    first.take("spent")
    first.count("count", MINUTE)
    first.close()
    second = EmbeddedShortLived(path)
    assert (second.get("key"), second.get("spent"), second.peek("count")) == (b"value", None, 1)
    second.close()


def test_the_embedded_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "short-lived.db"
    store = EmbeddedShortLived(path)
    store.put("key", b"value", MINUTE)
    files = [path.parent, *path.parent.iterdir()]
    assert len(files) == 4
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []
    store.close()


def test_expired_rows_are_swept_while_others_are_written(
    embedded_short_lived: EmbeddedShortLived, clock: MovableClock, tmp_path: Path
) -> None:
    for number in range(200):
        embedded_short_lived.put(f"old:{number}", b"value", SHORT)
    clock.move(MINUTE)
    for number in range(60):
        embedded_short_lived.put(f"new:{number}", b"value", MINUTE)
    with sqlite3.connect(tmp_path / "short-lived.db") as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM entries")]
    connection.close()
    assert sorted(keys) == sorted(f"new:{number}" for number in range(60))


def test_a_failing_sweep_does_not_lose_what_was_taken(embedded_short_lived: EmbeddedShortLived, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded_short_lived.put("key", b"value", MINUTE)
    monkeypatch.setattr("idp.storage.short_lived.embedded._SWEEP", "DELETE FROM no_such_table")
    monkeypatch.setattr("idp.storage.short_lived.embedded._WRITES_BETWEEN_SWEEPS", 1)
    assert embedded_short_lived.take("key") == b"value"


def test_the_embedded_store_comes_back_when_its_file_does(tmp_path: Path) -> None:
    blocked = tmp_path / "var"
    blocked.write_text("a file where the folder should be")
    store = EmbeddedShortLived(blocked / "short-lived.db")
    assert not store.is_up()
    blocked.unlink()
    assert store.is_up()
    assert store.put("key", b"value", MINUTE)
    store.close()


def test_the_embedded_store_gives_way_to_a_lock_that_stays(tmp_path: Path) -> None:
    path = tmp_path / "short-lived.db"
    store = EmbeddedShortLived(path)
    store.put("key", b"value", MINUTE)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.take("key")
    assert time.monotonic() - began < LONGEST_WAIT_SECONDS
    assert store.get("key") == b"value"
    other.execute("ROLLBACK")
    other.close()
    assert store.take("key") == b"value"
    store.close()


# --- Away ---------------------------------------------------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[ShortLived], object]] = {
    "put": lambda store: store.put("key", b"value", MINUTE),
    "get": lambda store: store.get("key"),
    "take": lambda store: store.take("key"),
    "exchange": lambda store: store.exchange("key", b"value", MINUTE),
    "swap": lambda store: store.swap("key", b"old", b"value", MINUTE),
    "count": lambda store: store.count("key", MINUTE),
    "peek": lambda store: store.peek("key"),
    "remaining": lambda store: store.remaining("key"),
    "drop": lambda store: store.drop("key"),
}


@contextmanager
def silent_server() -> Iterator[int]:
    """Give the port of a server that accepts and never answers."""
    with create_server(("127.0.0.1", 0), backlog=50) as server:
        yield server.getsockname()[1]


def refusing_redis(tmp_path: Path) -> ShortLived:
    return RedisShortLived(f"unix://{tmp_path}/nobody.sock")


def unusable_file(tmp_path: Path) -> ShortLived:
    (tmp_path / "taken").write_text("a file where the folder should be")
    return EmbeddedShortLived(tmp_path / "taken" / "short-lived.db")


def not_a_database(tmp_path: Path) -> ShortLived:
    (tmp_path / "text.db").write_text("this is no database at all, but it is long enough to be looked at" * 50)
    return EmbeddedShortLived(tmp_path / "text.db")


@pytest.mark.parametrize("make", [refusing_redis, unusable_file, not_a_database])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_is_away_says_so_at_once(make: Callable[[Path], ShortLived], command: str, tmp_path: Path) -> None:
    store = make(tmp_path)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        COMMANDS[command](store)
    assert time.monotonic() - began < LONGEST_WAIT_SECONDS
    assert "key" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert not store.is_up()


def test_a_redis_that_does_not_answer_is_away_within_two_seconds() -> None:
    with silent_server() as port:
        store = RedisShortLived(f"redis://127.0.0.1:{port}/0")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.take("key")
        assert time.monotonic() - began < LONGEST_WAIT_SECONDS
        store.close()


def test_trouble_does_not_tell_the_password_of_redis(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        RedisShortLived(f"unix://:geheim@{tmp_path}/nobody.sock").get("key")
    assert "geheim" not in repr(caught.value) + str(caught.value)


def test_redis_comes_back_on_connections_that_it_closed(redis_short_lived: RedisShortLived, redis_url: str) -> None:
    redis_short_lived.put("key", b"value", MINUTE)
    with redis.Redis.from_url(redis_url) as operator:
        operator.client_kill_filter(_type="normal", skipme=True)
    assert redis_short_lived.get("key") == b"value"


# --- Opening ------------------------------------------------------------------------------------------------------------------------


def test_the_url_chooses_the_store(tmp_path: Path, redis_url: str) -> None:
    assert isinstance(open_short_lived(f"sqlite:///{tmp_path}/short-lived.db"), EmbeddedShortLived)
    assert isinstance(open_short_lived(redis_url), RedisShortLived)
    assert isinstance(open_short_lived("redis://127.0.0.1:1/0"), RedisShortLived)
    assert isinstance(open_short_lived("rediss://127.0.0.1:1/0"), RedisShortLived)
    assert not (tmp_path / "short-lived.db").exists()


@pytest.mark.parametrize("url", ["", "sqlite:///", "memory://", "http://user:geheim@redis", "postgresql://x"])
def test_another_url_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_short_lived(url)
    assert "geheim" not in str(caught.value)
