"""Each event leaves a row that shares the fate of its transaction and names who called, without personal data in the clear."""

import contextvars
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from idp.safety.audit import Audit
from idp.safety.caller import CALLER, Caller
from idp.safety.encryption import Encryption, Key, KeyRing
from idp.storage.db import Database
from idp.storage.tables import audit_events
from tests.clock import MovableClock

PERSON = Caller("person", "203.0.113.9", "r-1")


@pytest.fixture
def audit(database: Database, encryption: Encryption, clock: MovableClock) -> Audit:
    return Audit(database=database, encryption=encryption, clock=clock)


def called_by(caller: Caller, act: Callable[[], None]) -> None:
    """Act as the edge does: the caller set for this request alone."""

    def request() -> None:
        CALLER.set(caller)
        act()

    contextvars.copy_context().run(request)


# event: how it is written, account, client, facts
EVENTS: dict[str, tuple[Callable[[Audit], None], str | None, str | None, dict[str, Any]]] = {
    "account_registered": (lambda a: a.account_registered("a1", method="mobile_subscriber"), "a1", None, {"method": "mobile_subscriber"}),
    "account_locked": (lambda a: a.account_locked("a1", reason="r", operator="lan"), "a1", None, {"reason": "r", "operator": "lan"}),
    "account_unlocked": (lambda a: a.account_unlocked("a1", reason="r", operator="lan"), "a1", None, {"reason": "r", "operator": "lan"}),
    "sign_in_succeeded": (lambda a: a.sign_in_succeeded("a1"), "a1", None, {}),
    "sign_in_failed": (lambda a: a.sign_in_failed(None, reason="password"), None, None, {"reason": "password"}),
    "session_started": (lambda a: a.session_started("a1", session_id="s"), "a1", None, {"session_id": "s"}),
    "session_ended": (lambda a: a.session_ended("a1", session_id="s", reason="idle"), "a1", None, {"session_id": "s", "reason": "idle"}),
    "one_time_code_sent": (lambda a: a.one_time_code_sent("a1", purpose="sign_in"), "a1", None, {"purpose": "sign_in"}),
    "one_time_code_failed": (
        lambda a: a.one_time_code_failed(None, purpose="register", reason="otp_wrong"),
        None,
        None,
        {"purpose": "register", "reason": "otp_wrong"},
    ),
    "one_time_code_budget_spent": (lambda a: a.one_time_code_budget_spent("a1", purpose="sign_in"), "a1", None, {"purpose": "sign_in"}),
    "phone_shared": (lambda a: a.phone_shared("a1", accounts=3), "a1", None, {"accounts": 3}),
    "carrier_asked": (
        lambda a: a.carrier_asked("d1", verdict="match", carrier="mobi"),
        None,
        None,
        {"draft_id": "d1", "verdict": "match", "carrier": "mobi"},
    ),
    "registration_disputed": (lambda a: a.registration_disputed("d1", account_id="a1"), "a1", None, {"draft_id": "d1"}),
    "consent_given": (
        lambda a: a.consent_given("a1", "c1", scopes=["openid"], legal_basis="consent"),
        "a1",
        "c1",
        {"scopes": ["openid"], "legal_basis": "consent"},
    ),
    "consent_declined": (lambda a: a.consent_declined("a1", "c1", scopes=["openid"]), "a1", "c1", {"scopes": ["openid"]}),
    "consent_withdrawn": (lambda a: a.consent_withdrawn("a1", "c1"), "a1", "c1", {}),
    "grant_issued": (lambda a: a.grant_issued("a1", "c1", grant_id="g"), "a1", "c1", {"grant_id": "g"}),
    "grant_refreshed": (lambda a: a.grant_refreshed("a1", "c1", grant_id="g"), "a1", "c1", {"grant_id": "g"}),
    "grant_revoked": (
        lambda a: a.grant_revoked(None, "c1", grant_id="g", reason="replay"),
        None,
        "c1",
        {"grant_id": "g", "reason": "replay"},
    ),
    "code_replayed": (lambda a: a.code_replayed("c1", grant_id="g"), None, "c1", {"grant_id": "g"}),
    "refresh_token_reused": (lambda a: a.refresh_token_reused("a1", "c1", grant_id="g"), "a1", "c1", {"grant_id": "g"}),
    "client_added": (
        lambda a: a.client_added("c1", pkce="required", auth_method="private_key_jwt"),
        None,
        "c1",
        {"pkce": "required", "auth_method": "private_key_jwt"},
    ),
    "client_changed": (lambda a: a.client_changed("c1", what="secret"), None, "c1", {"what": "secret"}),
    "client_disabled": (lambda a: a.client_disabled("c1"), None, "c1", {}),
    "client_authentication_failed": (
        lambda a: a.client_authentication_failed("c1", reason="bad_secret"),
        None,
        "c1",
        {"reason": "bad_secret"},
    ),
    "signing_key_made": (lambda a: a.signing_key_made("kid", algorithm="ES256"), None, None, {"kid": "kid", "algorithm": "ES256"}),
}


