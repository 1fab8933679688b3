"""Passwords."""

import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.resources import files
from unittest.mock import patch

import argon2
import pytest

from idp import errors
from idp.config import Config
from idp.identity import passwords
from idp.identity.passwords import Passwords

GOOD = "Suoi7!Bang&khong"
WORDS = ["001090000999", "Nguyễn Thị Ánh Dương", "0912345678", "+84912345678", "duong.lan@example.vn", "01/02/1990"]


@pytest.fixture
def secrets(config: Config) -> Passwords:
    """Give passwords of a deployment with the OTP always on."""
    return Passwords(config)


def without_otp(config: Config) -> Config:
    """Give the configuration of a deployment without OTP at sign-in."""
    return config.model_copy(update={"one_time_codes": config.one_time_codes.model_copy(update={"required_at_sign_in": False})})


@pytest.mark.requirement("A5.56")
@pytest.mark.parametrize("password", [GOOD, "xK9#mvLq", "Tr0ng-Cay3Buoi", "Ăn9cơm.Chưa", "aB3 $ efgh", "ÁB3$ nắng"])
def test_eight_characters_of_four_classes_are_accepted(secrets: Passwords, password: str) -> None:
    secrets.check(password, password, words=WORDS)


@pytest.mark.requirement("A5.56")
@pytest.mark.parametrize(
    "password",
    [
        "",
        "xK9#mvL",
        "xk9#mvlq",
        "XK9#MVLQ",
        "xKv#mvLq",
        "xK9mvLq2",
        "xK9 mvLq2",
        "xK9#mvLq\x00",
        "xK9#mv\nLq",
        "xK9#mvLq\ud800",
        "xK٩#mvLq",
    ],
)
def test_a_missing_class_or_length_is_refused_with_the_minimum(secrets: Passwords, password: str) -> None:
    with pytest.raises(errors.PasswordRule) as refused:
        secrets.check(password, password, words=[])
    assert refused.value.values == {"minimum": 8}


@pytest.mark.requirement("A16.C5")
def test_fourteen_characters_are_asked_for_where_no_otp_follows(config: Config) -> None:
    secrets = Passwords(without_otp(config))
    assert secrets.minimum_length == 14
    secrets.check("xK9#mvLq2@Pw7!", "xK9#mvLq2@Pw7!", words=[])
    with pytest.raises(errors.PasswordRule) as refused:
        secrets.check("xK9#mvLq2@Pw7", "xK9#mvLq2@Pw7", words=[])
    assert refused.value.values == {"minimum": 14}


def test_a_password_has_a_longest_length(secrets: Passwords) -> None:
    longest = (GOOD * 8)[:124] + "xY7#"
    secrets.check(longest, longest, words=[])
    for too_long in (longest + "x", GOOD * 1000):
        with pytest.raises(errors.TooLong) as refused:
            secrets.check(too_long, too_long, words=[])
        assert refused.value.field == "password"


def test_characters_are_counted_after_normalisation(secrets: Passwords) -> None:
    decomposed = unicodedata.normalize("NFD", "ắẮ1!ắẮ2")
    assert len(decomposed) > 8
    with pytest.raises(errors.PasswordRule):
        secrets.check(decomposed, decomposed, words=[])


@pytest.mark.requirement("A5.55")
def test_the_two_passwords_are_compared_in_one_unicode_form(secrets: Passwords) -> None:
    secrets.check("Nắng7!Sớm&mai", unicodedata.normalize("NFD", "Nắng7!Sớm&mai"), words=[])
    for other in ("", GOOD.lower(), GOOD + " ", GOOD * 1000):
        with pytest.raises(errors.PasswordsDiffer):
            secrets.check(GOOD, other, words=[])


@pytest.mark.requirement("A5.56")
@pytest.mark.requirement("A16.C5")
@pytest.mark.parametrize(
    "password",
    [
        "Abc@1234",
        "Abc@12345",
        "Abc@123456",
        "Abcd@1234",
        "Abcd1234!",
        "Aa@123456",
        "Aa123456@",
        "A@a123456",
        "Abc123!@#",
        "ABCabc123!",
        "Abc123@abc",
        "Xk@12345678",
        "Matkhau@1",
        "Matkhau1@",
        "Matkhau@123",
        "M@tkh@u123",
        "Mậtkhẩu@1",
        "Mật_khẩu_1",
        "123Matkhau#",
        "Vietnam@2024",
        "Hungyen@2023",
        "Hanoi@2024",
        "Hano1@2024",
        "Saigon@123",
        "Anhyeuem@123",
        "Dichvucong@1",
        "Dvc@12345",
        "Congan@2023",
        "Nguyen@123",
        "Nguyenvana@123",
        "Tuananh@1990",
        "P@ssw0rd1",
        "P@$$w0rd",
        "P@55word!",
        "Passw0rd123!",
        "Password1Password2!",
        "@Dmin123",
        "Admin@123",
        "Welcome@1",
        "Letmein1!",
        "Iloveyou1!",
        "Test@1234",
        "Hell0@123",
        "Qwerty@123",
        "Qwe123!@#",
        "Asdf@1234",
        "1qaz@WSX",
        "Zaq1@wsx",
        "1q2w3e4R!",
        "Aa1@Aa1@",
        "Aaaaaa1!",
    ],
)
def test_known_bad_passwords_are_refused_in_every_disguise(secrets: Passwords, password: str) -> None:
    with pytest.raises(errors.PasswordKnown):
        secrets.check(password, password, words=[])


