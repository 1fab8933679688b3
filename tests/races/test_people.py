"""Fifty at once, in one process and in two, with one code from a phone, one draft, one ID number: one of them gets through, and whole."""

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from idp.errors import StepOutOfOrder
from idp.identity import phone_numbers
from idp.identity.one_time_codes import Purpose
from idp.identity.registration_drafts import Draft, DraftState
from idp.promises import CarrierAnswer, CarrierVerdict
from idp.services import Services
from idp.storage.tables import documents, evidence, outbox, passwords, phones
from tests.crashes.invariants import half_things
from tests.fakes import ALL_FIELDS, FakeSms
from tests.identity.people import applicant, cccd
from tests.races.scene import Scene

pytestmark = pytest.mark.race
CAP = 5


def phone_of(scene: Scene) -> phone_numbers.PhoneNumber:
    """Give a phone that no other race has."""
    scene.world.made += 1
    return phone_numbers.parse(f"0987{scene.world.made:06}")


def filled(scene: Scene, serial: int) -> Draft:
    """Give a draft of the person with a serial number, with a phone that no other draft has."""
    wanted = replace(applicant(id_number=cccd(serial)), phone=phone_of(scene))
    return scene.world.services.drafts.open(wanted, browser_hash="browser", interaction_id=None)


def proven(scene: Scene, serial: int) -> Draft:
    draft = filled(scene, serial)
    scene.world.services.drafts.prove_phone(draft.id, phone=draft.applicant.phone)
    return draft


def matched(scene: Scene, serial: int) -> Draft:
    draft = proven(scene, serial)
    scene.world.services.drafts.settle(draft, CarrierAnswer(CarrierVerdict.MATCH, "viettel", ALL_FIELDS))
    return draft


def state_of(services: Services, draft: Draft) -> DraftState:
    return services.drafts.get_for_job(draft.id).state


def rows_of_account(services: Services, account_id: str) -> list[int]:
    """Count the documents, phones, passwords and evidence of an account."""
    with services.database.reading() as connection:
        return [
            connection.execute(select(func.count()).where(table.c.account_id == account_id)).scalar_one()
            for table in (documents, phones, passwords, evidence)
        ]


# --- one-time codes -----------------------------------------------------------------------------------------------------------------


def test_one_takes_a_one_time_code(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    codes, sms, phone = scene.world.services.one_time_codes, FakeSms(), phone_of(scene)
    monkeypatch.setattr(codes, "_sms", sms)
    account = scene.world.account()
    challenge = codes.send(Purpose.SIGN_IN, phone=phone, owner=account, language="vi")
    ends = scene.race("verify", challenge=challenge.id, code=sms.last_code(phone.e164), owner=account)
    assert ends.won == [{"value": phone.e164}], ends.told
    # Five have a try; of these one takes the code, and the others find it taken. The rest learn that the tries are used up.
    assert ends.lost <= {"otp_expired", "otp_void"}, ends.told
    assert ends.told["otp_expired"] + ends.told["otp_void"] > 0


# --- drafts -------------------------------------------------------------------------------------------------------------------------


def test_each_step_of_a_draft_is_taken_once(scene: Scene) -> None:
    services = scene.world.services
    draft = filled(scene, serial=scene.world.made)
    ends = scene.race("prove", draft=draft.id)
    assert (len(ends.won), ends.lost) == (1, {"step_out_of_order"}), ends.told
    assert state_of(services, draft) is DraftState.PHONE_PROVEN

    before = waiting_items(services)
    ends = scene.race("wait", draft=draft.id)
    assert (len(ends.won), ends.lost) == (1, {"step_out_of_order"}), ends.told
    assert (state_of(services, draft), waiting_items(services)) == (DraftState.WAITING, before + 1)

    ends = scene.race("settle", draft=draft.id)
    assert (len(ends.won), ends.lost) == (1, {"step_out_of_order"}), ends.told
    [winner] = [number for number, (end, _) in enumerate(ends.of_all) if end == "won"]
    found = services.drafts.get_for_job(draft.id)
    assert found.state is (DraftState.MATCHED if winner % 2 else DraftState.REFUSED)
    assert found.fields_matched == (ALL_FIELDS if winner % 2 else ())
    assert half_things(services.database) == []


def waiting_items(services: Services) -> int:
    with services.database.reading() as connection:
        return connection.execute(select(func.count()).select_from(outbox)).scalar_one()


def test_one_draft_becomes_one_whole_account(scene: Scene) -> None:
    services, draft = scene.world.services, matched(scene, serial=scene.world.made)
    ends = scene.race("register", drafts=[draft.id], cap=CAP)
    assert (len(ends.won), ends.lost) == (1, {"step_out_of_order"}), ends.told
    assert rows_of_account(services, ends.won[0]["value"]) == [1, 1, 1, 1]
    assert state_of(services, draft) is DraftState.REGISTERED
    assert half_things(services.database) == []


def test_two_drafts_for_one_number_become_one_whole_account(scene: Scene) -> None:
    services, serial = scene.world.services, scene.world.made
    drafts = [matched(scene, serial), matched(scene, serial)]
    ends = scene.race("register", drafts=[draft.id for draft in drafts], cap=CAP)
    assert len(ends.won) == 1, ends.told
    assert ends.lost == {"account_exists", "step_out_of_order"}, ends.told
    [winner] = [number for number, (end, _) in enumerate(ends.of_all) if end == "won"]
    of_winner, of_other = drafts[winner % 2], drafts[1 - winner % 2]
    assert {end for number, (end, _) in enumerate(ends.of_all) if number % 2 != winner % 2} <= {"account_exists", "store_unavailable"}
    assert (state_of(services, of_winner), state_of(services, of_other)) == (DraftState.REGISTERED, DraftState.MATCHED)
    assert rows_of_account(services, ends.won[0]["value"]) == [1, 1, 1, 1]
    assert half_things(services.database) == []
    with pytest.raises(StepOutOfOrder):
        services.drafts.settle(of_winner, CarrierAnswer(CarrierVerdict.MISMATCH, "viettel"))
