"""What an applicant typed into the form, and its reading into an applicant, field by field in the order of the form."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Self, TypeVar, cast

from werkzeug.datastructures import MultiDict

from idp.errors import BirthDateDisagrees, FieldError, Required
from idp.identity import birth_dates, documents, emails, names, phone_numbers
from idp.identity.registration_drafts import Applicant, Subject

Value = TypeVar("Value")


@dataclass(frozen=True, repr=False)
class Typed:
    """The fields as they came, shown again when something is wrong with one of them.

    `birth_date_confirmed` is a birth date that disagreed with the number once: typed again unchanged, it is believed.
    """

    subject: str = "citizen"
    id_number: str = ""
    full_name: str = ""
    birth_date: str = ""
    phone: str = ""
    email: str = ""
    birth_date_confirmed: str = ""

    @classmethod
    def from_form(cls, form: MultiDict[str, str]) -> Self:
        """Take the posted fields; a missing one is empty."""
        return cls(**{one.name: form.get(one.name, "").strip() for one in fields(cls)})

    @classmethod
    def from_applicant(cls, applicant: Applicant) -> Self:
        """Give what was typed before, to be corrected; a birth date that was believed once is not asked about again."""
        return cls(
            subject=applicant.subject,
            id_number=applicant.id_number.digits,
            full_name=applicant.full_name,
            birth_date=applicant.birth_date.shown,
            phone=applicant.phone.national,
            email=applicant.email or "",
            birth_date_confirmed=applicant.birth_date.shown,
        )

    def read(self, *, accept_old: bool, today: date) -> tuple[Applicant | None, list[FieldError]]:
        """Give the applicant, or every error in the order of the form. Whether an account exists is not asked here: this form is open."""
        reading = _Reading()
        id_number = reading.required("id_number", self.id_number, lambda text: documents.parse(text, accept_old=accept_old))
        full_name = reading.required("full_name", self.full_name, names.parse)
        birth_date = reading.required("birth_date", self.birth_date, lambda text: birth_dates.parse(text, today=today))
        if id_number and birth_date and not documents.birth_year_agrees(id_number, birth_date) and not self._is_confirmed:
            reading.errors.append(BirthDateDisagrees())
        phone = reading.required("phone", self.phone, phone_numbers.parse)
        email = reading.optional(self.email, emails.parse)
        if reading.errors or not (id_number and full_name and birth_date and phone):
            return None, reading.errors
        return Applicant(cast("Subject", self.subject), id_number, full_name, birth_date, phone, email), []

    @property
    def _is_confirmed(self) -> bool:
        return self.birth_date_confirmed == self.birth_date


@dataclass
class _Reading:
    """Collects what is wrong while fields are read."""

    errors: list[FieldError] = field(default_factory=list)

    def required(self, name: str, text: str, parse: Callable[[str], Value]) -> Value | None:
        """Read a field that has to be there."""
        if not text:
            self.errors.append(Required(field=name))
            return None
        return self.optional(text, parse)

    def optional(self, text: str, parse: Callable[[str], Value]) -> Value | None:
        """Read a field that may be empty."""
        try:
            return parse(text) if text else None
        except FieldError as error:
            self.errors.append(error)
            return None
