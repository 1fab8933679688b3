"""Grants: what a code and the tokens behind it stand for, and the refresh-token family of each.

    (code redeemed) -> live -> revoked        (code replayed before its redemption is written) -> revoked

A grant is revoked once and for good. Its identifier is known before it exists, so a replay can revoke what is not written yet.
"""

from datetime import timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from idp.config import Config
from idp.errors import InvalidGrant
from idp.protocol.clients import Client
from idp.protocol.grant_rows import Grant, GrantRows, LiveGrant
from idp.safety.audit import Audit
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from idp.storage.tables import grants, refresh_tokens, session_clients
from idp.values import new_secret, secret_hash

ENDED = "session_ended"


class Grants:
    """Opens, refreshes and revokes grants."""

    def __init__(self, *, database: Database, store: SealedStore, audit: Audit, config: Config) -> None:
        """Take the lifetime of a family; a second use within `refresh_race_grace` is a race, later it is theft."""
        self._database = database
        self._store = store
        self._audit = audit
        self._rows = GrantRows(database=database, audit=audit)
        self._code_lifetime = config.tokens.code_lifetime
        self._refresh_lifetime = config.tokens.refresh_token_lifetime
        self._session_lifetime = config.sessions.absolute_lifetime
        self._race_grace = config.tokens.refresh_race_grace

    def open(self, grant: Grant, *, with_refresh_token: bool) -> tuple[LiveGrant, str | None]:
        """Write the grant; gives it as it stands, with its first refresh token.

        Raises `InvalidGrant` when a replay or the end of the session came first.
        """
        refresh_token = new_secret() if with_refresh_token else None
        token_hash = secret_hash(refresh_token) if refresh_token else None
        opened = self._rows.open(grant, token_hash=token_hash, lifetime=self._lifetime_of(grant))
        if opened is None:
            raise InvalidGrant(detail="revoked before it was written")
        # Asked after the grant is written: whoever ends the session either finds the grant or is found here.
        if self._store.get(ENDED, grant.session_id) is not None:
            self.revoke(grant.id, reason="session_ended", client_id=grant.client_id)
            raise InvalidGrant(detail="the session has ended")
        return opened, refresh_token

    def forbid(self, session_id: str) -> None:
        """Let no code of the session open a grant any more, for as long as a code can live."""
        self._store.put(ENDED, session_id, {}, 2 * self._code_lifetime)

    def _lifetime_of(self, grant: Grant) -> timedelta:
        """Let only what the person allowed to act while they are away outlive the longest session (OpenID Connect Core 11)."""
        return self._refresh_lifetime if "offline_access" in grant.scopes else min(self._refresh_lifetime, self._session_lifetime)

    def delete_expired(self, *, most: int) -> int:
        """Delete refresh tokens that are over, at most so many; gives how many it were."""
        with self._database.transaction() as tx:
            over = select(refresh_tokens.c.token_hash).where(refresh_tokens.c.expires_at < self._database.now(tx)).limit(most)
            return tx.execute(delete(refresh_tokens).where(refresh_tokens.c.token_hash.in_(over))).rowcount

    def refresh(self, refresh_token: str, client: Client) -> tuple[LiveGrant, str]:
        """Take the refresh token, once where the client rotates; gives its grant and the next refresh token.

        Raises `InvalidGrant`. Reuse revokes the family (RFC 9700 4.14.2).
        """
        token_hash = secret_hash(refresh_token)
        if not client.refresh_rotation:
            return self._peek(token_hash, client), refresh_token
        successor = new_secret()
        taken = self._rows.take(token_hash, client_id=client.client_id, successor_hash=secret_hash(successor))
        if taken is None:
            self._answer_reuse(token_hash, client)
            raise InvalidGrant
        return taken, successor

    def granted_scopes(self, refresh_token: str, client: Client) -> tuple[str, ...]:
        """Give the scopes behind a refresh token that could be taken now; raises `InvalidGrant`."""
        return self._peek(secret_hash(refresh_token), client).grant.scopes

    def _peek(self, token_hash: str, client: Client) -> LiveGrant:
        found = self._rows.find_by_refresh_token(token_hash, client.client_id)
        if found is None:
            self._answer_reuse(token_hash, client)
            raise InvalidGrant
        return found

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

    def find_live(self, grant_id: str) -> LiveGrant | None:
        """Give the grant unless it is unknown or revoked."""
        return self._rows.find_live(grant_id)

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
