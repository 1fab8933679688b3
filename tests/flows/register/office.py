"""A provider that people register at: its carrier and its gateway are fakes, its clock is moved by the tests."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from idp.app import create_app
from idp.config import Config
from idp.flows.register.mobile_subscriber import behind
from idp.identity.accounts import Accounts
from idp.identity.one_time_codes import OneTimeCodes, random_code
from idp.identity.registration_drafts import DraftState, RegistrationDrafts
from idp.identity.sessions import Session, Sessions
from idp.jobs.carrier_retry import CarrierRetry
from idp.promises import CarrierAnswer, CarrierQuestion, CarrierVerdict
from idp.protocol.clients import Client
from idp.protocol.interactions import Interactions
from idp.safety.audit import Audit
from idp.services import Services
from idp.storage.outbox import Outbox
from tests.clock import MovableClock
from tests.fakes import ALL_FIELDS, FakeCarrier, FakeSms
from tests.flows.sign_in.person import Page, Person
from tests.world import World, authorization_parameters, session_cookie

ID_NUMBER = "001190123456"
PHONE = "0912345678"
E164 = "+84912345678"
NAME = "Nguyễn Thị Ánh Tuyết"
BIRTH_DATE = "01/02/1990"
PASSWORD = "Tre-xanh-1987-Viet"
Meanwhile = Callable[[], None]

PERSON = {"id_number": ID_NUMBER, "full_name": NAME, "birth_date": BIRTH_DATE, "phone": PHONE, "email": "tuyet@example.vn"}


class Carrier(FakeCarrier):
    """A carrier that may be interrupted: `before_answer` runs while it thinks."""

    def __init__(self) -> None:
        super().__init__()
        self.before_answer: Meanwhile | None = None

    def match(self, question: CarrierQuestion) -> CarrierAnswer:
        """Answer by the table, after whatever happens meanwhile."""
        meanwhile, self.before_answer = self.before_answer, None
        if meanwhile is not None:
            meanwhile()
        return super().match(question)


@dataclass
class Office:
    """The provider, its fakes and one portal."""

    world: World
    sms: FakeSms
    carrier: Carrier
    clock: MovableClock
    client: Client

    @property
    def services(self) -> Services:
        """Give the domain."""
        return self.world.services

    def person(self, address: str = "203.0.113.7") -> Person:
        """Give somebody at a new browser."""
        return Person(self.world, address=address)

    # --- the walk, page by page ---

    def at_choice(self, person: Person) -> Page:
        """Come without a portal."""
        return person.open("/register")

    def from_portal(self, person: Person) -> Page:
        """Come from the portal, by the link of the page that asks for the password."""
        sign_in = person.open(f"/authorize?{urlencode(authorization_parameters(self.client))}")
        return person.open(next(href for href in sign_in.links.values() if href.startswith("/register/")))

    def at_form(self, person: Person, choice: Page | None = None) -> Page:
        """Choose citizen and mobile subscriber."""
        return person.press(choice or self.at_choice(person), subject="citizen", method="mobile_subscriber")

    def fill(self, person: Person, page: Page, **changes: str) -> Page:
        """Fill the form, picture code too where it is asked for, and send it."""
        typed = {**PERSON, **changes}
        if "captcha_id" in page.forms["form"].fields and "captcha" not in changes:
            typed["captcha"] = self.picture_code(page)
        return person.press(page, **typed)

    def at_code(self, person: Person, choice: Page | None = None, **changes: str) -> Page:
        """Fill the form well; gives the page that asks for the code."""
        return self.fill(person, self.at_form(person, choice), **changes)

    def time_passes(self, by: timedelta) -> None:
        """Move the clock, and with it the store's, which otherwise is the machine's."""
        vars(self.services.short_lived)["_clock"] = self.clock
        self.clock.move(by)

    def after_code(self, person: Person, choice: Page | None = None, **changes: str) -> Page:
        """Prove the phone too; gives what the carrier's answer leads to."""
        page = self.at_code(person, choice, **changes)
        return person.press(page, otp=self.code(changes.get("phone", PHONE)))

    def register(self, person: Person, choice: Page | None = None, **changes: str) -> Page:
        """Walk to the end; gives the page of success."""
        return set_password(person, self.after_code(person, choice, **changes))

    # --- what the outside world knows ---

    def picture_code(self, page: Page) -> str:
        """Read the picture of a page."""
        stored = self.services.store.get("captcha", page.typed("captcha_id"))
        assert stored is not None, "the page shows a picture code that is used or over"
        return str(stored["digits"])

    def code(self, phone: str = PHONE) -> str:
        """Read the newest code on a phone."""
        return self.sms.last_code(f"+84{phone[1:]}")

    def wrong_code(self, phone: str = PHONE) -> str:
        """Give a code that is not the newest one."""
        return f"{(int(self.code(phone)) + 1) % 1_000_000:06}"

    def carrier_says(self, verdict: CarrierVerdict, phone: str = PHONE) -> None:
        """Set the carrier's verdict about a phone."""
        self.carrier.answers[f"+84{phone[1:]}"] = CarrierAnswer(
            verdict, "first-mobile", ALL_FIELDS if verdict is CarrierVerdict.MATCH else ()
        )

    def retry(self) -> int:
        """Let the job run once."""
        return CarrierRetry(self.services).run_once()

    # --- what came of it ---

    def state(self, page: Page) -> DraftState:
        """Give the state of the draft that a page belongs to."""
        return self.services.drafts.get_for_job(draft_id(page)).state

    def session(self, person: Person) -> Session | None:
        """Give the session that a browser holds."""
        return self.services.sessions.find(session_cookie(person.browser, self.world.cookies))

    def events(self, name: str) -> int:
        """Count the audit events of a name."""
        return sum(event.event == name for event in self.services.audit.events(most=1000))


