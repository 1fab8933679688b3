"""Birth dates."""

from datetime import date

import pytest

from idp import errors
from idp.identity import birth_dates
from idp.identity.birth_dates import BirthDate

TODAY = date(2026, 11, 22)


@pytest.mark.requirement("A5.48")
@pytest.mark.parametrize("text", ["01/02/1990", "1/2/1990", "01-02-1990", "1.2.1990", " 01/02/1990 ", "1 / 2 / 1990"])
def test_a_day_is_read_in_the_order_of_the_country(text: str) -> None:
    assert birth_dates.parse(text, today=TODAY) == BirthDate(1990, 2, 1)


@pytest.mark.requirement("A5.48")
def test_a_year_alone_is_a_birth_date() -> None:
    birth_date = birth_dates.parse("1950", today=TODAY)
    assert birth_date == BirthDate(1950)
    assert (birth_date.iso, birth_date.shown) == ("1950", "1950")


def test_a_day_is_told_by_machines_and_by_people() -> None:
    birth_date = BirthDate(1990, 2, 1)
    assert (birth_date.iso, birth_date.shown) == ("1990-02-01", "01/02/1990")


@pytest.mark.requirement("A5.49")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "0000",
        "31/02/1990",
        "29/02/1900",
        "30/02/2000",
        "00/01/1990",
        "1/13/1990",
        "1/2/90",
        "01/02-1990",
        "02/1990",
        "1990-02-01",
        "01021990",
        "1/2/1990\x00",
        "1/2/\n1990",
        "\u0660\u0661/\u0660\u0662/\u0661\u0669\u0669\u0660",
        "-1/2/1990",
        "1//2/1990",
        "\ud800",
        "1" * 8192,
        " " * 8192,
    ],
)
def test_what_no_calendar_holds_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidBirthDate) as refused:
        birth_dates.parse(text, today=TODAY)
    assert refused.value.field == "birth_date"


@pytest.mark.parametrize("text", ["1900", "01/01/1900", "22/11/2026", "2026", "29/02/2000"])
def test_the_first_and_the_last_possible_day_are_accepted(text: str) -> None:
    assert birth_dates.parse(text, today=TODAY).shown == text


@pytest.mark.parametrize("text", ["1899", "31/12/1899", "23/11/2026", "2027", "9999"])
def test_days_before_1900_and_after_today_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidBirthDate):
        birth_dates.parse(text, today=TODAY)


@pytest.mark.parametrize("birth_date", [BirthDate(1990, 2, 1), BirthDate(1950)])
def test_what_is_stored_is_read_back(birth_date: BirthDate) -> None:
    assert birth_dates.from_iso(birth_date.iso) == birth_date


@pytest.mark.parametrize("text", ["", "1990-02", "1990-02-30", "01/02/1990", "1990-2-1"])
def test_what_was_not_stored_by_us_is_not_read_back(text: str) -> None:
    with pytest.raises(ValueError, match=r"birth date|month|day"):
        birth_dates.from_iso(text)


@pytest.mark.parametrize("month, day", [(None, 1), (2, None)])
def test_half_a_day_is_none(month: int | None, day: int | None) -> None:
    with pytest.raises(ValueError, match="year alone"):
        BirthDate(1990, month, day)


def test_no_way_of_printing_a_birth_date_shows_it() -> None:
    assert "1990" not in str(BirthDate(1990, 2, 1)) + repr(BirthDate(1990, 2, 1))
