"""The introspection endpoint: who may ask, what they are told, and when a token is no longer live (RFC 7662)."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from idp.protocol.clients import Client
from tests.world import World, token_request, unguessable

INACTIVE = {"active": False}
Caller = tuple[Client, str]


def ask(world: World, caller: Caller, token: str | None, **more: str) -> TestResponse:
    client, secret = caller
    form = {**({} if token is None else {"token": token}), **more}
    basic = base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()
    response = world.browser().post("/introspect", data=form, headers={"Authorization": f"Basic {basic}"})
    assert response.mimetype == "application/json", response.text[:300]
    assert response.headers["Cache-Control"] == "no-store"
    return response


def told(world: World, caller: Caller, token: str) -> dict[str, Any]:
    response = ask(world, caller, token)
    assert response.status_code == 200
    return dict(response.json or {})


def tokens_of(world: World, caller: Caller, account_id: str | None = None) -> dict[str, Any]:
    browser = world.browser()
    world.sign_in(browser, account_id or world.account())
    return world.tokens(browser, *caller, scope="openid profile")


def machine_token(world: World, caller: Caller) -> str:
    response = token_request(world.browser(), *caller, {"grant_type": "client_credentials"})
    return str((response.json or {})["access_token"])


def test_a_portal_learns_of_its_own_token(world: World) -> None:
    caller = world.client()
    tokens = tokens_of(world, caller)
    claims = world.claims(tokens["id_token"])
    found = told(world, caller, tokens["access_token"])
    assert found.pop("exp") - found["iat"] == 600
    assert found == {
        "active": True,
        "client_id": caller[0].client_id,
        "iss": "http://localhost:8400",
        "token_type": "Bearer",
        "iat": claims["iat"],
        "scope": "openid profile",
        "auth_time": claims["auth_time"],
        "acr": "urn:senid:loa:2",
        "sub": claims["sub"],
    }


def test_an_interface_learns_of_every_token_and_a_portal_of_no_other_ones(world: World) -> None:
    owner = world.client()
    token = tokens_of(world, owner)["access_token"]
    assert told(world, world.client(), token) == INACTIVE
    assert told(world, world.client(may_introspect=True), token)["active"] is True


def test_an_interface_of_another_sector_is_not_told_the_name_of_the_person(world: World) -> None:
    owner = world.client()
    token = tokens_of(world, owner)["access_token"]
    there = told(world, world.client(may_introspect=True, sector="tax.example"), token)
    assert (there["active"], "sub" in there) == (True, False)
    assert told(world, world.client(may_introspect=True), token)["sub"]


def test_a_token_of_a_client_tells_its_scopes_and_no_person(world: World) -> None:
    machine = world.client(grant_types=("client_credentials",), machine_scopes=("records.read",))
    found = told(world, world.client(may_introspect=True), machine_token(world, machine))
    assert {key: found[key] for key in ("active", "client_id", "scope")} == {
        "active": True,
        "client_id": machine[0].client_id,
        "scope": "records.read",
    }
    assert not {"sub", "acr", "auth_time"} & set(found)


def test_what_has_ended_is_inactive(world: World) -> None:
    caller = world.client()
    one, other = world.account(), world.account()
    by_consent, by_account = tokens_of(world, caller, one)["access_token"], tokens_of(world, caller, other)["access_token"]
    assert [told(world, caller, token)["active"] for token in (by_consent, by_account)] == [True, True]
    world.services.consents.withdraw(one, caller[0].client_id)
    world.services.accounts.lock(other, reason="test", operator="test")
    assert [told(world, caller, token) for token in (by_consent, by_account)] == [INACTIVE, INACTIVE]


def test_a_disabled_clients_tokens_are_inactive(world: World) -> None:
    owner = world.client()
    machine = world.client(grant_types=("client_credentials",), machine_scopes=("records.read",))
    of_person, of_machine = tokens_of(world, owner)["access_token"], machine_token(world, machine)
    for client, _secret in (owner, machine):
        world.services.clients.disable(client.client_id)
    interface = world.client(may_introspect=True)
    assert [told(world, interface, token) for token in (of_person, of_machine)] == [INACTIVE, INACTIVE]


def test_a_token_is_inactive_from_the_second_of_its_expiry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = world.client(may_introspect=True)
    machine = world.client(grant_types=("client_credentials",), machine_scopes=("records.read",))
    issued = [tokens_of(world, caller)["access_token"], machine_token(world, machine)]
    monkeypatch.setattr(world.services.database, "offset", timedelta(seconds=595))
    assert [told(world, caller, token)["active"] for token in issued] == [True, True]
    monkeypatch.setattr(world.services.database, "offset", timedelta(seconds=600))
    assert [told(world, caller, token) for token in issued] == [INACTIVE, INACTIVE]


@pytest.mark.parametrize("value", ["nothing", "a.b", ".", "x" * 3000, "ế.ế", "e30.e30"])
def test_what_is_no_token_of_ours_is_inactive(world: World, value: str) -> None:
    assert told(world, world.client(may_introspect=True), value) == INACTIVE


def test_a_refresh_token_an_id_token_and_a_changed_token_are_inactive(world: World) -> None:
    caller = world.client(may_introspect=True)
    tokens = tokens_of(world, caller)
    body, mac = tokens["access_token"].split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    longer = base64.urlsafe_b64encode(json.dumps({**said, "e": said["e"] + 9999}).encode()).rstrip(b"=").decode()
    forged = base64.urlsafe_b64encode(hashlib.sha256(longer.encode()).digest()).rstrip(b"=").decode()
    wrong = (tokens["refresh_token"], tokens["id_token"], f"{longer}.{mac}", f"{longer}.{forged}", f"{body}.{mac[:-1]}", f"{body}.", body)
    assert [told(world, caller, value) for value in wrong] == [INACTIVE] * len(wrong)


def test_only_an_authenticated_client_may_ask(world: World) -> None:
    client, secret = world.client()
    public, _ = world.client(auth_method="none")
    wrong = ask(world, (client, f"{secret}x"), "token")
    assert (wrong.status_code, (wrong.json or {})["error"]) == (401, "invalid_client")
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    response = world.browser().post("/introspect", data={"token": "t", "client_id": public.client_id})
    assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")
    assert world.browser().get("/introspect").status_code == 405


def test_a_request_without_a_token_or_with_two_is_told_so(world: World) -> None:
    caller = world.client()
    missing = ask(world, caller, None)
    assert (missing.status_code, (missing.json or {})["error"]) == (400, "invalid_request")
    basic = base64.b64encode(f"{caller[0].client_id}:{caller[1]}".encode()).decode()
    twice = world.browser().post(
        "/introspect", data="token=a&token=b", headers={"Authorization": f"Basic {basic}"}, content_type="application/x-www-form-urlencoded"
    )
    assert (twice.status_code, (twice.json or {})["error"]) == (400, "invalid_request")


def test_a_hint_of_the_kind_changes_nothing(world: World) -> None:
    caller = world.client()
    token = tokens_of(world, caller)["access_token"]
    for hint in ("access_token", "refresh_token", unguessable()):
        assert (ask(world, caller, token, token_type_hint=hint).json or {})["active"] is True
