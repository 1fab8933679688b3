"""A limit holds exactly, also in a race, tells how long to wait, and means "no" when nobody can count."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from idp.errors import OtpBudgetSpent, SenidError, StoreUnavailable, TooManyRequests
from idp.safety.encryption import Encryption
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import SealedStore
from idp.storage.short_lived import EmbeddedShortLived, RedisShortLived, ShortLived
from tests.clock import MovableClock

HOUR = timedelta(hours=1)


@pytest.fixture
def limits(short_lived: ShortLived, encryption: Encryption) -> RateLimits:
    return RateLimits(SealedStore(short_lived, encryption))


def may(limits: RateLimits, name: str, key: str, most: int = 3) -> bool:
    try:
        limits.hit(name, key, most=most, window=HOUR)
    except TooManyRequests:
        return False
    return True


def test_as_many_as_allowed_pass_and_no_more(limits: RateLimits) -> None:
    assert [may(limits, "otp", "0912345678") for _ in range(5)] == [True, True, True, False, False]


def test_names_and_keys_are_counted_apart(limits: RateLimits) -> None:
    assert may(limits, "otp", "a", most=1)
    assert may(limits, "otp", "b", most=1)
    assert may(limits, "sign_in", "a", most=1)
    assert not may(limits, "otp", "a", most=1)
    assert may(limits, "ot", "pa", most=1)


@pytest.mark.parametrize("error", [TooManyRequests, OtpBudgetSpent])
def test_the_error_is_the_callers_and_tells_how_long_to_wait(limits: RateLimits, error: type[SenidError]) -> None:
    limits.hit("otp", "0912345678", most=1, window=HOUR, error=error)
    with pytest.raises(error) as caught:
        limits.hit("otp", "0912345678", most=1, window=HOUR, error=error)
    assert 3590 <= (caught.value.retry_after_seconds or 0) <= 3600
    assert "0912345678" not in str(caught.value) + repr(caught.value) + str(caught.value.values)


def test_used_tells_without_counting(limits: RateLimits) -> None:
    for _ in range(2):
        limits.hit("otp", "a", most=3, window=HOUR)
    assert (limits.used("otp", "a"), limits.used("otp", "a"), limits.used("otp", "b")) == (2, 2, 0)
    assert may(limits, "otp", "a", most=3)


def test_a_window_ends(embedded_short_lived: EmbeddedShortLived, encryption: Encryption, clock: MovableClock) -> None:
    limits = RateLimits(SealedStore(embedded_short_lived, encryption))
    assert may(limits, "otp", "a", most=1)
    clock.move(HOUR - timedelta(seconds=1))
    with pytest.raises(TooManyRequests) as caught:
        limits.hit("otp", "a", most=1, window=HOUR)
    assert caught.value.retry_after_seconds == 1
    clock.move(timedelta(seconds=1))
    assert may(limits, "otp", "a", most=1)


@pytest.mark.race
def test_a_limit_holds_exactly_in_a_race(limits: RateLimits) -> None:
    barrier = threading.Barrier(30)

    def race(_: int) -> bool:
        barrier.wait(30)
        return may(limits, "otp", "a", most=7)

    with ThreadPoolExecutor(30) as pool:
        assert sum(pool.map(race, range(30))) == 7


def test_who_cannot_count_says_no(encryption: Encryption, tmp_path: Path) -> None:
    limits = RateLimits(SealedStore(RedisShortLived(f"unix://{tmp_path}/nobody.sock"), encryption))
    with pytest.raises(StoreUnavailable):
        limits.hit("otp", "a", most=1000, window=HOUR)


def test_what_is_counted_when_it_is_done_is_checked_before(limits: RateLimits) -> None:
    for count in (1, 2):
        limits.check("otp", "0912345678", most=2)
        assert limits.add("otp", "0912345678", window=HOUR) == count
    with pytest.raises(OtpBudgetSpent) as caught:
        limits.check("otp", "0912345678", most=2, error=OtpBudgetSpent)
    assert 3590 <= (caught.value.retry_after_seconds or 0) <= 3600
    assert limits.used("otp", "0912345678") == 2
