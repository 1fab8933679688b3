"""Registrations for the tests of identity, taken as far as a test needs them."""

from idp.identity.accounts import Accounts
from idp.identity.documents import IdNumber
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.registration_drafts import Applicant, Draft, RegistrationDrafts
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.values import new_secret, secret_hash
from tests.clock import MovableClock
from tests.identity.people import ALL_FIELDS, PHONE, applicant, evidence

PHONE_CAP = 5
HASH = "$argon2id$not-a-real-hash"
MATCH = CarrierAnswer(CarrierVerdict.MATCH, "viettel", ALL_FIELDS)
MISMATCH = CarrierAnswer(CarrierVerdict.MISMATCH, "viettel")
AWAY = CarrierAnswer(CarrierVerdict.UNAVAILABLE, "viettel")


def filled(drafts: RegistrationDrafts, person: Applicant | None = None, *, browser_hash: str | None = None) -> Draft:
    """Give a draft that was just opened."""
    return drafts.open(person or applicant(), browser_hash=browser_hash or secret_hash(new_secret()), interaction_id="interaction")


def proven(drafts: RegistrationDrafts, person: Applicant | None = None, *, browser_hash: str | None = None) -> Draft:
    """Give a draft whose phone was proven."""
    draft = filled(drafts, person, browser_hash=browser_hash)
    drafts.prove_phone(draft.id, phone=draft.applicant.phone)
    return drafts.get_for_job(draft.id)


def matched(drafts: RegistrationDrafts, person: Applicant | None = None) -> Draft:
    """Give a draft that the carrier matched."""
    draft = proven(drafts, person)
    drafts.settle(draft, MATCH)
    return drafts.get_for_job(draft.id)


def register_draft(accounts: Accounts, draft: Draft, clock: MovableClock, *, phone_cap: int = PHONE_CAP) -> str:
    """Register a draft that the carrier matched."""
    return accounts.register(
        draft.applicant, password_hash=HASH, evidence=evidence(clock.now()), language="vi", phone_cap=phone_cap, draft_id=draft.id
    )


def register(
    accounts: Accounts,
    drafts: RegistrationDrafts,
    clock: MovableClock,
    *,
    id_number: IdNumber | None = None,
    phone: PhoneNumber = PHONE,
    email: str | None = "anh@example.vn",
) -> str:
    """Give a registered account."""
    return register_draft(accounts, matched(drafts, applicant(id_number=id_number, phone=phone, email=email)), clock)
