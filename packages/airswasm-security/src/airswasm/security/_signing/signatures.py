"""Sign and verify the files of a package, in a form without ambiguity.

`component.sig` is an envelope (`_envelope`) around one statement: the component's name, version and
sequence, the SHA-256 of every file, and the keys that sign it, the owner's first. Exactly these
must have signed it. So the owner's key does not depend on a line that a mirror could add or move: a
statement that names other keys is another statement, which the owner has not signed.

Several people sign on their own machines: the first one names the others and signs, and each of
them adds a signature with `cosign`. Until the last one has, the package is not signed.

Rejected: signing the archive's bytes (two archives of the same files would differ), a detached
signature for each file (mix and match), minisign and SSH signatures (no statement of name and
sequence inside).

A valid signature proves who signed, not that the signer may: see `TrustStore`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import ContentMismatch, InvalidStatement
from .envelope import (
    Json,
    canonical,
    check_canonical,
    check_name,
    check_sequence,
    envelope,
    integer_of,
    keys_of,
    open_envelope,
    open_whole,
    parse_body,
    text_of,
)
from .key_text import MAXIMUM_SIGNERS
from .keys import PrivateKey, PublicKey
from .package_paths import judge_path

__all__ = (
    "SIGNATURE_FILE",
    "FileDigest",
    "PartlySigned",
    "Statement",
    "VerifiedStatement",
    "read_partly_signed",
    "sign",
    "verify",
    "verify_statement",
)

SIGNATURE_FILE = "component.sig"
"""The one file of a package that its signature does not cover."""

_TYPE = "airswasm/component/v1"
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_LABEL = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_LABEL}(\.{_LABEL})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The identity of a file's content."""

    length: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileDigest:
        """Return the digest of these bytes."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement that a component's signature covers.

    Attributes:
        name: `namespace/name`.
        version: A semantic version.
        sequence: Rises with every release; 1 to 2**63 - 1.
        files: Every file of the package but `component.sig`, by relative path.
        signers: The keys that sign it, the owner's first; empty until `sign`.

    Raises:
        InvalidStatement: A field breaks these rules.
    """

    name: str
    version: str
    sequence: int
    files: Mapping[str, FileDigest]
    signers: tuple[PublicKey, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.version) > 128 or _VERSION.fullmatch(self.version) is None:
            raise InvalidStatement("version is not a semantic version", field="version")
        check_sequence(self.sequence)
        _check_files(self.files)

    @classmethod
    def of(cls, name: str, version: str, sequence: int, files: Mapping[str, bytes]) -> Statement:
        """Return the statement about these files, without `component.sig`.

        Raises:
            InvalidStatement: A name, version, sequence or path breaks the rules.
        """
        digests = {
            path: FileDigest.of(content)
            for path, content in files.items()
            if path != SIGNATURE_FILE
        }
        return cls(name, version, sequence, digests)

    def encode(self) -> bytes:
        """Return the canonical JSON to sign."""
        files: dict[str, Json] = {
            path: {"length": file.length, "sha256": file.sha256}
            for path, file in self.files.items()
        }
        return canonical(
            {
                "type": _TYPE,
                "name": self.name,
                "version": self.version,
                "sequence": self.sequence,
                "files": files,
                "signers": [str(key) for key in self.signers],
            }
        )

    def check(self, files: Mapping[str, bytes]) -> None:
        """Compare the files with the signed ones.

        Raises:
            ContentMismatch: A file was changed, is missing, or was added.
        """
        present = {path: content for path, content in files.items() if path != SIGNATURE_FILE}
        changed = sorted(
            path
            for path, content in present.items()
            if path in self.files and self.files[path] != FileDigest.of(content)
        )
        missing = sorted(self.files.keys() - present.keys())
        extra = sorted(present.keys() - self.files.keys())
        if changed or missing or extra:
            raise ContentMismatch(changed=changed, missing=missing, extra=extra)


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement whose signatures, and files if given, were verified.

    Attributes:
        statement: The signed statement.
    """

    statement: Statement

    @property
    def owner(self) -> PublicKey:
        """The key of the component's owner: the first that the statement names."""
        return self.statement.signers[0]

    @property
    def signers(self) -> tuple[PublicKey, ...]:
        """All keys that signed, the owner's first."""
        return self.statement.signers


