"""The benchmark refuses wrong answers, so that a server is not fast by being wrong."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, KeySet

from bench.driver import Script, Wrong
from bench.operations import CodeFlow, Discovery, Introspect, Jwks, Refresh, UserInfo, Visitor
from bench.providers import REDIRECT_URI, Clients, PortalClient, Provider
from bench.wire import Answer, Cookies

ISSUER = "https://id.example"
PORTAL = PortalClient("portal", "secret")
PERSON = {"sub": "someone", "name": "Nguyễn Thị Ánh Tuyết", "email": "tuyet@example.vn"}
NOTHING: Mapping[str, Any] = {}
ENDPOINTS = ("authorization", "token", "userinfo", "introspection")


class Server:
    """Answers as a good provider does, except for what a test changes: claims, the token response, or whole answers by path."""

    def __init__(self, *, claims: Mapping[str, Any] = NOTHING, tokens: Mapping[str, Any] = NOTHING, **answers: Answer) -> None:
        self.claims = claims
        self.tokens = tokens
        self.answers = answers
        self.nonce = ""
        self.given = 0

    def walk(self, script: Script) -> None:
        """Answer a script to its end."""
        try:
            request = next(script)
            while True:
                request = script.send(self.answer(request.decode()))
        except StopIteration:
            return

    def answer(self, request: str) -> Answer:
        target = urlsplit(request.split(" ")[1])
        name = target.path.strip("/")
        if name in self.answers:
            return self.answers[name]
        if name == "authorize":
            asked = parse_qs(target.query)
            self.nonce = asked["nonce"][0]
            return redirect(f"{REDIRECT_URI}?code=abc&state={asked['state'][0]}")
        if name == "token":
            return self.token_response(is_refresh="grant_type=refresh_token" in request)
        return ok(PERSON if name == "userinfo" else {"active": True})

    def token_response(self, *, is_refresh: bool) -> Answer:
        self.given += 1
        nonce = {} if is_refresh else {"nonce": self.nonce}
        claims = {"iss": ISSUER, "aud": "portal", "sub": "someone", **nonce, **self.claims}
        id_token = f"{part({'alg': 'ES256'})}.{part(claims)}.signature"
        body = {"access_token": "a", "token_type": "Bearer", "id_token": id_token, "refresh_token": f"r{self.given}", **self.tokens}
        return ok({name: value for name, value in body.items() if value is not None})


def part(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def ok(body: Mapping[str, Any]) -> Answer:
    return Answer(200, b"HTTP/1.1 200 OK", json.dumps(body).encode())


def redirect(location: str) -> Answer:
    return Answer(303, f"HTTP/1.1 303 See Other\r\nLocation: {location}".encode(), b"")


def visitor(kind: type[Visitor], keys: KeySet | None = None) -> Visitor:
    paths = {"authorization": "authorize", "introspection": "introspect"}
    metadata = {f"{name}_endpoint": f"{ISSUER}/{paths.get(name, name)}" for name in ENDPOINTS} | {"jwks_uri": f"{ISSUER}/jwks"}
    clients = Clients({"ES256": PORTAL}, {"ES256": PORTAL}, PORTAL)
    return kind(Provider("good", ISSUER, 1, metadata, keys or KeySet([]), clients, [Cookies({})]), 0, "ES256")


def once(kind: type[Visitor], server: Server) -> None:
    user = visitor(kind)
    server.walk(user.prepare())
    server.walk(user.once())


NO_REFRESH_TOKEN = {"refresh_token": None}
OTHER_ALGORITHM = f"{part({'alg': 'none'})}.{part({})}."


def test_good_answers_pass() -> None:
    for kind in (CodeFlow, UserInfo, Introspect):
        once(kind, Server(tokens=NO_REFRESH_TOKEN))
    once(Refresh, Server())


@pytest.mark.parametrize(
    "server",
    [
        Server(claims={"nonce": "another"}, tokens=NO_REFRESH_TOKEN),
        Server(claims={"aud": "another"}, tokens=NO_REFRESH_TOKEN),
        Server(claims={"iss": "another"}, tokens=NO_REFRESH_TOKEN),
        Server(tokens={**NO_REFRESH_TOKEN, "id_token": None}),
        Server(tokens={**NO_REFRESH_TOKEN, "id_token": OTHER_ALGORITHM}),
        Server(tokens={**NO_REFRESH_TOKEN, "token_type": "mac"}),
        Server(tokens={**NO_REFRESH_TOKEN, "access_token": ""}),
        Server(tokens={"refresh_token": "uncalled-for"}),
        Server(tokens=NO_REFRESH_TOKEN, authorize=redirect(f"{REDIRECT_URI}?code=abc&state=another")),
        Server(tokens=NO_REFRESH_TOKEN, authorize=redirect(f"{REDIRECT_URI}?error=login_required")),
        Server(tokens=NO_REFRESH_TOKEN, authorize=redirect("/authorize")),
        Server(tokens=NO_REFRESH_TOKEN, authorize=ok({})),
        Server(tokens=NO_REFRESH_TOKEN, userinfo=ok({"sub": "someone"})),
        Server(tokens=NO_REFRESH_TOKEN, userinfo=replace(ok(PERSON), status=500)),
        Server(tokens=NO_REFRESH_TOKEN, userinfo=Answer(200, b"HTTP/1.1 200 OK", b"[]")),
    ],
)
def test_a_wrong_code_flow_is_seen(server: Server) -> None:
    with pytest.raises(Wrong):
        once(CodeFlow, server)


def test_a_refresh_without_rotation_or_id_token_is_seen() -> None:
    for tokens in ({"refresh_token": "always the same"}, {"id_token": None}):
        user, server = visitor(Refresh), Server()
        server.walk(user.prepare())
        server.tokens = tokens
        server.walk(user.once()) if "refresh_token" in tokens else None
        with pytest.raises(Wrong):
            server.walk(user.once())


def test_other_wrong_answers_are_seen() -> None:
    with pytest.raises(Wrong):
        once(UserInfo, Server(tokens=NO_REFRESH_TOKEN, userinfo=ok({**PERSON, "sub": "another"})))
    with pytest.raises(Wrong):
        once(Introspect, Server(tokens=NO_REFRESH_TOKEN, introspect=ok({"active": False})))
    with pytest.raises(Wrong):
        once(Jwks, Server(jwks=ok({"keys": []})))
    impostor = Server()
    impostor.answers[".well-known/openid-configuration"] = ok({"issuer": "another"})
    with pytest.raises(Wrong):
        once(Discovery, impostor)


def test_a_signature_of_another_key_is_seen() -> None:
    ours, another = (ECKey.generate_key("P-256", {"kid": "key"}) for _ in range(2))
    user = visitor(CodeFlow, KeySet([ours]))
    user.last_id_token = jwt.encode({"alg": "ES256", "kid": "key"}, {}, ours)
    user.check_signature()
    user.last_id_token = jwt.encode({"alg": "ES256", "kid": "key"}, {}, another)
    with pytest.raises(BadSignatureError):
        user.check_signature()
