"""The UserInfo endpoint: what a portal may know of the person behind an access token (OpenID Connect Core 5.3)."""

from dataclasses import dataclass

from idp import errors
from idp.edge.messages import Request, Response, json_response
from idp.services import Services


@dataclass(frozen=True)
class UserInfo:
    """The handler of `/userinfo`, by GET and by POST."""

    services: Services

    def answer(self, request: Request) -> Response:
        """Give the claims as JSON; raises `InvalidToken`."""
        found = self.services.tokens.userinfo_claims(_bearer_token(request))
        if found is None or self.services.clients.find(found[0]) is None:
            raise errors.InvalidToken
        return json_response(found[1])


def _bearer_token(request: Request) -> str:
    """Give the token from the header or the form, never from the query (RFC 6750 2, RFC 9700 4.3.2), and only from one of them."""
    header = request.headers.get("authorization")
    in_form = request.form.get("access_token")
    if header is not None and in_form is not None:
        raise errors.InvalidRequest("the access token stands in the header and in the form", bearer=True)
    if "access_token" in request.form.repeated():
        raise errors.InvalidRequest("the access token stands twice", bearer=True)
    if in_form is not None:
        return in_form
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.InvalidToken("an access token is needed", absent=header is None)
    return token.strip()
