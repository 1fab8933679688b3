"""The only file that knows Authlib: its token endpoint skeleton and grants, hardened where ADR 0001 says they must be."""

import base64
import binascii
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import grants as authlib_grants
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge

from idp import errors
from idp.edge.messages import Request, Response, json_response
from idp.protocol.authorization_codes import AuthorizationCodes, CodeRecord
from idp.protocol.client_assertions import ASSERTION_TYPE, asserted_client_id
from idp.protocol.clients import Client, ClientCredentials, Clients
from idp.protocol.tokens import Tokens

LONGEST_HEADER = 4096


class RegisteredClient:
    """Our client as Authlib's grants ask for it."""

    def __init__(self, client: Client) -> None:
        """Wrap a client that has authenticated."""
        self.client = client

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether the client may use the grant."""
        return grant_type in self.client.grant_types


class RedeemedCode:
    """Our code record as Authlib's grant and its PKCE extension ask for it."""

    code_challenge_method = "S256"

    def __init__(self, record: CodeRecord) -> None:
        """Wrap what a code stood for."""
        self.record = record
        self.code_challenge = record.code_challenge

    def get_redirect_uri(self) -> str:
        """Give the `redirect_uri` of the authorization request, which the token request must repeat (RFC 6749 4.1.3)."""
        return self.record.redirect_uri


