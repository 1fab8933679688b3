"""A portal at a server: what it asks of the browser, and what its software calls."""

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx2

from tests.interop.person import Person

REDIRECT_URI = "https://portal.example/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Portal:
    """A registered client with its secret."""

    address: str
    client_id: str
    client_secret: str

    def request(self) -> str:
        """Give an authorization request."""
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile",
            "state": "s" * 20,
            "nonce": "n" * 20,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.address}/authorize?{urlencode(parameters)}"

    def code(self, person: Person) -> str:
        """Let the person walk to the portal; gives the code that the browser brings."""
        answer = person.walk(self.request(), to=REDIRECT_URI).parameters
        assert answer["iss"] == self.address
        return answer["code"]

    def redeem(self, software: httpx2.Client, code: str) -> httpx2.Response:
        """Ask for tokens for a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return self._token(software, form)

    def refresh(self, software: httpx2.Client, refresh_token: str) -> httpx2.Response:
        """Ask for tokens for a refresh token."""
        return self._token(software, {"grant_type": "refresh_token", "refresh_token": refresh_token})

    def _token(self, software: httpx2.Client, form: dict[str, str]) -> httpx2.Response:
        return software.post("/token", data=form, auth=(self.client_id, self.client_secret))
