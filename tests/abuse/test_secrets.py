"""No token, code, cookie, password or personal datum leaves the provider where it does not belong, nor lies readable in its files."""

import base64
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from idp.safety.encryption import Encryption, KeyRing
from tests.abuse.journey import TRAVELLERS, Traces, forms_of, traces_of_journey
from tests.abuse.stores import CANARY
from tests.instances import ROOT

if TYPE_CHECKING:
    from idp.storage.db import Database

DIGITS_OF_A_CODE = 6
SHORTEST = 6  # characters that every form of a secret has
DEFECTS = 6  # three kinds, each provoked for both travellers
# Typed into a form, these are shown in it again when something else is wrong.
TYPED = {"id_number", "full_name", "birth_date", "phone", "email"}
OF_THE_SERVER = re.compile(r"^\[INFO\] ")
TIMESTAMP = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+")


@pytest.fixture(scope="module", params=["files", "servers"])
def traces(request: pytest.FixtureRequest) -> Traces:
    return traces_of_journey(request.param)


# --- the search ---------------------------------------------------------------------------------------------------------------------


@cache
def disguises(secret: str) -> dict[bytes, str]:
    """Give what a secret looks like in logs, addresses, databases and traces of errors, and why; in small letters."""
    return {form.lower(): how for how, form in all_disguises(secret)}


def all_disguises(secret: str) -> Iterator[tuple[str, bytes]]:
    """Give every way to write a secret; for some secrets several are the same."""
    data = secret.encode()
    yield "as it is", data
    yield "in capitals", secret.upper().encode()
    yield "in small letters", secret.lower().encode()
    yield "folded", secret.casefold().encode()
    yield "decomposed", unicodedata.normalize("NFD", secret).encode()
    yield "without accents", without_accents(secret).encode()
    yield "in an address", quote(secret, safe="").encode()
    yield "in a form", quote_plus(secret).encode()
    yield "in an address, encoded twice", quote(quote(secret, safe=""), safe="").encode()
    yield "in JSON", json.dumps(secret)[1:-1].encode()
    yield "in a page", escape(secret).encode()
    yield "as bytes are shown", repr(data)[2:-1].encode()
    yield "in UTF-16", secret.encode("utf-16-le")
    yield "in UTF-16, high byte first", secret.encode("utf-16-be")
    yield "in Latin letters that an editor has spoilt", data.decode("latin-1").encode()
    yield "in hexadecimal", data.hex().encode()
    yield "backwards", secret[::-1].encode()
    for shift in range(3):
        # The first and the last characters depend on what stands around the secret.
        encoded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")[(0, 2, 3)[shift] : len(data) * 8 // 6 + shift]
        yield "in base64", encoded
        yield "in base64 for addresses", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def without_accents(name: str) -> str:
    """Give a name as text messages have it."""
    plain = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    return "".join(char for char in plain if not unicodedata.combining(char))


def found_in(written: bytes, secrets: dict[str, str]) -> list[str]:
    """Give which secrets stand in what was written, and how; whether letters are small or capital does not matter."""
    written = TIMESTAMP.sub(b"", written).lower()
    forms = [(name, secret, form, how) for name, secret in secrets.items() for form, how in disguises(secret).items()]
    begins = beginnings(written, {form[:SHORTEST] for _, _, form, _ in forms})
    return [f"{name} {how}" for name, secret, form, how in forms if form[:SHORTEST] in begins and is_in(written, form, secret)]


def beginnings(written: bytes, wanted: set[bytes]) -> set[bytes]:
    """Give those beginnings that stand in what was written, in one pass: there are thousands of forms and megabytes to search."""
    assert all(len(one) == SHORTEST for one in wanted)
    return {piece for at in range(len(written)) if (piece := written[at : at + SHORTEST]) in wanted}


def is_in(written: bytes, form: bytes, secret: str) -> bool:
    """Tell whether a form of a secret stands there; six digits count only where they are a number of their own."""
    if form not in written:
        return False
    is_code = len(secret) == DIGITS_OF_A_CODE and form.isdigit() and len(form) == DIGITS_OF_A_CODE
    return not is_code or re.search(rb"(?<![0-9a-f.-])" + form + rb"(?![0-9a-f-])", written) is not None


