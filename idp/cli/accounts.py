"""`idp accounts`: find a person's account, lock and unlock it."""

import json
from pathlib import Path

import click

from idp.cli.terminal import config_option
from idp.cli.wiring import open_services, operator_name
from idp.errors import ConfigError, FieldError
from idp.identity import assurance, documents
from idp.identity.accounts import LONGEST_REASON
from idp.services import Services


@click.group()
def accounts() -> None:
    """Look after people's accounts. ACCOUNT is an account id or an identity number."""


@accounts.command()
@config_option
@click.argument("account")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
def show(config_path: Path | None, account: str, *, as_json: bool) -> None:
    """Show an account: status, level and evidence. Personal data are masked."""
    services = open_services(config_path)
    found = services.accounts.get(_account_id(services, account))
    standing = services.accounts.standing(found.id)
    evidence = standing.evidence if standing else ()
    level = assurance.proofing_level(evidence, services.config.assurance.proofing_levels, services.clock.now())
    shown = {
        "account_id": found.id,
        "status": found.status,
        "id_number": found.id_number.masked if found.id_number else None,
        "phones": [phone.number.masked for phone in services.accounts.phones(found.id)],
        "proofing_level": level,
        "evidence": [{"method": one.method, "source": one.source, "checked_at": one.checked_at.isoformat()} for one in evidence],
        "created_at": found.created_at.isoformat(),
    }
    click.echo(json.dumps(shown, ensure_ascii=False, indent=None if as_json else 2))


@accounts.command()
@config_option
@click.argument("account")
@click.option("--reason", required=True, help="Why; kept in the audit. Name no personal data.")
def lock(config_path: Path | None, account: str, reason: str) -> None:
    """Lock an account: no sign-in, no refresh, no UserInfo."""
    _check_reason(reason)
    services = open_services(config_path)
    account_id = _account_id(services, account)
    services.accounts.lock(account_id, reason=reason, operator=operator_name())
    click.echo(f"ok: {account_id} is locked")


@accounts.command()
@config_option
@click.argument("account")
@click.option("--reason", required=True, help="Why; kept in the audit. Name no personal data.")
def unlock(config_path: Path | None, account: str, reason: str) -> None:
    """Unlock an account."""
    _check_reason(reason)
    services = open_services(config_path)
    account_id = _account_id(services, account)
    services.accounts.unlock(account_id, reason=reason, operator=operator_name())
    click.echo(f"ok: {account_id} is active")


@accounts.command(name="withdraw-consent")
@config_option
@click.argument("account")
@click.argument("client_id")
def withdraw_consent(config_path: Path | None, account: str, client_id: str) -> None:
    """Take back, for a person who asks for it, what they agreed to for a portal; its tokens end."""
    services = open_services(config_path)
    account_id = _account_id(services, account)
    if not services.consents.withdraw(account_id, client_id):
        raise ConfigError(["this account has no consent for this portal"])
    click.echo(f"ok: {account_id} has no consent for {client_id} any more")


def _account_id(services: Services, account: str) -> str:
    """Give the account id for an id or an identity number."""
    try:
        record = services.accounts.find_by_login(documents.parse(account, accept_old=True))
    except FieldError:
        record = None
    if record is not None:
        return record.account_id
    if services.accounts.find(account) is None:
        raise ConfigError(["no such account"])
    return account


def _check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise ConfigError([f"--reason: at most {LONGEST_REASON} characters"])
