"""Browsers from which an account has signed in before; they have a budget of wrong passwords of their own, and no other right."""

import re
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from idp.clock import Clock
from idp.config import Config
from idp.storage import tables
from idp.storage.db import Database
from idp.values import new_secret, secret_hash

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class KnownDevices:
    """Remembers browsers by a cookie's token, of which only the hash is kept."""

    def __init__(self, *, database: Database, config: Config, clock: Clock) -> None:
        """Take the parts."""
        self._database = database
        self._lifetime = config.sign_in.known_device_lifetime
        self._clock = clock

    def remember(self, account_id: str, token: str | None) -> str:
        """Remember the browser after a complete sign-in; gives the token for its cookie.

        A token that is not yet this account's is never taken over: somebody else may have planted it.
        """
        now = self._clock.now()
        with self._database.transaction() as tx:
            tx.execute(
                delete(tables.known_devices).where(
                    tables.known_devices.c.account_id == account_id, tables.known_devices.c.expires_at <= now
                )
            )
            if token and _TOKEN.fullmatch(token) and self._renew(tx, account_id, token, now):
                return token
            fresh = new_secret()
            tx.execute(
                insert(tables.known_devices).values(
                    token_hash=secret_hash(fresh),
                    account_id=account_id,
                    created_at=now,
                    last_seen_at=now,
                    expires_at=now + self._lifetime,
                )
            )
        return fresh

    def is_known(self, account_id: str | None, token: str | None) -> bool:
        """Tell whether the account has signed in from this browser; without an account the same question is asked of the database."""
        if not token or not _TOKEN.fullmatch(token):
            return False
        devices = tables.known_devices
        question = select(devices.c.token_hash).where(
            devices.c.token_hash == secret_hash(token),
            devices.c.account_id == (account_id or ""),
            devices.c.expires_at > self._clock.now(),
        )
        with self._database.reading() as tx:
            return tx.execute(question).first() is not None

    def delete_expired(self, *, most: int) -> int:
        """Forget browsers whose time is over, at most so many; gives how many it were."""
        devices = tables.known_devices
        with self._database.transaction() as tx:
            over = select(devices.c.token_hash).where(devices.c.expires_at <= self._database.now(tx)).limit(most)
            # PostgreSQL passes by what another process is deleting at this moment; SQLite has one writer at a time.
            return tx.execute(delete(devices).where(devices.c.token_hash.in_(over.with_for_update(skip_locked=True)))).rowcount

    def _renew(self, tx: Connection, account_id: str, token: str, now: datetime) -> bool:
        devices = tables.known_devices
        renewed = tx.execute(
            update(devices)
            .where(devices.c.token_hash == secret_hash(token), devices.c.account_id == account_id)
            .values(last_seen_at=now, expires_at=now + self._lifetime)
        )
        return renewed.rowcount == 1
