"""The two writes of the hot path, a grant opened and a refresh token taken: on PostgreSQL one statement, on SQLite one transaction.

Both do the same; PostgreSQL alone can write several tables by one statement (ADR 0007).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Connection, Interval, String, bindparam, cast, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.identity.accounts import STANDING_COLUMNS, WITH_EVIDENCE, Standing, standing_of
from idp.safety.audit import Audit, inserted
from idp.storage.db import Database
from idp.storage.statements import Statement, database_now
from idp.storage.tables import accounts, grants, refresh_tokens, session_clients
from idp.values import as_json, from_json


@dataclass(frozen=True)
class Grant:
    """What a portal was granted, and what its tokens say. `auth_time` is in whole seconds since 1970 (OpenID Connect Core 2)."""

    id: str
    account_id: str
    client_id: str
    session_id: str
    sid: str
    sub: str
    scopes: tuple[str, ...]
    claims_userinfo: tuple[str, ...]
    claims_id_token: tuple[str, ...]
    auth_time: int
    amr: tuple[str, ...]
    authentication_level: int
    generation: int = 0  # of the account's sessions; of version 0.1 there are rows without


@dataclass(frozen=True)
class LiveGrant:
    """A grant that stands, how its account stands, and the database's time: what every use of a grant decides on."""

    grant: Grant
    standing: Standing
    now: datetime


GRANT_COLUMNS = (
    grants.c.id.label("grant_id"),
    grants.c.account_id,
    grants.c.client_id,
    grants.c.session_id,
    grants.c.details,
)
WITH_GRANT = WITH_EVIDENCE.join(grants, grants.c.account_id == accounts.c.id)


class GrantRows:
    """Reads and writes grants and their refresh tokens."""

    def __init__(self, *, database: Database, audit: Audit) -> None:
        """Write the audit row with whatever it tells of."""
        self._database = database
        self._audit = audit

    def find_live(self, grant_id: str) -> LiveGrant | None:
        """Give the grant, unless it is unknown or revoked."""
        return self._live(self._database.run(_FIND, grant_id=grant_id))

    def find_by_refresh_token(self, token_hash: str, client_id: str) -> LiveGrant | None:
        """Give the live grant of a refresh token of this client that lives and is not used, without taking it."""
        rows = self._database.run(_FIND_BY_REFRESH_TOKEN, token_hash=token_hash, client_id=client_id)
        found = self._live(rows)
        return found if found and rows[0].refresh_expires_at > found.now else None

    def open(self, grant: Grant, *, token_hash: str | None, lifetime: timedelta) -> LiveGrant | None:
        """Write a grant with its first refresh token, if any, and the client's place in the session; None when it was revoked before."""
        if not self._database.is_postgresql:
            return self._open_in_steps(grant, token_hash, lifetime)
        rows = self._database.run(
            _OPEN,
            **_key_values(grant),
            details=as_json(_details(grant)),
            sid=grant.sid,
            sub=grant.sub,
            token_hash=token_hash,
            lifetime=lifetime,
            offset=self._database.offset,
            **self._audit.driver_values("grant_issued", facts={"grant_id": grant.id}),
        )
        return self._live(rows, known=grant)

    def take(self, token_hash: str, *, client_id: str, successor_hash: str) -> LiveGrant | None:
        """Take a refresh token that only one of many can win, and write its successor; None when there is nothing to take."""
        if not self._database.is_postgresql:
            return self._take_in_steps(token_hash, client_id, successor_hash)
        rows = self._database.run(
            _TAKE,
            token_hash=token_hash,
            client_id=client_id,
            successor_hash=successor_hash,
            offset=self._database.offset,
            **self._audit.driver_values("grant_refreshed"),
        )
        return self._live(rows)

    def _live(self, rows: Any, *, known: Grant | None = None) -> LiveGrant | None:  # noqa: ANN401 - rows of either driver
        standing = standing_of(rows)
        if standing is None:
            return None
        return LiveGrant(known or read_grant(rows[0]), standing, self._database.instant(rows[0].now))

    # --- SQLite ----------------------------------------------------------------------------------------------------------------------

    def _open_in_steps(self, grant: Grant, token_hash: str | None, lifetime: timedelta) -> LiveGrant | None:
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            row = {**_key_values(grant), "details": _details(grant), "created_at": now}
            if tx.execute(sqlite_insert(grants).values(**row).on_conflict_do_nothing()).rowcount != 1:
                return None
            if token_hash:
                _add_refresh_token(tx, grant.id, token_hash, now, now + lifetime)
            place = {"sid": grant.sid, "sub": grant.sub, "session_id": grant.session_id, "client_id": grant.client_id}
            values = {**place, "account_id": grant.account_id, "created_at": now}
            tx.execute(sqlite_insert(session_clients).values(**values).on_conflict_do_nothing())
            self._audit.grant_issued(grant.account_id, grant.client_id, grant_id=grant.id, tx=tx)
            return self._live(tx.execute(_FIND.executable, {"grant_id": grant.id}).all(), known=grant)

    def _take_in_steps(self, token_hash: str, client_id: str, successor_hash: str) -> LiveGrant | None:
        with self._database.transaction() as tx:
            now = self._database.now(tx)
            live = select(grants.c.id).where(grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
            statement = (
                update(refresh_tokens)
                .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None))
                .where(refresh_tokens.c.expires_at > now, refresh_tokens.c.grant_id.in_(live))
                .values(used_at=now)
                .returning(refresh_tokens.c.grant_id, refresh_tokens.c.expires_at)
            )
            row = tx.execute(statement).first()
            if row is None:
                return None
            _add_refresh_token(tx, row.grant_id, successor_hash, now, row.expires_at)
            found = self._live(tx.execute(_FIND.executable, {"grant_id": row.grant_id}).all())
            if found:
                self._audit.grant_refreshed(found.grant.account_id, client_id, grant_id=found.grant.id, tx=tx)
            return found


