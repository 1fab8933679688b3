"""A portal that speaks by `openid-client` from npm, in a Node process of its own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.instances import ROOT, find_node
from tests.interop.person import Arrival
from tests.interop.portals import REDIRECT_URI, SCOPE, SIGNED_OUT_URI, Received, Refused, Registered

FOLDER = ROOT / "tests" / "interop"
LOCK = FOLDER / "package-lock.json"
LIBRARY = FOLDER / "node_modules" / "openid-client"
STOP_SECONDS = 10


class OpenidClientPortal:
    """Tells `node/portal.mjs` what to do."""

    def __init__(self, registered: Registered, certificate: Path) -> None:
        node = find_node()
        if node is None or not LIBRARY.is_dir():
            pytest.fail("Node.js or the packages of tests/interop/package-lock.json are missing: run scripts/services", pytrace=False)
        self._kind = registered.kind
        self._process = subprocess.Popen(
            [node, FOLDER / "node" / "portal.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(certificate)},
            encoding="utf-8",
        )
        key = {**registered.key.as_dict(private=True), "alg": registered.kind.assertion_alg} if registered.key else None
        client = {
            "client_id": registered.client_id,
            "client_secret": registered.client_secret,
            "auth_method": registered.kind.auth_method,
            "key": key,
        }
        self.metadata = self._ask("discover", issuer=registered.issuer, client=client, id_token_alg=registered.kind.id_token_alg)

    def begin(self, **parameters: str) -> str:
        """Give the address to send a person to."""
        mode = {} if self._kind.response_mode == "query" else {"response_mode": self._kind.response_mode}
        url: str = self._ask("begin", parameters={"redirect_uri": REDIRECT_URI, "scope": SCOPE, **mode, **parameters})
        return url

    def finish(self, arrival: Arrival) -> Received:
        """Take the person's return: the library checks `iss`, `state`, `nonce` and the signature."""
        return _received(self._ask("finish", url=arrival.url, form=arrival.form))

    def userinfo(self, subject: str | None = None) -> dict[str, Any]:
        """Give the UserInfo claims; the library compares `sub` with `subject`, or the ID token's."""
        claims: dict[str, Any] = self._ask("userinfo", subject=subject)
        return claims

    def refresh(self, refresh_token: str) -> Received:
        """Give new tokens."""
        return _received(self._ask("refresh", refresh_token=refresh_token))

    def sign_out(self, state: str) -> str:
        """Give the address that signs the person out and brings them back."""
        url: str = self._ask("sign_out", parameters={"post_logout_redirect_uri": SIGNED_OUT_URI, "state": state})
        return url

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=STOP_SECONDS)

    def _ask(self, verb: str, **told: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"verb": verb, **told}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "portal.mjs has ended"
        answer = json.loads(line)
        if "refused" in answer:
            refused = answer["refused"]
            raise Refused(f"{refused.get('code')}: {refused.get('message')} ({refused.get('cause')})", refused.get("error"))
        return answer["done"]


def _received(tokens: dict[str, Any]) -> Received:
    return Received(tokens["claims"], tokens["access_token"], tokens["id_token"], tokens["refresh_token"], tokens["scope"])
