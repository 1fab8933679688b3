import json
from typing import Any

import pytest

from idp.cli import wiring
from idp.services import Services
from tests.cli.command import run_idp
from tests.cli.people import ID_NUMBER, NAME, PHONE, register


@pytest.fixture
def account_id(operated: Services) -> str:
    """Give the account of a person whom the carrier confirmed."""
    return register(operated)


def show(account: str, *more: str) -> dict[str, Any]:
    outcome = run_idp("accounts", "show", account, *more)
    assert outcome.code == 0, outcome
    fields: dict[str, Any] = json.loads(outcome.out)
    return fields


def test_an_account_is_shown_masked_by_id_and_by_number(operated_everywhere: Services) -> None:
    account_id = register(operated_everywhere)
    by_id = show(account_id)
    assert by_id == show(ID_NUMBER, "--json") == show("033 090 001 234")
    assert (by_id["account_id"], by_id["status"], by_id["proofing_level"]) == (account_id, "active", 2)
    assert (by_id["id_number"], by_id["phones"]) == ("033•••••1234", ["091•••5678"])
    [evidence] = by_id["evidence"]
    assert (evidence["method"], evidence["source"]) == ("mobile_subscriber", "viettel")
    said = run_idp("accounts", "show", account_id).out
    assert [word for word in (ID_NUMBER, PHONE, "912345678", NAME, "Tuyết", "1990", "tuyet@") if word in said] == []


def test_locking_and_unlocking_are_done_and_audited(operated_everywhere: Services) -> None:
    operated, account_id = operated_everywhere, register(operated_everywhere)
    assert run_idp("accounts", "lock", ID_NUMBER, "--reason", "báo mất thẻ").out == f"ok: {account_id} is locked\n"
    assert operated.accounts.get(account_id).is_locked
    assert show(account_id)["status"] == "locked"
    assert run_idp("accounts", "unlock", account_id, "--reason", "đã xác minh").out == f"ok: {account_id} is active\n"
    assert show(account_id)["status"] == "active"
    found = {event.event: event for event in operated.audit.events(account_id=account_id)}
    actor = f"operator:{wiring.operator_name()}"
    for event, reason in (("account_locked", "báo mất thẻ"), ("account_unlocked", "đã xác minh")):
        assert found[event].actor == actor
        assert found[event].facts["reason"] == reason
        assert found[event].request_id


def test_locking_what_is_locked_changes_nothing(operated: Services, account_id: str) -> None:
    for reason in ("first", "second"):
        assert run_idp("accounts", "lock", account_id, "--reason", reason).code == 0
    locks = [event for event in operated.audit.events(account_id=account_id) if event.event == "account_locked"]
    assert [event.facts["reason"] for event in locks] == ["first"]


@pytest.mark.parametrize("account", ["nobody", "", "033090009999", "123456789", "0" * 40, "ế", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize("command", [["show"], ["lock", "--reason", "x"], ["unlock", "--reason", "x"]])
def test_an_unknown_account_is_told_in_words(operated: Services, command: list[str], account: str) -> None:
    assert run_idp("accounts", *command, account).problems == ["no such account"]
    assert operated.audit.events() == []


def test_postgresql_knows_no_unknown_account_either(operated_everywhere: Services) -> None:
    for account in ("nobody", "0" * 40, "ế"):
        assert run_idp("accounts", "lock", account, "--reason", "x").problems == ["no such account"]
    assert operated_everywhere.audit.events() == []


@pytest.mark.parametrize("command", ["lock", "unlock"])
def test_a_reason_is_needed_and_has_a_limit(operated: Services, account_id: str, command: str) -> None:
    assert run_idp("accounts", command, account_id).code == 2
    [problem] = run_idp("accounts", command, account_id, "--reason", "x" * 201).problems
    assert problem == "--reason: at most 200 characters"
    assert not operated.accounts.get(account_id).is_locked


def test_an_operator_whom_nobody_named_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert wiring.operator_name().startswith("uid-")
