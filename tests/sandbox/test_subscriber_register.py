"""What the carrier's register answers."""

import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest

from sandbox.people import Person, everybody
from sandbox.subscriber_register import Question, SubscriberRegister

FIELDS = ("phone", "id_number", "full_name", "birth_date")


def person_of(case: str) -> Person:
    return next(person for person in everybody() if person.case == case)


def question_of(person: Person) -> Question:
    return Question(person.phone, person.id_number, person.full_name, person.iso_birth_date)


@pytest.fixture
def register() -> SubscriberRegister:
    return SubscriberRegister(everybody())


@pytest.mark.parametrize("case", ["match", "mismatch", "old_document", "locked", "not_found"])
def test_each_plain_case_is_its_own_verdict(register: SubscriberRegister, case: str) -> None:
    answer = register.answer(question_of(person_of(case)))
    assert answer.verdict == case
    assert answer.fields_matched == (FIELDS if case == "match" else ())
    assert not answer.takes_long


def test_everybody_who_matches_does(register: SubscriberRegister) -> None:
    for person in everybody():
        if person.case == "match":
            assert register.answer(question_of(person)).verdict == "match"


def test_the_unavailable_answer_in_the_end(register: SubscriberRegister) -> None:
    question = question_of(person_of("unavailable"))
    assert [register.answer(question).verdict for _ in range(4)] == ["unavailable", "unavailable", "match", "match"]


def test_the_slow_are_slow_once(register: SubscriberRegister) -> None:
    question = question_of(person_of("slow"))
    answers = [register.answer(question) for _ in range(2)]
    assert [(answer.verdict, answer.takes_long) for answer in answers] == [("match", True), ("match", False)]


@pytest.mark.parametrize(
    "wrong", [{"id_number": "001090000001"}, {"full_name": "Lê Văn Khác"}, {"birth_date": "1900-01-01"}, {"birth_date": "1990"}]
)
def test_one_wrong_field_is_a_mismatch_that_names_no_field(register: SubscriberRegister, wrong: dict[str, str]) -> None:
    answer = register.answer(replace(question_of(person_of("match")), **wrong))
    assert (answer.verdict, answer.fields_matched) == ("mismatch", ())


def test_a_phone_that_nobody_has_is_not_found(register: SubscriberRegister) -> None:
    assert register.answer(replace(question_of(person_of("match")), phone="0999999999")).verdict == "not_found"


@pytest.mark.parametrize(
    "known, asked, field",
    [
        ("Đặng Thị Hòa", "ĐẶNG  THỊ HÒA ", "full_name"),
        ("Đặng Thị Hòa", "Đặng Thị Hoà", "full_name"),
        ("Đặng Thị Thúy", "Đặng Thị Thuý", "full_name"),
        ("Đặng Thị Hòa", unicodedata.normalize("NFD", "Đặng Thị Hòa"), "full_name"),
        ("Đặng Thị Hòa", "Dang Thi Hoa", "full_name_unaccented"),
        ("Đặng Thị Hòa", "Dặng Thị Hòa", "full_name_unaccented"),
    ],
)
def test_names_compare_as_a_person_would(known: str, asked: str, field: str) -> None:
    """Domain facts, B6."""
    person = replace(person_of("match"), full_name=known)
    answer = SubscriberRegister([person]).answer(replace(question_of(person), full_name=asked))
    assert answer.fields_matched == ("phone", "id_number", field, "birth_date")


def test_two_people_with_one_phone_both_match(register: SubscriberRegister) -> None:
    people = everybody()
    pair = next((one, two) for one, two in pairwise(people) if one.phone == two.phone)
    assert [register.answer(question_of(person)).verdict for person in pair] == ["match", "match"]


def test_an_added_person_is_known_and_takes_the_place_of_a_known_one(register: SubscriberRegister) -> None:
    person = person_of("match")
    register.add([replace(person, case="locked")])
    assert register.answer(question_of(person)).verdict == "locked"
    assert len(register.people()) == len(everybody())
