"""Made-up people for the tests of identity."""

from datetime import datetime

from idp.identity.birth_dates import BirthDate
from idp.identity.documents import IdNumber
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.proofing import NewEvidence
from idp.identity.registration_drafts import Applicant

PHONE = PhoneNumber("+84912345678")
OTHER_PHONE = PhoneNumber("+84987654321")
ALL_FIELDS = ("phone", "id_number", "full_name", "birth_date")


def cccd(serial: int = 1) -> IdNumber:
    """Give the number of one of many people born in Ha Noi in 1990."""
    return IdNumber("cccd", f"001090{serial:06}")


def applicant(
    *,
    id_number: IdNumber | None = None,
    phone: PhoneNumber = PHONE,
    full_name: str = "Nguyễn Thị Ánh",
    email: str | None = "anh@example.vn",
) -> Applicant:
    """Give a citizen who wants an account."""
    return Applicant(
        subject="citizen",
        id_number=id_number or cccd(),
        full_name=full_name,
        birth_date=BirthDate(1990, 2, 1),
        phone=phone,
        email=email,
    )


def evidence(at: datetime) -> NewEvidence:
    """Give the evidence of a carrier that matched every field."""
    return NewEvidence(method="mobile_subscriber", source="viettel", result="match", fields_matched=ALL_FIELDS, checked_at=at)
