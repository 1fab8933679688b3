"""The `idp` command: the nouns, and what a bad configuration looks like."""

import sys

import click

from idp import __version__
from idp.cli.accounts import accounts
from idp.cli.clients import clients
from idp.cli.config import config
from idp.cli.db import db
from idp.cli.serve import serve
from idp.cli.wiring import tell
from idp.errors import SenidError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="idp")
def idp() -> None:
    """Operate SenID. The configuration is the file that SENID_CONFIG names, else config.toml in this folder."""


for command in (accounts, clients, config, db, serve):
    idp.add_command(command)


def main() -> None:
    """Run the command; an error of ours is told in words, with exit code 1, and never as a traceback."""
    try:
        idp(prog_name="idp")
    except SenidError as error:
        tell(error)
        sys.exit(1)
