"""What happens behind the pages: the provider's own services, opened beside it on the same databases.

A test looks here for what no page shows, and brings about here what would take minutes of waiting: a code that is over, a day's budget
that is spent, a locked account.
"""

import sqlite3
from contextlib import closing, suppress
from datetime import timedelta

from idp import config as configuration
from idp import services as wiring
from idp.errors import PasswordKnown
from idp.flows.register.mobile_subscriber import carrier_match, progress
from idp.identity import documents, phone_numbers
from idp.identity.accounts import LoginRecord, Standing
from idp.identity.assurance import Factor
from idp.identity.one_time_codes import DAY
from idp.storage.db import open_database
from sandbox import registration
from sandbox.people import Person, PersonJson
from tests.browser.window import Window
from tests.live import LiveSandbox

SESSION_COOKIE = "senid_session"
BEYOND_A_CODE = timedelta(minutes=3)


class Backstage:
    """Changes and reads the state of a running sandbox."""

    def __init__(self, live: LiveSandbox) -> None:
        """Open what the sandbox's provider has open."""
        self.live = live
        config = configuration.load(live.config)
        self.database = open_database(config.database.url.get_secret_value())
        self.services = wiring.build(config, self.database)

    def close(self) -> None:
        """Close the databases."""
        self.database.close()

    # --- people -----------------------------------------------------------------------------------------------------------------------

    def account(self) -> PersonJson:
        """Give somebody who has an account already."""
        while True:
            person = self.live.newcomer()
            with suppress(PasswordKnown):  # the sandbox's password holds a name, which people of that name cannot use
                self._register(person, person["id_number"])
                return PersonJson(**{**person, "password": registration.PASSWORD})

    def _register(self, person: PersonJson, id_number: str) -> None:
        """Make the account of whoever has everything but the number in common with `person`."""
        one = Person("match", id_number, person["full_name"], person["birth_date"], person["phone"])
        registration._register_person(self.services, one)

    def record(self, person: PersonJson) -> LoginRecord:
        """Give the account behind a person's number."""
        found = self.services.accounts.find_by_login(documents.parse(person["id_number"], accept_old=True))
        assert found is not None, "no account"
        return found

    def standing(self, person: PersonJson) -> Standing:
        """Give the evidence on which the person's level stands."""
        found = self.services.accounts.standing(self.record(person).account_id)
        assert found is not None
        return found

    def lock(self, person: PersonJson) -> None:
        """Lock the person's account, as an operator would."""
        self.services.accounts.lock(self.record(person).account_id, reason="test", operator="test")

    def sign_in_with_password_alone(self, window: Window, person: PersonJson) -> None:
        """Give the browser a session of one factor, as a deployment without one-time codes would."""
        factor = Factor("pwd", self.services.clock.now())
        _, secret = self.services.sessions.start(self.record(person).account_id, (factor,), replaces=None, language="vi")
        window.set_cookie(SESSION_COOKIE, secret)

    def forget_wrong_passwords(self) -> None:
        """Let the address from which all tests come be without blame."""
        self.services.store.drop("sign_in_wrong", "127.0.0.1")

    # --- time -------------------------------------------------------------------------------------------------------------------------

    def let_time_pass(self, by: timedelta = BEYOND_A_CODE) -> None:
        """Let everything that lives for a short time be older: codes, waits and limits."""
        url = self.services.config.short_lived.url.get_secret_value()
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as store, store:
            store.execute("UPDATE entries SET expires_at = expires_at - ?", (by // timedelta(milliseconds=1),))

    # --- drafts -----------------------------------------------------------------------------------------------------------------------

    def forget_code(self, draft_id: str) -> None:
        """Let the code of a draft's phone be lost, as when its hour is over."""
        self.services.store.drop(progress.CHALLENGE, draft_id)

    def forget_proof(self, draft_id: str) -> None:
        """Let the proof of a draft's phone be too old to go on with."""
        self.services.store.drop(progress.PROOF, draft_id)

    def spend_carrier_asks(self, person: PersonJson) -> None:
        """Use up the day's questions to the carrier about a phone."""
        most = self.services.config.registration.carrier_asks_per_phone_and_day
        self._spend(carrier_match.ASKS_OF_PHONE, _e164(person), most)

    def spend_sign_in_codes(self, person: PersonJson) -> None:
        """Use up the day's codes for signing in."""
        self._spend("otp_codes", f"sign_in:{_e164(person)}", self.services.config.one_time_codes.codes_per_phone_and_day)

    def spend_accounts(self, person: PersonJson) -> None:
        """Let the person's phone serve as many accounts as it may."""
        for number in range(self.services.config.registration.accounts_per_phone):
            self._register(person, f"{person['id_number'][:6]}{number:06}")

    def _spend(self, name: str, key: str, most: int) -> None:
        while self.services.rate_limits.used(name, key) < most:
            self.services.rate_limits.hit(name, key, most=most, window=DAY)


def _e164(person: PersonJson) -> str:
    return phone_numbers.parse(person["phone"]).e164
