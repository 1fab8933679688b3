"""The public keys of clients, fetched from the `jwks_uri` that a client registered, which is an address that a stranger chose."""

from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import structlog

from idp.connectors.http import HttpTrouble, OutboundHttp
from idp.connectors.network import is_public, is_public_or_loopback

NAME = "client-keys"
WHOLE_CALL = timedelta(seconds=5)
MOST_BYTES = 64 * 1024
TRIES = 2

_log = structlog.get_logger("senid.connectors")


class HttpClientKeys:
    """Fetches JWK sets (RFC 7517 5) over https from public addresses, so that no client can make us read our own network."""

    def __init__(self, *, allow_loopback: bool, whole_call: timedelta = WHOLE_CALL) -> None:
        """Take whether clients on this machine are served too, over plain http if they like: for the sandbox alone."""
        self._allow_loopback = allow_loopback
        self._http = OutboundHttp(
            name=NAME,
            whole_call=whole_call,
            most_bytes=MOST_BYTES,
            guard=is_public_or_loopback if allow_loopback else is_public,
        )

    def fetch(self, jwks_uri: str) -> dict[str, object] | None:
        """Give the JWK set behind `jwks_uri`, or None when it cannot be had."""
        if not self._may_fetch(jwks_uri):
            _log.warning("jwks_uri refused", gateway=NAME, reason="https to a public address is needed")
            return None
        try:
            answer = self._http.get(jwks_uri, headers={}, tries=TRIES)
        except HttpTrouble as trouble:
            _log.warning("keys of a client not had", gateway=NAME, reason=trouble.reason)
            return None
        found = answer.json_object() if answer.is_success else None
        return found if found is not None and _is_key_set(found) else None

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def _may_fetch(self, jwks_uri: str) -> bool:
        try:
            url = urlsplit(jwks_uri)
            _ = url.port  # raises where it is no port
        except ValueError:
            return False
        if not url.hostname or url.username is not None or url.password is not None:
            return False
        return url.scheme == "https" or (url.scheme == "http" and self._allow_loopback and _names_loopback(url))


def _names_loopback(url: SplitResult) -> bool:
    if url.hostname == "localhost":
        return True
    try:
        return ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def _is_key_set(found: dict[str, object]) -> bool:
    keys = found.get("keys")
    return isinstance(keys, list) and all(isinstance(key, dict) for key in keys)
