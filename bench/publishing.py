"""The published report: the part between two markers of docs/performance.md, and its plots."""

from pathlib import Path

from bench.report import Report

BEGIN, END = "<!-- written by bench/run --publish -->", "<!-- end of what bench/run writes -->"
PAGE = "performance.md"
FOLDER = "performance"
NEW = f"# Performance\n\n`bench/README.md` says how this is measured.\n\n{BEGIN}\n{END}\n"


def publish(report: Report, docs: Path) -> None:
    """Put tables and plots of a run in the place of the last ones; what stands around the markers stays."""
    page = docs / PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else NEW
    page.write_text(_replaced(text, report.markdown(plots=FOLDER)), encoding="utf-8")
    folder = docs / FOLDER
    folder.mkdir(exist_ok=True)
    for name, picture in report.plots().items():
        (folder / name).write_text(picture, encoding="utf-8")


def _replaced(text: str, generated: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return f"{text.rstrip()}\n\n{BEGIN}\n\n{generated}\n{END}\n"
    return f"{before}{BEGIN}\n\n{generated}\n{END}{after}"
