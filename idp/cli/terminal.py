"""What every command shares of the terminal: where the configuration is, and how an error of ours is told."""

from pathlib import Path

import click

from idp.errors import SenidError, StoreUnavailable

config_option = click.option(
    "--config", "config_path", type=click.Path(path_type=Path, dir_okay=False), help="The configuration file; else SENID_CONFIG."
)


def tell(error: SenidError) -> None:
    """Tell an error of ours in words, one line a problem."""
    if isinstance(error, StoreUnavailable):
        click.echo("error: the database or the short-lived store cannot be reached; see [database] and [short_lived]", err=True)
        return
    for line in str(error).splitlines():
        click.echo(f"error: {line}", err=True)
