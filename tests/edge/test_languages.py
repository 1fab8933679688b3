"""The texts are whole in both languages, safe in HTML, and the reader's language is chosen from whatever comes in."""

import re
from pathlib import Path

import pytest
from markupsafe import Markup

from idp import errors
from idp.edge.assets import find_folder
from idp.edge.languages import MalformedText, MissingText, Text, Texts, choose, find_language, load_texts
from idp.promises import CarrierVerdict
from idp.values import LANGUAGES, Language, LocalText

# What pages give to every text, and what each error gives to its own, as the docstrings of idp.errors say.
ALWAYS = {"service", "hotline", "counter"}
ERROR_VALUES = {
    "required": {"field"},
    "slow_down": {"minutes"},
    "otp_wrong": {"left"},
    "otp_wait": {"seconds"},
    "password_rule": {"minimum"},
}
SHOWN_ERRORS = [cls for cls in errors.catalogue() if issubclass(cls, errors.ShownError)]
PAGE_ERRORS = [cls for cls in SHOWN_ERRORS if not issubclass(cls, errors.FieldError)]


@pytest.fixture(scope="module")
def texts() -> Texts:
    return load_texts(find_folder("locales"))


def small(**sources: str) -> Texts:
    """Give a catalogue of these texts, the same in both languages."""
    parsed = {key: Text.parse(source) for key, source in sources.items()}
    return Texts(dict.fromkeys(LANGUAGES, parsed))


def test_both_languages_have_the_same_keys(texts: Texts) -> None:
    assert texts.keys("vi") == texts.keys("en")
    assert texts.keys("vi")


def test_both_languages_have_the_same_placeholders(texts: Texts) -> None:
    different = [key for key in texts.keys("vi") & texts.keys("en") if texts.placeholders(key, "vi") != texts.placeholders(key, "en")]
    assert different == []


def test_no_text_is_empty_or_carries_unread_markup(texts: Texts) -> None:
    values = {"name": "x"}
    bad = []
    for language in LANGUAGES:
        for key in texts.keys(language):
            plain = texts.get(key, language, **dict.fromkeys(texts.placeholders(key, language), values["name"]))
            if not plain.strip() or re.search(r"\*\*|<[a-z/]|&[a-z]+;", plain):
                bad.append((language, key))
    assert bad == []


@pytest.mark.parametrize("cls", SHOWN_ERRORS, ids=lambda cls: cls.code)
def test_every_shown_error_has_its_texts(texts: Texts, cls: type[errors.ShownError]) -> None:
    key = f"errors.{cls.code}"
    assert texts.has(key)
    assert texts.placeholders(key, "vi") <= ERROR_VALUES.get(cls.code, set()) | ALWAYS
    if texts.has(f"{key}_help"):
        assert texts.placeholders(f"{key}_help", "vi") <= ALWAYS


@pytest.mark.parametrize("cls", PAGE_ERRORS, ids=lambda cls: cls.code)
def test_every_error_page_has_a_heading_and_says_what_to_do_next(texts: Texts, cls: type[errors.ShownError]) -> None:
    assert texts.has(f"errors.{cls.code}_title")
    assert texts.has(f"errors.{cls.code}_help")


@pytest.mark.requirement("A5.53")
@pytest.mark.parametrize("verdict", [CarrierVerdict.MISMATCH, CarrierVerdict.OLD_DOCUMENT, CarrierVerdict.LOCKED, CarrierVerdict.NOT_FOUND])
def test_every_refusal_of_the_carrier_has_its_own_text_and_help(texts: Texts, verdict: CarrierVerdict) -> None:
    assert texts.has(f"errors.carrier_refused_{verdict}")
    assert texts.has(f"errors.carrier_refused_{verdict}_help")


@pytest.mark.requirement("A5.53")
def test_the_mismatch_reads_as_the_sources_have_it(texts: Texts) -> None:
    assert texts.get("errors.carrier_refused_mismatch", "vi") == (
        "Thông tin đăng ký không khớp với thông tin thuê bao tại nhà mạng, vui lòng kiểm tra/đăng ký lại với nhà mạng."
    )


