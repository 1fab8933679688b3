"""What one of many does at once with the others: each attack is made ready for a thread, and then run when all are ready."""

import re
from collections.abc import Callable
from typing import Any

from idp.errors import SenidError
from idp.identity.one_time_codes import Purpose
from idp.identity.proofing import NewEvidence
from idp.promises import CarrierAnswer, CarrierVerdict
from tests.fakes import ALL_FIELDS
from tests.world import World, answer_of, token_request

WON = "won"
Step = Callable[[], tuple[str, dict[str, Any]]]
Maker = Callable[[World, int, dict[str, Any]], Step]

ATTACKS: dict[str, Maker] = {}
_ERROR_CODE = re.compile(r'data-error="([a-z_]+)"')


def attack(make: Maker) -> Maker:
    """Put an attack into the table, by the name of its function."""
    ATTACKS[make.__name__] = make
    return make


def _verb(run: Callable[[], object]) -> Step:
    """Give a step that runs a verb of the domain; it ends as `won` with what the verb gave, or with the code of the verb's error."""

    def step() -> tuple[str, dict[str, Any]]:
        try:
            return WON, {"value": run()}
        except SenidError as error:
            return error.code, {}

    return step


# --- at the token endpoint ----------------------------------------------------------------------------------------------------------


def _token_request(world: World, named: dict[str, Any], form: dict[str, str | None]) -> Step:
    client, browser = world.services.clients.get(named["client_id"]), world.browser()

    def step() -> tuple[str, dict[str, Any]]:
        answer = token_request(browser, client, named["secret"], form)
        body = answer.json or {}
        return (WON, body) if answer.status_code == 200 else (str(body["error"]), {})

    return step


@attack
def redeem(world: World, number: int, named: dict[str, Any]) -> Step:
    form = {"grant_type": "authorization_code", **{name: named[name] for name in ("code", "redirect_uri", "code_verifier")}}
    return _token_request(world, named, form)


@attack
def refresh(world: World, number: int, named: dict[str, Any]) -> Step:
    return _token_request(world, named, {"grant_type": "refresh_token", "refresh_token": named["refresh_token"]})


@attack
def take_code(world: World, number: int, named: dict[str, Any]) -> Step:
    client = world.services.clients.get(named["client_id"])
    return _verb(lambda: world.services.authorization_codes.redeem(named["code"], client).grant.id)


# --- at the dispatcher --------------------------------------------------------------------------------------------------------------


@attack
def finish(world: World, number: int, named: dict[str, Any]) -> Step:
    interaction = world.services.interactions.get(named["id"], browser_hash=named["browser_hash"])
    return _verb(lambda: world.services.interactions.finish(interaction))


@attack
def dispatch(world: World, number: int, named: dict[str, Any]) -> Step:
    browser = world.browser()
    for name, value in named["cookies"].items():
        browser.set_cookie(name, value, domain="localhost")

    def step() -> tuple[str, dict[str, Any]]:
        answer = browser.get(f"/authorize/{named['id']}")
        if answer.status_code == 303:
            return WON, answer_of(answer)
        found = _ERROR_CODE.search(answer.text)
        return (found[1] if found else str(answer.status_code)), {}

    return step


# --- people -------------------------------------------------------------------------------------------------------------------------


@attack
def verify(world: World, number: int, named: dict[str, Any]) -> Step:
    codes = world.services.one_time_codes
    return _verb(lambda: codes.verify(named["challenge"], named["code"], purpose=Purpose.SIGN_IN, owner=named["owner"]).e164)


@attack
def prove(world: World, number: int, named: dict[str, Any]) -> Step:
    draft = world.services.drafts.get_for_job(named["draft"])
    return _verb(lambda: world.services.drafts.prove_phone(draft.id, phone=draft.applicant.phone))


@attack
def settle(world: World, number: int, named: dict[str, Any]) -> Step:
    """Let every second one bring a match, and the others a refusal."""
    draft = world.services.drafts.get_for_job(named["draft"])
    verdict = CarrierVerdict.MATCH if number % 2 else CarrierVerdict.MISMATCH
    answer = CarrierAnswer(verdict, "viettel", ALL_FIELDS if number % 2 else ())
    return _verb(lambda: world.services.drafts.settle(draft, answer))


@attack
def wait(world: World, number: int, named: dict[str, Any]) -> Step:
    return _verb(lambda: world.services.drafts.wait(named["draft"]))


@attack
def register(world: World, number: int, named: dict[str, Any]) -> Step:
    """Let each draft have its share of the attackers."""
    services = world.services
    draft = services.drafts.get_for_job(named["drafts"][number % len(named["drafts"])])
    evidence = NewEvidence("mobile_subscriber", "viettel", "match", ALL_FIELDS, services.clock.now(), reference=draft.id)
    return _verb(
        lambda: services.accounts.register(
            draft.applicant, password_hash="hash", evidence=evidence, language="vi", phone_cap=named["cap"], draft_id=draft.id
        )
    )


@attack
def agree(world: World, number: int, named: dict[str, Any]) -> Step:
    """Let each agree to a scope of its own."""
    client = world.services.clients.get(named["client_id"])
    return _verb(lambda: world.services.consents.record(named["account"], client, (f"scope-{number}",)))


@attack
def withdraw(world: World, number: int, named: dict[str, Any]) -> Step:
    return _verb(lambda: world.services.consents.withdraw(named["account"], named["client_id"]))


@attack
def name_subject(world: World, number: int, named: dict[str, Any]) -> Step:
    client = world.services.clients.get(named["client_id"])
    return _verb(lambda: world.services.subjects.get(named["account"], client))
