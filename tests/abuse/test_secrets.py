"""No token, code, cookie, password or personal datum leaves the provider where it does not belong, nor lies readable in its files."""

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.abuse.journey import TRAVELLERS, Traces, forms_of, traces_of_journey

DIGITS_OF_A_CODE = 6
# Typed into a form, these are shown in it again when something else is wrong.
TYPED = {"id_number", "full_name", "birth_date", "phone", "email"}
TIMESTAMP = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+")


@pytest.fixture(scope="module")
def traces() -> Traces:
    return traces_of_journey()[0]


@pytest.fixture(scope="module")
def files() -> Path:
    return traces_of_journey()[1]


# --- the search ---------------------------------------------------------------------------------------------------------------------


@cache
def disguises(secret: str) -> dict[bytes, str]:
    """Give what a secret looks like in logs, addresses, databases and traces of errors, and why; in small letters."""
    return {form.lower(): how for how, form in all_disguises(secret)}


def all_disguises(secret: str) -> Iterator[tuple[str, bytes]]:
    """Give every way to write a secret; for some secrets several are the same."""
    data = secret.encode()
    yield "as it is", data
    yield "decomposed", unicodedata.normalize("NFD", secret).encode()
    yield "without accents", without_accents(secret).encode()
    yield "in an address", quote(secret, safe="").encode()
    yield "in a form", quote_plus(secret).encode()
    yield "in JSON", json.dumps(secret)[1:-1].encode()
    yield "as bytes are shown", repr(data)[2:-1].encode()
    yield "in UTF-16", secret.encode("utf-16-le")
    yield "in hexadecimal", data.hex().encode()
    yield "backwards", secret[::-1].encode()
    for shift in range(3):
        # The first and the last characters depend on what stands around the secret.
        encoded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")[(0, 2, 3)[shift] : len(data) * 8 // 6 + shift]
        yield "in base64", encoded
        yield "in base64 for addresses", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def without_accents(text: str) -> str:
    """Give a name as text messages have it."""
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(char for char in plain if not unicodedata.combining(char))


def found_in(written: bytes, secrets: dict[str, str]) -> list[str]:
    """Give which secrets stand in what was written, and how; whether letters are small or capital does not matter."""
    written = TIMESTAMP.sub(b"", written).lower()
    return [f"{name} {how}" for name, secret in secrets.items() for form, how in disguises(secret).items() if is_in(written, form, secret)]


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


# --- what it finds ------------------------------------------------------------------------------------------------------------------


def test_search_finds_what_is_there() -> None:
    for secret in ("031187204519", "Đặng Quốc Ngữ Khuê", "a-_token/with+everything=", "481516"):
        for how, form in all_disguises(secret):
            assert found_in(b"\x01 before " + form + b" after", {"secret": secret}), how
        for around in (b"", b"x", b"xy", b"xyz"):
            wrapped = base64.b64encode(around + secret.encode() + around)
            assert found_in(wrapped, {"secret": secret}), (secret, around)
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


def test_log_tells_nothing(traces: Traces) -> None:
    assert found_in(traces.log.encode(), all_secrets(traces)) == []


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


def test_files_hold_nothing_readable(traces: Traces, files: Path) -> None:
    written = {path.name: path.read_bytes() for path in files.iterdir()}
    assert {"senid.db", "senid.db-wal", "short-lived.db", "short-lived.db-wal"} <= written.keys()
    assert all(len(content) > 4096 for name, content in written.items() if name.endswith("-wal"))
    for name, content in written.items():
        assert (name, found_in(content, all_secrets(traces))) == (name, [])
