"""Encryption of stored fields and values, keyed hashes for look-up, and the key files behind them."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from idp.errors import ConfigError

KEY_BYTES = 32
_NONCE_BYTES = 12  # NIST SP 800-38D 8.2: 96 random bits, for at most 2^32 seals under one key
_VERSION_BYTES = 4
_HIGHEST_VERSION = 2**31 - 1  # what an Integer column holds
_FEWEST_DISTINCT_BYTES = 8  # a random key has about 30; typed-in ones and runs of zeros have few
_FIELD_FILE = "field-encryption.keys"
_INDEX_FILE = "index.keys"
_TOKENS_FILE = "tokens.keys"


class SealBroken(Exception):
    """What was to be unsealed is not what was sealed in this place, or its key is gone."""


@dataclass(frozen=True)
class Key:
    """A secret key and its version, which is stored beside whatever the key made."""

    version: int
    secret: bytes

    def __repr__(self) -> str:
        """Hide the secret."""
        return f"Key(version={self.version})"


@dataclass(frozen=True)
class KeyRing:
    """The keys of each purpose: the first is current, all are read."""

    field_encryption: tuple[Key, ...]
    index: tuple[Key, ...]
    tokens: tuple[Key, ...]

    @classmethod
    def load(cls, folder: Path) -> "KeyRing":
        """Read the key files of `folder`, making the ones that are missing. Raises `ConfigError`, which names every problem."""
        problems: list[str] = []
        keys = [_load(folder / name, problems) for name in (_FIELD_FILE, _INDEX_FILE, _TOKENS_FILE)]
        if problems:
            raise ConfigError(problems)
        return cls(*keys)


class Encryption:
    """Seals personal data and secrets, each into its place, and gives the keyed hashes by which they are found."""

    def __init__(self, ring: KeyRing) -> None:
        """Take the keys."""
        self._ring = ring
        self._ciphers = {key.version: AESGCM(key.secret) for key in ring.field_encryption}
        self._current = ring.field_encryption[0].version
        self._oldest = min(ring.index, key=lambda key: key.version)

    def seal(self, text: str, context: str) -> str:
        """Encrypt `text` for the one place that `context` names, for example `accounts.full_name:<row id>`."""
        return f"v{self._current}.{_encode(self._encrypt(text.encode(), context))}"

    def unseal(self, sealed: str, context: str) -> str:
        """Give the text that was sealed for this `context`. Raises `SealBroken`."""
        version, _, data = sealed.partition(".")
        try:
            return self._decrypt(int(version.removeprefix("v")), _decode(data), context).decode()
        except ValueError:
            raise SealBroken("not a sealed text") from None

    def seal_bytes(self, data: bytes, context: str) -> bytes:
        """Encrypt `data` for the one place that `context` names."""
        return self._current.to_bytes(_VERSION_BYTES) + self._encrypt(data, context)

    def unseal_bytes(self, data: bytes, context: str) -> bytes:
        """Give the data that were sealed for this `context`. Raises `SealBroken`."""
        return self._decrypt(int.from_bytes(data[:_VERSION_BYTES]), data[_VERSION_BYTES:], context)

    def index(self, kind: str, value: str) -> str:
        """Give the keyed hash of `value` by which a row is found; equal values of different kinds have different ones."""
        return _mac(self._ring.index[0], kind, value).hex()

    def indexes(self, kind: str, value: str) -> list[str]:
        """Give the keyed hash under every key, the current first: a search has to try them all."""
        return [_mac(key, kind, value).hex() for key in self._ring.index]

    @property
    def index_version(self) -> int:
        """Give the version of the key behind `index`."""
        return self._ring.index[0].version

    def store_name(self, identifier: str) -> str:
        """Give the keyed hash under which a short-lived value is kept. The oldest key makes it, so that a new key moves nothing."""
        return _mac(self._oldest, "short-lived", identifier).hex()

    def mac(self, purpose: str, message: str) -> str:
        """Give a code that proves later that `message` came from us, for this `purpose`."""
        return _encode(_mac(self._ring.tokens[0], purpose, message))

    def is_mac(self, purpose: str, message: str, mac: str) -> bool:
        """Tell whether `mac` is ours for this `message` and `purpose`, under any of the keys."""
        given = mac.encode()
        proofs = [hmac.compare_digest(_encode(_mac(key, purpose, message)).encode(), given) for key in self._ring.tokens]
        return any(proofs)

    def _encrypt(self, data: bytes, context: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[self._current].encrypt(nonce, data, context.encode())

    def _decrypt(self, version: int, data: bytes, context: str) -> bytes:
        cipher = self._ciphers.get(version)
        if cipher is None:
            raise SealBroken("sealed with a key that is not in the key ring")
        try:
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError):
            raise SealBroken("changed, or sealed for another place") from None


def _mac(key: Key, label: str, message: str) -> bytes:
    """Give HMAC-SHA256 (RFC 2104) of the message under its label; NUL keeps the two apart."""
    return hmac.digest(key.secret, label.encode() + b"\0" + message.encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")  # what is no base64 is no seal either, so nothing else has to find it


def _load(path: Path, problems: list[str]) -> tuple[Key, ...]:
    """Read one key file; what is wrong with it goes into `problems`, never what stands in it."""
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: cannot be used ({type(error).__name__})")
        return ()
    if mode & 0o077:
        problems.append(f"{path}: readable by others; run chmod 600 on it")
        return ()
    return _parse(text, lambda problem: problems.append(f"{path}: {problem}"))


def _make(path: Path) -> None:
    """Make a file with one fresh key. Of processes that come at once the first wins, and nobody sees half a file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"1 " + base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _parse(text: str, complain: Callable[[str], None]) -> tuple[Key, ...]:
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key = _parse_line(line)
        if key is None:
            complain(f"line {number}: expected VERSION and the base64 of {KEY_BYTES} random bytes")
        elif key.version in {known.version for known in keys}:
            complain(f"line {number}: version {key.version} stands twice")
        else:
            keys.append(key)
    if not keys:
        complain("holds no key")
    return tuple(keys)


def _parse_line(line: str) -> Key | None:
    version, _, encoded = line.strip().partition(" ")
    try:
        secret = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return None
    if not version.isdecimal() or not 1 <= int(version) <= _HIGHEST_VERSION:
        return None
    if len(secret) != KEY_BYTES or len(set(secret)) < _FEWEST_DISTINCT_BYTES:
        return None
    return Key(int(version), secret)
