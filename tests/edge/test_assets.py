"""Static files are served from memory under addresses that change with their content, and from nowhere else."""

import re
from pathlib import Path

import pytest

from idp.edge import assets
from idp.edge.assets import Assets, find_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "style.css").write_text("a{}", encoding="utf-8")
    (tmp_path / "parts" / "x.js").write_text("1", encoding="utf-8")
    (tmp_path / ".hidden").write_text("no", encoding="utf-8")
    return tmp_path


def test_an_address_names_the_content(folder: Path) -> None:
    before = Assets(folder).static_url("style.css")
    assert re.fullmatch(r"/static/style\.[0-9a-f]{8}\.css", before)
    (folder / "style.css").write_text("b{}", encoding="utf-8")
    assert Assets(folder).static_url("style.css") != before


def test_the_file_is_found_at_its_address(folder: Path) -> None:
    files = Assets(folder)
    file = files.find_static(files.static_url("parts/x.js"))
    assert file is not None
    assert (file.body, file.content_type) == (b"1", "text/javascript; charset=utf-8")
    assert file.CACHE_CONTROL == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    [
        "/static/style.css",
        "/static/style.00000000.css",
        "/static/../style.css",
        "/static/.hidden",
        "/static/",
        "",
        "style.css",
        "/etc/passwd",
        "/static/%00",
    ],
)
def test_nothing_else_is_found(folder: Path, path: str) -> None:
    assert Assets(folder).find_static(path) is None


def test_an_unknown_name_is_an_error_of_ours(folder: Path) -> None:
    with pytest.raises(LookupError, match=r"gone\.css"):
        Assets(folder).static_url("gone.css")


def test_a_kind_that_is_not_served_stops_the_start(folder: Path) -> None:
    (folder / "notes.docx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"notes\.docx"):
        Assets(folder)


def test_the_folders_lie_beside_the_package_or_inside_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (find_folder("templates") / "base.html").is_file()
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "idp")
    assert find_folder("static") == tmp_path / "static"
    installed = tmp_path / "idp" / "_assets" / "static"
    installed.mkdir(parents=True)
    assert find_folder("static") == installed


def test_the_product_is_small_and_asks_nobody_else() -> None:
    """No file of ours names another host, so that a page needs this server alone."""
    for path in find_folder("static").iterdir():
        content = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http" not in content, path.name
        assert len(content) < 20_000, path.name
