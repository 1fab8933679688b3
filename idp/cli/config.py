"""`idp config`: check a configuration without starting anything."""

from collections.abc import Iterator
from pathlib import Path

import click

from idp import config as configuration
from idp.cli.terminal import config_option
from idp.cli.wiring import database_of
from idp.config import Config
from idp.errors import ConfigError
from idp.storage.short_lived import open_short_lived


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@config_option
def check(config_path: Path | None) -> None:
    """Read the configuration as the server would, and name every problem. Nothing is connected to and nothing is made."""
    found = configuration.load(config_path)
    problems = list(_store_problems(found))
    if problems:
        raise ConfigError(problems)
    click.echo(f"ok: {found.mode} mode, issuer {found.issuer}, listening on {found.server.listen}")


def _store_problems(found: Config) -> Iterator[str]:
    """Open the stores, which asks nothing of them yet: whether an address is of a known kind is known only there."""
    try:
        database_of(found)
    except ConfigError as error:
        yield from error.problems
    try:
        open_short_lived(found.short_lived.url.get_secret_value())
    except ConfigError as error:
        yield from error.problems
