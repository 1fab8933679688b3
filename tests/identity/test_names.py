"""People's names."""

import unicodedata

import pytest

from idp import errors
from idp.identity import names
from idp.identity.names import NameMatch


@pytest.mark.requirement("A5.48")
@pytest.mark.parametrize(
    "text, name",
    [
        ("Nguyễn Thị Ánh", "Nguyễn Thị Ánh"),
        ("  NGUYỄN   THỊ\tÁNH \n", "NGUYỄN THỊ ÁNH"),
        ("Nguyễn\u00a0Thị\u00a0Ánh", "Nguyễn Thị Ánh"),
        (unicodedata.normalize("NFD", "Nguyễn Thị Ánh"), "Nguyễn Thị Ánh"),
        ("H'Hen Niê", "H'Hen Niê"),
        ("H\u2019Hen Niê", "H'Hen Niê"),
        ("Y Blơ\u0306 Kbuôr", "Y Blơ\u0306 Kbuôr"),
        ("A-Rất Lan", "A-Rất Lan"),
        ("Ly A", "Ly A"),
        ("Ðỗ J.R. Smith", "Ðỗ J.R. Smith"),
    ],
)
def test_a_name_is_kept_as_written_but_in_one_form(text: str, name: str) -> None:
    assert names.parse(text) == name


@pytest.mark.requirement("A5.49")
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "A",
        "Nguyễn 3",
        "Nguyễn <b>An</b>",
        "An; DROP TABLE",
        "Nguyễn\x00An",
        "Nguyễn\nAn",
        "Nguyễn\u202eAn",
        "Nguyễn\u200bAn",
        "Nguyễn \ud800An",
        "Нгуен Ан",
        "Nguy\u0435n An",
        "阮安",
        "\u0301An",
        "A\u0301\u0301\u0301\u0301n",
        "--",
        "'An",
        "An''",
        "An@x",
        "a" * 101,
        "a" * 8192,
        " " * 8192,
        "a'" * 60,
    ],
)
def test_what_no_card_prints_as_a_name_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidFullName) as refused:
        names.parse(text)
    assert refused.value.field == "full_name"


@pytest.mark.requirement("A5.53")
@pytest.mark.parametrize(
    "first, second",
    [
        ("Nguyễn Thị Ánh", "NGUYỄN THỊ ÁNH"),
        ("Nguyễn Thị Ánh", " nguyễn  thị ánh "),
        ("Nguyễn Thị Ánh", unicodedata.normalize("NFD", "Nguyễn Thị Ánh")),
        ("Hòa", "Hoà"),
        ("Lê Thúy Hòa", "LÊ THUÝ HOÀ"),
        ("Nguyễn Khỏe", "Nguyễn Khoẻ"),
        ("Đỗ Đức", "đỗ đức"),
    ],
)
def test_case_spaces_unicode_form_and_tone_place_do_not_count(first: str, second: str) -> None:
    assert names.compare(first, second) is NameMatch.STRONG


@pytest.mark.parametrize(
    "first, second",
    [("Nguyễn Thị Ánh", "NGUYEN THI ANH"), ("Đỗ Đức", "Do Duc"), ("Nguyễn Thị Ánh", "Nguyễn Thị Anh"), ("Hoà", "Hoá")],
)
def test_accents_and_the_barred_d_count_only_for_a_strong_match(first: str, second: str) -> None:
    assert names.compare(first, second) is NameMatch.WEAK


@pytest.mark.parametrize("first, second", [("An", "Anh"), ("Nguyễn Văn An", "Nguyễn An"), ("Thịanh", "Thị Anh"), ("a" * 8192, "a" * 8192)])
def test_other_letters_are_another_name(first: str, second: str) -> None:
    assert names.compare(first, second) is NameMatch.NONE
