"""Registration drafts."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from idp import errors
from idp.identity.accounts import Accounts
from idp.identity.documents import IdNumber
from idp.identity.registration_drafts import CARRIER_MATCH, Draft, DraftState, RegistrationDrafts
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.safety.encryption import Encryption
from idp.storage import tables
from idp.storage.db import Database
from idp.storage.outbox import Outbox
from idp.values import new_id, new_secret, secret_hash
from tests.clock import MovableClock
from tests.identity import registrations
from tests.identity.people import ALL_FIELDS, OTHER_PHONE, PHONE, applicant, cccd
from tests.identity.races import race

BROWSER = secret_hash("a browser")
OTHER_BROWSER = secret_hash("another browser")


def state_of(drafts: RegistrationDrafts, draft: Draft) -> DraftState:
    """Give the state that the database holds."""
    return drafts.get_for_job(draft.id).state


def put_into(drafts: RegistrationDrafts, accounts: Accounts, clock: MovableClock, state: DraftState, *, serial: int = 1) -> Draft:
    """Give a draft of the person `serial` that stands at `state`."""
    person = applicant(id_number=cccd(serial))
    if state is DraftState.FILLED:
        return registrations.filled(drafts, person)
    if state is DraftState.MATCHED:
        return registrations.matched(drafts, person)
    draft = registrations.matched(drafts, person) if state is DraftState.REGISTERED else registrations.proven(drafts, person)
    match state:
        case DraftState.REGISTERED:
            registrations.register_draft(accounts, draft, clock, phone_cap=100)
        case DraftState.REFUSED:
            drafts.settle(draft, registrations.MISMATCH)
        case DraftState.WAITING:
            drafts.wait(draft.id)
    return drafts.get_for_job(draft.id)


@pytest.mark.requirement("A5.48")
def test_what_was_typed_is_kept(drafts: RegistrationDrafts) -> None:
    for person in (
        applicant(),
        applicant(email=None),
        applicant(id_number=IdNumber("cmnd", "012345678")),
        applicant(full_name="Y Blơ\u0306 Kbuôr"),
    ):
        opened = drafts.open(person, browser_hash=BROWSER, interaction_id="an interaction")
        draft = drafts.get(opened.id, browser_hash=BROWSER)
        assert draft == opened
        assert (draft.applicant, draft.interaction_id, draft.state) == (person, "an interaction", DraftState.FILLED)
        assert (draft.verdict, draft.carrier, draft.fields_matched, draft.checked_at) == (None, None, (), None)


def test_nothing_that_was_typed_is_readable_in_the_database_or_in_print(drafts: RegistrationDrafts, database: Database) -> None:
    draft = drafts.open(applicant(), browser_hash=BROWSER, interaction_id=None)
    with database.reading() as tx:
        row = str(tx.execute(select(tables.registration_drafts)).mappings().one())
    for shown in (row, repr(draft), str(draft.applicant)):
        assert not any(secret in shown for secret in ("Ánh", "\\u00c1nh", "001090000001", "912345678", "1990-02-01", "anh@example.vn"))


def test_a_draft_belongs_to_the_browser_that_opened_it(drafts: RegistrationDrafts) -> None:
    draft = drafts.open(applicant(), browser_hash=BROWSER, interaction_id=None)
    for draft_id, browser in (
        (draft.id, OTHER_BROWSER),
        (draft.id, ""),
        (new_id(), BROWSER),
        ("x" * 8192, BROWSER),
        ("\x00", BROWSER),
        ("\ud800", BROWSER),
    ):
        with pytest.raises(errors.DraftMissing):
            drafts.get(draft_id, browser_hash=browser)


def test_a_draft_lives_a_day(drafts: RegistrationDrafts, accounts: Accounts, clock: MovableClock) -> None:
    draft = registrations.matched(drafts)
    clock.move(timedelta(hours=23))
    assert drafts.get_for_job(draft.id) == draft
    assert drafts.find_resumable(PHONE)
    clock.move(timedelta(hours=1, seconds=1))
    with pytest.raises(errors.DraftMissing):
        drafts.get_for_job(draft.id)
    with pytest.raises(errors.StepOutOfOrder):
        registrations.register_draft(accounts, draft, clock)
    assert drafts.find_resumable(PHONE) is None


@pytest.mark.requirement("A5.53")
@pytest.mark.requirement("A5.54")
def test_a_draft_keeps_what_the_carrier_said(drafts: RegistrationDrafts, clock: MovableClock) -> None:
    for verdict in set(CarrierVerdict) - {CarrierVerdict.UNAVAILABLE}:
        draft = registrations.proven(drafts)
        drafts.settle(draft, CarrierAnswer(verdict, "viettel", ALL_FIELDS))
        settled = drafts.get_for_job(draft.id)
        assert settled.state is (DraftState.MATCHED if verdict is CarrierVerdict.MATCH else DraftState.REFUSED)
        assert (settled.verdict, settled.carrier, settled.fields_matched) == (verdict, "viettel", ALL_FIELDS)
        assert settled.checked_at == clock.now()


def test_a_carrier_that_is_away_settles_nothing(drafts: RegistrationDrafts) -> None:
    draft = registrations.proven(drafts)
    with pytest.raises(ValueError, match="wait"):
        drafts.settle(draft, registrations.AWAY)
    assert state_of(drafts, draft) is DraftState.PHONE_PROVEN


def test_waiting_leaves_a_question_for_the_job(
    drafts: RegistrationDrafts, database: Database, encryption: Encryption, clock: MovableClock
) -> None:
    draft = registrations.proven(drafts)
    drafts.wait(draft.id)
    waiting = drafts.get_for_job(draft.id)
    assert (waiting.state, waiting.verdict) == (DraftState.WAITING, CarrierVerdict.UNAVAILABLE)
    outbox = Outbox(database=database, clock=clock)
    assert outbox.claim(CARRIER_MATCH, most=10, hold=timedelta(minutes=1)) == []
    clock.move(timedelta(seconds=31))
    (item,) = outbox.claim(CARRIER_MATCH, most=10, hold=timedelta(minutes=1))
    assert json.loads(encryption.unseal(item.payload_sealed, f"outbox.payload:{item.id}")) == {"draft_id": draft.id}
    assert item.give_up_at == waiting.expires_at


def test_a_waiting_draft_is_settled_by_the_job(drafts: RegistrationDrafts) -> None:
    for answer, state in ((registrations.MATCH, DraftState.MATCHED), (registrations.MISMATCH, DraftState.REFUSED)):
        draft = registrations.proven(drafts)
        drafts.wait(draft.id)
        drafts.settle(draft, answer)
        assert state_of(drafts, draft) is state


Step = Callable[[RegistrationDrafts, Draft], object]
STEPS: dict[str, tuple[Step, frozenset[DraftState]]] = {
    "prove_phone": (lambda drafts, draft: drafts.prove_phone(draft.id, phone=PHONE), frozenset({DraftState.FILLED})),
    "settle": (
        lambda drafts, draft: drafts.settle(draft, registrations.MATCH),
        frozenset({DraftState.PHONE_PROVEN, DraftState.WAITING}),
    ),
    "wait": (lambda drafts, draft: drafts.wait(draft.id), frozenset({DraftState.PHONE_PROVEN})),
    "edit": (lambda drafts, draft: drafts.edit(draft.id, applicant()), frozenset({DraftState.FILLED, DraftState.REFUSED})),
    "adopt": (
        lambda drafts, draft: drafts.adopt(draft.id, OTHER_BROWSER),
        frozenset({DraftState.PHONE_PROVEN, DraftState.WAITING, DraftState.REFUSED, DraftState.MATCHED}),
    ),
}


@pytest.mark.requirement("A5.54")
def test_a_step_applies_in_its_own_states_alone(drafts: RegistrationDrafts, accounts: Accounts, clock: MovableClock) -> None:
    for serial, (state, (take, origins)) in enumerate(product(DraftState, STEPS.values())):
        draft = put_into(drafts, accounts, clock, state, serial=serial)
        if state in origins:
            take(drafts, draft)
            continue
        with pytest.raises(errors.StepOutOfOrder):
            take(drafts, draft)
        assert drafts.get_for_job(draft.id) == draft


@pytest.mark.requirement("A5.54")
def test_only_a_matched_draft_becomes_an_account(
    drafts: RegistrationDrafts, accounts: Accounts, database: Database, clock: MovableClock
) -> None:
    others = [state for state in DraftState if state is not DraftState.MATCHED]
    waiting = [put_into(drafts, accounts, clock, state, serial=serial) for serial, state in enumerate(others)]
    for draft in waiting:
        with pytest.raises(errors.StepOutOfOrder):
            registrations.register_draft(accounts, draft, clock)
    with database.reading() as tx:
        assert len(tx.execute(select(tables.accounts)).all()) == 1  # of the draft that was registered before


@pytest.mark.race
def test_of_fifty_that_take_a_step_at_once_one_wins(drafts: RegistrationDrafts) -> None:
    for name in ("prove_phone", "settle", "wait"):
        draft = registrations.filled(drafts) if name == "prove_phone" else registrations.proven(drafts)
        take, _ = STEPS[name]

        def step(_: int, draft: Draft = draft, take: Step = take) -> None:
            take(drafts, draft)

        ends = race(step)
        assert (ends.count("won"), ends.count("step_out_of_order")) == (1, 49)


@pytest.mark.race
def test_of_a_match_and_a_refusal_at_once_one_wins(drafts: RegistrationDrafts) -> None:
    draft = registrations.proven(drafts)
    ends = race(lambda number: drafts.settle(draft, registrations.MATCH if number % 2 else registrations.MISMATCH))
    assert ends.count("won") == 1
    winner = ends.index("won")
    assert state_of(drafts, draft) is (DraftState.MATCHED if winner % 2 else DraftState.REFUSED)


def test_an_edit_keeps_the_draft_and_forgets_the_answer(drafts: RegistrationDrafts) -> None:
    draft = registrations.proven(drafts)
    drafts.settle(draft, registrations.MISMATCH)
    corrected = applicant(full_name="Nguyễn Thị Anh", phone=OTHER_PHONE)
    edited = drafts.edit(draft.id, corrected)
    assert edited == drafts.get_for_job(draft.id)
    assert (edited.id, edited.interaction_id, edited.expires_at) == (draft.id, draft.interaction_id, draft.expires_at)
    assert (edited.state, edited.applicant, edited.verdict, edited.carrier) == (DraftState.FILLED, corrected, None, None)
    assert (edited.fields_matched, edited.checked_at) == ((), None)


def test_a_code_for_one_phone_does_not_prove_another_that_was_edited_in(drafts: RegistrationDrafts) -> None:
    draft = registrations.filled(drafts)
    drafts.edit(draft.id, applicant(phone=OTHER_PHONE))
    with pytest.raises(errors.StepOutOfOrder):
        drafts.prove_phone(draft.id, phone=PHONE)
    assert state_of(drafts, draft) is DraftState.FILLED
    drafts.prove_phone(draft.id, phone=OTHER_PHONE)


@pytest.mark.race
def test_an_edit_and_a_proof_at_once_never_prove_the_new_phone(drafts: RegistrationDrafts) -> None:
    for _ in range(3):
        draft = registrations.filled(drafts)

        def step(number: int, draft_id: str = draft.id) -> None:
            if number % 2:
                drafts.edit(draft_id, applicant(phone=OTHER_PHONE))
            else:
                drafts.prove_phone(draft_id, phone=PHONE)

        race(step, threads=8)
        end = drafts.get_for_job(draft.id)
        assert (end.state, end.applicant.phone) in {(DraftState.PHONE_PROVEN, PHONE), (DraftState.FILLED, OTHER_PHONE)}


def test_the_newest_draft_with_a_proven_phone_is_resumed(drafts: RegistrationDrafts) -> None:
    registrations.proven(drafts)
    newest = registrations.proven(drafts, applicant(id_number=cccd(2)))
    registrations.proven(drafts, applicant(phone=OTHER_PHONE))
    resumable = drafts.find_resumable(PHONE)
    assert resumable
    assert resumable.id == newest.id


def test_what_a_stranger_typed_beside_my_phone_is_not_resumed(drafts: RegistrationDrafts) -> None:
    mine = registrations.proven(drafts)
    registrations.filled(drafts, applicant(id_number=cccd(2)))
    resumable = drafts.find_resumable(PHONE)
    assert resumable
    assert resumable.id == mine.id
    assert drafts.find_resumable(OTHER_PHONE) is None


def test_a_registered_draft_is_not_resumed(drafts: RegistrationDrafts, accounts: Accounts, clock: MovableClock) -> None:
    registrations.register(accounts, drafts, clock)
    assert drafts.find_resumable(PHONE) is None


def test_a_draft_is_handed_over_with_the_new_browsers_interaction(drafts: RegistrationDrafts) -> None:
    draft = registrations.proven(drafts, browser_hash=BROWSER)
    adopted = drafts.adopt(draft.id, OTHER_BROWSER, interaction_id="its own")
    assert drafts.get(draft.id, browser_hash=OTHER_BROWSER) == adopted
    assert (adopted.state, adopted.applicant, adopted.interaction_id) == (draft.state, draft.applicant, "its own")
    with pytest.raises(errors.DraftMissing):
        drafts.get(draft.id, browser_hash=BROWSER)
    assert drafts.adopt(draft.id, BROWSER).interaction_id is None


@pytest.mark.race
def test_fifty_that_adopt_at_once_leave_it_to_one(drafts: RegistrationDrafts) -> None:
    draft = registrations.proven(drafts)
    browsers = [secret_hash(new_secret()) for _ in range(50)]
    ends = race(lambda number: drafts.adopt(draft.id, browsers[number]))
    assert ends.count("won") >= 1
    owners = []
    for browser in browsers:
        try:
            owners.append(drafts.get(draft.id, browser_hash=browser))
        except errors.DraftMissing:
            continue
    assert len(owners) == 1


def test_a_step_of_an_unknown_draft_is_refused(drafts: RegistrationDrafts) -> None:
    draft = registrations.filled(drafts)
    for draft_id, (take, _) in product([new_id(), "", "x" * 8192], STEPS.values()):
        with pytest.raises((errors.StepOutOfOrder, errors.DraftMissing)):
            take(drafts, replace(draft, id=draft_id))
