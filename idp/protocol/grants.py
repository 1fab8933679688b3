"""Grants: what a code and the tokens behind it stand for, and the refresh-token family of each.

    (code redeemed) -> live -> revoked        (code replayed before its redemption is written) -> revoked

A grant is revoked once and for good. Its identifier is known before it exists, so a replay can revoke what is not written yet.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError

from idp.config import Config
from idp.errors import InvalidGrant
from idp.protocol.clients import Client
from idp.safety.audit import Audit
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from idp.storage.tables import grants, refresh_tokens, session_clients
from idp.values import from_json, new_secret, secret_hash

Prepared = TypeVar("Prepared")
ENDED = "session_ended"


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


class Grants:
    """Opens, refreshes and revokes grants."""

    def __init__(self, *, database: Database, store: SealedStore, audit: Audit, config: Config) -> None:
        """Take the lifetime of a family; a second use within `refresh_race_grace` is a race, later it is theft."""
        self._database = database
        self._store = store
        self._audit = audit
        self._code_lifetime = config.tokens.code_lifetime
        self._refresh_lifetime = config.tokens.refresh_token_lifetime
        self._session_lifetime = config.sessions.absolute_lifetime
        self._race_grace = config.tokens.refresh_race_grace

    def open(self, grant: Grant, *, with_refresh_token: bool) -> str | None:
        """Write the grant and give its first refresh token. Raises `InvalidGrant` when a replay or the end of the session came first."""
        refresh_token = new_secret() if with_refresh_token else None
        try:
            with self._database.transaction() as tx:
                self._write(tx, grant, refresh_token)
        except IntegrityError:
            raise InvalidGrant(detail="revoked before it was written") from None
        # Asked after the grant is written: whoever ends the session either finds the grant or is found here.
        if self._store.get(ENDED, grant.session_id) is not None:
            self.revoke(grant.id, reason="session_ended", client_id=grant.client_id)
            raise InvalidGrant(detail="the session has ended")
        return refresh_token

    def forbid(self, session_id: str) -> None:
        """Let no code of the session open a grant any more, for as long as a code can live."""
        self._store.put(ENDED, session_id, {}, 2 * self._code_lifetime)

    def _write(self, tx: Connection, grant: Grant, refresh_token: str | None) -> None:
        now = self._database.now(tx)
        row = {"id": grant.id, "account_id": grant.account_id, "client_id": grant.client_id, "session_id": grant.session_id}
        tx.execute(insert(grants).values(**row, details=_details(grant), created_at=now))
        if refresh_token:
            self._add_refresh_token(tx, grant.id, refresh_token, now, now + self._lifetime_of(grant))
        upsert = postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
        session_row = {"session_id": grant.session_id, "account_id": grant.account_id, "client_id": grant.client_id, "sub": grant.sub}
        tx.execute(upsert(session_clients).values(sid=grant.sid, **session_row, created_at=now).on_conflict_do_nothing())
        self._audit.grant_issued(grant.account_id, grant.client_id, grant_id=grant.id, tx=tx)

    def _lifetime_of(self, grant: Grant) -> timedelta:
        """Let only what the person allowed to act while they are away outlive the longest session (OpenID Connect Core 11)."""
        return self._refresh_lifetime if "offline_access" in grant.scopes else min(self._refresh_lifetime, self._session_lifetime)

    def delete_expired(self, *, most: int) -> int:
        """Delete refresh tokens that are over, at most so many; gives how many it were."""
        with self._database.transaction() as tx:
            over = select(refresh_tokens.c.token_hash).where(refresh_tokens.c.expires_at < self._database.now(tx)).limit(most)
            return tx.execute(delete(refresh_tokens).where(refresh_tokens.c.token_hash.in_(over))).rowcount

    def refresh(self, refresh_token: str, client: Client, *, prepare: Callable[[Connection, Grant], Prepared]) -> tuple[Prepared, str]:
        """Take the refresh token, once where the client rotates; raises `InvalidGrant`. Reuse revokes the family (RFC 9700 4.14.2).

        Gives what `prepare` made of the grant, and the next refresh token. When `prepare` fails the token is not spent, so that a portal
        may try again after an outage; it shares the transaction, since a second connection could wait for this one for ever.
        """
        token_hash = secret_hash(refresh_token)
        if not client.refresh_rotation:
            with self._database.reading() as connection:
                return prepare(connection, self._get_unrotated(connection, token_hash, client)), refresh_token
        with self._database.transaction() as tx:
            taken = self._take(tx, token_hash, client)
            if taken is not None:
                grant, expires_at = taken
                prepared = prepare(tx, grant)
                successor = new_secret()
                self._add_refresh_token(tx, grant.id, successor, self._database.now(tx), expires_at)
                self._audit.grant_refreshed(grant.account_id, grant.client_id, grant_id=grant.id, tx=tx)
                return prepared, successor
        self._answer_reuse(token_hash, client)
        raise InvalidGrant

    def _take(self, tx: Connection, token_hash: str, client: Client) -> tuple[Grant, datetime] | None:
        """Mark the token used, in one statement that only one of many can win."""
        live = select(grants.c.id).where(grants.c.client_id == client.client_id, grants.c.revoked_at.is_(None))
        statement = (
            update(refresh_tokens)
            .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None), refresh_tokens.c.grant_id.in_(live))
            .where(refresh_tokens.c.expires_at > self._database.now(tx))
            .values(used_at=self._database.now(tx))
            .returning(refresh_tokens.c.grant_id, refresh_tokens.c.expires_at)
        )
        row = tx.execute(statement).first()
        if row is None:
            return None
        grant = _read(tx, row.grant_id)
        return (grant, row.expires_at) if grant else None

    def _get_unrotated(self, connection: Connection, token_hash: str, client: Client) -> Grant:
        query = select(refresh_tokens.c.grant_id, refresh_tokens.c.expires_at).where(refresh_tokens.c.token_hash == token_hash)
        row = connection.execute(query).first()
        grant = _read(connection, row.grant_id) if row and row.expires_at > self._database.now(connection) else None
        if grant is None or grant.client_id != client.client_id:
            raise InvalidGrant
        return grant

    def _answer_reuse(self, token_hash: str, client: Client) -> None:
        """Tell a race from theft by the database's clock, and revoke the family of a stolen token."""
        query = (
            select(refresh_tokens.c.grant_id, refresh_tokens.c.used_at, grants.c.account_id)
            .join(grants, grants.c.id == refresh_tokens.c.grant_id)
            .where(refresh_tokens.c.token_hash == token_hash, grants.c.client_id == client.client_id)
        )
        with self._database.transaction() as tx:
            row = tx.execute(query).first()
            if row is None or row.used_at is None or self._database.now(tx) - row.used_at <= self._race_grace:
                return
            self._revoke(tx, row.grant_id, "refresh_token_reused")
            self._audit.refresh_token_reused(row.account_id, client.client_id, grant_id=row.grant_id, tx=tx)

    def find_live(self, grant_id: str) -> Grant | None:
        """Give the grant unless it is unknown or revoked."""
        with self._database.reading() as connection:
            return _read(connection, grant_id)

    def revoke(self, grant_id: str, *, reason: str, client_id: str) -> None:
        """Revoke the grant, also one that is not written yet: the row then waits to refuse it."""
        with self._database.transaction() as tx:
            self._revoke(tx, grant_id, reason)
            if reason == "code_replayed":
                self._audit.code_replayed(client_id, grant_id=grant_id, tx=tx)
            else:
                self._audit.grant_revoked(None, client_id, grant_id=grant_id, reason=reason, tx=tx)

    def revoke_session(self, tx: Connection, session_id: str, *, reason: str) -> None:
        """Revoke what was granted in a session, except what the person let outlive it (`offline_access`)."""
        rows = tx.execute(select(grants.c.id, grants.c.details).where(grants.c.session_id == session_id, grants.c.revoked_at.is_(None)))
        for row in rows.all():
            if "offline_access" not in row.details["scopes"]:
                self._revoke(tx, row.id, reason)
        ended = update(session_clients).where(session_clients.c.session_id == session_id, session_clients.c.ended_at.is_(None))
        tx.execute(ended.values(ended_at=self._database.now(tx)))

    def revoke_client(self, tx: Connection, account_id: str, client_id: str, *, reason: str) -> None:
        """Revoke everything that an account granted to a client."""
        live = (grants.c.account_id == account_id, grants.c.client_id == client_id, grants.c.revoked_at.is_(None))
        tx.execute(update(grants).where(*live).values(revoked_at=self._database.now(tx), revoked_reason=reason))

    def _revoke(self, tx: Connection, grant_id: str, reason: str) -> None:
        now = self._database.now(tx)
        upsert = postgresql_insert if tx.dialect.name == "postgresql" else sqlite_insert
        statement = upsert(grants).values(id=grant_id, created_at=now, revoked_at=now, revoked_reason=reason)
        statement = statement.on_conflict_do_update(
            index_elements=["id"], set_={"revoked_at": now, "revoked_reason": reason}, where=grants.c.revoked_at.is_(None)
        )
        tx.execute(statement)

    @staticmethod
    def _add_refresh_token(tx: Connection, grant_id: str, refresh_token: str, now: datetime, expires_at: datetime) -> None:
        row = {"token_hash": secret_hash(refresh_token), "grant_id": grant_id, "created_at": now, "expires_at": expires_at}
        tx.execute(insert(refresh_tokens).values(**row))


def _read(connection: Connection, grant_id: str) -> Grant | None:
    row = connection.execute(select(grants).where(grants.c.id == grant_id, grants.c.revoked_at.is_(None))).first()
    if row is None:
        return None
    return Grant(id=row.id, account_id=row.account_id, client_id=row.client_id, session_id=row.session_id, **from_json(row.details))


def _details(grant: Grant) -> dict[str, Any]:
    return {key: value for key, value in asdict(grant).items() if key not in {"id", "account_id", "client_id", "session_id"}}
