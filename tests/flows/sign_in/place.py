"""A provider on a clock that tests move, with a phone that keeps its messages and a portal that asks for people."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from idp.app import create_app
from idp.config import Config
from idp.identity import documents
from idp.identity.accounts import Accounts
from idp.identity.one_time_codes import OneTimeCodes, random_code
from idp.identity.sessions import Session, Sessions
from idp.identity.sign_in_guard import SignInGuard
from idp.protocol.clients import Client
from idp.services import Services
from tests.clock import MovableClock
from tests.fakes import FakeSms
from tests.flows.sign_in.person import Page, Person
from tests.world import PASSWORD, World, authorization_parameters, session_cookie

ID_NUMBER = "001190123456"
PHONE = "0912345678"
E164 = "+84912345678"
NAME = "Nguyễn Thị Ánh Tuyết"
STATE = "sign-in"
SERIAL = 2  # how many people and portals the state holds


@dataclass
class Place:
    """The provider, its fakes, one person and one portal."""

    world: World
    sms: FakeSms
    clock: MovableClock
    account_id: str
    client: Client

    @property
    def services(self) -> Services:
        """Give the domain."""
        return self.world.services

    def person(self, address: str = "203.0.113.7") -> Person:
        """Give somebody at a new browser."""
        return Person(self.world, address=address)

    def at_password(self, person: Person, **changes: str | None) -> Page:
        """Come from the portal; gives the page that asks for the password, or whatever comes instead."""
        return person.open(f"/authorize?{urlencode(authorization_parameters(self.client, **changes))}")

    def at_code(self, person: Person, **changes: str | None) -> Page:
        """Come from the portal and give the right password; gives the page that asks for the code."""
        return person.press(self.at_password(person, **changes), id_number=ID_NUMBER, password=PASSWORD)

    def signed_in(self, person: Person, **changes: str | None) -> Page:
        """Sign in with password and code; gives what comes after."""
        return self.signed_in_from(person, self.at_password(person, **changes))

    def signed_in_from(self, person: Person, page: Page) -> Page:
        """Sign in from the page that asks for the password; gives what comes after."""
        return person.press(person.press(page, id_number=ID_NUMBER, password=PASSWORD), otp=self.code())

    def session(self, person: Person) -> Session | None:
        """Give the session that a browser holds."""
        return self.services.sessions.find(session_cookie(person.browser, self.world.cookies))

    def code(self, phone: str = E164) -> str:
        """Read the newest code on a phone."""
        return self.sms.last_code(phone)

    def wrong_code(self) -> str:
        """Give a code that is not the newest one."""
        return f"{(int(self.code()) + 1) % 1_000_000:06}"

    def events(self, name: str) -> int:
        """Count the audit events of a name."""
        return sum(event.event == name for event in self.services.audit.events(most=1000))


@dataclass(frozen=True)
class Places:
    """Makes providers on the state that `make_state` left in the files of the configuration."""

    config: Config
    clock: MovableClock

    def build(self, **settings: dict[str, Any]) -> Place:
        """Build one; `settings` change sections of the configuration, as `sign_in={"free_tries": 3}`."""
        config = self.config.model_copy(
            update={name: getattr(self.config, name).model_copy(update=values) for name, values in settings.items()}
        )
        sms = FakeSms()
        world = _build(config, sms, self.clock)
        world.made = SERIAL
        found = world.services.accounts.find_by_login(documents.parse(ID_NUMBER, accept_old=False))
        assert found is not None
        return Place(world, sms, self.clock, found.account_id, world.services.clients.get("portal-2"))


def make_state(config: Config, folder: Path) -> None:
    """Make what every provider of these tests begins with, once a run: tables, keys, the person and the portal."""
    folder.mkdir()
    shutil.copy(config.database.url.get_secret_value().removeprefix("sqlite:///"), folder / "senid.db")
    config = config.model_copy(
        update={
            "database": config.database.model_copy(update={"url": SecretStr(f"sqlite:///{folder}/senid.db")}),
            "short_lived": config.short_lived.model_copy(update={"url": SecretStr(f"sqlite:///{folder}/short-lived.db")}),
            "keys": config.keys.model_copy(update={"folder": folder / "keys"}),
        }
    )
    world = _build(config, FakeSms(), MovableClock())
    world.account(ID_NUMBER, PHONE, full_name=NAME)
    world.client()
    world.services.database.close()


def _build(config: Config, sms: FakeSms, clock: MovableClock) -> World:
    held: list[Services] = []

    def adjust(built: Services) -> Services:
        held.append(_with_fakes(built, sms, clock))
        return held[0]

    app = create_app(config, adjust=adjust, with_jobs=False)
    return World(app, held[0])


def _with_fakes(built: Services, sms: FakeSms, clock: MovableClock) -> Services:
    config, store, audit = built.config, built.store, built.audit
    sessions = Sessions(store=store, config=config, clock=clock, audit=audit, accounts=built.accounts)
    codes = OneTimeCodes(config=config, store=store, limits=built.rate_limits, sms=sms, audit=audit, clock=clock, generate=random_code)
    return replace(
        built,
        clock=clock,
        sms=sms,
        sessions=sessions,
        one_time_codes=codes,
        sign_in_guard=SignInGuard(store=store, limits=built.rate_limits, config=config, clock=clock),
        accounts=Accounts(database=built.database, encryption=built.encryption, clock=clock, audit=audit),
    )
