"""Accounts: the people we know, how they are found by their number, and their registration as one verb."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from idp import errors
from idp.clock import Clock
from idp.identity import birth_dates, proofing, registration_drafts
from idp.identity.birth_dates import BirthDate
from idp.identity.documents import IdNumber
from idp.identity.phone_numbers import PhoneNumber
from idp.identity.proofing import Evidence, NewEvidence
from idp.identity.registration_drafts import Applicant
from idp.safety.audit import Audit
from idp.safety.encryption import Encryption
from idp.storage import tables
from idp.storage.db import Database
from idp.storage.statements import Statement
from idp.values import Language, new_id

LONGEST_REASON = 200
Status = Literal["active", "locked"]

_accounts = tables.accounts
_documents = tables.documents
_phones = tables.phones
_passwords = tables.passwords
_evidence = tables.evidence

# What `standing_of` reads, from accounts joined with evidence; whoever asks for more in the same statement adds its own columns.
STANDING_COLUMNS = (
    _accounts.c.status,
    _accounts.c.sessions_generation,
    _accounts.c.updated_at,
    _evidence.c.id.label("evidence_id"),
    _evidence.c.method,
    _evidence.c.source,
    _evidence.c.result,
    _evidence.c.fields_matched,
    _evidence.c.checked_at,
    _evidence.c.expires_at.label("evidence_expires_at"),
    _evidence.c.withdrawn_at.label("evidence_withdrawn_at"),
)
WITH_EVIDENCE = _accounts.outerjoin(_evidence, _evidence.c.account_id == _accounts.c.id)
ACCOUNT_COLUMNS = (
    _accounts.c.id,
    _accounts.c.full_name_sealed,
    _accounts.c.birth_date_sealed,
    _accounts.c.email_sealed,
    _accounts.c.language,
    _accounts.c.created_at,
    _documents.c.id.label("document_id"),
    _documents.c.type.label("document_type"),
    _documents.c.number_sealed.label("document_sealed"),
    _phones.c.id.label("phone_id"),
    _phones.c.number_sealed.label("phone_sealed"),
)
_shown = _documents.alias("shown")
_shown_document = (
    select(_shown.c.id)
    .where(_shown.c.account_id == _accounts.c.id)
    .order_by(_shown.c.type, _shown.c.created_at.desc())  # cccd before cmnd, the newest first
    .limit(1)
    .scalar_subquery()
)
WITH_DATA = WITH_EVIDENCE.outerjoin(_documents, _documents.c.id == _shown_document).outerjoin(
    _phones, and_(_phones.c.account_id == _accounts.c.id, _phones.c.is_default)
)

_STANDING = Statement(select(*STANDING_COLUMNS).select_from(WITH_EVIDENCE).where(_accounts.c.id == bindparam("account_id")))
_ACCOUNT = Statement(select(*ACCOUNT_COLUMNS, *STANDING_COLUMNS).select_from(WITH_DATA).where(_accounts.c.id == bindparam("account_id")))


@dataclass(frozen=True)
class Account:
    """A person's account. `id_number` is the 12-digit number where there is one, `phone` the default one for codes."""

    id: str
    status: Status
    full_name: str
    birth_date: BirthDate
    email: str | None
    language: Language
    id_number: IdNumber | None
    phone: PhoneNumber | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_locked(self) -> bool:
        """Tell whether an operator has locked the account."""
        return self.status == "locked"

    def __repr__(self) -> str:
        """Hide the personal data, so that no log can hold them."""
        return f"Account({self.id}, {self.status})"


@dataclass(frozen=True)
class Phone:
    """A phone that receives codes for an account."""

    id: str
    number: PhoneNumber
    is_default: bool


@dataclass(frozen=True)
class LoginRecord:
    """What signing in by number needs of an account."""

    account_id: str
    password_hash: str | None
    status: Status

    def __repr__(self) -> str:
        """Hide the hash."""
        return f"LoginRecord({self.account_id}, {self.status})"


@dataclass(frozen=True)
class Standing:
    """What decides the levels of an account today."""

    status: Status
    evidence: tuple[Evidence, ...]
    updated_at: datetime
    generation: int = 0

    def admits(self, generation: int) -> bool:
        """Tell whether a sign-in of that generation counts: the account is active, and nobody has ended its sessions since.

        Counted, not timed: the clocks of two nodes, or of one that was set back, do not agree on what came first.
        """
        return self.status == "active" and generation == self.generation


def standing_of(rows: Sequence[Any]) -> Standing | None:
    """Give the standing that rows with `STANDING_COLUMNS` tell of one account, one for each piece of evidence; None without a row."""
    if not rows:
        return None
    first = rows[0]
    return Standing(
        status=first.status,
        evidence=tuple(Evidence.from_row(row) for row in rows if row.evidence_id),
        updated_at=first.updated_at,
        generation=first.sessions_generation,
    )


