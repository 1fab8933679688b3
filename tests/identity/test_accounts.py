"""Accounts."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from idp import errors
from idp.config import Assurance
from idp.identity import assurance
from idp.identity.accounts import Accounts
from idp.identity.documents import IdNumber
from idp.identity.registration_drafts import DraftState, RegistrationDrafts
from idp.safety.audit import Audit
from idp.safety.encryption import Encryption, Key, KeyRing
from idp.storage import tables
from idp.storage.db import Database
from idp.values import new_id
from tests.clock import MovableClock
from tests.identity.people import ALL_FIELDS, OTHER_PHONE, PHONE, applicant, cccd
from tests.identity.races import race
from tests.identity.registrations import HASH, matched, register, register_draft


def counts(database: Database) -> dict[str, int]:
    """Count the rows that a registration writes."""
    written = (tables.accounts, tables.documents, tables.phones, tables.passwords, tables.evidence, tables.audit_events)
    with database.reading() as tx:
        return {table.name: tx.execute(select(func.count()).select_from(table)).scalar_one() for table in written}


@pytest.mark.requirement("A5.58")
def test_a_registered_person_is_known_with_evidence_of_level_2(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    account_id = register(accounts, drafts, clock)
    account = accounts.get(account_id)
    person = applicant()
    assert (account.id_number, account.full_name, account.birth_date) == (person.id_number, person.full_name, person.birth_date)
    assert (account.phone, account.email, account.language) == (person.phone, person.email, "vi")
    assert (account.status, account.is_locked, account.created_at) == ("active", False, clock.now())
    standing = accounts.standing(account_id)
    assert standing
    (evidence,) = standing.evidence
    assert (evidence.method, evidence.source, evidence.fields_matched) == ("mobile_subscriber", "viettel", ALL_FIELDS)
    assert evidence.checked_at == clock.now()
    assert assurance.proofing_level(standing.evidence, Assurance().proofing_levels, clock.now()) == 2


def test_an_account_without_an_address_for_mail(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    assert accounts.get(register(accounts, drafts, clock, email=None)).email is None


@pytest.mark.requirement("A9.75")
@pytest.mark.requirement("A9.77")
def test_a_registered_person_is_found_by_number_to_sign_in(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    account_id = register(accounts, drafts, clock)
    record = accounts.find_by_login(cccd())
    assert record
    assert (record.account_id, record.password_hash, record.status) == (account_id, HASH, "active")
    assert accounts.password_hash_of(account_id) == HASH
    assert HASH not in repr(record)
    assert accounts.find_by_login(cccd(2)) is None


@pytest.mark.requirement("A5.45")
@pytest.mark.requirement("A9.85")
@pytest.mark.requirement("A16.C1")
def test_an_account_with_the_old_number_is_found_by_it(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    old = IdNumber("cmnd", "012345678")
    account_id = register(accounts, drafts, clock, id_number=old)
    record = accounts.find_by_login(old)
    assert record
    assert record.account_id == account_id
    assert accounts.get(account_id).id_number == old


def test_no_personal_datum_is_readable_in_the_database(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock
) -> None:
    account_id = register(accounts, drafts, clock)
    with database.reading() as tx:
        held = "".join(str(tx.execute(select(table)).mappings().all()) for table in tables.metadata.sorted_tables)
    for shown in (held, repr(accounts.get(account_id)), repr(accounts.phones(account_id))):
        assert not any(secret in shown for secret in ("Ánh", "001090000001", "912345678", "1990-02-01", "01/02/1990", "anh@example.vn"))


def test_a_sealed_field_is_good_in_its_own_row_alone(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    account_id = register(accounts, drafts, clock)
    with database.reading() as tx:
        row = tx.execute(select(tables.accounts)).mappings().one()
        document = tx.execute(select(tables.documents)).mappings().one()
        phone = tx.execute(select(tables.phones)).mappings().one()
    assert encryption.unseal(row["full_name_sealed"], f"accounts.full_name:{account_id}") == "Nguyễn Thị Ánh"
    assert encryption.unseal(row["birth_date_sealed"], f"accounts.birth_date:{account_id}") == "1990-02-01"
    assert encryption.unseal(row["email_sealed"], f"accounts.email:{account_id}") == "anh@example.vn"
    assert encryption.unseal(document["number_sealed"], f"documents.number:{document['id']}") == "001090000001"
    assert encryption.unseal(phone["number_sealed"], f"phones.number:{phone['id']}") == "+84912345678"


def test_an_unknown_account(accounts: Accounts) -> None:
    for account_id in ("", "unknown", "x" * 8192, new_id()):
        assert accounts.find(account_id) is None
        assert accounts.standing(account_id) is None
        assert accounts.password_hash_of(account_id) is None
        assert accounts.phones(account_id) == []
        assert not accounts.lock(account_id, reason="test", operator="lan")
        with pytest.raises(errors.SignInRequired):
            accounts.get(account_id)


def test_a_registration_writes_everything_once(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    draft = matched(drafts)
    account_id = register_draft(accounts, draft, clock)
    assert counts(database) == {"accounts": 1, "documents": 1, "phones": 1, "passwords": 1, "evidence": 1, "audit_events": 1}
    assert drafts.get_for_job(draft.id).state is DraftState.REGISTERED
    (told,) = Audit(database=database, encryption=encryption, clock=clock).events(account_id=account_id)
    assert told.event == "account_registered"


@pytest.mark.requirement("A5.50")
def test_a_number_has_one_account_and_a_second_registration_leaves_nothing(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock
) -> None:
    assert not accounts.exists_with(cccd())
    register(accounts, drafts, clock)
    assert accounts.exists_with(cccd())
    before = counts(database)
    draft = matched(drafts, applicant(phone=OTHER_PHONE))
    with pytest.raises(errors.AccountExists):
        register_draft(accounts, draft, clock)
    assert counts(database) == before
    assert drafts.get_for_job(draft.id).state is DraftState.MATCHED


@pytest.mark.requirement("A5.50")
@pytest.mark.race
def test_of_fifty_registrations_of_one_number_at_once_one_wins(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock
) -> None:
    waiting = [matched(drafts) for _ in range(50)]
    ends = race(lambda number: register_draft(accounts, waiting[number], clock))
    assert (ends.count("won"), ends.count("account_exists")) == (1, 49)
    assert counts(database)["accounts"] == 1


@pytest.mark.race
def test_of_fifty_submits_of_one_draft_at_once_one_wins(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock
) -> None:
    draft = matched(drafts)
    ends = race(lambda _: register_draft(accounts, draft, clock))
    assert (ends.count("won"), ends.count("step_out_of_order")) == (1, 49)
    assert counts(database)["accounts"] == 1


@pytest.mark.requirement("A9.84")
@pytest.mark.requirement("A16.C7")
def test_a_phone_serves_several_accounts_within_a_cap_and_operators_are_told(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    assert accounts.accounts_with_phone(PHONE) == 0
    family = [register_draft(accounts, matched(drafts, applicant(id_number=cccd(number))), clock, phone_cap=3) for number in range(3)]
    assert accounts.accounts_with_phone(PHONE) == 3
    before = counts(database)
    with pytest.raises(errors.PhoneCap):
        register_draft(accounts, matched(drafts, applicant(id_number=cccd(3))), clock, phone_cap=3)
    assert counts(database) == before
    audit = Audit(database=database, encryption=encryption, clock=clock)
    alerts = {told.account_id: told.facts for told in audit.events() if told.event == "phone_shared"}
    assert alerts == {family[1]: {"accounts": 2}, family[2]: {"accounts": 3}}


@pytest.mark.race
def test_registrations_at_once_do_not_pass_the_cap(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    family = [matched(drafts, applicant(id_number=cccd(number))) for number in range(20)]
    ends = race(lambda number: register_draft(accounts, family[number], clock, phone_cap=3), threads=20)
    assert (ends.count("won"), ends.count("phone_cap")) == (3, 17)
    assert accounts.accounts_with_phone(PHONE) == 3


@pytest.mark.requirement("A9.83")
def test_an_account_has_several_phones_for_codes_the_default_one_first(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    account_id = register(accounts, drafts, clock)
    phone_id = new_id()
    with database.transaction() as tx:
        tx.execute(
            tables.phones.insert().values(
                id=phone_id,
                account_id=account_id,
                number_sealed=encryption.seal(OTHER_PHONE.e164, f"phones.number:{phone_id}"),
                number_index=encryption.index("phone", OTHER_PHONE.e164),
                index_version=1,
                is_default=False,
                verified_at=clock.now() - timedelta(days=1),
            )
        )
    phones = accounts.phones(account_id)
    assert [(phone.number, phone.is_default) for phone in phones] == [(PHONE, True), (OTHER_PHONE, False)]
    assert accounts.get(account_id).phone == PHONE


def test_people_are_found_under_every_index_key(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock, tmp_path: Path
) -> None:
    account_id = register(accounts, drafts, clock)
    ring = KeyRing.load(tmp_path / "keys")
    renewed = Encryption(KeyRing(ring.field_encryption, (Key(2, bytes(range(32))), *ring.index), ring.tokens))
    later = Accounts(database=database, encryption=renewed, clock=clock, audit=Audit(database=database, encryption=renewed, clock=clock))
    record = later.find_by_login(cccd())
    assert record
    assert record.account_id == account_id
    assert later.exists_with(cccd())
    assert later.accounts_with_phone(PHONE) == 1
    with pytest.raises(errors.AccountExists):
        register_draft(later, matched(drafts), clock)


def test_an_operator_locks_and_unlocks(
    accounts: Accounts, drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    account_id = register(accounts, drafts, clock)
    clock.move(timedelta(hours=1))
    assert accounts.lock(account_id, reason="lost card", operator="lan")
    assert not accounts.lock(account_id, reason="again", operator="lan")
    with pytest.raises(errors.TooLong):
        accounts.unlock(account_id, reason="x" * 201, operator="lan")
    assert accounts.get(account_id).is_locked
    record, standing = accounts.find_by_login(cccd()), accounts.standing(account_id)
    assert record
    assert standing
    assert (record.status, standing.status, standing.updated_at) == ("locked", "locked", clock.now())
    assert accounts.unlock(account_id, reason="seen at the counter", operator="minh")
    assert not accounts.unlock(account_id, reason="again", operator="minh")
    assert not accounts.get(account_id).is_locked
    events = Audit(database=database, encryption=encryption, clock=clock).events(account_id=account_id)
    told = sorted((item.event, item.facts.get("operator")) for item in events)
    assert told == [("account_locked", "lan"), ("account_registered", None), ("account_unlocked", "minh")]


def test_a_hash_is_renewed_unless_the_password_changed(accounts: Accounts, drafts: RegistrationDrafts, clock: MovableClock) -> None:
    account_id = register(accounts, drafts, clock)
    accounts.renew_password_hash(account_id, old="another", new="$new")
    assert accounts.password_hash_of(account_id) == HASH
    accounts.renew_password_hash(account_id, old=HASH, new="$new")
    assert accounts.password_hash_of(account_id) == "$new"


def test_the_standing_is_one_statement(accounts: Accounts, drafts: RegistrationDrafts, database: Database, clock: MovableClock) -> None:
    account_id = register(accounts, drafts, clock)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    accounts.standing(account_id)
    assert len(statements) <= 1
