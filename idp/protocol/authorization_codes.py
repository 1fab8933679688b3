"""Authorization codes: issued once, redeemed once; a replay revokes what the first redemption has given.

issued -> spent (a tombstone) -> grant revoked, by whoever presents the code again
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from idp.errors import InvalidGrant
from idp.protocol.clients import Client
from idp.protocol.grant_rows import Grant
from idp.protocol.grants import Grants
from idp.safety.sealed_store import SealedStore
from idp.values import from_json, new_secret

KIND = "authorization_code"
TOMBSTONE_LIFETIME = timedelta(hours=24)
LONGEST_CODE = 128


@dataclass(frozen=True)
class CodeRecord:
    """What a code stands for until it is redeemed."""

    grant: Grant
    redirect_uri: str
    code_challenge: str | None
    nonce: str | None


class AuthorizationCodes:
    """Issues and redeems codes."""

    def __init__(self, *, store: SealedStore, grants: Grants, lifetime: timedelta) -> None:
        """Let a code live for `lifetime` (RFC 6749 4.1.2 allows ten minutes; one is plenty)."""
        self._store = store
        self._grants = grants
        self._lifetime = lifetime

    def issue(self, record: CodeRecord, code: str) -> None:
        """Store what `code`, of `new_code`, stands for."""
        self._store.put(KIND, _store_id(record.grant.client_id, code), {**vars(record), "grant": vars(record.grant)}, self._lifetime)

    def redeem(self, code: str, client: Client) -> CodeRecord:
        """Swap the code for a tombstone in one command and give what it stood for; raises `InvalidGrant`.

        The look-up holds the client, so that a code is unknown to every other client. Whoever finds the tombstone is a replay: the
        grant is revoked, also when the first redemption has not written it yet (RFC 6749 4.1.2, RFC 9700 4.2.4).
        """
        if len(code) > LONGEST_CODE:
            raise InvalidGrant
        found = self._store.exchange(KIND, _store_id(client.client_id, code), {"spent": True}, TOMBSTONE_LIFETIME)
        if found is None:
            raise InvalidGrant(detail="unknown or expired code")
        if "spent" in found:
            self._grants.revoke(grant_id_of(code), reason="code_replayed", client_id=client.client_id)
            raise InvalidGrant(detail="code replayed")
        return _from_dict(found)


def new_code() -> str:
    """Give a new code: 256 random bits."""
    return new_secret()


def grant_id_of(code: str) -> str:
    """Give the identifier of the grant that the code will open, so that a replay knows it too; it does not reveal the code."""
    digest = hashlib.sha256(b"grant of " + code.encode()).digest()
    return str(uuid.UUID(bytes=digest[:16]))


def _store_id(client_id: str, code: str) -> str:
    return f"{client_id}:{code}"


def _from_dict(value: Mapping[str, Any]) -> CodeRecord:
    return CodeRecord(**{**value, "grant": Grant(**from_json(value["grant"]))})
