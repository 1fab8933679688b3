"""Random requests to every route, each a mutation of a good one in the state where that one is good; chance comes from a seed."""

import time
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.abuse.calls import Answer, Call
from tests.abuse.judge import is_refused
from tests.abuse.mutations import GENTLE, WILD, Draft, Material, Mutation
from tests.abuse.recipes import RECIPES, Recipe
from tests.abuse.siege import Siege
from tests.abuse.stage import Stage

LONGEST_WALL_SECONDS = 60.0  # far beyond what a busy machine needs; the processor's time is held by the judge
GENTLE_SHARE = 2  # every second request is a gentle one


@dataclass(frozen=True)
class Made:
    """One random request."""

    call: Call
    jar: dict[str, str]
    mutations: tuple[str, ...]
    is_gentle: bool


@dataclass
class Tally:
    """What came of the requests to one route."""

    statuses: Counter[int] = field(default_factory=Counter)
    gentle: int = 0
    gentle_successes: int = 0
    successes: int = 0
    slowest: float = 0.0


@dataclass
class Fuzz:
    """A run of the fuzzer: the same seed makes the same choices."""

    stage: Stage
    seed: int
    tallies: dict[str, Tally] = field(default_factory=dict)
    mutations: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def run(self, each: int, *, only: str = "") -> "Fuzz":
        """Send so many requests to every route."""
        for name, recipe in RECIPES.all().items():
            if only in name:
                self._besiege(name, recipe, each)
        return self

    @property
    def total(self) -> Tally:
        """Give the sum over all routes."""
        total = Tally()
        for tally in self.tallies.values():
            total.statuses += tally.statuses
            total.gentle += tally.gentle
            total.gentle_successes += tally.gentle_successes
            total.successes += tally.successes
            total.slowest = max(total.slowest, tally.slowest)
        return total

    def _besiege(self, name: str, recipe: Recipe, each: int) -> None:
        siege = Siege.lay(self.stage, recipe)
        material = Material(siege.target, self.stage.stranger, stale_of(self.stage))
        for number in range(each):
            made = make(material, self.seed, name, number)
            self.mutations.update(made.mutations)
            siege.problems = []
            started = time.monotonic()
            answer = siege.attack("", made.call, jar=made.jar)
            if time.monotonic() - started > LONGEST_WALL_SECONDS:
                siege.problems.append("no answer in a minute")
            self._note(name, siege, made, answer)
            self.problems += [
                f"{name}{problem}\n  seed {self.seed}, number {number}, {made.mutations}: {told(made)}" for problem in siege.problems
            ]

    def _note(self, name: str, siege: Siege, made: Made, answer: Answer) -> None:
        tally = self.tallies.setdefault(name, Tally())
        succeeded = not is_refused(answer) and (answer.status, answer.kind) == (siege.good.status, siege.good.kind)
        tally.statuses[answer.status] += 1
        tally.successes += succeeded
        tally.gentle += made.is_gentle
        tally.gentle_successes += succeeded and made.is_gentle
        tally.slowest = max(tally.slowest, answer.seconds)


def make(material: Material, seed: int, name: str, number: int) -> Made:
    """Make the request of a number: gentle in turns, else with up to three wild mutations, and gentle ones among them."""
    chance = Random(f"{seed}/{name}/{number}")  # noqa: S311 - nobody shall guess nothing here: it has to come again
    is_gentle = number % GENTLE_SHARE == 0
    chosen = choose(chance, GENTLE, chance.randint(1, 3) if is_gentle else chance.randint(0, 1))
    if not is_gentle:
        chosen |= choose(chance, WILD, chance.choice((1, 1, 2, 3)))
    draft = Draft.of(material.target)
    for mutation in chosen.values():
        draft = mutation(draft, chance, material)
    return Made(draft.done(), dict(draft.jar), tuple(chosen), is_gentle)


def choose(chance: Random, mutations: dict[str, Mutation], count: int) -> dict[str, Mutation]:
    """Choose some."""
    return {name: mutations[name] for name in chance.sample(sorted(mutations), count)}


def stale_of(stage: Stage) -> dict[str, str]:
    """Give what was good once, by the name of its field."""
    stranger = stage.stranger
    return {
        "code": stranger.spent,
        "id_token_hint": stranger.tokens["id_token"],
        "access_token": stranger.tokens["access_token"][::-1],
        "refresh_token": stranger.tokens["refresh_token"][::-1],
        "csrf_token": "x" * 43,
        "otp": "000000",
        "captcha_id": "y" * 43,
    }


def told(made: Made) -> str:
    """Tell a request so that it can be sent again, in the siege of its route."""
    return f"send(stage.world.app, {made.call!r}, {made.jar!r})"
