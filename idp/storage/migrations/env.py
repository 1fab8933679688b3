"""What Alembic runs: the migrations, on the connection that `idp.storage.migrations.upgrade` or `alembic` itself gives."""

from alembic import context
from sqlalchemy import Connection

from idp import config
from idp.storage.db import open_database
from idp.storage.tables import metadata


def run_on(connection: Connection) -> None:
    """Run the migrations in the transaction of `connection`; SQLite alters a table by copying it."""
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Take the caller's connection; under the `alembic` command open the configured database, to write a new revision."""
    connection: Connection | None = context.config.attributes.get("connection")
    if connection is not None:
        run_on(connection)
        return
    with open_database(config.load().database.url.get_secret_value()).transaction() as tx:
        run_on(tx)


main()
