"""The synthetic people of the sandbox: always the same ones, none of them real."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Literal, TypedDict, get_args

Case = Literal["match", "mismatch", "old_document", "locked", "not_found", "unavailable", "slow"]
CASES: tuple[Case, ...] = get_args(Case)

SEED = 69_2024
MATCHING = 220
OF_EVERY_OTHER_CASE = 8
YEAR_ONLY_EVERY = 20  # every so many people know their year of birth alone
SHARED_PHONE_EVERY = 25  # every so many people use the phone of the one before
FIRST_BIRTHDAY, LAST_YEAR_ONLY_BIRTHDAY, LAST_BIRTHDAY = date(1946, 1, 1), date(1959, 12, 31), date(2007, 12, 31)
CENTURY = 2000

# Place codes of the 63 provinces before the merger of 2025 (domain facts, B3.1); the portals' own provinces come first.
_PLACES = (
    *("033", "034", "038"),
    *("001", "002", "004", "006", "008", "010", "011", "012", "014", "015", "017", "019", "020", "022", "024", "025", "026", "027"),
    *("030", "031", "035", "036", "037", "040", "042", "044", "045", "046", "048", "049", "051", "052", "054", "056", "058", "060"),
    *("062", "064", "066", "067", "068", "070", "072", "074", "075", "077", "079", "080", "082", "083", "084", "086", "087", "089"),
    *("091", "092", "093", "094", "095", "096"),
)
# Prefixes by the carrier that they were first given to (domain facts, B3.3).
CARRIERS: dict[str, tuple[str, ...]] = {
    "viettel": ("032", "033", "034", "035", "036", "037", "038", "039", "086", "096", "097", "098"),
    "vinaphone": ("081", "082", "083", "084", "085", "088", "091", "094"),
    "mobifone": ("070", "076", "077", "078", "079", "090", "093"),
    "vietnamobile": ("056", "058", "092"),
}
_SURNAMES = (
    *("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Đinh"),
    *("Tạ", "Tăng", "Lương", "Mai", "Trịnh", "Đoàn", "Quách", "Nông", "Lò", "Giàng", "Thạch", "Ksor"),
)
_MEN = (
    *("Văn An", "Văn Bình", "Đức Cường", "Minh Đạt", "Quốc Đông", "Thế Giáp", "Văn Hải", "Trọng Hiếu", "Xuân Hòa", "Huy Khánh"),
    *("Bá Lộc", "Thành Long", "Đình Mạnh", "Hoài Nam", "Trung Nghĩa", "Hữu Phước", "Anh Quân", "Ngọc Sơn", "Công Thắng", "Quang Thịnh"),
    *("Viết Thuận", "Khắc Tiệp", "Bảo Trường", "Anh Tuấn", "Gia Vũ", "Hoàng Việt", "Đăng Ý", "Tiến Dũng"),
)
_WOMEN = (
    *("Thị Ánh", "Ngọc Bích", "Thị Cúc", "Thùy Dương", "Thị Đào", "Hương Giang", "Thị Hạnh", "Thu Hằng", "Thúy Hường", "Lan Khuê"),
    *("Thị Liễu", "Khánh Ly", "Tuyết Mai", "Thị Mười", "Bảo Ngọc", "Yến Nhi", "Thị Nụ", "Kiều Oanh", "Hồng Phượng", "Như Quỳnh"),
    *("Thị Sáu", "Phương Thảo", "Thị Thơm", "Minh Thư", "Huyền Trang", "Thị Út", "Hải Vân", "Hoàng Yến"),
)


class PersonJson(TypedDict):
    """A person as `GET /sandbox/people` tells it: what one would type into the form."""

    case: str
    id_number: str
    full_name: str
    birth_date: str
    phone: str
    password: str | None


@dataclass(frozen=True)
class Person:
    """One synthetic person; `case` says what the outside world answers for them.

    `birth_date` is `dd/mm/yyyy` or `yyyy`, as typed into a form; `phone` is in national form. `password` is that of the person's
    account, and None where there is no account yet.
    """

    case: Case
    id_number: str
    full_name: str
    birth_date: str
    phone: str
    password: str | None = None

    @property
    def iso_birth_date(self) -> str:
        """Give `yyyy-mm-dd` or `yyyy`, as a carrier is asked."""
        return "-".join(reversed(self.birth_date.split("/")))

    @property
    def carrier(self) -> str:
        """Give the carrier to which the phone's prefix was first given."""
        found = (name for name, prefixes in CARRIERS.items() if self.phone.startswith(prefixes))
        return next(found, "other")

    def as_json(self) -> PersonJson:
        """Give what `GET /sandbox/people` tells."""
        return PersonJson(
            case=self.case,
            id_number=self.id_number,
            full_name=self.full_name,
            birth_date=self.birth_date,
            phone=self.phone,
            password=self.password,
        )


def everybody() -> tuple[Person, ...]:
    """Give all synthetic people, the plain good ones first; the same at every call."""
    return tuple(_people(random.Random(SEED)))  # noqa: S311 - made-up people, and the same ones each time


def _people(chance: random.Random) -> Iterator[Person]:
    id_numbers: set[str] = set()
    phones: set[str] = set()
    phone = ""
    for case in CASES:
        for number in range(1, (MATCHING if case == "match" else OF_EVERY_OTHER_CASE) + 1):
            if case != "match" or number % SHARED_PHONE_EVERY:
                phone = _new(phones, partial(_phone, chance))
            is_woman = chance.choice((True, False))
            knows_day = case != "match" or number % YEAR_ONLY_EVERY != 0
            born = _birthday(chance, LAST_BIRTHDAY if knows_day else LAST_YEAR_ONLY_BIRTHDAY)
            prefix = _id_prefix(chance, born, is_woman=is_woman)
            yield Person(
                case=case,
                id_number=_new(id_numbers, partial(_id_number, chance, prefix)),
                full_name=_full_name(chance, is_woman=is_woman),
                birth_date=f"{born:%d/%m/%Y}" if knows_day else f"{born:%Y}",
                phone=phone,
            )


def _new(taken: set[str], make: Callable[[], str]) -> str:
    """Make until it is one that nobody has."""
    made = next(each for each in iter(make, "") if each not in taken)
    taken.add(made)
    return made


def _phone(chance: random.Random) -> str:
    prefix = chance.choice([prefix for prefixes in CARRIERS.values() for prefix in prefixes])
    return f"{prefix}{chance.randrange(10**7):07}"


def _birthday(chance: random.Random, last: date) -> date:
    return FIRST_BIRTHDAY + timedelta(days=chance.randrange((last - FIRST_BIRTHDAY).days))


def _id_prefix(chance: random.Random, born: date, *, is_woman: bool) -> str:
    """Give place, century with sex, and year: the first six digits (Circular 59/2021/TT-BCA art. 4)."""
    century = 0 if born.year < CENTURY else 2
    return f"{chance.choice(_PLACES)}{century + is_woman}{born:%y}"


def _id_number(chance: random.Random, prefix: str) -> str:
    return f"{prefix}{chance.randrange(10**6):06}"


def _full_name(chance: random.Random, *, is_woman: bool) -> str:
    return unicodedata.normalize("NFC", f"{chance.choice(_SURNAMES)} {chance.choice(_WOMEN if is_woman else _MEN)}")