def test_no_error_text_is_left_without_its_error(texts: Texts) -> None:
    """Every key is an error's code, alone or with a title, a help, or the reason of one of its cases."""
    codes = tuple(cls.code for cls in SHOWN_ERRORS)
    keys = {key.removeprefix("errors.") for key in texts.keys("vi") if key.startswith("errors.")} - {"title"}
    assert [key for key in keys if key not in codes and not key.startswith(tuple(f"{code}_" for code in codes))] == []


@pytest.mark.parametrize("path", sorted(find_folder("templates").rglob("*.html")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_text_that_a_template_names_exists(texts: Texts, path: Path) -> None:
    """A key that is put together, `t("acc.level_" ~ level)`, has at least one text that begins so."""
    source = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for key, joined in re.findall(r'\bt\("([^"]+)"( ~)?', source):
        assert texts.has(key) or (joined and any(known.startswith(key) for known in texts.keys("vi"))), key


def test_a_value_is_escaped_in_html_even_when_it_calls_itself_html() -> None:
    texts = small(hello="**Hi** & {name}")
    assert texts.html("hello", "vi", name="<b>**x**</b>") == "<strong>Hi</strong> &amp; &lt;b&gt;**x**&lt;/b&gt;"
    assert texts.html("hello", "vi", name=Markup("<b>")) == "<strong>Hi</strong> &amp; &lt;b&gt;"


def test_plain_words_have_no_markup() -> None:
    assert small(hello="**Hi** & {name}").get("hello", "vi", name="<b>") == "Hi & <b>"


def test_a_value_in_two_languages_is_put_into_the_readers() -> None:
    texts = small(hello="{who}")
    assert texts.get("hello", "en", who=LocalText(vi="tỉnh", en="province")) == "province"


def test_a_missing_text_or_value_raises_and_names_no_value() -> None:
    texts = small(hello="{name} {other}")
    with pytest.raises(MissingText, match="vi: bye"):
        texts.get("bye", "vi")
    with pytest.raises(MissingText, match="hello: no value for other") as caught:
        texts.html("hello", "vi", name="secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("source", ["{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{}", "{a", "a}"])
def test_a_placeholder_is_a_plain_name(source: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two kinds of message, one kind of error
        Text.parse(source)


def test_a_bad_text_and_a_key_in_two_files_are_named(tmp_path: Path) -> None:
    for language in LANGUAGES:
        (tmp_path / language).mkdir()
    (tmp_path / "vi" / "one.toml").write_text('[login]\ntitle = "{a.b}"\n', encoding="utf-8")
    with pytest.raises(MalformedText, match=r"vi/one\.toml: login\.title"):
        load_texts(tmp_path)
    (tmp_path / "vi" / "one.toml").write_text('[login]\ntitle = "a"\n', encoding="utf-8")
    (tmp_path / "vi" / "two.toml").write_text('[login]\ntitle = "b"\n', encoding="utf-8")
    with pytest.raises(MalformedText, match=r"two\.toml: login\.title stands in two files"):
        load_texts(tmp_path)


@pytest.mark.parametrize(
    "ui_locales, cookie, accept_language, language",
    [
        (None, None, None, "vi"),
        ("", "", "", "vi"),
        ("en", None, None, "en"),
        ("fr en-GB vi", "vi", "vi", "en"),
        ("fr de", "en", "vi", "en"),
        (None, "en", "vi", "en"),
        (None, "fr", "en-US,en;q=0.9", "en"),
        (None, None, "fr-FR, vi;q=0.3, en;q=0.8", "en"),
        (None, None, "en;q=0, vi;q=0.1", "vi"),
        (None, None, "en;q=nonsense", "vi"),
        (None, None, "*", "vi"),
        (None, None, "EN-us", "en"),
        ("\x00 ;;; " + "x" * 9000, "\udcff", ";;,q=,,;q=1" * 500, "vi"),
        ("english", "vietnamese", "en_US", "vi"),
    ],
)
def test_the_language_is_the_first_of_ours_that_anyone_names(
    ui_locales: str | None, cookie: str | None, accept_language: str | None, language: Language
) -> None:
    assert choose(ui_locales, cookie, accept_language) == language


def test_a_tag_of_another_language_is_not_one_of_ours() -> None:
    assert find_language("vi-VN") == "vi"
    assert find_language("vie") is None