def test_every_event_is_tried_here() -> None:
    methods = {name for name, method in inspect.getmembers(Audit, inspect.isfunction) if not name.startswith("_")}
    assert methods - {"events", "driver_values", "client_token_issued"} == set(EVENTS)


def test_a_token_of_a_client_leaves_its_row_and_tells_the_time(audit: Audit, clock: MovableClock) -> None:
    told = audit.client_token_issued("portal", scopes=("records.read",))
    [event] = audit.events()
    assert (event.event, event.account_id, event.client_id, event.facts) == (
        "client_token_issued",
        None,
        "portal",
        {"scopes": ["records.read"]},
    )
    assert abs(told - clock.now()) < timedelta(minutes=1)


def test_every_event_can_join_a_transaction() -> None:
    for name in EVENTS:
        assert inspect.signature(getattr(Audit, name)).parameters["tx"].default is None


def test_events_leave_their_rows(audit: Audit) -> None:
    for write, *_ in EVENTS.values():
        write(audit)
    read = {event.event: (event.account_id, event.client_id, event.facts) for event in audit.events()}
    assert read == {name: (account, client, facts) for name, (_, account, client, facts) in EVENTS.items()}


def test_an_event_shares_the_fate_of_its_transaction(audit: Audit, database: Database) -> None:
    def write_and_fail(tx: Connection) -> None:
        audit.sign_in_succeeded("a1", tx=tx)
        raise LookupError

    with pytest.raises(LookupError), database.transaction() as tx:
        write_and_fail(tx)
    assert audit.events() == []
    with database.transaction() as tx:
        audit.sign_in_succeeded("a1", tx=tx)
        assert audit.events() == []
    assert len(audit.events()) == 1


def test_an_event_names_who_called_and_when(audit: Audit, clock: MovableClock) -> None:
    called_by(PERSON, lambda: audit.sign_in_failed("a1", reason="password"))
    (event,) = audit.events()
    assert (event.actor, event.address, event.request_id, event.at) == ("person", "203.0.113.9", "r-1", clock.now())


def test_without_a_request_the_system_acts(audit: Audit) -> None:
    contextvars.Context().run(audit.signing_key_made, "kid", algorithm="ES256")
    (event,) = audit.events()
    assert (event.actor, event.address, event.request_id) == ("system", "", "")


def test_the_address_is_sealed_for_its_row_alone(audit: Audit, database: Database, encryption: Encryption) -> None:
    called_by(PERSON, lambda: audit.sign_in_failed("a1", reason="password"))
    with database.reading() as connection:
        row = connection.execute(select(audit_events)).mappings().one()
    assert "203.0.113.9" not in str(dict(row))
    assert encryption.unseal(row["address_sealed"], f"audit_events.address:{row['id']}") == "203.0.113.9"


def test_an_address_whose_key_is_gone_does_not_hide_the_event(
    database: Database, encryption: Encryption, clock: MovableClock, audit: Audit
) -> None:
    called_by(PERSON, lambda: audit.sign_in_succeeded("a1"))
    kept = encryption._ring
    without = Encryption(KeyRing((Key(9, bytes(range(32))),), kept.index, kept.tokens))
    (event,) = Audit(database=database, encryption=without, clock=clock).events()
    assert (event.event, event.address) == ("sign_in_succeeded", "")


def test_representations_hide_the_address(audit: Audit) -> None:
    called_by(PERSON, lambda: audit.sign_in_succeeded("a1"))
    assert "203.0.113.9" not in repr(PERSON) + repr(audit.events())


def test_the_newest_come_first_and_of_one_account_when_asked(audit: Audit, clock: MovableClock) -> None:
    for number in range(5):
        audit.session_started("a1" if number % 2 else "a2", session_id=str(number))
        clock.move(timedelta(seconds=1))
    assert [event.facts["session_id"] for event in audit.events()] == ["4", "3", "2", "1", "0"]
    assert [event.facts["session_id"] for event in audit.events(account_id="a1")] == ["3", "1"]
    assert [event.facts["session_id"] for event in audit.events(most=2)] == ["4", "3"]


def test_a_fact_that_is_not_known_is_left_out(audit: Audit) -> None:
    audit.session_ended("a1", session_id="s")
    assert audit.events()[0].facts == {"session_id": "s"}
