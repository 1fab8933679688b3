"""The benchmark works end to end, counts wrong answers, and reads what it is sent."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.plots import Mark, Row, draw
from bench.profiling import Stacks
from bench.publishing import BEGIN, END, PAGE, publish
from bench.report import Report
from bench.results import Latency
from bench.wire import Answer, Cookies, Malformed, Writer, read_answer
from tests.instances import ROOT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
QUICK = ("--quick", "--without-peer")


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


two_cores = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the benchmark needs two cores")


@two_cores
def test_a_quick_run_measures_ours_without_a_wrong_answer() -> None:
    done = bench(*QUICK, "code_flow", "refresh", "userinfo", "discovery")
    assert done.returncode == 0, done.stdout + done.stderr
    place = ROOT / done.stdout.rpartition("results: ")[2].strip()
    try:
        found = json.loads((place / "results.json").read_text(encoding="utf-8"))
        assert {cell["operation"] for cell in found["cells"]} == {"code_flow", "refresh", "userinfo", "discovery"}
        assert all(window["operations"] > 0 for cell in found["cells"] for window in cell["windows"])
    finally:
        shutil.rmtree(place)
    assert not (ROOT / "build" / "bench" / "run").exists()


@pytest.mark.parametrize("cut", range(1, 60))
def test_an_answer_is_read_once_it_is_whole(cut: int) -> None:
    whole = HEAD + b"Content-Length: 5\r\n\r\nhello"
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n1;x=y\r\no\r\n0\r\n\r\n"
    for message in (whole, chunked):
        answer = read_answer(message)
        assert answer is not None
        assert (answer.status, answer.body, answer.header("content-type")) == (200, b"hello", "text/plain")
        assert read_answer(message[:-cut]) is None


def test_what_is_no_answer_is_refused() -> None:
    for message in (b"HTTP/1.0 200 OK\r\n\r\n", HEAD + b"\r\nno length"):
        with pytest.raises(Malformed):
            read_answer(message)


def test_a_request_carries_what_a_proxy_adds() -> None:
    writer = Writer("id.example", "203.0.113.9")
    cookies = Cookies({"a": "1"})
    cookies.keep(Answer(200, HEAD + b"Set-Cookie: b=2; Path=/\r\nSet-Cookie: a=; Max-Age=0", b""))
    sent = writer.post("/token", {"x": "a b"}, cookies.field)
    assert sent.startswith(b"POST /token HTTP/1.1\r\nHost: id.example\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n")
    assert b"Cookie: b=2\r\n" in sent
    assert sent.endswith(b"Content-Length: 5\r\nCookie: b=2\r\n\r\nx=a+b")


def test_percentiles_are_by_nearest_rank() -> None:
    assert Latency.of([number / 1000 for number in range(100, 0, -1)]) == Latency(51.0, 96.0)


def test_stacks_are_counted_by_function_and_package(tmp_path: Path) -> None:
    file = tmp_path / "stacks.txt"
    file.write_text(
        "run (granian/wsgi.py:1);ask (idp/flows/a.py:2);dumps (json/__init__.py:3) 3\nrun (granian/wsgi.py:1) 1\n", encoding="utf-8"
    )
    stacks = Stacks.read(file)
    assert stacks.total == 4
    assert stacks.packages == {"the standard library": 3, "granian": 1}
    assert stacks.inclusive["run (granian/wsgi.py)"] == 4


def test_a_plot_is_well_formed_and_shows_every_target() -> None:
    picture = draw("A < B", [Row("code_flow", [Mark("ours", 1, 2, 3), Mark("theirs", 2, 4, 9000)], goal=1.5)], line_at=1.0)
    ET.fromstring(picture)  # noqa: S314 - our own
    assert "ours" in picture
    assert "theirs" in picture


def test_publishing_keeps_what_stands_around_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Report, "markdown", lambda _, *, plots: f"tables with {plots}/rates.svg\n")
    monkeypatch.setattr(Report, "plots", lambda _: {"rates.svg": "<svg/>"})
    report = object.__new__(Report)
    (tmp_path / PAGE).write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        publish(report, tmp_path)
        assert (tmp_path / PAGE).read_text(encoding="utf-8") == f"before\n{BEGIN}\n\ntables with performance/rates.svg\n\n{END}\nafter\n"
    assert (tmp_path / "performance" / "rates.svg").exists()
