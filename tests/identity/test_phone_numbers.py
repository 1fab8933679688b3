"""Mobile numbers."""

import pytest

from idp import errors
from idp.identity import phone_numbers
from idp.identity.phone_numbers import PhoneNumber


@pytest.mark.requirement("A5.48")
@pytest.mark.parametrize(
    "text",
    [
        "0912345678",
        "+84912345678",
        "84912345678",
        "0084912345678",
        "+84 (0) 912 345 678",
        " 0912 345 678 ",
        "0912.345.678",
        "0912-345-678",
        "\u202a0912\u00a0345\u2011678\u202c",
    ],
)
def test_a_mobile_number_is_read_however_it_is_written(text: str) -> None:
    assert phone_numbers.parse(text) == PhoneNumber("+84912345678")


@pytest.mark.parametrize("text", ["0321234567", "0559123456", "0701234567", "0861234567", "0993123456", "0896123456", "0301234567"])
def test_the_blocks_of_the_carriers_are_read(text: str) -> None:
    assert phone_numbers.parse(text).national == text


@pytest.mark.requirement("A5.49")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "091234567",
        "09123456789",
        "912345678",
        "02438255555",  # a land line
        "0123456789",
        "01687654321",  # an old mobile number of 11 digits
        "18001096",
        "113",
        "0551234567",  # of this block only 0559 is allotted
        "+12025550123",
        "+8491234567x",
        "0912345678\x00",
        "0912345\n678",
        "０９１２３４５６７８",  # noqa: RUF001 - full-width digits are the point
        "٠٩١٢٣٤٥٦٧٨",
        "0912345678;ext=1",
        "tel:0912345678",
        "0912345678,,1",
        "\ud8000912345678",
        "0" * 8192,
        "." * 8192,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidPhone) as refused:
        phone_numbers.parse(text)
    assert refused.value.field == "phone"


def test_no_way_of_printing_a_number_shows_it() -> None:
    number = PhoneNumber("+84912345678")
    assert (number.national, number.masked) == ("0912345678", "091•••5678")
    for shown in (str(number), repr(number), f"{number}", repr({"phone": number})):
        assert "912345678" not in shown