def read_grant(row: Any) -> Grant:  # noqa: ANN401 - a row of either driver
    """Give the grant of a row with `GRANT_COLUMNS`."""
    details = from_json(row.details)
    return Grant(id=row.grant_id, account_id=row.account_id, client_id=row.client_id, session_id=row.session_id, **details)


def _key_values(grant: Grant) -> dict[str, str]:
    return {"id": grant.id, "account_id": grant.account_id, "client_id": grant.client_id, "session_id": grant.session_id}


def _details(grant: Grant) -> dict[str, Any]:
    return {key: value for key, value in vars(grant).items() if key not in {"id", "account_id", "client_id", "session_id"}}


def _add_refresh_token(tx: Connection, grant_id: str, token_hash: str, now: datetime, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "grant_id": grant_id, "created_at": now, "expires_at": expires_at}
    tx.execute(insert(refresh_tokens).values(**row))


# --- The statements -----------------------------------------------------------------------------------------------------------------------

_NOW = database_now() + cast(bindparam("offset"), Interval)
_LIVE = grants.c.revoked_at.is_(None)
_FIND = Statement(
    select(*GRANT_COLUMNS, *STANDING_COLUMNS, database_now().label("now"))
    .select_from(WITH_GRANT)
    .where(grants.c.id == bindparam("grant_id"), _LIVE)
)
_FIND_BY_REFRESH_TOKEN = Statement(
    select(*GRANT_COLUMNS, *STANDING_COLUMNS, refresh_tokens.c.expires_at.label("refresh_expires_at"), database_now().label("now"))
    .select_from(WITH_GRANT.join(refresh_tokens, refresh_tokens.c.grant_id == grants.c.id))
    .where(refresh_tokens.c.token_hash == bindparam("token_hash"), refresh_tokens.c.used_at.is_(None))
    .where(grants.c.client_id == bindparam("client_id"), _LIVE)
)


def _text(name: str) -> Any:  # noqa: ANN401 - a bound value
    return bindparam(name, type_=String)


def _opening() -> Statement:
    """Say in one statement: the grant, if no replay has revoked it yet; its refresh token; its place in the session; the audit row."""
    clock = select(_NOW.label("now")).cte("clock")
    keys = (_text("id"), _text("account_id"), _text("client_id"), _text("session_id"))
    columns = ["id", "account_id", "client_id", "session_id", "details", "created_at"]
    opened = (
        postgresql_insert(grants)
        .from_select(columns, select(*keys, bindparam("details", type_=JSON), clock.c.now))
        .on_conflict_do_nothing()
        .returning(grants.c.id, grants.c.account_id, grants.c.client_id, grants.c.created_at)
        .cte("opened")
    )
    at = opened.c.created_at
    refreshable = insert(refresh_tokens).from_select(
        ["token_hash", "grant_id", "created_at", "expires_at"],
        select(_text("token_hash"), opened.c.id, at, at + cast(bindparam("lifetime"), Interval)).where(_text("token_hash").is_not(None)),
    )
    place = (_text("sid"), _text("session_id"), opened.c.account_id, opened.c.client_id, _text("sub"), at)
    placed = (
        postgresql_insert(session_clients)
        .from_select(["sid", "session_id", "account_id", "client_id", "sub", "created_at"], select(*place))
        .on_conflict_do_nothing()
    )
    audited = inserted(opened.c.account_id, opened.c.client_id, at, bindparam("facts", type_=JSON))
    behind = WITH_EVIDENCE.join(opened, opened.c.account_id == accounts.c.id)
    result = select(database_now().label("now"), *STANDING_COLUMNS).select_from(behind)
    return Statement(result.add_cte(refreshable.cte("refreshable"), placed.cte("placed"), audited.cte("audited")))


def _taking() -> Statement:
    """Say in one statement: the token used, by one of many; its successor; the audit row; the grant and its account's standing."""
    taken = (
        update(refresh_tokens)
        .where(refresh_tokens.c.token_hash == bindparam("token_hash"), refresh_tokens.c.used_at.is_(None))
        .where(refresh_tokens.c.expires_at > _NOW)
        .where(grants.c.id == refresh_tokens.c.grant_id, grants.c.client_id == bindparam("client_id"), _LIVE)
        .values(used_at=_NOW)
        .returning(refresh_tokens.c.grant_id, refresh_tokens.c.expires_at, refresh_tokens.c.used_at, grants.c.account_id)
        .cte("taken")
    )
    successor = insert(refresh_tokens).from_select(
        ["token_hash", "grant_id", "created_at", "expires_at"],
        select(_text("successor_hash"), taken.c.grant_id, taken.c.used_at, taken.c.expires_at),
    )
    facts = func.json_build_object(literal("grant_id", String), taken.c.grant_id, type_=JSON)
    audited = inserted(taken.c.account_id, _text("client_id"), taken.c.used_at, facts)
    result = (
        select(*GRANT_COLUMNS, *STANDING_COLUMNS, database_now().label("now"))
        .select_from(WITH_GRANT)
        .join(taken, taken.c.grant_id == grants.c.id)
    )
    return Statement(result.add_cte(successor.cte("successor"), audited.cte("audited")))


_OPEN = _opening()
_TAKE = _taking()
