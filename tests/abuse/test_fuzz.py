"""Random requests to all routes: no defect, nothing slow, no way out to an unregistered place, and the headers on every answer."""

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from tests.abuse import fuzz_report, siege
from tests.abuse.calls import Answer, send
from tests.abuse.fuzz import Fuzz, make, stale_of
from tests.abuse.mutations import GENTLE, WILD, Draft, Material
from tests.abuse.recipes import RECIPES
from tests.abuse.siege import Siege
from tests.abuse.stage import Stage

SEED_VARIABLE = "FUZZ_SEED"  # repeats a run: the seed stands beside every problem
LEAST_REQUESTS = 5000
EACH_LONG = 100


def seed_of_today() -> int:
    """Give a seed that is another one every day, so that the short runs see new things."""
    return int(os.environ.get(SEED_VARIABLE) or dt.datetime.now(dt.UTC).strftime("%Y%m%d"))


def assert_nothing_found(fuzz: Fuzz) -> None:
    assert fuzz.problems == [], "\n".join(fuzz.problems[:20])


def assert_it_came_far(fuzz: Fuzz) -> None:
    """Half of the requests stay good, and every route has answered some as it answers the good one."""
    total = fuzz.total
    assert total.gentle * 2 >= total.statuses.total()
    assert total.gentle_successes == total.gentle
    assert [name for name, tally in fuzz.tallies.items() if not tally.successes] == []
    assert fuzz.tallies.keys() == RECIPES.all().keys()


@pytest.mark.parametrize("seed", [1, 2, "of today"])
def test_short_fuzz(stage: Stage, seed: int | str) -> None:
    fuzz = Fuzz(stage, seed if isinstance(seed, int) else seed_of_today()).run(each=2)

    assert_nothing_found(fuzz)
    assert_it_came_far(fuzz)


@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_long_fuzz(stage: Stage) -> None:
    """Its last result is docs/fuzz.md."""
    fuzz = Fuzz(stage, seed_of_today()).run(each=EACH_LONG)
    fuzz_report.write(fuzz)

    assert_nothing_found(fuzz)
    assert_it_came_far(fuzz)
    assert fuzz.total.statuses.total() >= LEAST_REQUESTS
    assert fuzz.mutations.keys() == {*GENTLE, *WILD}


def test_every_grant_has_a_good_request(stage: Stage) -> None:
    """A new `grant_type` of the token endpoint needs a recipe, as a new route does."""
    sent = {dict(Siege.lay(stage, recipe).target.fields)["grant_type"] for recipe in RECIPES.by_route["POST", "/token"].values()}
    document = stage.world.browser().get("/.well-known/openid-configuration").json

    assert sent == set((document or {})["grant_types_supported"])


def test_the_same_seed_makes_the_same_requests(stage: Stage) -> None:
    recipe = RECIPES.all()["GET /authorize"]
    material = Material(Siege.lay(stage, recipe).target, stage.stranger, stale_of(stage))
    first, again, other = ([make(material, seed, "x", number) for number in range(50)] for seed in (1, 1, 2))

    assert first == again
    assert first != other


# --- one mutation, many times -------------------------------------------------------------------------------------------------------


def mutated(stage: Stage, name: str, mutation: str, times: int) -> list[str]:
    """Attack one route with one mutation; gives the problems."""
    laid = Siege.lay(stage, RECIPES.all()[name])
    material = Material(laid.target, stage.stranger, stale_of(stage))
    for number in range(times):
        chance = Random(f"{mutation}/{number}")  # noqa: S311 - it has to come again
        draft = WILD[mutation](Draft.of(laid.target), chance, material)
        laid.attack(f"{mutation} {number}: {draft.done()!r}", draft.done(), jar=dict(draft.jar))
    return laid.problems


@pytest.mark.parametrize("name", ["GET /authorize", "POST /authorize"])
def test_claims_of_any_depth(stage: Stage, name: str) -> None:
    assert mutated(stage, name, "strange_claims", 60) == []


@pytest.mark.parametrize("name", ["GET /authorize", "POST /end_session", "POST /token with an assertion"])
def test_tokens_mangled_in_every_way(stage: Stage, name: str) -> None:
    assert mutated(stage, name, "mangled_jwt", 120) == []


@pytest.mark.parametrize("name", ["GET /authorize", "POST /authorize"])
def test_numbers_out_of_range(stage: Stage, name: str) -> None:
    assert mutated(stage, name, "numbers_out_of_range", 80) == []


# --- what the fuzzer would see ------------------------------------------------------------------------------------------------------


def defects(good: Answer) -> Iterator[tuple[str, Answer]]:
    """Give answers that no request may get, and what is said of each."""
    headers = dict(good.headers)
    yield "status 500", replace(good, status=500)
    yield "status 503", replace(good, status=503)
    yield "took 2.5 seconds", replace(good, seconds=2.5)
    yield (
        "leads to https://evil.example",
        replace(good, status=303, headers=tuple({**headers, "Location": "https://evil.example/"}.items())),
    )
    yield "leads to //evil.example", replace(good, status=303, headers=tuple({**headers, "Location": "//evil.example/"}.items()))
    yield "no policy", replace(good, headers=tuple((name, value) for name, value in good.headers if name != "Content-Security-Policy"))
    yield "may be cached", replace(good, headers=tuple((name, value) for name, value in good.headers if name != "Cache-Control"))
    yield "a script of the attacker", replace(good, body=b"<script>alert(1)</script>")
    yield "a page without an error of ours", replace(good, status=400, body=b'<html lang="vi"><h1></h1><p data-error="made_up">')
    yield "a line end in X", replace(good, headers=(*good.headers, ("X", "a\r\nb")))


def test_the_fuzzer_sees_what_may_not_be(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Siege.lay(stage, RECIPES.all()["GET /sign-in/<interaction_id>/password"]).good
    for said, defect in defects(good):
        with monkeypatch.context() as patch:
            patch.setattr(siege, "send", lambda *_, defect=defect: defect)
            found = Fuzz(stage, 1).run(each=1, only="GET /sign-in/<interaction_id>/password").problems
        assert any(said in problem and "seed 1, number 0" in problem for problem in found), (said, found)


def test_the_fuzzer_sees_what_is_half_written(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused request that has left something behind is a problem, whatever its answer looks like."""
    name = "POST /token with a refresh token"
    laid = Siege.lay(stage, RECIPES.all()[name])
    refused = laid.attack("", laid.target.call.with_raw("grant_type=refresh_token"))

    def careless(*_: object) -> Answer:
        send(stage.world.app, laid.target.call, dict(laid.target.jar))
        return refused

    monkeypatch.setattr(siege, "send", careless)
    found = Fuzz(stage, 1).run(each=1, only=name).problems

    assert any("refused, and refresh_tokens is changed" in problem for problem in found), found
