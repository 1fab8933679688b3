"""Identity numbers."""

import pytest

from idp import errors
from idp.identity import documents
from idp.identity.birth_dates import BirthDate
from idp.identity.documents import IdNumber


@pytest.mark.requirement("A5.48")
@pytest.mark.parametrize(
    "text",
    ["001090000999", " 001090000999 ", "001 090 000 999", "001.090.000.999", "001-090-000-999", "001\u00a0090\u00a0000\u00a0999"],
)
def test_twelve_digits_are_read_however_they_are_grouped(text: str) -> None:
    assert documents.parse(text, accept_old=False) == IdNumber("cccd", "001090000999")


@pytest.mark.requirement("A5.45")
@pytest.mark.requirement("A9.85")
@pytest.mark.requirement("A16.C1")
def test_nine_digits_are_read_where_policy_accepts_the_old_card() -> None:
    assert documents.parse("012345678", accept_old=True) == IdNumber("cmnd", "012345678")


@pytest.mark.requirement("A5.44")
@pytest.mark.requirement("A16.C1")
def test_nine_digits_are_refused_with_an_error_of_their_own_where_policy_asks_for_twelve() -> None:
    with pytest.raises(errors.OldIdNumber):
        documents.parse("012345678", accept_old=False)


@pytest.mark.requirement("A5.49")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "00109000099",
        "0010900009999",
        "0123456789",
        "00109000099a",
        "001090000999\x00",
        "001090000\n999",
        "٠٠١٠٩٠٠٠٠٩٩٩",
        "\uff10\uff10\uff11\uff10\uff19\uff10\uff10\uff10\uff10\uff19\uff19\uff19",
        "+01090000999",
        "\ud800001090000999",
        "1" * 8192,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidIdNumber) as refused:
        documents.parse(text, accept_old=True)
    assert refused.value.field == "id_number"


def test_no_way_of_printing_a_number_shows_it() -> None:
    number = IdNumber("cccd", "001090000999")
    assert number.masked == "001•••••0999"
    assert IdNumber("cmnd", "012345678").masked == "01•••••78"
    for shown in (str(number), repr(number), f"{number}", repr([number])):
        assert "001090000999" not in shown


@pytest.mark.parametrize(
    "digits, year",
    [
        ("001090000999", 1990),
        ("001190000999", 1990),
        ("001200000999", 2000),
        ("001305000999", 2005),
        ("001400000999", 2100),
        ("001999000999", 2399),
        ("001000000999", 1900),
    ],
)
def test_the_year_inside_a_number_is_compared_with_the_birth_date(digits: str, year: int) -> None:
    number = IdNumber("cccd", digits)
    assert documents.birth_year_agrees(number, BirthDate(year))
    assert documents.birth_year_agrees(number, BirthDate(year, 12, 31))
    assert not documents.birth_year_agrees(number, BirthDate(year - 1))
    assert not documents.birth_year_agrees(number, BirthDate(year + 100))


def test_the_old_number_holds_no_year_to_disagree_with() -> None:
    assert documents.birth_year_agrees(IdNumber("cmnd", "012345678"), BirthDate(1955))
