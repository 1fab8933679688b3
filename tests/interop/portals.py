"""A portal as a test sees it, whichever library speaks OpenID Connect for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from joserfc.jwk import ECKey, RSAKey

from tests.interop.person import Arrival

REDIRECT_URI = "https://portal.example/callback"
SIGNED_OUT_URI = "https://portal.example/signed-out"
SCOPE = "openid profile phone assurance"

Algorithm = Literal["ES256", "RS256"]
AuthMethod = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
ResponseMode = Literal["query", "form_post"]


@dataclass(frozen=True)
class Kind:
    """How a portal is registered and asks: every value of every axis is taken by some kind."""

    auth_method: AuthMethod
    id_token_alg: Algorithm
    response_mode: ResponseMode
    assertion_alg: Algorithm = "ES256"

    def __str__(self) -> str:
        """Give the name of the test."""
        words = (self.auth_method, self.id_token_alg, self.response_mode)
        return "-".join(words) + (f"-by-{self.assertion_alg}" if self.auth_method == "private_key_jwt" else "")


KINDS = (
    Kind("client_secret_basic", "ES256", "query"),
    Kind("client_secret_post", "RS256", "form_post"),
    Kind("private_key_jwt", "RS256", "query", "ES256"),
    Kind("private_key_jwt", "ES256", "form_post", "RS256"),
    Kind("none", "RS256", "query"),
)


@dataclass(frozen=True)
class Registered:
    """What a portal knows after its registration."""

    issuer: str
    kind: Kind
    client_id: str
    client_secret: str | None = None
    key: ECKey | RSAKey | None = None


@dataclass(frozen=True)
class Received:
    """What the library got from the token endpoint, and the claims of the ID token that it checked."""

    claims: dict[str, Any]
    access_token: str
    id_token: str
    refresh_token: str
    scope: str


class Refused(Exception):
    """The library, or the provider, refused; `error` is the OAuth error code, where the provider gave one."""

    def __init__(self, message: str, error: str | None = None) -> None:
        super().__init__(message)
        self.error = error


class Portal(Protocol):
    """What every test asks of a portal."""

    def begin(self, **parameters: str) -> str:
        """Give the address to send a person to."""
        ...

    def finish(self, arrival: Arrival) -> Received:
        """Take the person's return, check it, and redeem the code. Raises `Refused`."""
        ...

    def userinfo(self) -> dict[str, Any]:
        """Give the UserInfo claims, whose `sub` was compared with the ID token's. Raises `Refused`."""
        ...

    def refresh(self, refresh_token: str) -> Received:
        """Give new tokens. Raises `Refused`."""
        ...

    def sign_out(self, state: str) -> str:
        """Give the address that signs the person out and brings them back."""
        ...

    def close(self) -> None:
        """End whatever runs."""
        ...


def new_key(algorithm: Algorithm) -> ECKey | RSAKey:
    """Give a private key for assertions."""
    key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


class Speaker(Protocol):
    """Makes a portal of what was registered, which trusts the certificate file."""

    def __call__(self, registered: Registered, certificate: Path) -> Portal:
        """Discover the provider and give the portal."""
        ...