class AuthorizationCodeGrant(authlib_grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib is untyped
    """Authlib's checks of the token request; the code is consumed before anything is minted, the tokens are ours."""

    server: "OAuthServer"

    def query_authorization_code(self, code: str, client: RegisteredClient) -> RedeemedCode:
        """Take the code, atomically: Authlib would mint first and delete after."""
        return RedeemedCode(self.server.codes.redeem(code, client.client))

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint by our own rules."""
        record = self.request.authorization_code.record
        return 200, self.server.tokens.mint(record, self.request.client.client).as_dict(), []


class RefreshTokenGrant(authlib_grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib is untyped
    """Authlib's order of checks; taking, rotating and reuse detection are one verb of ours."""

    server: "OAuthServer"

    def validate_token_request(self) -> None:
        """Authenticate the client and ask for the parameter; the token itself is judged where it is taken."""
        self.request.client = self._validate_request_client()
        if not self.request.form.get("refresh_token"):
            raise InvalidRequestError("Missing 'refresh_token' in request.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Take the refresh token and mint by our own rules."""
        form = self.request.form
        response = self.server.tokens.refresh(form["refresh_token"], self.request.client.client, form.get("scope"))
        return 200, response.as_dict(), []


class ClientCredentialsGrant(authlib_grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib is untyped
    """Authlib's checks, that the client has authenticated and may use the grant; scopes and tokens are ours (RFC 6749 4.4)."""

    server: "OAuthServer"

    def validate_token_request(self) -> None:
        """Authenticate the client, which a public one cannot (RFC 6749 4.4), and see that it may ask for itself."""
        self.request.client = self.authenticate_token_endpoint_client()
        client = self.request.client.client
        if client.is_public or self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Mint by our own rules."""
        return 200, self.server.tokens.for_client(self.request.client.client, self.request.form.get("scope")).as_dict(), []


class S256CodeChallenge(CodeChallenge):  # type: ignore[misc] # Authlib is untyped
    """Authlib's PKCE check without `plain`; a verifier that is missing or uncalled for is `invalid_grant` (RFC 9700 4.8)."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - Authlib's attribute

    def validate_code_verifier(self, grant: AuthorizationCodeGrant, result: object) -> None:
        """Compare verifier and challenge."""
        try:
            super().validate_code_verifier(grant, result)
        except InvalidRequestError:
            raise InvalidGrantError("code_verifier does not belong to the code") from None


class OAuthServer(AuthorizationServer):  # type: ignore[misc] # Authlib is untyped
    """Dispatches token requests to the grants."""

    def __init__(self, *, clients: Clients, codes: AuthorizationCodes, tokens: Tokens) -> None:
        """Register the grants that are served."""
        super().__init__()
        self.clients = clients
        self.codes = codes
        self.tokens = tokens
        self.register_grant(AuthorizationCodeGrant, [S256CodeChallenge(required=True)])
        self.register_grant(RefreshTokenGrant)
        self.register_grant(ClientCredentialsGrant)

    def token_response(self, request: Request) -> Response:
        """Answer a token request (RFC 6749 3.2); raises `JsonError`."""
        if repeated := request.form.repeated():
            raise errors.InvalidRequest(f"repeated parameter: {_ascii(repeated[0])}")
        if request.form.get("grant_type") is None:
            raise errors.InvalidRequest("grant_type is missing")
        response: Response = self.create_token_response(request)
        return response

    def create_oauth2_request(self, request: Request) -> OAuth2Request:
        """Give Authlib the form alone: it would read the query string too (RFC 6749 3.2 wants the body)."""
        return TokenRequest(request)

    def authenticate_client(self, request: "TokenRequest", methods: object, endpoint: str = "token") -> RegisteredClient:  # noqa: ARG002
        """Authenticate by our own rules: exactly one method, and the registered one."""
        credentials = read_credentials(request.request)
        client = self.clients.authenticate(credentials)
        request.auth_method = credentials.method
        return RegisteredClient(client)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Do nothing: nobody listens."""

    def handle_response(self, status: int, body: dict[str, Any], headers: object) -> Response:  # noqa: ARG002
        """Give our response value; its headers are ours too."""
        return json_response(body, status=status)

    def handle_error_response(self, request: object, error: OAuth2Error) -> Response:  # noqa: ARG002
        """Raise our error of the same name; Authlib's texts repeat what the caller sent, ours do not."""
        raise _ERRORS.get(error.error, errors.InvalidRequest)(_DESCRIPTIONS.get(error.error, ""))


class TokenRequest(OAuth2Request):  # type: ignore[misc] # Authlib is untyped
    """A token request as Authlib's grants read it."""

    def __init__(self, request: Request) -> None:
        """Take the form of the request; TLS is the listener's business, not read from a URL here."""
        super().__init__(request.method, "https://token", headers={})  # credentials are ours to read
        self.request = request
        self._form = dict(request.form.pairs)
        self.payload = BasicOAuth2Payload(self._form)

    @property
    def form(self) -> dict[str, str]:
        """Give the form."""
        return self._form


_ERRORS: dict[str, type[errors.JsonError]] = {
    "invalid_request": errors.InvalidRequest,
    "invalid_grant": errors.InvalidGrant,
    "unauthorized_client": errors.UnauthorizedClient,
    "unsupported_grant_type": errors.UnsupportedGrantType,
    "invalid_scope": errors.InvalidScope,
}
_DESCRIPTIONS = {
    "invalid_request": "a parameter is missing or malformed",
    "unauthorized_client": "the client may not use this grant type",
    "unsupported_grant_type": "supported are authorization_code, refresh_token and client_credentials",
}


def read_credentials(request: Request) -> ClientCredentials:
    """Give what the request proves the client with (RFC 6749 2.3.1, RFC 7523 2.2); raises `InvalidClient`, `InvalidRequest`."""
    header = request.headers.get("authorization")
    form = request.form
    ways = (header, form.get("client_secret"), form.get("client_assertion"))
    if sum(way is not None for way in ways) > 1:
        raise errors.InvalidRequest("more than one way of client authentication")
    if header is not None:
        return _with_same_id(_basic_credentials(header), form.get("client_id"))
    if form.get("client_assertion") is not None:
        return _with_same_id(_assertion_credentials(request), form.get("client_id"))
    client_id = form.get("client_id")
    if client_id is None:
        raise errors.InvalidClient(detail="no credentials")
    if form.get("client_secret") is not None:
        return ClientCredentials("client_secret_post", client_id, secret=form.get("client_secret"))
    return ClientCredentials("none", client_id)


def _basic_credentials(header: str) -> ClientCredentials:
    """Read HTTP Basic, whose parts are form-encoded before they are joined (RFC 6749 2.3.1)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic" or len(value) > LONGEST_HEADER:
        raise errors.InvalidClient(detail="not HTTP Basic")
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise errors.InvalidClient(detail="malformed HTTP Basic") from None
    if not colon:
        raise errors.InvalidClient(detail="malformed HTTP Basic")
    return ClientCredentials("client_secret_basic", client_id, secret=secret)


def _assertion_credentials(request: Request) -> ClientCredentials:
    assertion = request.form.get("client_assertion") or ""
    if request.form.get("client_assertion_type") != ASSERTION_TYPE:
        raise errors.InvalidClient(detail="client_assertion_type")
    return ClientCredentials("private_key_jwt", asserted_client_id(assertion), assertion=assertion)


def _with_same_id(credentials: ClientCredentials, client_id: str | None) -> ClientCredentials:
    if client_id is not None and client_id != credentials.client_id:
        raise errors.InvalidClient(detail="client_id differs from the credentials")
    return credentials


def _ascii(text: str) -> str:
    """Give text that may stand in `error_description` (RFC 6749 5.2)."""
    return "".join(char for char in text if char in _DESCRIPTION_CHARACTERS)[:200]


_DESCRIPTION_CHARACTERS = frozenset(map(chr, (*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F))))
