"""Seals open only where they were made, keys rotate without loss, and a key file that could be wrong or seen stops the start."""

import base64
import multiprocessing
import secrets
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.errors import ConfigError
from idp.safety.encryption import Encryption, Key, KeyRing, SealBroken

STEADY = settings(max_examples=50, deadline=None, derandomize=True, database=None)
PLACE = "accounts.full_name:0193"
FILES = ("field-encryption.keys", "index.keys", "tokens.keys")


def key(version: int) -> Key:
    return Key(version, secrets.token_bytes(32))


def ring(*keys: Key) -> KeyRing:
    return KeyRing(field_encryption=keys, index=keys, tokens=keys)


FIRST, SECOND = key(1), key(2)
ENCRYPTION = Encryption(ring(FIRST))


def line(version: object, secret: bytes) -> str:
    return f"{version} {base64.b64encode(secret).decode()}\n"


def write(folder: Path, name: str, text: str, mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


# --- Sealing ------------------------------------------------------------------------------------------------------------------------


@STEADY
@given(text=st.text(), place=st.text())
def test_what_was_sealed_is_unsealed(text: str, place: str) -> None:
    assert ENCRYPTION.unseal(ENCRYPTION.seal(text, place), place) == text


@STEADY
@given(data=st.binary(max_size=300), place=st.text())
def test_bytes_that_were_sealed_are_unsealed(data: bytes, place: str) -> None:
    assert ENCRYPTION.unseal_bytes(ENCRYPTION.seal_bytes(data, place), place) == data


def test_a_seal_tells_its_key_and_nothing_else() -> None:
    sealed = ENCRYPTION.seal("Nguyễn Văn An", PLACE)
    version, data = sealed.split(".")
    assert version == "v1"
    assert data.replace("-", "").replace("_", "").isalnum()
    assert "Nguyễn" not in sealed
    assert "Nguyễn".encode() not in ENCRYPTION.seal_bytes("Nguyễn Văn An".encode(), PLACE)


def test_equal_texts_have_different_seals() -> None:
    assert ENCRYPTION.seal("001099000999", PLACE) != ENCRYPTION.seal("001099000999", PLACE)
    assert ENCRYPTION.seal_bytes(b"001099000999", PLACE) != ENCRYPTION.seal_bytes(b"001099000999", PLACE)


@pytest.mark.parametrize("elsewhere", ["accounts.full_name:0194", "accounts.email:0193", "", PLACE + " "])
def test_a_seal_opens_in_its_place_alone(elsewhere: str) -> None:
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal(ENCRYPTION.seal("text", PLACE), elsewhere)
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal_bytes(ENCRYPTION.seal_bytes(b"text", PLACE), elsewhere)


def test_any_changed_bit_breaks_a_seal() -> None:
    sealed = ENCRYPTION.seal_bytes(b"text", PLACE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealBroken):
            ENCRYPTION.unseal_bytes(bytes(changed), PLACE)


@STEADY
@given(text=st.one_of(st.text(max_size=80), st.from_regex(r"v1\.[A-Za-z0-9_-]{0,60}", fullmatch=True)))
def test_anything_else_is_no_seal(text: str) -> None:
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal(text, PLACE)


@STEADY
@given(data=st.binary(max_size=80))
def test_any_other_bytes_are_no_seal(data: bytes) -> None:
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal_bytes(b"\0\0\0\1" + data, PLACE)
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal_bytes(data[:3], PLACE)


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    rotated = Encryption(ring(SECOND, FIRST))
    assert rotated.unseal(ENCRYPTION.seal("text", PLACE), PLACE) == "text"
    assert rotated.unseal_bytes(ENCRYPTION.seal_bytes(b"text", PLACE), PLACE) == b"text"
    sealed = rotated.seal("text", PLACE)
    assert sealed.startswith("v2.")
    with pytest.raises(SealBroken):
        ENCRYPTION.unseal(sealed, PLACE)


def test_a_key_added_behind_the_current_one_opens_and_does_not_seal() -> None:
    prepared = Encryption(ring(FIRST, SECOND))
    assert prepared.seal("text", PLACE).startswith("v1.")
    assert prepared.unseal(Encryption(ring(SECOND, FIRST)).seal("text", PLACE), PLACE) == "text"


# --- Keyed hashes -------------------------------------------------------------------------------------------------------------------


def test_an_index_is_the_same_for_the_same_value_of_the_same_kind() -> None:
    index = ENCRYPTION.index("cccd", "001099000999")
    assert index == ENCRYPTION.index("cccd", "001099000999")
    assert len(index) == 64
    assert index != ENCRYPTION.index("cmnd", "001099000999")
    assert index != ENCRYPTION.index("cccd", "001099000998")
    assert index != Encryption(ring(SECOND)).index("cccd", "001099000999")


def test_kind_and_value_cannot_run_into_each_other() -> None:
    assert ENCRYPTION.index("ab", "c") != ENCRYPTION.index("a", "bc")
    assert ENCRYPTION.mac("ab", "c") != ENCRYPTION.mac("a", "bc")


def test_a_search_finds_what_was_indexed_with_any_key() -> None:
    rotated = Encryption(ring(SECOND, FIRST))
    assert rotated.indexes("phone", "+84912345678") == [rotated.index("phone", "+84912345678"), ENCRYPTION.index("phone", "+84912345678")]
    assert (ENCRYPTION.index_version, rotated.index_version) == (1, 2)


def test_a_new_key_does_not_rename_what_is_stored_for_a_short_time() -> None:
    names = {Encryption(ring(*keys)).store_name("0912345678") for keys in [(FIRST,), (FIRST, SECOND), (SECOND, FIRST)]}
    assert len(names) == 1
    assert names.isdisjoint(ENCRYPTION.indexes("phone", "0912345678"))


def test_a_mac_proves_its_message_and_purpose() -> None:
    mac = ENCRYPTION.mac("csrf", "message")
    assert ENCRYPTION.is_mac("csrf", "message", mac)
    assert not ENCRYPTION.is_mac("csrf", "message!", mac)
    assert not ENCRYPTION.is_mac("logout", "message", mac)
    assert not Encryption(ring(SECOND)).is_mac("csrf", "message", mac)


def test_a_mac_of_an_older_key_still_holds() -> None:
    mac = ENCRYPTION.mac("csrf", "message")
    rotated = Encryption(ring(SECOND, FIRST))
    assert rotated.is_mac("csrf", "message", mac)
    assert rotated.mac("csrf", "message") != mac


@STEADY
@given(mac=st.text(max_size=60))
def test_anything_else_is_no_mac(mac: str) -> None:
    assert not ENCRYPTION.is_mac("csrf", "message", mac)


# --- Key files ----------------------------------------------------------------------------------------------------------------------


def test_missing_keys_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "keys"
    made = KeyRing.load(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len({made.field_encryption[0].secret, made.index[0].secret, made.tokens[0].secret}) == 3


def test_keys_are_the_same_at_the_next_start(tmp_path: Path) -> None:
    sealed = Encryption(KeyRing.load(tmp_path)).seal("text", PLACE)
    again = KeyRing.load(tmp_path)
    assert again == KeyRing.load(tmp_path)
    assert Encryption(again).unseal(sealed, PLACE) == "text"


def load_and_report(folder: str, start: Any, reports: Any) -> None:
    start.wait(30)
    loaded = KeyRing.load(Path(folder))
    reports.put([keys[0].secret for keys in (loaded.field_encryption, loaded.index, loaded.tokens)])


@pytest.mark.race
def test_processes_that_start_at_once_have_the_same_keys(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    start, reports = processes.Barrier(3), processes.Queue()
    started = [processes.Process(target=load_and_report, args=(str(tmp_path / "keys"), start, reports)) for _ in range(3)]
    for process in started:
        process.start()
    results = [reports.get(timeout=50) for _ in started]
    for process in started:
        process.join(20)
    assert results[0] == results[1] == results[2]
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == sorted(FILES)


def test_the_first_line_is_current_and_all_are_read(tmp_path: Path) -> None:
    KeyRing.load(tmp_path)
    write(tmp_path, "index.keys", "# since spring\n" + line(7, SECOND.secret) + "\n" + line(1, FIRST.secret))
    assert KeyRing.load(tmp_path).index == (Key(7, SECOND.secret), FIRST)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
@pytest.mark.parametrize("name", FILES)
def test_a_key_file_that_others_could_read_is_refused(name: str, mode: int, tmp_path: Path) -> None:
    KeyRing.load(tmp_path)
    (tmp_path / name).chmod(mode)
    with pytest.raises(ConfigError) as caught:
        KeyRing.load(tmp_path)
    assert [name in problem for problem in caught.value.problems] == [True]


CORRUPT = {
    "empty": "",
    "a comment alone": "# nothing\n",
    "half a key": line(1, FIRST.secret[:16]),
    "too long a key": line(1, FIRST.secret + b"x"),
    "no version": base64.b64encode(FIRST.secret).decode() + "\n",
    "version zero": line(0, FIRST.secret),
    "a negative version": line(-1, FIRST.secret),
    "a version beyond the column": line(2**31, FIRST.secret),
    "a version twice": line(1, FIRST.secret) + line(1, SECOND.secret),
    "a good line and a bad one": line(1, FIRST.secret) + "2 not-base64\n",
    "not base64": "1 " + "ä" * 44 + "\n",
    "zeros": line(1, bytes(32)),
    "a password": line(1, b"password" * 4),
    "cut off": line(1, FIRST.secret)[:-6],
}


@pytest.mark.parametrize("text", CORRUPT.values(), ids=CORRUPT.keys())
def test_a_corrupt_key_file_is_refused_and_left_as_it_is(text: str, tmp_path: Path) -> None:
    KeyRing.load(tmp_path)
    path = write(tmp_path, "tokens.keys", text)
    with pytest.raises(ConfigError) as caught:
        KeyRing.load(tmp_path)
    assert all("tokens.keys" in problem for problem in caught.value.problems)
    assert path.read_text() == text
    assert not any(word in str(caught.value) for word in text.split() if len(word) > 20)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path / "keys", "index.keys", "nonsense\n")
    write(tmp_path / "keys", "tokens.keys", line(1, FIRST.secret), mode=0o644)
    with pytest.raises(ConfigError) as caught:
        KeyRing.load(tmp_path / "keys")
    assert len(caught.value.problems) == 3  # the bad line, that no good one is left, and the mode


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="cannot be used"):
        KeyRing.load(tmp_path / "keys")


def test_secrets_do_not_show_in_representations(tmp_path: Path) -> None:
    loaded = KeyRing.load(tmp_path)
    shown = repr(loaded) + repr(Encryption(loaded)) + str(loaded)
    assert repr(loaded.index[0].secret) not in shown
    assert "version=1" in shown
