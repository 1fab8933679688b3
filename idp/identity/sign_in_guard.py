"""Limits on guessing passwords: a delay that grows with each wrong one, the same for logins that do not exist.

Tries are kept per login, apart for browsers that the account knows, so that a stranger who knows an identity number can slow down only
strangers. A try is counted as under way before the password is compared and as wrong afterwards, so that a burst gains nothing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from idp import errors
from idp.clock import Clock
from idp.config import Config
from idp.safety.rate_limits import RateLimits, place_of
from idp.safety.sealed_store import SealedStore

FIRST_DELAY = timedelta(seconds=15)
MEMORY = timedelta(days=1)  # how long wrong tries are remembered after the last of them
UNDER_WAY = timedelta(seconds=10)  # more than a comparison takes; a try that never ended is forgotten
ADDRESS_WINDOW = timedelta(minutes=10)
ADDRESS_WRONG_TRIES = 10  # many people share an address, so one asks for picture codes only after several wrong tries
MOST_SWAPS = 30
_LARGEST_DOUBLING = 20


@dataclass(frozen=True)
class Tries:
    """The tries of one budget; times are seconds since the epoch."""

    wrong: int = 0
    under_way: tuple[float, ...] = ()
    closed_until: float = 0.0


class SignInGuard:
    """Decides whether a password may be tried now, and whether a picture code is due first."""

    def __init__(self, *, store: SealedStore, limits: RateLimits, config: Config, clock: Clock) -> None:
        """Take the parts."""
        self._store = store
        self._limits = limits
        self._rule = config.sign_in
        self._picture_code = config.picture_code.sign_in
        self._clock = clock

    def check(self, login: str, address: str, *, known_device: bool) -> None:
        """Let a try begin, just before the password is compared; `failed` or `succeeded` ends it. Raises `SlowDown`."""
        try:
            self._limits.hit(
                "sign_in_address", place_of(address), most=self._rule.tries_per_address_and_minute, window=timedelta(minutes=1)
            )
        except errors.TooManyRequests as limit:
            raise _slow_down(limit.retry_after_seconds or 60) from None
        self._change(_budget(login, known_device=known_device), self._begun)

    def failed(self, login: str, address: str, known_device: bool) -> None:  # noqa: FBT001 - named by every caller's variable
        """Count a wrong password."""
        self._store.count("sign_in_wrong", place_of(address), ADDRESS_WINDOW)
        self._change(_budget(login, known_device=known_device), self._counted_wrong)

    def succeeded(self, login: str, known_device: bool) -> None:  # noqa: FBT001 - as above
        """Forget the wrong tries of this budget; the other one keeps its own."""
        self._store.drop("sign_in_tries", _budget(login, known_device=known_device))

    def needs_picture_code(self, login: str, address: str, known_device: bool) -> bool:  # noqa: FBT001 - as above
        """Tell whether a picture code is due: always, never, or by risk, after wrong tries for the login or from a stranger's address."""
        if self._picture_code != "risk":
            return self._picture_code == "always"
        record = self._store.get("sign_in_tries", _budget(login, known_device=known_device))
        if _read(record).wrong >= self._rule.picture_code_after:
            return True
        return not known_device and self._store.peek("sign_in_wrong", place_of(address)) >= ADDRESS_WRONG_TRIES

    def _begun(self, tries: Tries) -> Tries:
        now = self._clock.now().timestamp()
        # Further away than any delay means that the clock was set back: nobody is kept out for that.
        if now < tries.closed_until <= now + self._rule.longest_delay.total_seconds():
            raise _slow_down(tries.closed_until - now)
        under_way = tuple(at for at in tries.under_way if at > now - UNDER_WAY.total_seconds())
        # Tries that run at once may all turn out wrong: together they do not exceed the free ones, and behind those they go one by one.
        if under_way and tries.wrong + len(under_way) >= self._rule.free_tries:
            raise _slow_down(UNDER_WAY.total_seconds())
        return replace(tries, under_way=(*under_way, now))

    def _counted_wrong(self, tries: Tries) -> Tries:
        now = self._clock.now().timestamp()
        wrong = tries.wrong + 1
        doublings = min(wrong - self._rule.free_tries, _LARGEST_DOUBLING)
        delay = min(FIRST_DELAY * 2**doublings, self._rule.longest_delay) if doublings >= 0 else timedelta(0)
        return Tries(wrong, tries.under_way[1:], now + delay.total_seconds())

    def _change(self, budget: str, change: Callable[[Tries], Tries]) -> None:
        """Replace the tries of a budget in one step, again while others come between."""
        for _ in range(MOST_SWAPS):
            loaded = self._store.load("sign_in_tries", budget)
            changed = _written(change(_read(loaded.value if loaded else None)))
            if loaded is None:
                if self._store.put("sign_in_tries", budget, changed, MEMORY, only_if_new=True):
                    return
            elif self._store.swap("sign_in_tries", budget, loaded, changed, MEMORY):
                return
        raise _slow_down(UNDER_WAY.total_seconds())


def _slow_down(seconds: float) -> errors.SlowDown:
    return errors.SlowDown(minutes=math.ceil(seconds / 60), retry_after_seconds=math.ceil(seconds))


def _budget(login: str, *, known_device: bool) -> str:
    return f"{'known' if known_device else 'stranger'}:{login}"


def _read(record: dict[str, Any] | None) -> Tries:
    return Tries(record["wrong"], tuple(record["under_way"]), record["closed_until"]) if record else Tries()


def _written(tries: Tries) -> dict[str, Any]:
    return {"wrong": tries.wrong, "under_way": list(tries.under_way), "closed_until": tries.closed_until}
