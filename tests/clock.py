"""A clock that stands still until a test moves it."""

from datetime import datetime, timedelta
from typing import Protocol

from idp.clock import Clock


class Follower(Protocol):
    """What keeps its own time and can be set off from it, as `idp.storage.db.Database` can."""

    offset: timedelta


class MovableClock(Clock):
    """Stands still at the instant of its making, or at `start`; whoever follows is moved by the same amount."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or super().now()
        self._moved = timedelta(0)
        self._followers: list[Follower] = []

    def now(self) -> datetime:
        """Give the instant at which the clock stands."""
        return self._now

    def move(self, by: timedelta) -> None:
        """Go `by` ahead, or back when it is negative."""
        self._now += by
        self._moved += by
        for follower in self._followers:
            follower.offset += by

    def lead(self, follower: Follower) -> None:
        """Take `follower` along, from now on."""
        follower.offset += self._moved
        self._followers.append(follower)
