"""Pages for everybody: help, language, picture codes."""

import pytest

from tests.flows.sign_in.place import Place


@pytest.mark.requirement("A9.78")
def test_forgotten_password_has_true_instructions_and_a_way_back(place: Place) -> None:
    person = place.person()
    sign_in = place.at_password(person)
    page = person.open(sign_in.links["forgot"])
    assert page.status == 200
    assert "Trung tâm Phục vụ hành chính công" in page.text
    assert "18001096" in page.text
    back = next(href for href in page.links.values() if href.startswith("/authorize/"))
    assert person.open(back).path == sign_in.path


@pytest.mark.parametrize("named", ["", "x", "//evil.example", "../../evil", "a" * 300, "%00", "https://evil.example"])
def test_way_back_stays_here(place: Place, named: str) -> None:
    page = place.person().open(f"/help/forgot-password?interaction={named}")
    assert page.status == 200
    assert "evil" not in " ".join(href for href in page.links.values() if "language" not in href)


@pytest.mark.parametrize(
    ("target", "lands"),
    [
        ("/help/forgot-password", "/help/forgot-password"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("", "/"),
    ],
)
def test_language_switch_comes_back_here(place: Place, target: str, lands: str) -> None:
    person = place.person()
    page = person.open(f"/language?to=en&return_to={target}")
    assert (page.path, page.left_for) == (lands, "")
    assert '<html lang="en">' in page.html
    assert '<html lang="en">' in person.open("/").html


@pytest.mark.parametrize("wanted", ["", "fr", "x" * 8000])
def test_unknown_language_changes_nothing(place: Place, wanted: str) -> None:
    assert '<html lang="vi">' in place.person().open(f"/language?to={wanted}&return_to=/").html


@pytest.mark.parametrize("path", ["/captcha/nothing.png", "/captcha/nothing.wav", "/captcha/.png"])
def test_unknown_picture_is_not_found(place: Place, path: str) -> None:
    assert place.person().browser.get(path).status_code == 404
