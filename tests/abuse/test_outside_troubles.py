"""A carrier or an SMS gateway that is slow, refuses, or answers nonsense: a clear page, nothing half written, and the person goes on.

The connectors are the real ones, against servers that misbehave.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
import structlog
from pydantic import SecretStr

from idp.config import Gateway
from idp.connectors.carrier import HttpCarrier
from idp.connectors.sms import FailoverSms
from idp.identity.registration_drafts import DraftState
from tests.abuse.recipes import at_password
from tests.abuse.stage import ID_NUMBER, Stage
from tests.connectors.local_servers import TROUBLES, LocalServer, answering, serving
from tests.flows.register.office import PERSON, draft_id
from tests.world import PASSWORD

SLOW = ("asleep", "dripping headers", "dripping body")
NONSENSE = ("garbage", "half closed", "huge", "compressed", "html", "deep nesting", "a list", "not UTF-8", "redirect")
REFUSALS = ("hang up", "500", "503", "429", "401", "404")
SHORT = timedelta(seconds=0.3)
PATIENT = timedelta(seconds=100)  # where an answer comes at once, but perhaps on a machine that is busy with something else
EVERY_TROUBLE = pytest.mark.parametrize("trouble", [*SLOW, *NONSENSE, *REFUSALS])


def settings_of(server: LocalServer, name: str, trouble: str) -> Gateway:
    """Give a gateway whose timeout is short where the trouble is that it never ends."""
    settings = Gateway(name=name, url=server.url, token=SecretStr("t0ken"))
    return settings.model_copy(update={"timeout": SHORT if trouble in SLOW else PATIENT})


def outcomes(logged: list[structlog.typing.EventDict]) -> set[str]:
    """Give what the calls to the outside ended in."""
    return {line["outcome"] for line in logged if line["event"] == "outbound call"}


def test_every_trouble_is_tried() -> None:
    assert {*SLOW, *NONSENSE, *REFUSALS} == TROUBLES.keys()


# --- the carrier --------------------------------------------------------------------------------------------------------------------


@EVERY_TROUBLE
def test_carrier_in_trouble(stage: Stage, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    stage.begin()
    office, person = stage.office, stage.person()
    page = office.at_code(person)
    draft, accounts = draft_id(page), len(stage.rows()["accounts"])
    with serving(TROUBLES[trouble]) as server, closing(HttpCarrier.configured(settings_of(server, "carrier", trouble))) as carrier:
        monkeypatch.setattr(office.carrier, "match", carrier.match)
        with structlog.testing.capture_logs() as logged:
            waiting = person.press(page, otp=office.code())
        assert (outcomes(logged) == {"timeout"}) is (trouble in SLOW)
        assert len(server.received) >= 1
        assert (waiting.status, waiting.path.endswith("/waiting"), waiting.errors) == (200, True, [])
        assert office.services.drafts.get_for_job(draft).state is DraftState.WAITING
        assert len(stage.rows()["accounts"]) == accounts
    office.clock.move(timedelta(minutes=2))
    monkeypatch.undo()  # the carrier is well again
    assert office.retry() == 1
    assert person.open(waiting.path).path.endswith("/password")


# --- the gateways -------------------------------------------------------------------------------------------------------------------


@contextmanager
def gateways_in(stage: Stage, monkeypatch: pytest.MonkeyPatch, trouble: str) -> Iterator[None]:
    """Put two gateways in the same trouble for the time of the block."""
    with serving(TROUBLES[trouble]) as first, serving(TROUBLES[trouble]) as second:
        settings = [settings_of(first, "first", trouble), settings_of(second, "second", trouble)]
        with closing(FailoverSms.configured(settings)) as sender, monkeypatch.context() as patch:
            patch.setattr(stage.office.sms, "send", sender.send)
            yield
        assert first.received
        assert second.received


@EVERY_TROUBLE
def test_gateways_in_trouble_while_registering(stage: Stage, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    stage.begin()
    person, drafts = stage.person(), len(stage.rows()["registration_drafts"])
    with gateways_in(stage, monkeypatch, trouble):
        page = stage.office.fill(person, stage.office.at_form(person))
    assert (page.status, page.errors) == (503, ["sms_unavailable"])
    assert {name: page.typed(name) for name in PERSON} == PERSON
    assert person.press(page).path.endswith("/one-time-code")
    assert len(stage.rows()["registration_drafts"]) == drafts + 1


@EVERY_TROUBLE
def test_gateways_in_trouble_while_signing_in(stage: Stage, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    stage.begin()
    person = stage.person()
    page = at_password(stage, person)
    with gateways_in(stage, monkeypatch, trouble):
        page = person.press(page, id_number=ID_NUMBER, password=PASSWORD)
    assert (page.status, page.errors, "resend" in page.buttons) == (503, ["sms_unavailable"], True)
    page = person.press(page, "resend")
    code = stage.office.sms.messages[-1].text.split(" la ")[1][:6]
    assert person.press(page, otp=code).path.startswith("/consent/")


@pytest.mark.parametrize("trouble", ["asleep", "garbage", "500"])
def test_one_gateway_in_trouble_is_not_noticed(stage: Stage, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    stage.begin()
    person = stage.person()
    page = at_password(stage, person)
    with serving(TROUBLES[trouble]) as first, serving(answering({"status": "accepted"})) as second:
        settings = [settings_of(first, "first", trouble), settings_of(second, "second", "")]
        with closing(FailoverSms.configured(settings)) as sender:
            monkeypatch.setattr(stage.office.sms, "send", sender.send)
            page = person.press(page, id_number=ID_NUMBER, password=PASSWORD)
    assert (page.status, page.path.endswith("/one-time-code"), page.errors) == (200, True, [])
    assert (bool(first.received), len(second.received)) == (True, 1)
