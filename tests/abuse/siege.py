"""One route under attack: each bad request meets the same state, and what it may not leave behind is looked for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.abuse import judge
from tests.abuse.calls import Answer, Call, Fields, send
from tests.abuse.recipes import Recipe, Target, is_of_people
from tests.abuse.stage import Rows, Snapshot, Stage, changed, growth
from tests.flows.register.office import wait_for_codes


@dataclass
class Siege:
    """A good request to a route, the state in which it is good, and the problems that bad ones have shown."""

    stage: Stage
    target: Target
    before: Rows
    snapshot: Snapshot
    good: Answer
    good_growth: dict[str, int]
    at: datetime
    problems: list[str] = field(default_factory=list)

    @classmethod
    def lay(cls, stage: Stage, recipe: Recipe) -> "Siege":
        """Come to where the good request is good, and see that it is; a stage remembers each of its sieges."""
        if recipe not in stage.sieges:
            stage.sieges[recipe] = cls.lay_anew(stage, recipe)
        siege = stage.sieges[recipe]
        assert isinstance(siege, cls)
        siege.problems = []
        siege.restore()
        stage.forget_clients()
        return siege

    @classmethod
    def lay_anew(cls, stage: Stage, recipe: Recipe) -> "Siege":
        """Come there for a test that changes the state, and that nobody else shall find changed."""
        stage.begin()
        target = recipe(stage)
        wait_for_codes()
        before, snapshot = stage.rows(), stage.snapshot()
        good = send(stage.world.app, target.call, dict(target.jar))
        wait_for_codes()
        assert not judge.is_refused(good), (good.status, good.text[:500])
        siege = cls(stage, target, before, snapshot, good, growth(before, stage.rows()), stage.office.clock.now())
        found = list(siege.judged(good, target.call))
        assert not found, found
        return siege

    def restore(self) -> None:
        """Go back to where the good request is good."""
        self.snapshot.restore()
        self.stage.office.clock.move(self.at - self.stage.office.clock.now())

    def judged(self, answer: Answer, call: Call) -> Iterator[str]:
        """Give the problems of an answer; a path that software does not know is taken for a person's."""
        is_for_software = self.target.is_for_software and not is_of_people(self.stage, call.path)
        return judge.problems(answer, call, is_for_software=is_for_software)

    def attack(
        self, label: str, call: Call, *, jar: dict[str, str] | None = None, is_refused: bool = False, goes_on: bool = False
    ) -> Answer:
        """Send a bad request; `is_refused` says that it has to be, `goes_on` that the good request then works as if nothing had been."""
        jar = dict(self.target.jar if jar is None else jar)
        version = self.stage.version()
        answer = send(self.stage.world.app, call, jar)
        wait_for_codes()
        after = self.before if self.stage.version() == version else self.stage.rows()
        found = [*self.judged(answer, call), *self._traces(answer, after)]
        if is_refused and not judge.is_refused(answer):
            found.append(f"accepted with {answer.status}")
        if goes_on:
            found += self._standstill(jar)
        self.restore()
        self.problems += [f"{label}: {problem}" for problem in found]
        return answer

    def _traces(self, answer: Answer, after: Rows) -> Iterator[str]:
        """Tell what was half written: a refused request writes nothing, an accepted one what a good one writes, or nothing."""
        grown = growth(self.before, after)
        if judge.is_refused(answer) and not (grown and grown == self.target.other_growth):
            yield from (f"refused, and {table} is changed" for table in changed(self.before, after))
        elif grown not in ({}, self.good_growth, self.target.other_growth):
            yield f"wrote {grown} instead of {self.good_growth}"

    def _standstill(self, jar: dict[str, str]) -> Iterator[str]:
        again = send(self.stage.world.app, self.target.call, jar)
        wait_for_codes()
        if again.status != self.good.status or judge.is_refused(again):
            yield f"the good request then is answered {again.status}"
        if growth(self.before, self.stage.rows()) != self.good_growth:
            yield "the good request then writes something else"

    def without(self, name: str) -> Fields:
        """Give the good fields but one."""
        return tuple(pair for pair in self.target.fields if pair[0] != name)
