"""Token introspection: what a protected resource may know of an access token that it was shown (RFC 7662)."""

from dataclasses import dataclass
from typing import Any

from idp import errors
from idp.edge.messages import Request, Response, json_response
from idp.edge.oauth_server import read_credentials
from idp.protocol.clients import Client
from idp.protocol.grant_rows import LiveGrant
from idp.protocol.subjects import sector_of
from idp.services import Services

INACTIVE = {"active": False}


@dataclass(frozen=True)
class Introspection:
    """The handler of `/introspect`."""

    services: Services

    def answer(self, request: Request) -> Response:
        """Tell a client about its own tokens, and whoever may introspect about all; everything else is inactive (RFC 7662 2.2).

        Raises `InvalidClient`, `InvalidRequest`.
        """
        if request.form.repeated():
            raise errors.InvalidRequest("a parameter stands twice")
        credentials = read_credentials(request)
        caller = self.services.clients.authenticate(credentials)
        if caller.is_public:
            raise errors.InvalidClient(detail="a public client proves nothing")  # RFC 7662 2.1
        token = request.form.get("token")
        if token is None:
            raise errors.InvalidRequest("token is missing")
        return json_response(self._told(token, caller) or INACTIVE)

    def _told(self, value: str, caller: Client) -> dict[str, Any] | None:
        """Give the answer for a live token, or None. A refresh token is none of a resource's business."""
        found = self.services.tokens.find_live(value)
        if found is None:
            return None
        token, live = found
        owner = self.services.clients.find(live.grant.client_id if live else token.client_id or "")
        if owner is None or not (owner.client_id == caller.client_id or caller.may_introspect):
            return None
        told = {"active": True, "client_id": owner.client_id, "iss": self.services.config.issuer, "token_type": "Bearer"}
        told |= {"iat": token.issued_at, "exp": token.expires_at}
        return {**told, **self._of_person(live, owner, caller)} if live else {**told, "scope": " ".join(token.scopes or ())}

    def _of_person(self, live: LiveGrant, owner: Client, caller: Client) -> dict[str, Any]:
        """Give what the token says of its person; `sub` only to who knows people by the same names, so that sectors cannot compare."""
        told: dict[str, Any] = {"scope": " ".join(live.grant.scopes), "auth_time": live.grant.auth_time}
        told["acr"] = self.services.tokens.acr_today(live)
        return {**told, "sub": live.grant.sub} if sector_of(owner) == sector_of(caller) else told