@pytest.mark.parametrize("fullwidth", ["Ｍａｔｋｈａｕ@１", "Ａｂｃ@１２３４５"])  # noqa: RUF001 - full-width letters are the point
def test_another_width_of_letters_is_no_disguise(secrets: Passwords, fullwidth: str) -> None:
    with pytest.raises(errors.PasswordKnown):
        secrets.check(fullwidth, fullwidth, words=[])


@pytest.mark.parametrize(
    "password",
    [
        "Xq#001090000999",
        "Xqv#0912345678",
        "Xqv#912-345.678z",
        "+84912345678Xq",
        "Xqv#090000zz",
        "Xqvw#01021990",
        "Xq9#Duong!zz",
        "Xq9#Dương!zz",
        "Xq9#NGUYENzz",
        "Nguyen8!Xqzt",
        "D*uong7#duongXq",
        "Anh#8241zqQ_thi",
        "Thianh#8241!",
        "ThiAnhDuong!72",
    ],
)
def test_a_part_of_the_persons_own_number_name_or_phone_is_refused(secrets: Passwords, password: str) -> None:
    with pytest.raises(errors.PasswordKnown):
        secrets.check(password, password, words=WORDS)


def test_a_short_name_inside_another_word_is_not_a_part_of_the_name(secrets: Passwords) -> None:
    for password in ("Something7!Manh", "Xanh#8241!Than", "Kithiem7!Rung"):
        secrets.check(password, password, words=["Lê Thị Anh", "H'Y An"])


def test_the_list_is_in_the_form_in_which_it_is_compared() -> None:
    lines = files("idp.identity").joinpath("known_bad_passwords.txt").read_text(encoding="utf-8").splitlines()
    bases = [line for line in lines if not line.startswith("#")]
    assert len(bases) > 3000
    assert bases == sorted(set(bases))
    assert all(base.isascii() and base.isalnum() and base == base.lower() for base in bases)


def test_a_hash_is_argon2id_with_the_configured_work_and_never_twice_the_same(secrets: Passwords) -> None:
    first, second = secrets.hash(GOOD), secrets.hash(GOOD)
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert secrets.matches(first, GOOD)
    assert not secrets.matches(first, GOOD + "x")


def test_another_unicode_form_of_the_same_password_matches(secrets: Passwords) -> None:
    stored = secrets.hash("Nắng7!Sớm&mai")
    assert secrets.matches(stored, unicodedata.normalize("NFD", "Nắng7!Sớm&mai"))


@pytest.mark.parametrize("password", ["", GOOD * 1000, "xK9#mvLq\ud800", "\x00"])
def test_what_cannot_be_a_password_matches_nothing(secrets: Passwords, password: str) -> None:
    assert not secrets.matches(secrets.hash(GOOD), password)
    assert not secrets.matches(None, password)


@pytest.mark.parametrize("password", ["\x00", "xK9#mvLq\ud800", "x" * 129])
def test_what_check_refuses_is_not_hashed(secrets: Passwords, password: str) -> None:
    with pytest.raises(ValueError, match="check"):
        secrets.hash(password)


@pytest.mark.parametrize("password", [GOOD, "wrong", "", "x" * 5000, "\ud800"])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_same_work_is_done_without_an_account(secrets: Passwords, password: str, is_known: bool) -> None:  # noqa: FBT001
    stored = secrets.hash(GOOD)
    with (
        patch("argon2._password_hasher.verify_secret", side_effect=argon2.low_level.verify_secret) as work,
        patch("argon2._password_hasher.hash_secret", side_effect=AssertionError("more work")),
    ):
        secrets.matches(stored if is_known else None, password)
    assert [call.args[0].rsplit(b"$", 2)[0] for call in work.call_args_list] == [b"$argon2id$v=19$m=8,t=1,p=1"]


def test_nobodys_password_is_never_right(secrets: Passwords) -> None:
    with patch("argon2.PasswordHasher.verify", return_value=True):
        assert not secrets.matches(None, GOOD)
        assert not secrets.matches("a stored hash", "x" * 5000)
        assert secrets.matches("a stored hash", GOOD)


def test_a_hash_with_other_parameters_is_outdated(secrets: Passwords, config: Config) -> None:
    dearer = Passwords(config.model_copy(update={"passwords": config.passwords.model_copy(update={"iterations": 2})}))
    assert not secrets.is_outdated(secrets.hash(GOOD))
    assert dearer.is_outdated(secrets.hash(GOOD))
    assert dearer.matches(secrets.hash(GOOD), GOOD)


def test_no_more_hashes_run_at_once_than_configured(secrets: Passwords) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slow(*_: object) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return True

    with patch("argon2.PasswordHasher.verify", side_effect=slow), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: secrets.matches("a stored hash", GOOD), range(16)))
    assert all(answers)
    assert most == 2


def test_whoever_waits_too_long_for_a_turn_is_sent_away(secrets: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT", timedelta(milliseconds=10))
    with passwords._Turn(secrets._turns), passwords._Turn(secrets._turns):
        for verb in (lambda: secrets.matches(None, GOOD), lambda: secrets.hash(GOOD)):
            with pytest.raises(errors.Unavailable) as refused:
                verb()
            assert refused.value.retry_after_seconds
    assert secrets.matches(secrets.hash(GOOD), GOOD)
