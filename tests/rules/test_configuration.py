import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from idp import config
from tests.instances import ROOT

EXAMPLE = ROOT / "config.example.toml"
TABLE = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})


def keys(model: type[BaseModel], table: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Give each key with the value of the example, or `None` where it lacks it, and the default of the product."""
    for name, field in model.model_fields.items():
        shown = table.get(name)
        section = section_of(field.annotation)
        if section is None:
            yield place + name, shown, field.get_default(call_default_factory=True)
            continue
        for item in shown if isinstance(shown, list) else [shown]:
            yield from keys(section, item or {}, f"{place}{name}.")


def section_of(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)


def comments() -> Iterator[tuple[str, str]]:
    """Give each key of the file as it is written, with the comment above it; keys that follow each other share one."""
    place, comment, block_ended = "", "", True
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\[+([\w.]+)\]+$", line):
            place = found[1] + "."
        elif line.startswith("#"):
            comment = line[1:] if block_ended else comment + line[1:]
            block_ended = False
        elif found := re.match(r"(\w+) = ", line):
            yield place + found[1], comment
        block_ended = block_ended or not line.startswith("#")


def test_the_example_loads() -> None:
    loaded = config.load(EXAMPLE)

    assert loaded.mode == "production"
    assert loaded.keys.folder == ROOT / "keys"


def test_the_example_shows_every_key() -> None:
    assert [name for name, shown, _ in keys(config.Config, TABLE) if shown is None] == []


def test_every_key_is_explained() -> None:
    # The second gateway repeats the keys of the first, and each kind of evidence is a word of the table that is explained.
    explained = [(name, comment) for name, comment in comments() if not name.startswith("outside.sms.")]

    assert [name for name, comment in explained if not comment.strip()] == []
    assert len(explained) > 60


def test_what_is_shown_is_the_default_unless_the_comment_says_so() -> None:
    defaults = {name: (shown, default) for name, shown, default in keys(config.Config, TABLE)}
    explained = dict(comments())

    def is_default(shown: object, default: object) -> bool:
        shown = config._duration(shown) if type(default).__name__ == "timedelta" else shown
        return as_text(shown) == as_text(default)

    wrong = [name for name, (shown, default) in defaults.items() if not is_default(shown, default)]
    assert [name for name in wrong if "default" not in explained.get(name, "").lower() and not name.startswith("outside.")] == []


def as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return str([as_text(item) for item in value])
    return str({key: as_text(item) for key, item in value.items()}) if isinstance(value, dict) else str(value)