@dataclass(frozen=True, slots=True)
class PartlySigned:
    """A statement that waits for some of its signers.

    Attributes:
        statement: The statement.
        signed: The keys that have signed it, in the statement's order.
    """

    statement: Statement
    signed: tuple[PublicKey, ...]

    @property
    def missing(self) -> tuple[PublicKey, ...]:
        """The keys that have yet to sign it."""
        return tuple(each for each in self.statement.signers if each not in self.signed)


def sign(
    statement: Statement,
    key: PrivateKey,
    *more: PrivateKey,
    cosigners: Sequence[PublicKey] = (),
) -> bytes:
    """Return the content of `component.sig`.

    Args:
        statement: The statement to sign; its signers become all of these keys.
        key: The owner's key.
        more: Keys that sign here as well.
        cosigners: Keys that have yet to sign, each with `cosign`.

    Raises:
        InvalidStatement: A key is given twice, or there are more than eight.
    """
    keys = (key, *more)
    signers = (*(each.public for each in keys), *cosigners)
    if len(set(signers)) != len(signers) or len(signers) > MAXIMUM_SIGNERS:
        raise InvalidStatement(
            f"one to {MAXIMUM_SIGNERS} different keys sign a statement", field="signers"
        )
    return envelope(replace(statement, signers=signers).encode(), keys)


def verify(signature: bytes, files: Mapping[str, bytes]) -> VerifiedStatement:
    """Verify signatures, statement and files, in this order.

    Args:
        signature: The content of `component.sig`.
        files: Every file of the package; `component.sig` itself is ignored.

    Raises:
        InvalidSignature: The file is malformed, or one of its signatures is not valid.
        SignaturesMissing: A named key has not signed yet.
        InvalidStatement: The signed statement breaks the format's rules.
        ContentMismatch: The files are not the signed ones.
    """
    verified = verify_statement(signature)
    verified.statement.check(files)
    return verified


def verify_statement(signature: bytes) -> VerifiedStatement:
    """Verify signatures and statement where the files are not at hand.

    Raises:
        InvalidSignature: The file is malformed, or one of its signatures is not valid.
        SignaturesMissing: A named key has not signed yet.
        InvalidStatement: The signed statement breaks the format's rules.
    """
    body, _ = open_whole(signature)
    return VerifiedStatement(_read(body))


def read_partly_signed(signature: bytes) -> PartlySigned:
    """Read a statement of which some signers may be missing; those that are there are verified.

    Raises:
        InvalidSignature, InvalidStatement: As for `verify_statement`.
    """
    body, signed = open_envelope(signature)
    statement = _read(body)
    return PartlySigned(statement, tuple(each for each in statement.signers if each in signed))


def _read(body: bytes) -> Statement:
    """Parse a statement whose signatures are already verified."""
    fields = parse_body(body, _TYPE, ("name", "version", "sequence", "files", "signers"))
    statement = Statement(
        name=text_of(fields, "name"),
        version=text_of(fields, "version"),
        sequence=integer_of(fields, "sequence"),
        files=_digests(fields["files"]),
        signers=keys_of(fields),
    )
    check_canonical(statement.encode(), body)
    return statement


def _digests(value: Json) -> dict[str, FileDigest]:
    if not isinstance(value, dict):
        raise InvalidStatement("files is not a table", field="files")
    return {path: _digest(path, entry) for path, entry in value.items()}


def _digest(path: str, entry: Json) -> FileDigest:
    if not isinstance(entry, dict) or entry.keys() != {"length", "sha256"}:
        raise InvalidStatement(f"{path!a} needs length and sha256", field="files")
    return FileDigest(integer_of(entry, "length"), text_of(entry, "sha256"))


def _check_files(files: Mapping[str, FileDigest]) -> None:
    if not files:
        raise InvalidStatement("it covers no file", field="files")
    seen: dict[str, str] = {}
    for path, digest in files.items():
        _check_path(path)
        twin = seen.setdefault(path.casefold(), path)
        if twin != path:
            raise InvalidStatement(f"{path} and {twin} differ only in case", field="files")
        if digest.length < 0 or _SHA256.fullmatch(digest.sha256) is None:
            raise InvalidStatement(f"{path!a}: length or sha256 is malformed", field="files")


def _check_path(path: str) -> None:
    reason = "it is the signature" if path == SIGNATURE_FILE else judge_path(path)
    if reason is not None:
        raise InvalidStatement(f"{path[:200]!a} cannot be signed: {reason}", field="files")
