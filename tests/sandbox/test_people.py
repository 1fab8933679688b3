"""The synthetic people: enough of every case, and everything about them believable."""

import re
import unicodedata
from collections import Counter
from datetime import date

import phonenumbers

from sandbox.people import CASES, everybody

PEOPLE = everybody()


def test_there_are_enough_people_of_every_case() -> None:
    counts = Counter(person.case for person in PEOPLE)
    assert counts["match"] >= 200
    assert set(counts) == set(CASES)
    assert min(counts.values()) >= 5


def test_they_are_the_same_ones_each_time() -> None:
    assert everybody() == PEOPLE


def test_nobody_has_an_account_yet() -> None:
    assert {person.password for person in PEOPLE} == {None}


def test_identity_numbers_are_unique_and_agree_with_the_birth_date() -> None:
    """Domain facts, B3.1: place, century with sex, year, six digits."""
    assert len({person.id_number for person in PEOPLE}) == len(PEOPLE)
    for person in PEOPLE:
        found = re.fullmatch(r"(\d{3})([0-3])(\d{2})\d{6}", person.id_number)
        assert found
        assert 1 <= int(found[1]) <= 96
        assert (1900 if found[2] in "01" else 2000) + int(found[3]) == int(person.birth_date[-4:])


def test_the_sex_in_the_number_agrees_with_the_name() -> None:
    for person in PEOPLE:
        if " Thị " in person.full_name:
            assert int(person.id_number[3]) % 2 == 1
        if " Văn " in person.full_name:
            assert int(person.id_number[3]) % 2 == 0


def test_birth_dates_are_dates_of_adults_and_a_few_are_years_alone() -> None:
    years_alone = [person for person in PEOPLE if re.fullmatch(r"\d{4}", person.birth_date)]
    assert len(years_alone) >= 3
    for person in PEOPLE:
        if person not in years_alone:
            day, month, year = person.birth_date.split("/")
            assert date(int(year), int(month), int(day)) < date(2008, 1, 1)
            assert person.iso_birth_date == f"{year}-{month}-{day}"
        else:
            assert person.iso_birth_date == person.birth_date


def test_phones_are_vietnamese_mobile_numbers_in_national_form() -> None:
    for person in PEOPLE:
        assert re.fullmatch(r"0\d{9}", person.phone)
        number = phonenumbers.parse(person.phone, "VN")
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        assert person.carrier != "other"


def test_some_pairs_share_a_phone_and_nobody_else_does() -> None:
    counts = Counter(person.phone for person in PEOPLE)
    shared = [phone for phone, times in counts.items() if times > 1]
    assert len(shared) >= 3
    assert max(counts.values()) == 2
    assert {person.case for person in PEOPLE if person.phone in shared} == {"match"}


def test_names_are_vietnamese_in_composed_form() -> None:
    for person in PEOPLE:
        assert unicodedata.is_normalized("NFC", person.full_name)
        assert len(person.full_name.split()) >= 2
    assert sum(not person.full_name.isascii() for person in PEOPLE) == len(PEOPLE)
