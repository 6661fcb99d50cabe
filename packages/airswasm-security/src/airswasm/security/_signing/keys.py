"""Ed25519 keys, and the refusal of public keys under which a signature proves nothing.

`cryptography` signs and verifies, but accepts any 32 bytes as a public key. Under the identity
point one signature is valid for every message, under the other points of small order for some. Here
a public key exists only after a check: canonical encoding, on the curve, in the subgroup of prime
order. The check is plain arithmetic (about a millisecond, on import of a key only) rather than a
list of bad encodings, so that it also refuses points with a small-order part; the eight published
encodings are in the tests.

Keys are files in the forms that every tool reads: PKCS#8 PEM (mode 0600) for private keys, SPKI PEM
for public ones.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from airswasm.runtime.files import write_new_file
from cryptography.exceptions import InvalidSignature as _Mismatch
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from ..errors import InvalidKey, KeyFileExposed, KeyFileInvalid
from .curve import ORDER, check_point
from .key_text import decode_key, encode_key, fingerprint_of

__all__ = (
    "PublicKey",
    "PrivateKey",
    "generate_key",
    "load_private_key",
    "save_private_key",
    "load_public_key",
    "save_public_key",
)

_PEM_BYTES = 16_384
_PUBLIC = "pass a .pub file: its publisher has it, or `airswasm keygen` wrote it beside the key"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked Ed25519 public key.

    Attributes:
        raw: Its 32 bytes; the key's identity.

    Raises:
        InvalidKey: The bytes are not 32, not canonical, or not on the curve.
        WeakKey: The point has small order, or a part of small order.
    """

    raw: bytes

    def __post_init__(self) -> None:
        check_point(self.raw)

    @classmethod
    def from_text(cls, text: str) -> PublicKey:
        """Parse the form that `str` gives: base64 of the 32 bytes.

        Raises:
            InvalidKey: The text has another form, or its key is not usable.
        """
        return cls(decode_key(text))

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """Parse an SPKI PEM.

        Raises:
            InvalidKey: The text is not the PEM of a usable Ed25519 public key.
        """
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidKey("the text is no public key in PEM form") from error
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidKey(f"it is of another kind ({type(key).__name__})")
        return cls(key.public_bytes_raw())

    def __str__(self) -> str:
        return encode_key(self.raw)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw key in hexadecimal, for people to compare."""
        return fingerprint_of(self.raw)

    @property
    def pem(self) -> bytes:
        """The key as SPKI PEM."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether this is this key's one canonical signature of the message."""
        if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= ORDER:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except _Mismatch:
            return False
        return True


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """An Ed25519 private key; its text form never shows the secret."""

    _key: Ed25519PrivateKey
    public: PublicKey = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "public", PublicKey(self._key.public_key().public_bytes_raw()))

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """Return the key of a 32-byte seed.

        Raises:
            InvalidKey: The seed is not 32 bytes.
        """
        if len(seed) != 32:
            raise InvalidKey(f"a seed has 32 bytes, not {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes, *, passphrase: bytes | None = None) -> PrivateKey:
        """Parse a PKCS#8 PEM.

        Raises:
            InvalidKey: The text is not the PEM of an Ed25519 private key, or the passphrase is
                wrong.
        """
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except TypeError as error:
            raise InvalidKey(str(error)) from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidKey("the text is no private key in PEM form") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidKey(f"it is of another kind ({type(key).__name__})")
        return cls(key)

    def __repr__(self) -> str:
        return f"PrivateKey(fingerprint={self.public.fingerprint!r})"

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of a message."""
        return self._key.sign(message)

    def pem(self, *, passphrase: bytes | None = None) -> bytes:
        """Return the key as PKCS#8 PEM, encrypted if a passphrase is given."""
        encryption = (
            serialization.BestAvailableEncryption(passphrase)
            if passphrase
            else serialization.NoEncryption()
        )
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )


def generate_key() -> PrivateKey:
    """Generate a key from the operating system's randomness."""
    return PrivateKey(Ed25519PrivateKey.generate())


def load_private_key(
    path: str | os.PathLike[str], *, passphrase: bytes | None = None
) -> PrivateKey:
    """Read a private key file.

    Raises:
        KeyFileInvalid: The file is missing, unreadable, or not an Ed25519 key.
        KeyFileExposed: Other users can read it.
    """
    content, mode = _read(path)
    if os.name == "posix" and mode & 0o077:
        raise KeyFileExposed(path, mode)
    try:
        return PrivateKey.from_pem(content, passphrase=passphrase)
    except InvalidKey as error:
        raise KeyFileInvalid(path, error.reason) from error


def save_private_key(
    key: PrivateKey, path: str | os.PathLike[str], *, passphrase: bytes | None = None
) -> None:
    """Write a private key to a new file that only its owner can read.

    Raises:
        KeyFileInvalid: The file exists (this never overwrites a key) or cannot be written; no
            partial file remains.
    """
    _write_new(path, key.pem(passphrase=passphrase), 0o600)


def load_public_key(path: str | os.PathLike[str]) -> PublicKey:
    """Read a public key file.

    Raises:
        KeyFileInvalid: The file is missing, unreadable, or not a usable Ed25519 key.
    """
    content, _ = _read(path, hint=_PUBLIC)
    try:
        return PublicKey.from_pem(content)
    except InvalidKey as error:
        raise KeyFileInvalid(path, error.reason, hint=_PUBLIC) from error


def save_public_key(key: PublicKey, path: str | os.PathLike[str]) -> None:
    """Write a public key to a new file.

    Raises:
        KeyFileInvalid: The file exists or cannot be written.
    """
    _write_new(path, key.pem, 0o644)


def _read(path: str | os.PathLike[str], *, hint: str = "") -> tuple[bytes, int]:
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_PEM_BYTES + 1)
    except OSError as error:
        raise KeyFileInvalid(path, f"cannot read the key: {error.strerror}", hint=hint) from error
    if len(content) > _PEM_BYTES:
        raise KeyFileInvalid(path, "too long for a key file", hint=hint)
    return content, mode


def _write_new(path: str | os.PathLike[str], content: bytes, mode: int) -> None:
    try:
        write_new_file(Path(path), content, mode=mode)
    except OSError as error:
        raise KeyFileInvalid(path, f"cannot write the key: {error.strerror}") from error