class Accounts:
    """Finds, registers and locks accounts."""

    def __init__(self, *, database: Database, encryption: Encryption, clock: Clock, audit: Audit) -> None:
        """Take the parts."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._audit = audit

    def find_by_login(self, number: IdNumber) -> LoginRecord | None:
        """Give what signing in with `number` needs, or None."""
        question = (
            select(_accounts.c.id, _accounts.c.status, _passwords.c.hash)
            .join(_documents, _documents.c.account_id == _accounts.c.id)
            .outerjoin(_passwords, _passwords.c.account_id == _accounts.c.id)
            .where(self._is_document(number))
        )
        with self._database.reading() as tx:
            row = tx.execute(question).first()
        return LoginRecord(account_id=row.id, password_hash=row.hash, status=row.status) if row else None

    def get(self, account_id: str) -> Account:
        """Give an account; raises `SignInRequired` when there is none, since only a stale sign-in refers to it."""
        account = self.find(account_id)
        if account is None:
            raise errors.SignInRequired("no such account")
        return account

    def find(self, account_id: str) -> Account | None:
        """Give an account, or None."""
        rows = self._database.run(_ACCOUNT, account_id=account_id)
        return self.read(rows[0]) if rows else None

    def read(self, row: Any) -> Account:  # noqa: ANN401 - a row of either driver
        """Give the account of a row with `ACCOUNT_COLUMNS` and `STANDING_COLUMNS`."""
        account_id = row.id
        return Account(
            id=account_id,
            status=row.status,
            full_name=self._unseal("accounts.full_name", account_id, row.full_name_sealed),
            birth_date=birth_dates.from_iso(self._unseal("accounts.birth_date", account_id, row.birth_date_sealed)),
            email=self._unseal("accounts.email", account_id, row.email_sealed) if row.email_sealed else None,
            language=row.language,
            id_number=self._id_number(row),
            phone=self._default_phone(row),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    def phones(self, account_id: str) -> list[Phone]:
        """Give the phones of an account, the default one first."""
        question = (
            select(_phones)
            .where(_phones.c.account_id == account_id)
            .order_by(_phones.c.is_default.desc(), _phones.c.verified_at, _phones.c.id)
        )
        with self._database.reading() as tx:
            rows = tx.execute(question).mappings().all()
        return [
            Phone(row["id"], PhoneNumber(self._unseal("phones.number", row["id"], row["number_sealed"])), row["is_default"]) for row in rows
        ]

    def exists_with(self, number: IdNumber) -> bool:
        """Tell whether the number has an account; only whoever has proven to own it may learn this."""
        with self._database.reading() as tx:
            return self._has_document(tx, number)

    def accounts_with_phone(self, phone: PhoneNumber) -> int:
        """Count the accounts that receive codes on this phone."""
        with self._database.reading() as tx:
            return self._count_with_phone(tx, phone)

    def password_hash_of(self, account_id: str) -> str | None:
        """Give the stored hash of an account's password, or None where it has none."""
        with self._database.reading() as tx:
            return tx.execute(select(_passwords.c.hash).where(_passwords.c.account_id == account_id)).scalar_one_or_none()

    def renew_password_hash(self, account_id: str, *, old: str, new: str) -> None:
        """Replace the hash of an unchanged password by one made with today's parameters, unless the password changed meanwhile."""
        with self._database.transaction() as tx:
            tx.execute(update(_passwords).where(_passwords.c.account_id == account_id, _passwords.c.hash == old).values(hash=new))

    def standing(self, account_id: str) -> Standing | None:
        """Give status and evidence, or None without an account."""
        return standing_of(self._database.run(_STANDING, account_id=account_id))

    def register(
        self,
        applicant: Applicant,
        *,
        password_hash: str,
        evidence: NewEvidence,
        language: Language,
        phone_cap: int,
        draft_id: str,
    ) -> str:
        """Make the account of a draft that the carrier matched, with its evidence; gives the account's id.

        One transaction: it happens whole or not at all. Raises `StepOutOfOrder` when the draft is not due, `AccountExists` and `PhoneCap`.
        """
        account_id = new_id()
        now = self._clock.now()
        with self._database.transaction() as tx:
            registration_drafts.mark_registered(tx, draft_id, account_id, now=self._database.now(tx))
            self._insert_account(tx, account_id, applicant, language, now)
            self._insert_document(tx, account_id, applicant.id_number, now)
            sharing = self._insert_phone(tx, account_id, applicant.phone, now, cap=phone_cap)
            tx.execute(insert(_passwords).values(account_id=account_id, hash=password_hash, changed_at=now))
            proofing.record(tx, account_id, evidence)
            self._audit.account_registered(account_id, method=evidence.method, tx=tx)
            if sharing > 1:
                self._audit.phone_shared(account_id, accounts=sharing, tx=tx)
        return account_id

    def lock(self, account_id: str, *, reason: str, operator: str) -> bool:
        """Lock an account, and end its sessions and grants for good; gives False when there is none or it was locked already.

        `reason` holds no personal datum. Raises `TooLong`.
        """
        with self._database.transaction() as tx:
            if not self._set_status(tx, account_id, origin="active", to="locked", reason=reason):
                return False
            self._audit.account_locked(account_id, reason=reason, operator=operator, tx=tx)
        return True

    def unlock(self, account_id: str, *, reason: str, operator: str) -> bool:
        """Unlock an account; gives False when there is none or it was not locked. `reason` holds no personal datum; raises `TooLong`."""
        with self._database.transaction() as tx:
            if not self._set_status(tx, account_id, origin="locked", to="active", reason=reason):
                return False
            self._audit.account_unlocked(account_id, reason=reason, operator=operator, tx=tx)
        return True

    def _set_status(self, tx: Connection, account_id: str, *, origin: Status, to: Status, reason: str) -> bool:
        if len(reason) > LONGEST_REASON:
            raise errors.TooLong(field="reason")
        now = self._clock.now()
        ended = {"sessions_end_before": now, "sessions_generation": _accounts.c.sessions_generation + 1} if to == "locked" else {}
        changed = tx.execute(
            update(_accounts)
            .where(_accounts.c.id == account_id, _accounts.c.status == origin)
            .values(status=to, status_reason=reason, updated_at=now, **ended)
        )
        return changed.rowcount == 1

    def _insert_account(self, tx: Connection, account_id: str, applicant: Applicant, language: Language, now: datetime) -> None:
        tx.execute(
            insert(_accounts).values(
                id=account_id,
                status="active",
                full_name_sealed=self._seal("accounts.full_name", account_id, applicant.full_name),
                birth_date_sealed=self._seal("accounts.birth_date", account_id, applicant.birth_date.iso),
                email_sealed=self._seal("accounts.email", account_id, applicant.email) if applicant.email else None,
                language=language,
                created_at=now,
                updated_at=now,
            )
        )

    def _insert_document(self, tx: Connection, account_id: str, number: IdNumber, now: datetime) -> None:
        # Documents whose index is of an older key are found by asking; the unique constraint decides a race under the present one.
        if self._has_document(tx, number):
            raise errors.AccountExists
        document_id = new_id()
        try:
            tx.execute(
                insert(_documents).values(
                    id=document_id,
                    account_id=account_id,
                    type=number.type,
                    number_sealed=self._seal("documents.number", document_id, number.digits),
                    number_index=self._encryption.index(number.type, number.digits),
                    index_version=self._encryption.index_version,
                    created_at=now,
                )
            )
        except IntegrityError:
            raise errors.AccountExists from None

    def _insert_phone(self, tx: Connection, account_id: str, phone: PhoneNumber, now: datetime, *, cap: int) -> int:
        """Add the phone; gives how many accounts it serves now. Raises `PhoneCap`."""
        phone_index = self._encryption.index("phone", phone.e164)
        if tx.dialect.name == "postgresql":
            # Counted and added by one registration at a time, or several at once would pass the cap; SQLite has one writer anyway.
            tx.execute(select(func.pg_advisory_xact_lock(literal(int(phone_index[:15], 16), BigInteger))))
        serves = self._count_with_phone(tx, phone)
        if serves >= cap:
            raise errors.PhoneCap
        phone_id = new_id()
        tx.execute(
            insert(_phones).values(
                id=phone_id,
                account_id=account_id,
                number_sealed=self._seal("phones.number", phone_id, phone.e164),
                number_index=phone_index,
                index_version=self._encryption.index_version,
                is_default=True,
                verified_at=now,
            )
        )
        return serves + 1

    def _has_document(self, tx: Connection, number: IdNumber) -> bool:
        return tx.execute(select(_documents.c.id).where(self._is_document(number))).first() is not None

    def _is_document(self, number: IdNumber) -> ColumnElement[bool]:
        return and_(_documents.c.type == number.type, _documents.c.number_index.in_(self._encryption.indexes(number.type, number.digits)))

    def _count_with_phone(self, tx: Connection, phone: PhoneNumber) -> int:
        question = select(func.count(func.distinct(_phones.c.account_id))).where(
            _phones.c.number_index.in_(self._encryption.indexes("phone", phone.e164))
        )
        return tx.execute(question).scalar_one()

    def _id_number(self, row: Any) -> IdNumber | None:  # noqa: ANN401 - a row of either driver
        if row.document_id is None:
            return None
        return IdNumber(row.document_type, self._unseal("documents.number", row.document_id, row.document_sealed))

    def _default_phone(self, row: Any) -> PhoneNumber | None:  # noqa: ANN401 - as above
        if row.phone_id is None:
            return None
        return PhoneNumber(self._unseal("phones.number", row.phone_id, row.phone_sealed))

    def _seal(self, column: str, row_id: str, text: str) -> str:
        return self._encryption.seal(text, f"{column}:{row_id}")

    def _unseal(self, column: str, row_id: str, sealed: str) -> str:
        return self._encryption.unseal(sealed, f"{column}:{row_id}")