def all_secrets(traces: Traces, *, but: set[str] = frozenset()) -> dict[str, str]:  # type: ignore[assignment] # an empty set
    """Give every secret of the journey, in every form that people give it."""
    secrets = {name: value for name, value in traces.secrets.items() if value and name.split()[-1] not in but}
    for who in TRAVELLERS:
        for name, forms in forms_of(who).items():
            if name not in but:
                secrets |= {f"{who.language} {name} {number}": form for number, form in enumerate(forms)}
    return secrets


# --- what could tell ------------------------------------------------------------------------------------------------------------------

# What a process says after it has configured its log at DEBUG: by a logger of ours, and by those of the libraries.
PROGRAM = """
import logging, structlog
from idp.edge import logs
logs.configure("DEBUG")
structlog.get_logger("senid.test").debug("said", code="known", password="s3cret", anything="s3cret")
for name in ("psycopg", "redis", "sqlalchemy.engine.Engine", "sqlalchemy.pool", "authlib.oauth2", "httpx2", "httpcore2", "granian.access"):
    logging.getLogger(name).debug("%s says s3cret", name)
for name in ("sqlalchemy.engine.Engine", "authlib.oauth2", "httpx2", "werkzeug", "granian.access"):
    logging.getLogger(name).info("%s says s3cret", name)
"""


def test_log_drops_what_nobody_listed_and_what_libraries_say() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment).stderr

    assert '"event": "said"' in said
    assert '"code": "known"' in said
    assert "s3cret" not in said


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_errors_of_the_database_hold_no_value(kind: str, request: pytest.FixtureRequest) -> None:
    database = cast("Database", request.getfixturevalue(f"{kind}_database"))
    with pytest.raises(SQLAlchemyError) as caught, database.transaction() as tx:
        tx.execute(text("INSERT INTO no_such_table VALUES (:secret)"), {"secret": "s3cret"})

    assert "s3cret" not in str(caught.value) + repr(caught.value)


def test_hashes_of_what_could_be_guessed_need_a_key(tmp_path: Path) -> None:
    """There are few ID numbers and phones: whoever reads the stores could try them all."""
    here, there = (Encryption(KeyRing.load(tmp_path / name)) for name in ("here", "there"))

    assert here.index("phone", "+84987314026") != there.index("phone", "+84987314026")
    assert here.store_name("+84987314026") != there.store_name("+84987314026")


# --- what it finds ------------------------------------------------------------------------------------------------------------------


def test_search_finds_what_is_there() -> None:
    for secret in ("031187204519", "Đặng Quốc Ngữ Khuê", "a-_token/with+everything=", "481516", CANARY):
        for how, form in all_disguises(secret):
            for spelt in (form, form.upper(), form.lower()):
                assert found_in(b"\x01 before " + spelt + b" after", {"secret": secret}), how
        for around in (b"", b"x", b"xy", b"xyz"):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                wrapped = encode(around + secret.encode() + around)
                assert found_in(wrapped, {"secret": secret}), (secret, around)


def test_search_finds_every_way_to_write_what_a_person_is_known_by() -> None:
    who = TRAVELLERS[0]
    for name, written in {
        "phone": ("0987314026", "+84987314026", "84 987 314 026", "098 731 4026", "(+84) 987-314-026", "0987.314.026"),
        "birth_date": ("29/08/1987", "1987-08-29", "29081987", "19870829", "29-08-1987", "29/8/1987", "1987/08/29", "29%2F08%2F1987"),
        "full_name": (
            "Lường Thị Huyền Trân",
            "LƯỜNG THỊ HUYỀN TRÂN",
            "luong thi huyen tran",
            "Huyền Trân",
            "L\\u01b0\\u1eddng Th\\u1ecb Huy\\u1ec1n Tr\\u00e2n",
        ),
    }.items():
        secrets = {str(number): form for number, form in enumerate(forms_of(who)[name])}
        for form in written:
            assert found_in(f"x={form}&y".encode(), secrets), form


