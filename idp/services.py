"""The long-lived objects of the product, each by its role, built once and frozen."""

from dataclasses import dataclass

from idp.clock import Clock
from idp.config import Config
from idp.connectors.carrier import HttpCarrier
from idp.connectors.client_keys import HttpClientKeys
from idp.connectors.sms import FailoverSms
from idp.identity.accounts import Accounts
from idp.identity.known_devices import KnownDevices
from idp.identity.one_time_codes import OneTimeCodes, random_code
from idp.identity.passwords import Passwords
from idp.identity.registration_drafts import RegistrationDrafts
from idp.identity.sessions import Sessions
from idp.identity.sign_in_guard import SignInGuard
from idp.promises import Carrier, SmsSender
from idp.protocol.access_tokens import AccessTokens
from idp.protocol.authorization_codes import AuthorizationCodes
from idp.protocol.authorization_requests import AuthorizationRequests
from idp.protocol.client_assertions import ClientAssertions
from idp.protocol.clients import Clients
from idp.protocol.consents import Consents
from idp.protocol.grants import Grants
from idp.protocol.interactions import Interactions
from idp.protocol.logout import Logout
from idp.protocol.relations import Relations
from idp.protocol.signing_keys import SigningKeys
from idp.protocol.subjects import Subjects
from idp.protocol.tokens import Tokens
from idp.safety.audit import Audit
from idp.safety.captcha import Captcha
from idp.safety.encryption import Encryption, KeyRing
from idp.safety.rate_limits import RateLimits
from idp.safety.sealed_store import SealedStore
from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.storage.short_lived import ShortLived, open_short_lived


@dataclass(frozen=True)
class Ground:
    """Storage, safety and the outside world."""

    config: Config
    clock: Clock
    database: Database
    short_lived: ShortLived
    encryption: Encryption
    store: SealedStore
    outbox: Outbox
    rate_limits: RateLimits
    audit: Audit
    captcha: Captcha
    carrier: Carrier
    sms: SmsSender


@dataclass(frozen=True)
class People:
    """The rules about people."""

    accounts: Accounts
    passwords: Passwords
    one_time_codes: OneTimeCodes
    sessions: Sessions
    known_devices: KnownDevices
    sign_in_guard: SignInGuard
    drafts: RegistrationDrafts


@dataclass(frozen=True)
class Provider:
    """The rules of OAuth and OpenID."""

    signing_keys: SigningKeys
    clients: Clients
    subjects: Subjects
    authorization_requests: AuthorizationRequests
    interactions: Interactions
    relations: Relations
    consents: Consents
    grants: Grants
    authorization_codes: AuthorizationCodes
    tokens: Tokens
    logout: Logout


@dataclass(frozen=True)
class Services(Ground, People, Provider):
    """Everything that flows and jobs call."""

    def sandbox_parts(self) -> list[str]:
        """Give the names of the parts that only a sandbox may have."""
        return [name for name, part in vars(self).items() if getattr(part, "is_sandbox", False)]


def build(config: Config, database: Database) -> Services:
    """Build every object with what it needs, from the ground up; makes missing key files. Raises `ConfigError`."""
    ground = _ground(config, database)
    people = _people(ground)
    return Services(**vars(ground), **vars(people), **vars(_provider(ground, people)))


def _ground(config: Config, database: Database) -> Ground:
    clock = Clock()
    short_lived = open_short_lived(config.short_lived.url.get_secret_value())
    encryption = Encryption(KeyRing.load(config.keys.folder))
    store = SealedStore(short_lived, encryption)
    return Ground(
        config=config,
        clock=clock,
        database=database,
        short_lived=short_lived,
        encryption=encryption,
        store=store,
        outbox=Outbox(database=database, clock=clock),
        rate_limits=RateLimits(store),
        audit=Audit(database=database, encryption=encryption, clock=clock),
        captcha=Captcha(store, config.picture_code.lifetime),
        carrier=HttpCarrier.configured(config.outside.carrier),
        sms=FailoverSms.configured(config.outside.sms),
    )


def _people(ground: Ground) -> People:
    config, clock, store, database, encryption = ground.config, ground.clock, ground.store, ground.database, ground.encryption
    accounts = Accounts(database=database, encryption=encryption, clock=clock, audit=ground.audit)
    return People(
        accounts=accounts,
        passwords=Passwords(config),
        one_time_codes=OneTimeCodes(
            config=config,
            store=store,
            limits=ground.rate_limits,
            sms=ground.sms,
            audit=ground.audit,
            clock=clock,
            generate=random_code,
        ),
        sessions=Sessions(store=store, config=config, clock=clock, audit=ground.audit, accounts=accounts),
        known_devices=KnownDevices(database=database, config=config, clock=clock),
        sign_in_guard=SignInGuard(store=store, limits=ground.rate_limits, config=config, clock=clock),
        drafts=RegistrationDrafts(database=database, encryption=encryption, clock=clock, config=config, outbox=ground.outbox),
    )


def _provider(ground: Ground, people: People) -> Provider:
    config, clock, store, database, audit = ground.config, ground.clock, ground.store, ground.database, ground.audit
    signing_keys = SigningKeys(database=database, encryption=ground.encryption, clock=clock, audit=audit)
    clients = Clients(database=database, clock=clock, audit=audit, limits=ground.rate_limits, check_assertion=_assertions(ground).check)
    subjects = Subjects(database=database)
    grants = Grants(database=database, store=store, audit=audit, config=config)
    return Provider(
        signing_keys=signing_keys,
        clients=clients,
        subjects=subjects,
        authorization_requests=AuthorizationRequests(signing_keys=signing_keys, subjects=subjects, issuer=config.issuer),
        interactions=Interactions(store=store, clock=clock, lifetime=config.sessions.interaction_lifetime),
        relations=Relations(database=database),
        consents=Consents(database=database, clock=clock, audit=audit, grants=grants),
        grants=grants,
        authorization_codes=AuthorizationCodes(store=store, grants=grants, lifetime=config.tokens.code_lifetime),
        tokens=Tokens(
            config=config,
            database=database,
            accounts=people.accounts,
            grants=grants,
            access_tokens=AccessTokens(ground.encryption),
            signing_keys=signing_keys,
            audit=audit,
        ),
        logout=Logout(
            store=store,
            database=database,
            sessions=people.sessions,
            grants=grants,
            clients=clients,
            signing_keys=signing_keys,
            audit=audit,
            issuer=config.issuer,
        ),
    )


def _assertions(ground: Ground) -> ClientAssertions:
    issuer = ground.config.issuer
    return ClientAssertions(
        store=ground.store,
        clock=ground.clock,
        client_keys=HttpClientKeys(allow_loopback=ground.config.mode == "sandbox"),
        audiences=(issuer, f"{issuer}/token"),
    )