def draft_id(page: Page) -> str:
    """Give the draft that a page belongs to."""
    found = re.search(r"/register/draft/([0-9a-f-]{36})", page.path)
    assert found, page.path
    return found[1]


def set_password(person: Person, page: Page, password: str = PASSWORD, confirm: str | None = None) -> Page:
    """Type a password twice."""
    return person.press(page, password=password, password_confirm=password if confirm is None else confirm)


def wait_for_codes() -> None:
    """Wait until the codes that are sent behind an answer are on their way."""
    behind.wait()


@dataclass(frozen=True)
class Offices:
    """Makes providers."""

    config: Config
    clock: MovableClock

    def build(self, **settings: dict[str, Any]) -> Office:
        """Build one; `settings` change sections of the configuration, as `registration={"accounts_per_phone": 1}`."""
        config = self.config.model_copy(
            update={name: getattr(self.config, name).model_copy(update=values) for name, values in settings.items()}
        )
        sms, carrier = FakeSms(), Carrier()
        held: list[Services] = []

        def adjust(built: Services) -> Services:
            held.append(_with_fakes(built, sms, carrier, self.clock))
            return held[0]

        world = World(create_app(config, adjust=adjust, with_jobs=False), held[0])
        self.clock.lead(held[0].database)
        return Office(world, sms, carrier, self.clock, world.client()[0])


def _with_fakes(built: Services, sms: FakeSms, carrier: Carrier, clock: MovableClock) -> Services:
    config, store, database, encryption = built.config, built.store, built.database, built.encryption
    audit = Audit(database=database, encryption=encryption, clock=clock)
    outbox = Outbox(database=database, clock=clock)
    return replace(
        built,
        clock=clock,
        sms=sms,
        carrier=carrier,
        audit=audit,
        outbox=outbox,
        sessions=Sessions(store=store, config=config, clock=clock, audit=audit, accounts=built.accounts),
        one_time_codes=OneTimeCodes(
            config=config, store=store, limits=built.rate_limits, sms=sms, audit=audit, clock=clock, generate=random_code
        ),
        accounts=Accounts(database=database, encryption=encryption, clock=clock, audit=audit),
        drafts=RegistrationDrafts(database=database, encryption=encryption, clock=clock, config=config, outbox=outbox),
        interactions=Interactions(store=store, clock=clock, lifetime=config.sessions.interaction_lifetime),
    )
