"""A person with an account, registered by the real verbs."""

from datetime import date

from idp.identity import birth_dates, documents, phone_numbers
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.services import Services
from idp.values import secret_hash

ID_NUMBER, PHONE, NAME = "033090001234", "0912345678", "Nguyễn Thị Ánh Tuyết"
PASSWORD = "Tre-xanh-1987-Viet"
FIELDS = ("phone", "id_number", "full_name", "birth_date")


def register(services: Services) -> str:
    """Register the person as one whom the carrier confirmed; gives the account id."""
    applicant = Applicant(
        subject="citizen",
        id_number=documents.parse(ID_NUMBER, accept_old=False),
        full_name=NAME,
        birth_date=birth_dates.parse("01/02/1990", today=date(2026, 1, 1)),
        phone=phone_numbers.parse(PHONE),
        email="tuyet@example.vn",
    )
    draft = services.drafts.open(applicant, browser_hash=secret_hash("test"), interaction_id=None)
    services.drafts.prove_phone(draft.id, phone=applicant.phone)
    services.drafts.settle(draft, CarrierAnswer(CarrierVerdict.MATCH, "viettel", FIELDS))
    return services.accounts.register(
        applicant,
        password_hash=services.passwords.hash(PASSWORD),
        evidence=NewEvidence("mobile_subscriber", "viettel", "match", FIELDS, services.clock.now(), reference=draft.id),
        language="vi",
        phone_cap=5,
        draft_id=draft.id,
    )
