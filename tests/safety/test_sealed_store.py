"""Values in the short-lived store come back whole, and neither they nor their names tell anything to who reads the store."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from idp.errors import StoreUnavailable
from idp.safety.encryption import Encryption, Key, KeyRing
from idp.safety.sealed_store import SealedStore
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived, ShortLived
from tests.clock import MovableClock

MINUTE = timedelta(minutes=1)
VALUE: dict[str, Any] = {"account": "a1", "name": "Nguyễn Văn An", "count": 3, "nested": {"list": [1, None, True]}}


@pytest.fixture
def store(short_lived: ShortLived, encryption: Encryption) -> SealedStore:
    return SealedStore(short_lived, encryption)


def test_a_value_comes_back_whole(store: SealedStore) -> None:
    assert store.put("session", "s1", VALUE, MINUTE)
    assert store.get("session", "s1") == VALUE
    assert store.take("session", "s1") == VALUE
    assert store.take("session", "s1") is None
    assert store.get("session", "s1") is None


def test_kinds_and_ids_are_apart(store: SealedStore) -> None:
    store.put("session", "s1", {"n": 1}, MINUTE)
    store.put("session", "s2", {"n": 2}, MINUTE)
    store.put("ticket", "s1", {"n": 3}, MINUTE)
    store.drop("session", "s2")
    assert [store.get("session", "s1"), store.get("session", "s2"), store.get("ticket", "s1")] == [{"n": 1}, None, {"n": 3}]


def test_only_if_new_keeps_the_first(store: SealedStore) -> None:
    assert store.put("jti", "x", {"n": 1}, MINUTE, only_if_new=True)
    assert not store.put("jti", "x", {"n": 2}, MINUTE, only_if_new=True)
    assert store.get("jti", "x") == {"n": 1}


def test_an_exchange_gives_the_old_value(store: SealedStore) -> None:
    assert store.exchange("code", "c", {"spent": True}, MINUTE) is None
    assert store.get("code", "c") is None
    store.put("code", "c", VALUE, MINUTE)
    assert store.exchange("code", "c", {"spent": True}, MINUTE) == VALUE
    assert store.exchange("code", "c", {"spent": True}, MINUTE) == {"spent": True}


def test_a_swap_fails_when_somebody_came_between(store: SealedStore) -> None:
    assert store.load("draft", "d") is None
    store.put("draft", "d", {"step": 1}, MINUTE)
    mine, theirs = store.load("draft", "d"), store.load("draft", "d")
    assert mine is not None
    assert theirs is not None
    assert mine.value == {"step": 1}
    assert store.swap("draft", "d", theirs, {"step": 2}, MINUTE)
    assert not store.swap("draft", "d", mine, {"step": 3}, MINUTE)
    assert store.get("draft", "d") == {"step": 2}


def test_a_value_written_again_with_the_same_content_counts_as_a_change(store: SealedStore) -> None:
    store.put("draft", "d", {"step": 1}, MINUTE)
    loaded = store.load("draft", "d")
    assert loaded is not None
    store.put("draft", "d", {"step": 1}, MINUTE)
    assert not store.swap("draft", "d", loaded, {"step": 2}, MINUTE)


def test_counts_and_remaining_times(store: SealedStore) -> None:
    assert store.remaining("tries", "a") is None
    assert [store.count("tries", "a", MINUTE) for _ in range(3)] == [1, 2, 3]
    assert (store.peek("tries", "a"), store.peek("tries", "b")) == (3, 0)
    remaining = store.remaining("tries", "a")
    assert remaining is not None
    assert timedelta(seconds=50) < remaining <= MINUTE


@pytest.mark.race
def test_of_fifty_threads_one_takes_and_one_exchanges_the_code(store: SealedStore) -> None:
    store.put("otp", "o", VALUE, MINUTE)
    store.put("code", "c", VALUE, MINUTE)
    barrier = threading.Barrier(50)

    def race(_: int) -> tuple[bool, bool]:
        barrier.wait(30)
        return store.take("otp", "o") == VALUE, store.exchange("code", "c", {"spent": True}, MINUTE) == VALUE

    with ThreadPoolExecutor(50) as pool:
        taken, exchanged = zip(*pool.map(race, range(50)), strict=True)
    assert (sum(taken), sum(exchanged)) == (1, 1)


def test_the_file_tells_nothing(embedded_short_lived: EmbeddedShortLived, encryption: Encryption, tmp_path: Path) -> None:
    store = SealedStore(embedded_short_lived, encryption)
    store.put("otp", "0912345678", {"code": "493028", "name": "Nguyễn"}, MINUTE)
    store.count("limit", "001099000999", MINUTE)
    content = b"".join(path.read_bytes() for path in tmp_path.glob("short-lived.db*"))
    assert b"otp:" in content
    for secret in ("0912345678", "493028", "Nguyễn", "001099000999"):
        assert secret.encode() not in content


def test_a_value_moved_to_another_name_does_not_open(store: SealedStore, short_lived: ShortLived, encryption: Encryption) -> None:
    store.put("session", "mine", VALUE, MINUTE)
    raw = short_lived.get(f"session:{encryption.store_name('mine')}")
    assert raw is not None
    short_lived.put(f"session:{encryption.store_name('yours')}", raw, MINUTE)
    short_lived.put(f"code:{encryption.store_name('mine')}", raw, MINUTE)
    assert store.get("session", "yours") is None
    assert store.load("session", "yours") is None
    assert store.take("code", "mine") is None


def test_a_value_whose_key_is_gone_is_not_there_and_the_log_says_so(short_lived: ShortLived, encryption: Encryption) -> None:
    SealedStore(short_lived, encryption).put("session", "0912345678", VALUE, MINUTE)
    kept = encryption._ring
    without = Encryption(KeyRing(field_encryption=(Key(9, bytes(range(32))),), index=kept.index, tokens=kept.tokens))
    with structlog.testing.capture_logs() as logs:
        assert SealedStore(short_lived, without).get("session", "0912345678") is None
    assert [(entry["event"], entry["kind"]) for entry in logs] == [("short_lived_value_unreadable", "session")]
    assert "0912345678" not in str(logs)


def test_a_new_key_leaves_everything_in_its_place(short_lived: ShortLived, encryption: Encryption) -> None:
    SealedStore(short_lived, encryption).put("session", "s1", VALUE, MINUTE)
    kept, fresh = encryption._ring, Key(2, bytes(range(32)))
    rotated = Encryption(KeyRing((fresh, *kept.field_encryption), (fresh, *kept.index), (fresh, *kept.tokens)))
    assert SealedStore(short_lived, rotated).get("session", "s1") == VALUE


def test_a_value_expires(embedded_short_lived: EmbeddedShortLived, encryption: Encryption, clock: MovableClock) -> None:
    store = SealedStore(embedded_short_lived, encryption)
    store.put("session", "s1", VALUE, MINUTE)
    clock.move(MINUTE)
    assert store.get("session", "s1") is None


def test_a_store_that_is_away_is_never_taken_for_an_empty_one(encryption: Encryption, tmp_path: Path) -> None:
    store = SealedStore(RedisShortLived(f"unix://{tmp_path}/nobody.sock"), encryption)
    with pytest.raises(StoreUnavailable):
        store.get("session", "s1")
    with pytest.raises(StoreUnavailable):
        store.put("jti", "x", {}, MINUTE, only_if_new=True)


def test_a_loaded_value_hides_its_bytes(store: SealedStore) -> None:
    store.put("session", "s1", {"n": 1}, MINUTE)
    loaded = store.load("session", "s1")
    assert loaded is not None
    assert repr(loaded) == "Loaded(value={'n': 1})"
