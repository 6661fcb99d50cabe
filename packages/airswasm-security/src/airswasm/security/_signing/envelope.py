"""The signed envelope: one line of canonical JSON, and a line for each signature over it.

    airswasm-signature-v1
    {"name":"local/hello","signers":["<key>", ...],"type":"...",...}
    ed25519 <public key> <signature>

The body names its signers, and only these may have signed it, in that order. So a signature can
neither be added by a mirror nor moved to another body, and an envelope that lacks one says whose.

A signature covers not the JSON alone but its pre-authentication encoding, as in DSSE: the format
line and the body, each with its length. Signatures are verified before the body is parsed; a parsed
body must be its own canonical encoding byte for byte, so that two readers cannot see two contents.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn, TypeAlias

from airswasm.runtime.files import replace_file

from ..errors import InvalidKey, InvalidSignature, InvalidStatement, SignaturesMissing
from .key_text import MAXIMUM_SIGNERS
from .keys import PrivateKey, PublicKey

__all__ = (
    "MAXIMUM_SEQUENCE",
    "Json",
    "canonical",
    "check_canonical",
    "check_name",
    "check_sequence",
    "cosign",
    "cosign_file",
    "envelope",
    "integer_of",
    "key_of",
    "keys_of",
    "open_envelope",
    "open_whole",
    "parse_body",
    "text_of",
)

MAXIMUM_SEQUENCE = 2**63 - 1

_FORMAT = b"airswasm-signature-v1"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}/[a-z][a-z0-9-]{0,62}", re.ASCII)
_BODY_BYTES = 1 << 20

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def envelope(body: bytes, keys: Iterable[PrivateKey]) -> bytes:
    """Return a body with the signatures of these keys, in the order in which it names them."""
    message = _to_sign(body)
    return _framed(body, {key.public: key.sign(message) for key in keys})


def cosign(signature: bytes, key: PrivateKey) -> bytes:
    """Add the signature of a key that the body names to those that are there.

    Raises:
        InvalidSignature: The envelope is malformed, or a signature in it is not valid.
        InvalidStatement: The body does not name the key, or the key has signed it already.
    """
    body, signed = open_envelope(signature)
    fields = parse_body(body)
    if key.public not in keys_of(fields):
        reason = f"it does not name the key {key.public.fingerprint}, so that key cannot sign it"
        raise InvalidStatement(
            reason, field="signers", hint="sign with a key that it names, or make a new one"
        )
    if key.public in signed:
        reason = f"the key {key.public.fingerprint} has signed it already"
        raise InvalidStatement(
            reason, field="signers", hint="nothing is left to do with this key: hand the file on"
        )
    return _framed(body, {**signed, key.public: key.sign(_to_sign(body))})


def cosign_file(path: str | os.PathLike[str], key: PrivateKey) -> None:
    """Add a signature to a statement in a file, whole or not at all.

    Raises:
        InvalidSignature, InvalidStatement: As for `cosign`; the file is unchanged.
        OSError: The file cannot be read or written.
    """
    file = Path(path)
    replace_file(file, cosign(file.read_bytes(), key), mode=0o666)


def open_envelope(signature: bytes) -> tuple[bytes, dict[PublicKey, bytes]]:
    """Split an envelope, and verify every signature before anything is parsed.

    Raises:
        InvalidSignature: It is malformed, or a signature is not valid.
    """
    if len(signature) > _BODY_BYTES + 4_096:
        raise InvalidSignature("the file is too long")
    lines = signature.split(b"\n")
    if lines[0] != _FORMAT:
        raise InvalidSignature("it is not an airswasm signature of a known version")
    if len(lines) < 4 or lines[-1] != b"":
        raise InvalidSignature("the file is cut short or holds no signature")
    body, signed = lines[1], lines[2:-1]
    if len(signed) > MAXIMUM_SIGNERS:
        raise InvalidSignature(f"it holds more than {MAXIMUM_SIGNERS} signatures")
    message = _to_sign(body)
    signatures = dict(_signer(line, message) for line in signed)
    if len(signatures) != len(signed):
        raise InvalidSignature("a key signed twice")
    return body, signatures


def open_whole(signature: bytes) -> tuple[bytes, tuple[PublicKey, ...]]:
    """Open an envelope that all of its signers must have signed, and no other key.

    Raises:
        InvalidSignature: It is malformed, or a signature is not valid, or in the wrong place.
        SignaturesMissing: A named key has not signed yet.
        InvalidStatement: The body does not say who signs it.
    """
    body, signatures = open_envelope(signature)
    signed, named = tuple(signatures), keys_of(parse_body(body))
    if signed != tuple(each for each in named if each in signatures):
        raise InvalidSignature("it is not signed by exactly the keys that its statement names")
    if signed != named:
        missing = [each.fingerprint for each in named if each not in signatures]
        raise SignaturesMissing(len(named), missing)
    return body, signed


def canonical(value: dict[str, Json]) -> bytes:
    """Return the one encoding of a body."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode("ascii")


