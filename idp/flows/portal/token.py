"""The token endpoint: a code or a refresh token becomes tokens (RFC 6749 3.2, OpenID Connect Core 3.1.3)."""

from dataclasses import dataclass

from idp.edge.messages import Request, Response
from idp.edge.oauth_server import OAuthServer


@dataclass(frozen=True)
class Token:
    """The handler of `/token`."""

    oauth_server: OAuthServer

    def answer(self, request: Request) -> Response:
        """Answer a token request with JSON that nobody may store."""
        return self.oauth_server.token_response(request)