def test_search_leaves_digits_of_something_else_alone() -> None:
    assert found_in(b"2026-01-02T03:04:05.481516Z a481516b 14815162", {"code": "481516"}) == []


def test_journey_was_whole(traces: Traces) -> None:
    """What is searched is there, and long; otherwise nothing found would mean nothing."""
    kinds = (
        "one-time code",
        "access_token",
        "refresh_token",
        "id_token",
        "senid_session",
        "senid_browser",
        "senid_device",
        "client_secret",
    )
    names = list(traces.secrets)
    assert [kind for kind in kinds if not any(kind.split()[-1] in name for name in names)] == []
    assert len(traces.error_pages) > 20
    assert len(traces.forms_with_errors) >= 8
    assert {'lang="vi"', 'lang="en"'} <= {mark for mark in ('lang="vi"', 'lang="en"') for page in traces.error_pages if mark in page}
    for line in (
        '"event": "answered"',
        '"event": "defect"',
        '"event": "refused"',
        '"event": "message not taken"',
        '"event": "outbound call"',
    ):
        assert line in traces.log
    assert "senid_requests_total" in traces.metrics
    assert traces.log.count('"event": "defect"') >= DEFECTS
    assert len(traces.places) > 10
    assert '"place": "storage/' in traces.log or '"place": "identity/' in traces.log, "no statement has failed"


def test_log_tells_nothing(traces: Traces) -> None:
    assert found_in(traces.log.encode(), all_secrets(traces)) == []
    assert found_in(traces.log_of_database.encode(), all_secrets(traces)) == []


def test_log_and_metrics_tell_no_places(traces: Traces) -> None:
    """They name routes by their rules: an address holds what only one browser may use."""
    places = {f"place {number}": place for number, place in enumerate(set(traces.places))}
    assert found_in((traces.log + traces.metrics).encode(), places) == []


def test_log_holds_nothing_that_libraries_say(traces: Traces) -> None:
    """The server may tell of its start and end; everything else is a line of ours."""
    others = [line for line in traces.log.splitlines() if not line.startswith("{")]
    assert [line for line in others if not OF_THE_SERVER.search(line)] == []


def test_log_is_lines_of_json_with_known_keys(traces: Traces) -> None:
    lines = [line for line in traces.log.splitlines() if line.startswith("{")]
    assert all(json.loads(line)["request_id"] for line in lines if '"event": "answered"' in line)
    assert not re.search(r"Traceback|RuntimeError\(|cannot (compare|read)", traces.log)


def test_metrics_tell_nothing(traces: Traces) -> None:
    assert found_in(traces.metrics.encode(), all_secrets(traces)) == []


def test_error_pages_tell_nothing(traces: Traces) -> None:
    for page in traces.error_pages:
        # The switch of the language leads back to the address that the browser shows anyway.
        told = re.sub(r'href="/language\?[^"]*"', "", page)
        assert found_in(told.encode(), all_secrets(traces)) == []


def test_forms_with_errors_repeat_what_was_typed_and_nothing_secret(traces: Traces) -> None:
    secrets = all_secrets(traces, but=TYPED)
    for page in traces.forms_with_errors:
        assert found_in(page.encode(), secrets) == []


def test_files_hold_nothing_readable(traces: Traces) -> None:
    """Rows, pages, side files and write-ahead logs, names and values in Redis: in each the canary is found, and nothing else."""
    assert traces.stored.keys() in (
        {"senid.db", "senid.db-wal", "short-lived.db", "short-lived.db-wal"},
        {"rows", "statistics", "pages", "write-ahead log", "redis keys", "redis values", "redis dump"},
    )
    secrets = {**all_secrets(traces), "canary": CANARY}
    for place, content in traces.stored.items():
        found = found_in(content, secrets)
        assert any(one.startswith("canary ") for one in found), f"the search does not see into {place}"
        assert (place, [one for one in found if not one.startswith("canary ")]) == (place, [])
