"""Limits on guessing passwords."""

from datetime import timedelta
from typing import Any

import pytest

from idp import errors
from idp.config import Config
from idp.identity.sign_in_guard import ADDRESS_WRONG_TRIES, UNDER_WAY, SignInGuard
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import SealedStore
from tests.clock import MovableClock
from tests.identity.races import race

LOGIN = "001090000999"
HOME = "203.0.113.7"


def try_wrong(guard: SignInGuard, times: int = 1, *, login: str = LOGIN, address: str = HOME, known_device: bool = False) -> None:
    """Try a wrong password."""
    for _ in range(times):
        guard.check(login, address, known_device=known_device)
        guard.failed(login, address, known_device)


def wait_of(guard: SignInGuard, *, login: str = LOGIN, known_device: bool = False) -> errors.SlowDown:
    """Give the refusal of the next try."""
    with pytest.raises(errors.SlowDown) as refused:
        guard.check(login, HOME, known_device=known_device)
    return refused.value


@pytest.fixture
def guard_with(store: SealedStore, limits: RateLimits, config: Config, clock: MovableClock) -> Any:
    """Give a factory of guards with another rule."""

    def make(picture_code: str = "risk", **changes: object) -> SignInGuard:
        update = {
            "sign_in": config.sign_in.model_copy(update=changes),
            "picture_code": config.picture_code.model_copy(update={"sign_in": picture_code}),
        }
        return SignInGuard(store=store, limits=limits, config=config.model_copy(update=update), clock=clock)

    return make


def test_the_delay_doubles_after_the_free_tries_up_to_the_longest(guard: SignInGuard, clock: MovableClock) -> None:
    try_wrong(guard, 5)
    for seconds in (15, 30, 60, 120, 240, 480, 900, 900):
        refusal = wait_of(guard)
        assert refusal.values == {"minutes": -(-seconds // 60), "retry_after_seconds": seconds}
        clock.move(timedelta(seconds=seconds))
        try_wrong(guard)


def test_the_right_password_clears_the_delay(guard: SignInGuard) -> None:
    try_wrong(guard, 4)
    guard.check(LOGIN, HOME, known_device=False)
    guard.succeeded(LOGIN, known_device=False)
    try_wrong(guard, 5)
    wait_of(guard)


def test_wrong_tries_count_also_where_nobody_asked_before(guard: SignInGuard) -> None:
    for _ in range(5):
        guard.failed(LOGIN, HOME, known_device=False)
    wait_of(guard)


def test_strangers_cannot_lock_out_the_owners_own_browser(guard: SignInGuard, clock: MovableClock) -> None:
    try_wrong(guard, 5)
    wait_of(guard)
    guard.check(LOGIN, HOME, known_device=True)
    guard.succeeded(LOGIN, known_device=True)
    wait_of(guard)  # and the owner's success does not set the strangers free
    try_wrong(guard, 5, known_device=True)
    wait_of(guard, known_device=True)


def test_one_login_does_not_slow_down_another(guard: SignInGuard) -> None:
    try_wrong(guard, 5)
    guard.check("001090000998", HOME, known_device=False)


@pytest.mark.parametrize("short_lived", ["embedded"], indirect=True)  # the time of a Redis server is not moved
def test_tries_are_forgotten_after_a_quiet_day(guard: SignInGuard, clock: MovableClock) -> None:
    try_wrong(guard, 5)
    clock.move(timedelta(days=1, seconds=1))
    try_wrong(guard, 5)


@pytest.mark.race
def test_a_burst_gains_no_more_tries_than_one_after_the_other(guard: SignInGuard) -> None:
    ends = race(lambda _: try_wrong(guard, address="203.0.113.8"))
    assert 1 <= ends.count("won") <= 5
    assert set(ends) == {"won", "slow_down"}


@pytest.mark.race
def test_behind_the_free_tries_a_burst_gains_one(guard: SignInGuard, clock: MovableClock) -> None:
    try_wrong(guard, 5)
    clock.move(timedelta(seconds=15))
    ends = race(lambda _: guard.check(LOGIN, HOME, known_device=False))
    assert ends.count("won") == 1


def test_a_try_that_never_ended_is_forgotten(guard: SignInGuard, clock: MovableClock) -> None:
    for _ in range(5):
        guard.check(LOGIN, HOME, known_device=False)
    wait_of(guard)
    clock.move(UNDER_WAY)
    guard.check(LOGIN, HOME, known_device=False)


def test_an_address_has_a_budget_of_its_own_over_all_logins(guard_with: Any) -> None:
    guard = guard_with(tries_per_address_and_minute=3)
    for number in range(3):
        guard.check(f"00109000000{number}", HOME, known_device=False)
    with pytest.raises(errors.SlowDown) as refused:
        guard.check("001090000009", HOME, known_device=True)
    assert 0 < (refused.value.retry_after_seconds or 0) <= 60
    assert refused.value.values["minutes"] == 1
    guard.check("001090000009", "203.0.113.9", known_device=False)


@pytest.mark.parametrize(
    "first, second, is_one",
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("", "unix:", True),
    ],
)
def test_addresses_are_told_apart_as_far_as_one_caller_cannot_change_them(
    guard_with: Any,
    first: str,
    second: str,
    is_one: bool,  # noqa: FBT001 - a case of the table
) -> None:
    guard = guard_with(tries_per_address_and_minute=1)
    guard.check("001090000001", first, known_device=False)
    if is_one:
        with pytest.raises(errors.SlowDown):
            guard.check("001090000002", second, known_device=False)
    else:
        guard.check("001090000002", second, known_device=False)


@pytest.mark.requirement("A9.77")
@pytest.mark.requirement("A16.C3")
def test_a_picture_code_is_due_by_risk(guard: SignInGuard) -> None:
    try_wrong(guard)
    assert not guard.needs_picture_code(LOGIN, HOME, known_device=False)
    try_wrong(guard)
    assert guard.needs_picture_code(LOGIN, HOME, known_device=False)
    assert guard.needs_picture_code(LOGIN, "203.0.113.9", known_device=False)
    assert not guard.needs_picture_code(LOGIN, HOME, known_device=True)
    assert not guard.needs_picture_code("001090000998", HOME, known_device=False)
    guard.succeeded(LOGIN, known_device=False)
    assert not guard.needs_picture_code(LOGIN, HOME, known_device=False)


@pytest.mark.requirement("A16.C3")
def test_a_picture_code_is_due_where_many_logins_were_tried_from_one_address(guard: SignInGuard) -> None:
    for number in range(ADDRESS_WRONG_TRIES):
        try_wrong(guard, login=f"0010900000{number:02}")
    assert guard.needs_picture_code("001090000998", HOME, known_device=False)
    assert not guard.needs_picture_code("001090000998", HOME, known_device=True)
    assert not guard.needs_picture_code("001090000998", "203.0.113.9", known_device=False)


@pytest.mark.requirement("A16.C3")
@pytest.mark.parametrize("policy, is_due", [("always", True), ("never", False)])
def test_a_deployment_can_force_the_picture_code_or_leave_it_out(
    guard_with: Any,
    policy: str,
    is_due: bool,  # noqa: FBT001 - a case of the table
) -> None:
    guard = guard_with(policy)
    assert guard.needs_picture_code(LOGIN, HOME, known_device=True) is is_due
    try_wrong(guard, 4)
    assert guard.needs_picture_code(LOGIN, HOME, known_device=False) is is_due
