"""How a command reaches the domain: the configuration read, the database opened, the operator named in the audit."""

import getpass
import os
from pathlib import Path

import click

from idp import config as configuration
from idp import services
from idp.config import Config
from idp.errors import ConfigError
from idp.safety.caller import CALLER, Caller
from idp.services import Services
from idp.storage import migrations
from idp.storage.db import Database, open_database
from idp.values import new_id

LONGEST_NAME = 50


def open_services(config_path: Path | None) -> Services:
    """Give the domain, and write the operator's name into the audit of what follows; raises `ConfigError` for a database without tables."""
    CALLER.set(Caller(f"operator:{operator_name()}", "", new_id()))
    config = configuration.load(config_path)
    database = database_of(config)
    if migrations.current_revision(database) is None:
        raise ConfigError(["the database is empty: run `idp db upgrade` first"])
    return services.build(config, database)


def database_of(config: Config) -> Database:
    """Open the database that the configuration names; it is closed when the command ends."""
    database = open_database(config.database.url.get_secret_value(), pool_size=config.database.pool_size)
    click.get_current_context().call_on_close(database.close)
    return database


def operator_name() -> str:
    """Give the name of whoever runs the command; a container may run as a user that nobody named."""
    try:
        return getpass.getuser()[:LONGEST_NAME]
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
