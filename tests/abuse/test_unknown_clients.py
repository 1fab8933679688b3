"""Unknown and disabled clients, at every endpoint that names one and halfway through: a clear answer, and nothing told or done."""

import base64
import json

import pytest

from tests.abuse.calls import Call
from tests.abuse.recipes import RECIPES, at_consent, at_password, at_step_up
from tests.abuse.siege import Siege
from tests.abuse.stage import ID_NUMBER, Stage
from tests.flows.sign_in.person import Page, Person
from tests.world import PASSWORD


def unknown(stage: Stage) -> tuple[str, ...]:
    """Give names that no portal has, some of them nearly."""
    known = stage.client.client_id
    return ("nobody", known[:-1], known.upper(), f"{known} ", f"{known}\u200b", f"{known}%00", "%", "'", "x" * 5000, "*", "null")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_authorize(stage: Stage, method: str) -> None:
    siege = Siege.lay(stage, RECIPES.all()[f"{method} /authorize"])
    for name in unknown(stage):
        answer = siege.attack(name[:20], siege.target.with_fields((*siege.without("client_id"), ("client_id", name))), is_refused=True)
        assert 'data-error="unknown_client"' in answer.text, name
    assert siege.problems == []


def test_token(stage: Stage) -> None:
    """An unknown client is told what a known one with a wrong secret is told."""
    siege = Siege.lay(stage, RECIPES.all()["POST /token with a code"])
    answers = {siege.attack(name[:20], with_credentials(siege, name, stage.secret), is_refused=True).body for name in unknown(stage)}
    answers.add(siege.attack("a wrong secret", with_credentials(siege, stage.client.client_id, "wrong"), is_refused=True).body)
    answers.add(siege.attack("no secret", with_credentials(siege, stage.client.client_id, ""), is_refused=True).body)
    assert [json.loads(answer)["error"] for answer in answers] == ["invalid_client"]
    assert siege.problems == []


def with_credentials(siege: Siege, client_id: str, secret: str) -> Call:
    """Give the token request with other credentials."""
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return Call.with_fields("POST", "/token", siege.target.fields, {"Authorization": f"Basic {encoded}"})


def test_end_session(stage: Stage) -> None:
    siege = Siege.lay(stage, RECIPES.all()["GET /end_session"])
    for name in unknown(stage):
        siege.attack(name[:20], siege.target.with_fields((*siege.without("client_id"), ("client_id", name))), is_refused=True)
    without_hint = tuple(pair for pair in siege.without("id_token_hint") if pair[0] != "client_id")
    for name in unknown(stage):
        siege.attack(f"{name[:20]} without a hint", siege.target.with_fields((*without_hint, ("client_id", name))), is_refused=True)
    assert siege.problems == []


@pytest.mark.parametrize("name", ["GET /userinfo", "POST /token with a code", "POST /token with a refresh token"])
def test_a_client_that_is_disabled_has_no_tokens_and_no_claims(stage: Stage, name: str) -> None:
    siege = Siege.lay_anew(stage, RECIPES.all()[name])
    stage.services.clients.disable(stage.client.client_id)
    siege.before = stage.rows()
    answer = siege.attack(name, siege.target.call, is_refused=True)

    assert json.loads(answer.body)["error"] == ("invalid_token" if name == "GET /userinfo" else "invalid_client")
    assert siege.problems == []


@pytest.mark.parametrize("where", ["password", "consent", "step-up"])
def test_a_client_that_is_disabled_in_the_middle(stage: Stage, where: str) -> None:
    """The person is told on a page; nobody is sent to the portal any more."""
    stage.begin()
    person, page = came_to(stage, where)
    stage.services.clients.disable(stage.client.client_id)
    after = person.press(page, **({"id_number": ID_NUMBER, "password": PASSWORD} if where == "password" else {}))

    for shown in (after, person.open(f"/authorize/{page.path.split('/')[2]}")):
        assert (shown.status, shown.errors, shown.left_for) == (400, ["unknown_client"], "")


def came_to(stage: Stage, where: str) -> tuple[Person, Page]:
    """Come from the portal to one of the pages on the way back."""
    if where == "password":
        person = stage.person()
        return person, at_password(stage, person)
    person = stage.signed_in(*(("pwd",) if where == "step-up" else ()))
    return person, at_step_up(stage, person) if where == "step-up" else at_consent(stage, person)
