"""The audit trail: one method per security event, written in the transaction of what it tells, and never changed again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Connection, Insert, RowMapping, String, bindparam, cast, insert, select

from idp.clock import Clock
from idp.safety.caller import CALLER
from idp.safety.encryption import Encryption, SealBroken
from idp.storage.db import Database
from idp.storage.statements import Statement, database_now
from idp.storage.tables import audit_events
from idp.storage.tables.metadata import Instant
from idp.values import as_json, new_id

Fact = str | int | bool | Sequence[str] | None


@dataclass(frozen=True)
class AuditEvent:
    """One row of the trail. `facts` are ids, counts, reasons and booleans, never personal data."""

    id: str
    at: datetime
    event: str
    account_id: str | None
    client_id: str | None
    actor: str
    address: str = field(repr=False)
    request_id: str
    facts: dict[str, Any]


class Audit:
    """Writes events into the caller's transaction `tx`; without one, into a transaction of its own.

    Inside an open transaction `tx` has to be given: SQLite has one writer at a time.
    """

    def __init__(self, *, database: Database, encryption: Encryption, clock: Clock) -> None:
        """Take the parts."""
        self._database = database
        self._encryption = encryption
        self._clock = clock

    # --- Accounts and registration ---

    def account_registered(self, account_id: str, *, method: str, tx: Connection | None = None) -> None:
        """Record that an account came to be by a method of proofing."""
        self._record("account_registered", tx, account_id=account_id, method=method)

    def account_locked(self, account_id: str, *, reason: str, operator: str, tx: Connection | None = None) -> None:
        """Record that an operator locked an account."""
        self._record("account_locked", tx, account_id=account_id, reason=reason, operator=operator)

    def account_unlocked(self, account_id: str, *, reason: str, operator: str, tx: Connection | None = None) -> None:
        """Record that an operator unlocked an account."""
        self._record("account_unlocked", tx, account_id=account_id, reason=reason, operator=operator)

    def phone_shared(self, account_id: str, *, accounts: int, tx: Connection | None = None) -> None:
        """Record that a phone now serves several accounts: an alert for operators."""
        self._record("phone_shared", tx, account_id=account_id, accounts=accounts)

    def carrier_asked(self, draft_id: str, *, verdict: str, carrier: str, tx: Connection | None = None) -> None:
        """Record that a carrier was asked about the applicant of a registration draft, and answered."""
        self._record("carrier_asked", tx, draft_id=draft_id, verdict=verdict, carrier=carrier)

    def registration_disputed(self, draft_id: str, *, account_id: str | None = None, tx: Connection | None = None) -> None:
        """Record that a proven applicant says that the account which has the identity number is somebody else's."""
        self._record("registration_disputed", tx, account_id=account_id, draft_id=draft_id)

    # --- Signing in ---

    def sign_in_succeeded(self, account_id: str, *, tx: Connection | None = None) -> None:
        """Record that a person passed every factor that was asked for."""
        self._record("sign_in_succeeded", tx, account_id=account_id)

    def sign_in_failed(self, account_id: str | None, *, reason: str, tx: Connection | None = None) -> None:
        """Record that a sign-in was refused; without an account when the number is unknown."""
        self._record("sign_in_failed", tx, account_id=account_id, reason=reason)

    def session_started(self, account_id: str, *, session_id: str, tx: Connection | None = None) -> None:
        """Record that a browser is signed in."""
        self._record("session_started", tx, account_id=account_id, session_id=session_id)

    def session_ended(self, account_id: str, *, session_id: str, reason: str | None = None, tx: Connection | None = None) -> None:
        """Record that a browser is signed out."""
        self._record("session_ended", tx, account_id=account_id, session_id=session_id, reason=reason)

    def one_time_code_sent(self, account_id: str | None, *, purpose: str, tx: Connection | None = None) -> None:
        """Record that a one-time code went to a phone."""
        self._record("one_time_code_sent", tx, account_id=account_id, purpose=purpose)

    def one_time_code_failed(self, account_id: str | None, *, purpose: str, reason: str, tx: Connection | None = None) -> None:
        """Record that a one-time code was refused."""
        self._record("one_time_code_failed", tx, account_id=account_id, purpose=purpose, reason=reason)

    def one_time_code_budget_spent(self, account_id: str | None, *, purpose: str, tx: Connection | None = None) -> None:
        """Record that the day's codes or tries of an account or phone are spent."""
        self._record("one_time_code_budget_spent", tx, account_id=account_id, purpose=purpose)

    # --- Portals ---

    def consent_given(
        self, account_id: str, client_id: str, *, scopes: Sequence[str], legal_basis: str, tx: Connection | None = None
    ) -> None:
        """Record that a person agreed, or was told where the portal rests on law."""
        self._record("consent_given", tx, account_id=account_id, client_id=client_id, scopes=scopes, legal_basis=legal_basis)

    def consent_declined(self, account_id: str, client_id: str, *, scopes: Sequence[str], tx: Connection | None = None) -> None:
        """Record that a person did not agree."""
        self._record("consent_declined", tx, account_id=account_id, client_id=client_id, scopes=scopes)

    def consent_withdrawn(self, account_id: str, client_id: str, *, tx: Connection | None = None) -> None:
        """Record that a person took their consent back."""
        self._record("consent_withdrawn", tx, account_id=account_id, client_id=client_id)

    def grant_issued(self, account_id: str | None, client_id: str | None, *, grant_id: str, tx: Connection | None = None) -> None:
        """Record that a code was redeemed for tokens."""
        self._record("grant_issued", tx, account_id=account_id, client_id=client_id, grant_id=grant_id)

    def grant_refreshed(self, account_id: str | None, client_id: str | None, *, grant_id: str, tx: Connection | None = None) -> None:
        """Record that a refresh token was used for new tokens."""
        self._record("grant_refreshed", tx, account_id=account_id, client_id=client_id, grant_id=grant_id)

    def grant_revoked(
        self, account_id: str | None, client_id: str | None, *, grant_id: str, reason: str, tx: Connection | None = None
    ) -> None:
        """Record that a grant ended, with every token of it."""
        self._record("grant_revoked", tx, account_id=account_id, client_id=client_id, grant_id=grant_id, reason=reason)

    def client_token_issued(self, client_id: str, *, scopes: Sequence[str]) -> datetime:
        """Record that a client was given an access token of its own; gives the database's time, at which it was."""
        return self._record_alone("client_token_issued", None, client_id, {"scopes": list(scopes)})

    def code_replayed(self, client_id: str, *, grant_id: str, tx: Connection | None = None) -> None:
        """Record that a code came a second time (RFC 6749 4.1.2)."""
        self._record("code_replayed", tx, client_id=client_id, grant_id=grant_id)

    def refresh_token_reused(self, account_id: str | None, client_id: str, *, grant_id: str, tx: Connection | None = None) -> None:
        """Record that a rotated refresh token came a second time (RFC 9700 4.14.2)."""
        self._record("refresh_token_reused", tx, account_id=account_id, client_id=client_id, grant_id=grant_id)

    def client_added(self, client_id: str, *, pkce: str, auth_method: str, tx: Connection | None = None) -> None:
        """Record that a portal was registered."""
        self._record("client_added", tx, client_id=client_id, pkce=pkce, auth_method=auth_method)

    def client_changed(self, client_id: str, *, what: str, tx: Connection | None = None) -> None:
        """Record that a portal's registration was changed; `what` names the setting, not its value."""
        self._record("client_changed", tx, client_id=client_id, what=what)

    def client_disabled(self, client_id: str, *, tx: Connection | None = None) -> None:
        """Record that a portal was disabled."""
        self._record("client_disabled", tx, client_id=client_id)

    def client_authentication_failed(self, client_id: str, *, reason: str, tx: Connection | None = None) -> None:
        """Record that a portal's software could not prove who it is."""
        self._record("client_authentication_failed", tx, client_id=client_id, reason=reason)

    # --- The house ---

    def signing_key_made(self, kid: str, *, algorithm: str, tx: Connection | None = None) -> None:
        """Record that a signing key came to be."""
        self._record("signing_key_made", tx, kid=kid, algorithm=algorithm)

    # --- Reading back ---

    def events(self, *, account_id: str | None = None, most: int = 50) -> list[AuditEvent]:
        """Give the newest events, of one account or of all, the newest first."""
        wanted = select(audit_events).order_by(audit_events.c.at.desc(), audit_events.c.id.desc()).limit(most)
        if account_id is not None:
            wanted = wanted.where(audit_events.c.account_id == account_id)
        with self._database.reading() as connection:
            return [self._read(row) for row in connection.execute(wanted).mappings()]

    def _record(
        self, event: str, tx: Connection | None, *, account_id: str | None = None, client_id: str | None = None, **facts: Fact
    ) -> None:
        if tx is None:
            self._record_alone(event, account_id, client_id, facts)
            return
        own_values = {**self._own_values(), "facts": _told(facts)}
        tx.execute(insert(audit_events).values(**own_values, at=self._clock.now(), event=event, account_id=account_id, client_id=client_id))

    def _record_alone(self, event: str, account_id: str | None, client_id: str | None, facts: Mapping[str, Fact]) -> datetime:
        """Write an event that no transaction of a domain verb carries; gives the database's time."""
        if self._database.is_postgresql:
            values = self.driver_values(event, facts=facts)
            rows = self._database.run(_RECORD, account_id=account_id, client_id=client_id, at=self._clock.now(), **values)
            return self._database.instant(rows[0].now)
        with self._database.transaction() as tx:
            self._record(event, tx, account_id=account_id, client_id=client_id, **facts)
            return self._database.now(tx)

    def driver_values(self, event: str, *, facts: Mapping[str, Fact] | None = None) -> dict[str, str | None]:
        """Give what a statement of the hot path writes of one of the events above beside ids and time; `facts` as JSON text."""
        values = self._own_values()
        values["event_id"] = values.pop("id")
        return {**values, "event": event, **({} if facts is None else {"facts": as_json(_told(facts))})}

    def _own_values(self) -> dict[str, str | None]:
        """Give the row's id and who calls."""
        caller, event_id = CALLER.get(), new_id()
        return {
            "id": event_id,
            "actor": caller.actor,
            "address_sealed": self._encryption.seal(caller.address, _context(event_id)) if caller.address else None,
            "request_id": caller.request_id or None,
        }

    def _read(self, row: RowMapping) -> AuditEvent:
        return AuditEvent(
            id=row["id"],
            at=row["at"],
            event=row["event"],
            account_id=row["account_id"],
            client_id=row["client_id"],
            actor=row["actor"],
            address=self._address(row["id"], row["address_sealed"]),
            request_id=row["request_id"] or "",
            facts=row["facts"],
        )

    def _address(self, event_id: str, sealed: str | None) -> str:
        """Give the address; nothing where its key was taken out of the ring, for a trail outlives its keys."""
        if sealed is None:
            return ""
        try:
            return self._encryption.unseal(sealed, _context(event_id))
        except SealBroken:
            return ""


def inserted(account_id: Any, client_id: Any, at: Any, facts: Any) -> Insert:  # noqa: ANN401 - parts of a statement
    """Give the row of an event for a statement of the hot path; `Audit.driver_values` fills the rest."""
    own = {"id": "event_id", "event": "event", "actor": "actor", "address_sealed": "address_sealed", "request_id": "request_id"}
    columns = [*own, "account_id", "client_id", "at", "facts"]
    values = [bindparam(name, type_=String) for name in own.values()]
    return insert(audit_events).from_select(columns, select(*values, account_id, client_id, at, facts))


_ALONE = inserted(
    bindparam("account_id", type_=String),
    bindparam("client_id", type_=String),
    cast(bindparam("at"), Instant),
    bindparam("facts", type_=JSON),
)
_RECORD = Statement(select(database_now().label("now")).add_cte(_ALONE.cte("alone")))


def _told(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {name: fact for name, fact in facts.items() if fact is not None}


def _context(event_id: str) -> str:
    return f"audit_events.address:{event_id}"
