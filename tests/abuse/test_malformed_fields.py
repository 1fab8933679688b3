"""Malformed, missing, oversized, non-UTF-8 and wrong-type values in each field of every endpoint and form."""

from dataclasses import dataclass

from tests.abuse.calls import escaped
from tests.abuse.recipes import RECIPES, Recipe, every_route, routes_of
from tests.abuse.siege import Siege
from tests.abuse.stage import Stage

NASTY = "\"'><script>alert(1)</script>--\r\nSet-Cookie: x=1\r\n\r\n{0.__class__}{{7*7}}%(x)s\u202e\u0301\U0001f600"
SIGNED = {"csrf_token", "client_secret"}  # anything but the right value is refused


@dataclass(frozen=True)
class Junk:
    """A bad value of a field, percent-encoded; None takes the field out. `is_malformed` cannot be read as text at all."""

    label: str
    value: str | None
    is_malformed: bool = False


JUNK = (
    Junk("missing", None),
    Junk("of 8 KB", "x" * 8192),
    Junk("of 8 KB, with accents", "%e1%ba%bf" * 64 + "x" * 8000),
    Junk("of 9 KB", "x" * 9216),
    Junk("JSON", escaped('{"a":[1,null,{"b":"c"}]}')),
    Junk("a number of 5000 digits", "9" * 5000),
    Junk("markup and line ends", escaped(NASTY)),
    Junk("not UTF-8", "%ff%fe", is_malformed=True),
    Junk("half a surrogate", "%ed%a0%80", is_malformed=True),
    Junk("a NUL", "a%00b", is_malformed=True),
)


def test_every_route_is_attacked(stage: Stage) -> None:
    """A new route needs its good request in `recipes.py`; one that is gone must leave it."""
    assert set(RECIPES.by_route) == routes_of(stage)


@every_route()
def test_each_field(stage: Stage, recipe: Recipe) -> None:
    siege = Siege.lay(stage, recipe)
    for name in [*dict(siege.target.fields), *sorted(siege.target.more)]:
        for junk in JUNK:
            if junk.value is not None or name in dict(siege.target.fields):
                attack_field(siege, name, junk)
        # As other frameworks write an array.
        value = dict(siege.target.fields).get(name, "x")
        array = siege.target.with_fields((*siege.without(name), (f"{name}[]", value)))
        siege.attack(f"{name}[]", array, is_refused=name in siege.target.required)
    assert siege.problems == []


def attack_field(siege: Siege, name: str, junk: Junk) -> None:
    """Put junk into a field, or beside the others where the good request does not have it."""
    target, rest = siege.target, siege.target.with_fields(siege.without(name)).raw
    raw = rest if junk.value is None else "&".join(filter(None, (rest, f"{escaped(name)}={junk.value}")))
    is_needed = name in target.required and junk.value is None
    is_refused = is_needed or name in SIGNED & target.required or (junk.is_malformed and target.is_strict)
    siege.attack(f"{name} {junk.label}", target.call.with_raw(raw), is_refused=is_refused)
