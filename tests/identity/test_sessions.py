"""Signed-in browsers."""

from datetime import datetime, timedelta

import pytest

from idp.identity.assurance import Factor
from idp.identity.sessions import Session, Sessions
from idp.safety.audit import Audit
from idp.safety.sealed_store import Loaded, SealedStore
from tests.clock import MovableClock
from tests.identity.races import race

ACCOUNT = "0192f000-0000-7000-8000-000000000001"
OTHER_ACCOUNT = "0192f000-0000-7000-8000-000000000002"
IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=8)


def password_and_code(at: datetime) -> list[Factor]:
    """Give the factors of a complete sign-in."""
    return [Factor("pwd", at - timedelta(seconds=20)), Factor("sms", at)]


def found(sessions: Sessions, cookie: str) -> Session:
    """Give a session that has to be there."""
    session = sessions.find(cookie)
    assert session
    return session


def test_a_session_is_found_by_its_cookie(sessions: Sessions, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None, language="en")
    assert found(sessions, cookie) == session
    assert (session.account_id, session.language) == (ACCOUNT, "en")
    assert session.auth_time == clock.now().replace(microsecond=0)
    assert [factor.method for factor in session.factors] == ["pwd", "sms"]


def test_the_cookies_secret_is_256_bits_and_nowhere_else(sessions: Sessions, store: SealedStore, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    record = store.get("session", session.key)
    assert len(cookie) == 43
    assert cookie not in str(record) + repr(session) + session.key + session.id
    assert session.key not in repr(session)


@pytest.mark.parametrize("cookie", [None, "", "x", "x" * 43, "x" * 8192, "\x00" * 43, "é" * 43, "\ud800" * 43])
def test_a_cookie_that_we_did_not_give_finds_nothing(sessions: Sessions, cookie: str | None) -> None:
    assert sessions.find(cookie) is None


def test_a_session_idles_out(sessions: Sessions, clock: MovableClock) -> None:
    _, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    clock.move(IDLE)
    assert sessions.find(cookie) is None


def test_being_seen_keeps_a_session_until_its_end(sessions: Sessions, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    while clock.now() + timedelta(minutes=20) < session.started_at + ABSOLUTE:
        clock.move(timedelta(minutes=20))
        assert found(sessions, cookie).auth_time == session.auth_time
    clock.move(session.started_at + ABSOLUTE - clock.now())
    assert sessions.find(cookie) is None


def test_being_seen_writes_once_a_minute(sessions: Sessions, store: SealedStore, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    before = store.load("session", session.key)
    clock.move(timedelta(seconds=59))
    found(sessions, cookie)
    assert store.load("session", session.key) == before
    clock.move(timedelta(seconds=2))
    found(sessions, cookie)
    assert store.load("session", session.key) != before


def test_a_dropped_session_is_over(sessions: Sessions, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    other, other_cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    sessions.drop(found(sessions, cookie))
    sessions.drop(session)
    assert found(sessions, other_cookie) == other
    assert sessions.find(cookie) is None


def test_a_session_that_is_dropped_at_the_moment_it_is_seen_stays_dropped(
    sessions: Sessions, store: SealedStore, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    clock.move(timedelta(minutes=5))
    load = store.load

    def load_and_drop(kind: str, identifier: str) -> Loaded | None:
        loaded = load(kind, identifier)
        sessions.drop(session)
        return loaded

    monkeypatch.setattr(store, "load", load_and_drop)
    sessions.find(cookie)
    monkeypatch.undo()
    assert sessions.find(cookie) is None


@pytest.mark.race
def test_being_seen_while_dropped_does_not_bring_a_session_back(sessions: Sessions, clock: MovableClock) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    clock.move(timedelta(minutes=5))
    race(lambda number: sessions.drop(session) if number == 25 else sessions.find(cookie))
    assert sessions.find(cookie) is None


def test_the_same_account_keeps_its_id_and_gets_a_new_secret(sessions: Sessions, clock: MovableClock) -> None:
    first, old_cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None, language="en")
    clock.move(timedelta(minutes=10))
    second, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=found(sessions, old_cookie))
    assert (second.id, second.language) == (first.id, "en")
    assert second.auth_time == clock.now().replace(microsecond=0)
    assert cookie != old_cookie
    assert sessions.find(old_cookie) is None
    assert found(sessions, cookie) == second


def test_another_account_gets_another_id_and_ends_the_session(sessions: Sessions, clock: MovableClock, audit: Audit) -> None:
    first, old_cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    second, _ = sessions.start(OTHER_ACCOUNT, password_and_code(clock.now()), replaces=first)
    assert second.id != first.id
    assert sessions.find(old_cookie) is None
    assert [event.event for event in audit.events(account_id=ACCOUNT)] == ["session_ended", "session_started"]


def test_a_step_up_carries_end_and_auth_time_over(sessions: Sessions, clock: MovableClock) -> None:
    first, _ = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    clock.move(timedelta(minutes=20))
    stronger, cookie = sessions.start(ACCOUNT, [*first.factors, Factor("face", clock.now())], replaces=first)
    assert stronger.started_at == first.started_at
    assert stronger.auth_time == first.auth_time  # a step-up is no sign-in (OpenID Connect Core 2)
    assert [factor.method for factor in found(sessions, cookie).factors] == ["pwd", "sms", "face"]


def test_a_whole_new_sign_in_counts_its_time_anew(sessions: Sessions, clock: MovableClock) -> None:
    first, _ = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    clock.move(timedelta(minutes=20))
    second, _ = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=first)
    assert second.started_at == clock.now().replace(microsecond=0)


def test_no_session_stands_on_nothing(sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="factor"):
        sessions.start(ACCOUNT, [], replaces=None)


def test_a_start_is_audited(sessions: Sessions, clock: MovableClock, audit: Audit) -> None:
    session, cookie = sessions.start(ACCOUNT, password_and_code(clock.now()), replaces=None)
    (told,) = audit.events(account_id=ACCOUNT)
    assert (told.event, told.facts) == ("session_started", {"session_id": session.id})
    assert cookie not in str(told)
