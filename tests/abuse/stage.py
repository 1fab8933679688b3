"""A provider with people and a portal in which every route can be brought to where it works, and taken back there after each attack."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from idp import services as product
from idp.protocol.clients import Client
from idp.services import Services
from idp.storage.short_lived import EmbeddedShortLived
from idp.storage.tables import metadata
from tests.clock import MovableClock
from tests.flows.register.office import Office, Offices
from tests.flows.sign_in.person import Person
from tests.world import World, sandbox_config

OF_ANOTHER_PORTAL = "https://other.example/callback"
ID_NUMBER, PHONE = "001190654321", "0987654321"  # of who has an account already
STRANGERS_ID_NUMBER, STRANGERS_PHONE = "001191765432", "0976543218"
WATCHED = sorted(metadata.tables.keys() - {"audit_events"})  # that an attack was seen may well be written down
Rows = dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Stranger:
    """Somebody else at another browser, signed in, and another portal: what is theirs is worth nothing to anybody else."""

    jar: Mapping[str, str]
    client_id: str
    secret: str
    interaction: str
    code: str
    spent: str
    tokens: Mapping[str, str]

    def things(self) -> dict[str, str]:
        """Give what a portal or a browser may try in the place of its own, by the name of the field."""
        return {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "code": self.code,
            "access_token": self.tokens["access_token"],
            "refresh_token": self.tokens["refresh_token"],
            "id_token_hint": self.tokens["id_token"],
            "interaction": self.interaction,
            "id_number": STRANGERS_ID_NUMBER,
            "phone": STRANGERS_PHONE,
            "redirect_uri": OF_ANOTHER_PORTAL,
            "post_logout_redirect_uri": OF_ANOTHER_PORTAL,
        }


class Snapshot:
    """The contents of SQLite files at an instant, to be put back while their owner goes on using them."""

    def __init__(self, files: Iterable[sqlite3.Connection]) -> None:
        self._kept = [(file, sqlite3.connect(":memory:")) for file in files]
        for file, memory in self._kept:
            file.backup(memory)

    def restore(self) -> None:
        """Put the contents back."""
        for file, memory in self._kept:
            memory.backup(file)

    def close(self) -> None:
        """Forget the contents."""
        for _, memory in self._kept:
            memory.close()


@dataclass
class Stage:
    """The provider, somebody who has an account in it, and a portal with its secret."""

    office: Office
    account_id: str
    client: Client
    secret: str
    stranger: Stranger
    lasting: sqlite3.Connection
    passing: sqlite3.Connection
    sieges: dict[object, object] = field(default_factory=dict, repr=False)
    _snapshots: list[Snapshot] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.snapshot()

    @classmethod
    def build(cls, folder: Path) -> "Stage":
        """Build one in `folder`, in which no time passes unless the clock is moved."""
        clock = MovableClock()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(product, "Clock", lambda: clock)
            patch.setattr(product, "open_short_lived", lambda _url: EmbeddedShortLived(folder / "short-lived.db", clock=clock))
            office = Offices(sandbox_config(folder), clock).build()
        account_id = office.world.account(ID_NUMBER, PHONE)
        client, secret = office.world.client()
        office.world.client(redirect_uris=(OF_ANOTHER_PORTAL,), sector="other.example")
        assert office.services.short_lived.is_up()  # the file is made at its first use
        stranger = _stranger(office.world)
        return cls(office, account_id, client, secret, stranger, _look_into(folder / "senid.db"), _look_into(folder / "short-lived.db"))

    @property
    def world(self) -> World:
        """Give the application."""
        return self.office.world

    @property
    def services(self) -> Services:
        """Give the domain."""
        return self.office.services

    def snapshot(self) -> Snapshot:
        """Keep everything that is stored now."""
        self._snapshots.append(Snapshot((self.lasting, self.passing)))
        return self._snapshots[-1]

    def begin(self) -> None:
        """Forget everything that came after the beginning."""
        self._snapshots[0].restore()
        self.forget_clients()
        self.office.sms.messages.clear()
        self.office.carrier.answers.clear()

    def forget_clients(self) -> None:
        """Forget what the process remembers of clients for two seconds: the test before may have disabled one."""
        self.services.clients._cache.clear()

    def close(self) -> None:
        """Let go of the files."""
        for snapshot in self._snapshots:
            snapshot.close()
        self.lasting.close()
        self.passing.close()
        self.services.database.close()

    def person(self) -> Person:
        """Give somebody at a new browser."""
        return self.office.person()

    def signed_in(self, *methods: str) -> Person:
        """Give somebody who is signed in to the account, by password and SMS unless `methods` say otherwise."""
        person = self.person()
        self.world.sign_in(person.browser, self.account_id, *methods)  # type: ignore[arg-type] # a test names the methods that there are
        return person

    def rows(self) -> Rows:
        """Give everything that lasts."""
        return {table: sorted(self.lasting.execute(f"SELECT * FROM {table}").fetchall(), key=str) for table in WATCHED}  # noqa: S608

    def version(self) -> int:
        """Give a number that changes with every transaction of the provider."""
        return int(self.lasting.execute("PRAGMA data_version").fetchone()[0])


def _stranger(world: World) -> Stranger:
    """Bring somebody else in, whose code, token and interaction are open at the beginning."""
    client, secret = world.client(sector="stranger.example")
    browser = world.browser()
    world.sign_in(browser, world.account(STRANGERS_ID_NUMBER, STRANGERS_PHONE))
    spent = world.code(browser, client)
    tokens = world.redeem(browser, client, secret, spent).json or {}
    interaction = world.authorize(browser, client, prompt="login").headers["Location"].split("/")[2]
    return Stranger(
        {cookie.key: cookie.value for cookie in (browser._cookies or {}).values()},
        client.client_id,
        secret,
        interaction,
        world.code(browser, client),
        spent,
        {name: str(value) for name, value in tokens.items()},
    )


def _look_into(file: Path) -> sqlite3.Connection:
    """Open a file beside its owner; what is put back need not outlive the machine."""
    connection = sqlite3.connect(file, timeout=10, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def growth(before: Rows, after: Rows) -> dict[str, int]:
    """Give the tables whose number of rows has changed, with by how many."""
    return {name: len(after[name]) - len(before[name]) for name in before if len(after[name]) != len(before[name])}


def changed(before: Rows, after: Rows) -> Iterator[str]:
    """Give the tables that are not as they were."""
    return (name for name in before if before[name] != after[name])
