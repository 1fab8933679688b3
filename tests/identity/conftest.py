"""The parts of the identity domain, put together as in the product, with a gateway that keeps its messages."""

import pytest

from idp.config import Config
from idp.identity.accounts import Accounts
from idp.identity.known_devices import KnownDevices
from idp.identity.one_time_codes import OneTimeCodes, random_code
from idp.identity.registration_drafts import RegistrationDrafts
from idp.identity.sessions import Sessions
from idp.identity.sign_in_guard import SignInGuard
from idp.safety.audit import Audit
from idp.safety.encryption import Encryption
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.storage.short_lived import ShortLived
from tests.clock import MovableClock
from tests.fakes import FakeSms


@pytest.fixture
def store(short_lived: ShortLived, encryption: Encryption) -> SealedStore:
    """Give the sealed store, embedded and on Redis."""
    return SealedStore(short_lived, encryption)


@pytest.fixture
def limits(store: SealedStore) -> RateLimits:
    """Give the limits of that store."""
    return RateLimits(store)


@pytest.fixture
def sms() -> FakeSms:
    """Give a gateway that keeps what it was given."""
    return FakeSms()


@pytest.fixture
def audit(sqlite_database: Database, encryption: Encryption, clock: MovableClock) -> Audit:
    """Give an audit trail of its own, for what writes nothing else to the database."""
    return Audit(database=sqlite_database, encryption=encryption, clock=clock)


@pytest.fixture
def codes(config: Config, store: SealedStore, limits: RateLimits, sms: FakeSms, audit: Audit, clock: MovableClock) -> OneTimeCodes:
    """Give one-time codes whose texts arrive at `sms`."""
    return OneTimeCodes(config=config, store=store, limits=limits, sms=sms, audit=audit, clock=clock, generate=random_code)


@pytest.fixture
def sessions(store: SealedStore, config: Config, clock: MovableClock, audit: Audit, accounts: Accounts) -> Sessions:
    """Give sessions in that store."""
    return Sessions(store=store, config=config, clock=clock, audit=audit, accounts=accounts)


@pytest.fixture
def guard(store: SealedStore, limits: RateLimits, config: Config, clock: MovableClock) -> SignInGuard:
    """Give a guard with the limits of `config`."""
    return SignInGuard(store=store, limits=limits, config=config, clock=clock)


@pytest.fixture
def known_devices(database: Database, config: Config, clock: MovableClock) -> KnownDevices:
    """Give the known devices of `database`."""
    return KnownDevices(database=database, config=config, clock=clock)


@pytest.fixture
def accounts(database: Database, encryption: Encryption, clock: MovableClock) -> Accounts:
    """Give the accounts of `database`."""
    audit = Audit(database=database, encryption=encryption, clock=clock)
    return Accounts(database=database, encryption=encryption, clock=clock, audit=audit)


@pytest.fixture
def drafts(database: Database, encryption: Encryption, clock: MovableClock, config: Config) -> RegistrationDrafts:
    """Give the registration drafts of `database`."""
    outbox = Outbox(database=database, clock=clock)
    return RegistrationDrafts(database=database, encryption=encryption, clock=clock, config=config, outbox=outbox)
