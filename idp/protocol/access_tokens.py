"""Access tokens: opaque to portals and stored nowhere; the grant or the client that they name is asked for at every use (ADR 0006)."""

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from idp.safety.encryption import Encryption
from idp.values import as_json

LONGEST_TOKEN = 2048
PURPOSE = "access_token"


@dataclass(frozen=True)
class AccessToken:
    """What an access token says: the grant behind it, or the client that asked for itself, and until when.

    `scopes` is None where they are all that the grant has. `expires_at` is in whole seconds since 1970, of the database's time.
    """

    grant_id: str | None
    client_id: str | None
    scopes: tuple[str, ...] | None
    issued_at: int
    expires_at: int

    def is_live(self, now: datetime) -> bool:
        """Tell whether the token has not expired at `now`, the database's time."""
        return now < datetime.fromtimestamp(self.expires_at, UTC)


class AccessTokens:
    """Makes tokens that nobody else can make, and reads them back."""

    def __init__(self, encryption: Encryption) -> None:
        """Take the keys: every node has the same, and tokens of a key that is no longer current are still read."""
        self._encryption = encryption

    def make(self, token: AccessToken) -> str:
        """Give the bearer value, of at most `LONGEST_TOKEN` characters that RFC 6750 2.1 allows; no two are the same."""
        said = {"g": token.grant_id, "c": token.client_id, "s": token.scopes and " ".join(token.scopes), "i": token.issued_at}
        said |= {"e": token.expires_at, "n": secrets.token_urlsafe(12)}
        text = as_json({name: value for name, value in said.items() if value is not None})
        body = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        return f"{body}.{self._encryption.mac(PURPOSE, body)}"

    def find(self, value: str) -> AccessToken | None:
        """Give what a token of ours says, also one that has expired; None for anything else."""
        body, dot, mac = value.partition(".")
        if not dot or len(value) > LONGEST_TOKEN or not value.isascii() or not self._encryption.is_mac(PURPOSE, body, mac):
            return None
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        scopes = said.get("s")
        return AccessToken(said.get("g"), said.get("c"), tuple(scopes.split(" ")) if scopes is not None else None, said["i"], said["e"])
