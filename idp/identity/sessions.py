"""Signed-in browsers: who signed in, when and by which factors, until the session idles out, reaches its end, or is dropped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from idp.clock import Clock
from idp.config import Config
from idp.identity.accounts import Accounts
from idp.identity.assurance import Factor
from idp.safety.audit import Audit
from idp.safety.sealed_store import SealedStore
from idp.values import Language, new_id, new_secret, secret_hash

SLIDE_EVERY = timedelta(minutes=1)
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Session:
    """A signed-in browser. `id` is public; the cookie's secret is not here, only its hash in `key`.

    `generation` is that of the account's sessions (`accounts.Standing`): when an operator ends them all, it falls behind.
    """

    id: str
    account_id: str
    auth_time: datetime
    factors: tuple[Factor, ...]
    started_at: datetime
    language: Language = "vi"
    generation: int = 0
    key: str = field(default="", repr=False, compare=False)


class Sessions:
    """Starts, finds and drops sessions; their secrets are known to browsers alone."""

    def __init__(self, *, store: SealedStore, config: Config, clock: Clock, audit: Audit, accounts: Accounts) -> None:
        """Take the parts."""
        self._accounts = accounts
        self._store = store
        self._lifetimes = config.sessions
        self._clock = clock
        self._audit = audit

    def start(
        self, account_id: str, factors: Sequence[Factor], *, replaces: Session | None, language: Language | None = None
    ) -> tuple[Session, str]:
        """Start a session and give the new cookie's secret; the session that it `replaces` ends, and with it the old secret.

        The same account keeps the session's id. What carries earlier factors over, as a step-up does, keeps the session's end and its
        `auth_time` too: only a whole new sign-in moves them. Raises `ValueError` without a factor.
        """
        if not factors:
            raise ValueError("a session stands on at least one factor")
        secret = new_secret()
        standing = self._accounts.standing(account_id)
        now = _whole_second(self._clock.now())
        session = Session(
            id=new_id(),
            account_id=account_id,
            auth_time=_whole_second(max(factor.at for factor in factors)),
            factors=tuple(factors),
            started_at=now,
            language=language or (replaces.language if replaces else "vi"),
            generation=standing.generation if standing else 0,
            key=secret_hash(secret),
        )
        if replaces and replaces.account_id == account_id:
            carries_over = any(_whole_second(factor.at) <= replaces.auth_time for factor in factors)
            session = replace(session, id=replaces.id)
            if carries_over:
                session = replace(session, started_at=replaces.started_at, auth_time=replaces.auth_time, generation=replaces.generation)
        self._store.put("session", session.key, _record(session, seen_at=now), self._lifetime(session, now))
        if replaces:
            self._forget(replaces, account_id)
        self._audit.session_started(account_id, session_id=session.id)
        return session, secret

    def find(self, cookie: str | None) -> Session | None:
        """Give the living session of a cookie, or None; being seen keeps it from idling out."""
        if cookie is None or not _COOKIE.fullmatch(cookie):
            return None
        key = secret_hash(cookie)
        loaded = self._store.load("session", key)
        if loaded is None:
            return None
        session = _session(key, loaded.value)
        now = self._clock.now()
        seen_at = datetime.fromisoformat(loaded.value["seen_at"])
        if now >= min(seen_at + self._lifetimes.idle_lifetime, session.started_at + self._lifetimes.absolute_lifetime):
            return None
        if now - seen_at >= SLIDE_EVERY:
            # Swapped, not put: a session that was dropped meanwhile stays dropped.
            self._store.swap("session", key, loaded, _record(session, seen_at=now), self._lifetime(session, now))
        return session

    def drop(self, session: Session) -> None:
        """End a session; whoever ends it records why."""
        self._store.drop("session", session.key)

    def _forget(self, replaced: Session, account_id: str) -> None:
        self.drop(replaced)
        if replaced.account_id != account_id:
            self._audit.session_ended(replaced.account_id, session_id=replaced.id)

    def _lifetime(self, session: Session, now: datetime) -> timedelta:
        left = session.started_at + self._lifetimes.absolute_lifetime - now
        return max(min(self._lifetimes.idle_lifetime, left), timedelta(seconds=1))


def _whole_second(instant: datetime) -> datetime:
    """Give the second of an instant, as `auth_time` is told (OpenID Connect Core 2), so that stored and told are the same."""
    return instant.replace(microsecond=0)


def _record(session: Session, *, seen_at: datetime) -> dict[str, Any]:
    return {
        "id": session.id,
        "account_id": session.account_id,
        "auth_time": session.auth_time.isoformat(),
        "factors": [[factor.method, factor.at.isoformat()] for factor in session.factors],
        "started_at": session.started_at.isoformat(),
        "language": session.language,
        "generation": session.generation,
        "seen_at": seen_at.isoformat(),
    }


def _session(key: str, record: dict[str, Any]) -> Session:
    return Session(
        id=record["id"],
        account_id=record["account_id"],
        auth_time=datetime.fromisoformat(record["auth_time"]),
        factors=tuple(Factor(method, datetime.fromisoformat(at)) for method, at in record["factors"]),
        started_at=datetime.fromisoformat(record["started_at"]),
        language=record["language"],
        generation=record.get("generation", 0),  # of version 0.1 there are records without
        key=key,
    )
