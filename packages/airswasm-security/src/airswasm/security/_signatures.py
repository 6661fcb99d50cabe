"""Sign and verify the files of a package, in a form without ambiguity.

`component.sig` is text: a format line, the statement as one line of canonical JSON, and one line
for each signature:

    airswasm-signature-v1
    {"files":{...},"name":"local/hello","sequence":1,"signers":["<key>"],"type":"...",...}
    ed25519 <public key> <signature>

The statement names its signers, the owner first, and exactly these must have signed it, in that
order. So the owner's key does not depend on a line that a mirror could add or move: a statement
that names other keys is another statement, which the owner has not signed.

The signature covers not the JSON alone but its pre-authentication encoding, as in DSSE: the format
line and the statement, each with its length. Signatures are verified before the statement is
parsed; a parsed statement must be its own canonical encoding byte for byte, so that two readers
cannot see two contents.

Rejected: signing the archive's bytes (two archives of the same files would differ), a detached
signature for each file (mix and match), minisign and SSH signatures (no statement of name and
sequence inside).

A valid signature proves who signed, not that the signer may: see `TrustStore`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NoReturn, TypeAlias

from ._keys import PrivateKey, PublicKey
from ._package_paths import judge_path
from .errors import ContentMismatch, InvalidKey, InvalidSignature, InvalidStatement

__all__ = (
    "SIGNATURE_FILE",
    "MAXIMUM_SEQUENCE",
    "FileDigest",
    "Statement",
    "VerifiedStatement",
    "Rotation",
    "sign",
    "verify",
    "verify_statement",
    "sign_rotation",
    "verify_rotation",
)

SIGNATURE_FILE = "component.sig"
"""The one file of a package that its signature does not cover."""

MAXIMUM_SEQUENCE = 2**63 - 1

_FORMAT = b"airswasm-signature-v1"
_STATEMENT_TYPE = "airswasm/component/v1"
_ROTATION_TYPE = "airswasm/key-rotation/v1"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}", re.ASCII)
_NUMBER = r"(0|[1-9][0-9]{0,8})"
_LABEL = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_LABEL}(\.{_LABEL})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STATEMENT_BYTES = 1 << 20
_SIGNATURES = 8

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


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
        _check_name(self.name)
        if len(self.version) > 128 or _VERSION.fullmatch(self.version) is None:
            raise InvalidStatement("version is not a semantic version", field="version")
        _check_sequence(self.sequence)
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
        return _canonical(
            {
                "type": _STATEMENT_TYPE,
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
class Rotation:
    """The transfer of a component from one key to another; signed by both.

    Attributes:
        name: The component.
        old: The key of its pin until now.
        new: The key of its pin from now on.
        sequence: Must be above the last accepted one, so that it cannot be replayed.
    """

    name: str
    old: PublicKey
    new: PublicKey
    sequence: int

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_sequence(self.sequence)
        if self.old == self.new:
            raise InvalidStatement("a rotation needs two different keys", field="new")

    def encode(self) -> bytes:
        """Return the canonical JSON to sign."""
        return _canonical(
            {
                "type": _ROTATION_TYPE,
                "name": self.name,
                "old": str(self.old),
                "new": str(self.new),
                "sequence": self.sequence,
            }
        )


def sign(statement: Statement, key: PrivateKey, *more: PrivateKey) -> bytes:
    """Return the content of `component.sig`.

    Args:
        statement: The statement to sign; its signers become these keys.
        key: The owner's key.
        more: Keys that sign as well.

    Raises:
        InvalidStatement: A key is given twice, or there are more than eight.
    """
    keys = (key, *more)
    signers = tuple(each.public for each in keys)
    if len(set(signers)) != len(signers) or len(signers) > _SIGNATURES:
        raise InvalidStatement(
            f"one to {_SIGNATURES} different keys sign a statement", field="signers"
        )
    return _envelope(replace(statement, signers=signers).encode(), keys)


def verify(signature: bytes, files: Mapping[str, bytes]) -> VerifiedStatement:
    """Verify signatures, statement and files, in this order.

    Args:
        signature: The content of `component.sig`.
        files: Every file of the package; `component.sig` itself is ignored.

    Raises:
        InvalidSignature: The file is malformed, or one of its signatures is not valid.
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
        InvalidStatement: The signed statement breaks the format's rules.
    """
    body, signers = _open(signature)
    fields = _parse(body, _STATEMENT_TYPE, ("name", "version", "sequence", "files", "signers"))
    statement = Statement(
        name=_text(fields, "name"),
        version=_text(fields, "version"),
        sequence=_integer(fields, "sequence"),
        files=_digests(fields["files"]),
        signers=_keys(fields["signers"]),
    )
    _check_canonical(statement.encode(), body)
    if signers != statement.signers:
        raise InvalidSignature("it is not signed by exactly the keys that its statement names")
    return VerifiedStatement(statement)


def sign_rotation(name: str, old: PrivateKey, new: PrivateKey, sequence: int) -> bytes:
    """Return a rotation statement, signed by both keys.

    Raises:
        InvalidStatement: The name or sequence breaks the rules, or the keys are one.
    """
    return _envelope(Rotation(name, old.public, new.public, sequence).encode(), (old, new))


def verify_rotation(signature: bytes) -> Rotation:
    """Verify a rotation statement: both keys, and no other, must have signed it.

    Raises:
        InvalidSignature: The file is malformed, or not signed by exactly both keys.
        InvalidStatement: The signed statement breaks the format's rules.
    """
    body, signers = _open(signature)
    fields = _parse(body, _ROTATION_TYPE, ("name", "old", "new", "sequence"))
    rotation = Rotation(
        name=_text(fields, "name"),
        old=_key(fields, "old"),
        new=_key(fields, "new"),
        sequence=_integer(fields, "sequence"),
    )
    _check_canonical(rotation.encode(), body)
    if signers != (rotation.old, rotation.new):
        raise InvalidSignature("a rotation is signed by the old key and then the new one")
    return rotation


def _envelope(body: bytes, keys: Iterable[PrivateKey]) -> bytes:
    message = _to_sign(body)
    lines = [_FORMAT, body]
    for key in keys:
        signed = base64.b64encode(key.sign(message))
        lines.append(b"ed25519 %s %s" % (str(key.public).encode(), signed))
    return b"\n".join(lines) + b"\n"


def _to_sign(body: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_FORMAT), _FORMAT, len(body), body)


def _open(signature: bytes) -> tuple[bytes, tuple[PublicKey, ...]]:
    """Split the frame and verify every signature before parsing the statement."""
    if len(signature) > _STATEMENT_BYTES + 4_096:
        raise InvalidSignature("the file is too long")
    lines = signature.split(b"\n")
    if lines[0] != _FORMAT:
        raise InvalidSignature("it is not an airswasm signature of a known version")
    if len(lines) < 4 or lines[-1] != b"":
        raise InvalidSignature("the file is cut short or holds no signature")
    body, signed = lines[1], lines[2:-1]
    if len(signed) > _SIGNATURES:
        raise InvalidSignature(f"it holds more than {_SIGNATURES} signatures")
    message = _to_sign(body)
    signers = tuple(_signer(line, message) for line in signed)
    if len(set(signers)) != len(signers):
        raise InvalidSignature("a key signed twice")
    return body, signers


def _signer(line: bytes, message: bytes) -> PublicKey:
    kind, _, rest = line.partition(b" ")
    key_text, _, signature_text = rest.partition(b" ")
    if kind != b"ed25519":
        raise InvalidSignature("a signature line does not start with ed25519")
    try:
        key = PublicKey.from_text(key_text.decode("ascii", "replace"))
        signature = base64.b64decode(signature_text, validate=True)
    except InvalidKey as error:
        raise InvalidSignature(error.reason) from error
    except binascii.Error:
        raise InvalidSignature("a signature is not base64") from None
    if base64.b64encode(signature) != signature_text:
        raise InvalidSignature("a signature is not canonical base64")
    if not key.verifies(signature, message):
        raise InvalidSignature(f"not signed by {key.fingerprint}, or changed since")
    return key


def _canonical(value: dict[str, Json]) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def _check_canonical(encoded: bytes, body: bytes) -> None:
    if encoded != body:
        raise InvalidStatement("it is not in canonical form")


def _parse(body: bytes, kind: str, names: tuple[str, ...]) -> dict[str, Json]:
    """Parse a statement whose signatures are already verified."""
    try:
        value: Json = json.loads(
            body,
            object_pairs_hook=_unique,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_parse_integer,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidStatement(f"it is not JSON ({error})") from None
    if not isinstance(value, dict) or value.get("type") != kind:
        raise InvalidStatement(f"its type is not {kind}", field="type")
    if value.keys() != {"type", *names}:
        odd = sorted(value.keys() ^ {"type", *names})
        raise InvalidStatement(f"missing or unknown: {', '.join(map(ascii, odd))}", field=odd[0])
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidStatement("a key occurs twice")
    return result


def _refuse_number(text: str) -> NoReturn:
    raise InvalidStatement(f"{text[:40]!a} is not a whole number")


def _parse_integer(text: str) -> int:
    if len(text) > 19:
        raise InvalidStatement(f"the number {text[:20]!a}... is out of range")
    return int(text)


def _text(fields: dict[str, Json], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        raise InvalidStatement(f"{name} is not a text", field=name)
    return value


def _integer(fields: dict[str, Json], name: str) -> int:
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidStatement(f"{name} is not a whole number", field=name)
    return value


def _key(fields: dict[str, Json], name: str) -> PublicKey:
    try:
        return PublicKey.from_text(_text(fields, name))
    except InvalidKey as error:
        raise InvalidStatement(f"{name}: {error.reason}", field=name) from error


def _keys(value: Json) -> tuple[PublicKey, ...]:
    if not isinstance(value, list) or len(value) > _SIGNATURES:
        raise InvalidStatement(f"signers is not a list of up to {_SIGNATURES}", field="signers")
    return tuple(_key({"signers": each}, "signers") for each in value)


def _digests(value: Json) -> dict[str, FileDigest]:
    if not isinstance(value, dict):
        raise InvalidStatement("files is not a table", field="files")
    return {path: _digest(path, entry) for path, entry in value.items()}


def _digest(path: str, entry: Json) -> FileDigest:
    if not isinstance(entry, dict) or entry.keys() != {"length", "sha256"}:
        raise InvalidStatement(f"{path!a} needs length and sha256", field="files")
    return FileDigest(_integer(entry, "length"), _text(entry, "sha256"))


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidStatement(
            f"{name[:140]!a} is not namespace/name (a-z, 0-9 and -, at most 63 each)",
            field="name",
        )


def _check_sequence(sequence: int) -> None:
    if not 1 <= sequence <= MAXIMUM_SEQUENCE:
        raise InvalidStatement("sequence is not within 1 to 2**63 - 1", field="sequence")


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