def check_canonical(encoded: bytes, body: bytes) -> None:
    """Raise `InvalidStatement` unless a parsed body encodes to the same bytes."""
    if encoded != body:
        raise InvalidStatement("it is not in canonical form")


def parse_body(body: bytes, kind: str = "", names: tuple[str, ...] = ()) -> dict[str, Json]:
    """Parse a body whose signatures were verified.

    Args:
        body: The body.
        kind: The type that it must have; any if empty.
        names: Its fields beside the type; any if empty.

    Raises:
        InvalidStatement: It is not JSON, or of another type, or has other fields.
    """
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
    if not isinstance(value, dict) or (kind and value.get("type") != kind):
        raise InvalidStatement(f"its type is not {kind or 'known'}", field="type")
    if names and value.keys() != {"type", *names}:
        odd = sorted(value.keys() ^ {"type", *names})
        raise InvalidStatement(f"missing or unknown: {', '.join(map(ascii, odd))}", field=odd[0])
    return value


def text_of(fields: dict[str, Json], name: str) -> str:
    """Return a text field, or raise `InvalidStatement`."""
    value = fields[name]
    if not isinstance(value, str):
        raise InvalidStatement(f"{name} is not a text", field=name)
    return value


def integer_of(fields: dict[str, Json], name: str) -> int:
    """Return a field that is a whole number, or raise `InvalidStatement`."""
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidStatement(f"{name} is not a whole number", field=name)
    return value


def key_of(fields: dict[str, Json], name: str) -> PublicKey:
    """Return a field that is a key, or raise `InvalidStatement`."""
    try:
        return PublicKey.from_text(text_of(fields, name))
    except InvalidKey as error:
        raise InvalidStatement(f"{name}: {error.reason}", field=name) from error


def keys_of(fields: dict[str, Json]) -> tuple[PublicKey, ...]:
    """Return the signers that a body names, or raise `InvalidStatement`."""
    value = fields.get("signers")
    if not isinstance(value, list) or not 1 <= len(value) <= MAXIMUM_SIGNERS:
        reason = f"signers is not a list of up to {MAXIMUM_SIGNERS}"
        raise InvalidStatement(reason, field="signers")
    keys = tuple(key_of({"signers": each}, "signers") for each in value)
    if len(set(keys)) != len(keys):
        raise InvalidStatement("it names a signer twice", field="signers")
    return keys


def check_name(name: str) -> None:
    """Raise `InvalidStatement` unless it is the name of a component."""
    if _NAME.fullmatch(name) is None:
        raise InvalidStatement(
            f"{name[:140]!a} is not namespace/name (a-z, 0-9 and -, at most 63 each)",
            field="name",
        )


def check_sequence(sequence: int) -> None:
    """Raise `InvalidStatement` unless it is a sequence."""
    if not 1 <= sequence <= MAXIMUM_SEQUENCE:
        raise InvalidStatement("sequence is not within 1 to 2**63 - 1", field="sequence")


def _framed(body: bytes, signatures: dict[PublicKey, bytes]) -> bytes:
    lines = [_FORMAT, body]
    for key in keys_of(parse_body(body)):
        if key in signatures:
            signed = base64.b64encode(signatures[key])
            lines.append(b"ed25519 %s %s" % (str(key).encode(), signed))
    return b"\n".join(lines) + b"\n"


def _to_sign(body: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_FORMAT), _FORMAT, len(body), body)


def _signer(line: bytes, message: bytes) -> tuple[PublicKey, bytes]:
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
    return key, signature


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
