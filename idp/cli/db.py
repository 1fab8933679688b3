"""`idp db`: the schema of the database."""

from pathlib import Path

import click

from idp import config as configuration
from idp.cli.terminal import config_option
from idp.cli.wiring import database_of
from idp.storage import migrations


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
@config_option
def upgrade(config_path: Path | None) -> None:
    """Bring the schema to this version; safe to run twice, and on several nodes at once."""
    database = database_of(configuration.load(config_path))
    before = migrations.current_revision(database)
    migrations.upgrade(database)
    after = migrations.current_revision(database)
    click.echo(f"ok: {before or 'empty'} -> {after}" if before != after else f"ok: already at {after}")
