import os
import re
import subprocess
import sys

from idp import errors
from tests.instances import ROOT
from tests.rules import source

CATALOGUE = list(errors.catalogue())


def test_the_table_in_the_documents_is_the_generated_one() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "errors_table.py", "--print"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert made.stdout == (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), "run scripts/errors_table.py"


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in CATALOGUE]

    assert len(codes) > 60
    assert sorted(set(codes)) == sorted(codes)


def test_every_error_says_what_it_means() -> None:
    assert [error.code for error in CATALOGUE if "__doc__" not in vars(error) or not error.__doc__] == []


def test_an_error_has_one_audience() -> None:
    audiences = (errors.ShownError, errors.ReturnedError, errors.JsonError)
    neither = [error.code for error in CATALOGUE if sum(issubclass(error, audience) for audience in audiences) != 1]

    assert neither == ["store_unavailable", "config_error"]


def test_descriptions_are_ascii() -> None:
    # RFC 6749 4.1.2.1 and 5.2: %x20-21 / %x23-5B / %x5D-7E
    descriptions = [error.default_description for error in CATALOGUE if issubclass(error, errors.ReturnedError | errors.JsonError)]

    assert any(descriptions)
    assert [text for text in descriptions if not text.isascii() or set(text) & set('"\\') or not text.isprintable()] == []


def test_every_error_is_told_by_somebody() -> None:
    texts = [path.read_text(encoding="utf-8") for path in source.python_files("idp") if source.name(path) != "idp/errors.py"]
    told = {word for text in texts for word in re.findall(r"\w+", text)}

    assert [error.__name__ for error in CATALOGUE if error.__name__ not in told] == []
