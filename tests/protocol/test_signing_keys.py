"""Signing keys: made once, found again, and useless with the key files of another deployment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from idp.clock import Clock
from idp.errors import ConfigError
from idp.protocol.signing_keys import SigningKeys
from idp.safety.audit import Audit
from idp.safety.encryption import Encryption, KeyRing
from idp.storage.db import Database


def signing_keys(database: Database, folder: Path) -> SigningKeys:
    encryption = Encryption(KeyRing.load(folder))
    return SigningKeys(
        database=database,
        encryption=encryption,
        clock=Clock(),
        audit=Audit(database=database, encryption=encryption, clock=Clock()),
    )


@pytest.mark.race
def test_nodes_that_start_at_once_agree_on_one_key_an_algorithm(database: Database, tmp_path: Path) -> None:
    KeyRing.load(tmp_path / "keys")
    nodes = [signing_keys(database, tmp_path / "keys") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda node: node.ensure(), nodes))
    assert len({node.jwks() for node in nodes}) == 1
    token = nodes[0].sign({"a": 1}, algorithm="ES256")
    assert [node.verify(token) for node in nodes] == [{"a": 1}] * 4


def test_keys_of_another_deployment_stop_the_start_and_say_why(sqlite_database: Database, tmp_path: Path) -> None:
    signing_keys(sqlite_database, tmp_path / "keys").ensure()
    with pytest.raises(ConfigError, match="restore them from the backup"):
        signing_keys(sqlite_database, tmp_path / "other").ensure()


def test_a_token_is_verified_by_the_key_and_algorithm_that_we_made_alone(sqlite_database: Database, tmp_path: Path) -> None:
    ours = signing_keys(sqlite_database, tmp_path / "keys")
    ours.ensure()
    token = ours.sign({"sub": "x"}, algorithm="RS256")
    header, payload, signature = token.split(".")
    assert ours.verify(token) == {"sub": "x"}
    assert ours.verify(f"{header}.{payload}.{signature[:-8]}AAAAAAAA") is None
    assert ours.verify(f"{ours.sign({}, algorithm='ES256').split('.')[0]}.{payload}.{signature}") is None
    for junk in ("", "a", "a.b.c", "é.é.é", "\ud800", token + ".x"):
        assert ours.verify(junk) is None
