"""The `idp` command: the nouns, each loaded when it is asked for, and what a bad configuration looks like."""

import sys
from importlib import import_module

import click

from idp import __version__
from idp.cli.terminal import tell
from idp.errors import SenidError

NOUNS = ("accounts", "clients", "config", "db", "serve")


class Nouns(click.Group):
    """Loads a noun at its first use: a command starts quicker, and the process that watches the server's workers stays small."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """Give the nouns."""
        return list(NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - Click's signature
        """Give a noun's command, or None for what is none."""
        if cmd_name not in NOUNS:
            return None
        command: click.Command = getattr(import_module(f"idp.cli.{cmd_name}"), cmd_name)
        return command


@click.group(cls=Nouns, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="idp")
def idp() -> None:
    """Operate SenID. The configuration is the file that SENID_CONFIG names, else config.toml in this folder."""


def main() -> None:
    """Run the command; an error of ours is told in words, with exit code 1, and never as a traceback."""
    try:
        idp(prog_name="idp")
    except SenidError as error:
        tell(error)
        sys.exit(1)
