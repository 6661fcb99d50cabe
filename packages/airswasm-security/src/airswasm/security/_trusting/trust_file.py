"""The file of trusted keys: pins, revocations, trusted keys, and how many must sign a name.

One JSON file. A damaged one is an error, never an empty store: its loss must not mean trust in
every key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .._signing.envelope import MAXIMUM_SEQUENCE
from .._signing.key_text import MAXIMUM_SIGNERS, fingerprint_of, is_fingerprint
from .._signing.keys import PublicKey
from .._signing.signatures import VerifiedStatement
from ..errors import InvalidKey, TrustFileInvalid

__all__ = (
    "TRUST_FORMAT",
    "FormerKey",
    "NewestVersion",
    "Revocation",
    "TrustContent",
    "TrustEncoder",
    "TrustedComponent",
    "TrustedKey",
    "check_fingerprint",
    "decode_trust",
    "encode_trust",
)

TRUST_FORMAT = 3
_FORMATS = (1, 2, TRUST_FORMAT)
"""The first had no history, and revoked keys instead of fingerprints; the second no co-signers."""


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A key that owned a component before another one replaced it.

    Attributes:
        key: The key.
        sequence: The highest sequence that it signed; it may sign none above.
        until: The time of its replacement, seconds since 1970.
    """

    key: PublicKey
    sequence: int
    until: float


@dataclass(frozen=True, slots=True)
class TrustedComponent:
    """The pin of one component.

    Attributes:
        name: `namespace/name`.
        key: The owner's key, the first that must sign it.
        label: The publisher's name, for people.
        sequence: The highest sequence accepted so far; 0 before the first.
        since: The time of the pin, seconds since 1970.
        former: The keys that owned it before, oldest first.
        cosigners: Further keys that count where more than one must sign.
    """

    name: str
    key: PublicKey
    label: str = ""
    sequence: int = 0
    since: float = 0.0
    former: tuple[FormerKey, ...] = ()
    cosigners: tuple[PublicKey, ...] = ()

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """The keys that may sign it, the owner's first."""
        return (self.key, *self.cosigners)

    def succeeds(self, key: PublicKey) -> bool:
        """Return whether this pin continues from a key: it is the present or a former one."""
        return key == self.key or any(each.key == key for each in self.former)

    def signed(self, verified: VerifiedStatement) -> bool:
        """Return whether the owner of its time signed this version."""
        sequence = verified.statement.sequence
        return verified.owner == self.key or any(
            each.key == verified.owner and sequence <= each.sequence for each in self.former
        )

    def followed_by(self, key: PublicKey, sequence: int, now: float) -> TrustedComponent:
        """Return the pin after another key replaced the present one."""
        former = FormerKey(self.key, self.sequence, now)
        others = tuple(each for each in self.cosigners if each != key)
        return replace(
            self,
            key=key,
            sequence=sequence,
            since=now,
            former=(*self.former, former),
            cosigners=others,
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revoked key, which is refused whatever is pinned to it.

    Attributes:
        fingerprint: Of the key.
        reason: For people.
        since: Seconds since 1970.
    """

    fingerprint: str
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key whose packages are granted what they ask for, whatever their name.

    Attributes:
        fingerprint: Of the key.
        label: The publisher's name, for people.
        since: Seconds since 1970.
    """

    fingerprint: str
    label: str
    since: float


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """The version with the highest sequence that was accepted under a name.

    Attributes:
        sequence: Its sequence.
        version: Its version.
    """

    sequence: int
    version: str


@dataclass(frozen=True, slots=True)
class TrustContent:
    """All that a trust file holds.

    Attributes:
        components: The pins, by name.
        revoked: The revocations, by fingerprint.
        keys: The trusted keys, by fingerprint.
        thresholds: For a name, how many of its keys must sign; it outlives the pin.
        newest: For a name, the newest version that was accepted; it outlives the pin.
    """

    components: Mapping[str, TrustedComponent] = field(default_factory=dict[str, TrustedComponent])
    revoked: Mapping[str, Revocation] = field(default_factory=dict[str, Revocation])
    keys: Mapping[str, TrustedKey] = field(default_factory=dict[str, TrustedKey])
    thresholds: Mapping[str, int] = field(default_factory=dict[str, int])
    newest: Mapping[str, NewestVersion] = field(default_factory=dict[str, NewestVersion])


def check_fingerprint(text: str) -> None:
    """Raise `InvalidKey` unless a text is a whole fingerprint."""
    if not is_fingerprint(text):
        raise InvalidKey(f"{text[:80]!a} is no fingerprint: 64 digits of lower-case hex")


class TrustEncoder:
    """Encodes trust files again and again: what has not changed since the last time is kept.

    Each pin is a line. With ten thousand of them, a change of one formats one.
    """

    def __init__(self) -> None:
        self._lines: dict[str, tuple[TrustedComponent, str]] = {}

    def encode(self, content: TrustContent) -> bytes:
        """Return the file's bytes."""
        before, self._lines = self._lines, {}
        for name, pin in content.components.items():
            known = before.get(name)
            is_same = known is not None and known[0] is pin
            self._lines[name] = known if known and is_same else (pin, _pin_line(pin))
        lines = ",\n".join(self._lines[name][1] for name in sorted(self._lines))
        rest = {
            "revoked": {
                item.fingerprint: {"reason": item.reason, "since": item.since}
                for item in content.revoked.values()
            },
            "keys": {
                item.fingerprint: {"label": item.label, "since": item.since}
                for item in content.keys.values()
            },
            "thresholds": dict(sorted(content.thresholds.items())),
            "newest": {
                name: {"sequence": each.sequence, "version": each.version}
                for name, each in sorted(content.newest.items())
            },
        }
        others = ",\n".join(f"{json.dumps(name)}: {json.dumps(rest[name])}" for name in rest)
        text = f'{{\n"format": {TRUST_FORMAT},\n"components": {{\n{lines}\n}},\n{others}\n}}\n'
        return text.encode("ascii")


def encode_trust(content: TrustContent) -> bytes:
    """Return the file's bytes."""
    return TrustEncoder().encode(content)


def _pin_line(pin: TrustedComponent) -> str:
    fields = {
        "key": str(pin.key),
        "label": pin.label,
        "sequence": pin.sequence,
        "since": pin.since,
        "former": [
            {"key": str(each.key), "sequence": each.sequence, "until": each.until}
            for each in pin.former
        ],
        "cosigners": [str(each) for each in pin.cosigners],
    }
    return f"{json.dumps(pin.name)}: {json.dumps(fields)}"


def decode_trust(path: Path, content: bytes) -> TrustContent:
    """Read the file's bytes.

    Raises:
        TrustFileInvalid: They are not those of a trust file.
    """
    try:
        document = json.loads(content)
        if document["format"] not in _FORMATS:
            raise TrustFileInvalid(path, "it was written by a later version of airswasm")
        components = {
            name: TrustedComponent(
                name,
                _key(pin["key"]),
                str(pin["label"]),
                _sequence(pin["sequence"]),
                float(pin["since"]),
                tuple(map(_former, pin.get("former", ()))),
                tuple(map(_key, pin.get("cosigners", ()))),
            )
            for name, pin in document["components"].items()
        }
        revocations = (
            Revocation(_revoked(key), str(item["reason"]), float(item["since"]))
            for key, item in document["revoked"].items()
        )
        keys = {
            _known(key): TrustedKey(key, str(item["label"]), float(item["since"]))
            for key, item in document.get("keys", {}).items()
        }
        thresholds = {
            str(name): _threshold(each) for name, each in document.get("thresholds", {}).items()
        }
        newest = {
            str(name): NewestVersion(_sequence(each["sequence"]), str(each["version"]))
            for name, each in document.get("newest", {}).items()
        }
        revoked = {item.fingerprint: item for item in revocations}
        return TrustContent(components, revoked, keys, thresholds, newest)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidKey) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        reason = f"it is not a trust file ({what}); nothing is trusted before it is restored"
        raise TrustFileInvalid(path, reason) from error


def _former(entry: dict[str, Any]) -> FormerKey:
    key = _key(entry["key"])
    return FormerKey(key, _sequence(entry["sequence"]), float(entry["until"]))


@lru_cache(4_096)
def _key(text: str) -> PublicKey:
    """Return a key; a publisher's key stands behind each of its names."""
    return PublicKey.from_text(text)


def _threshold(value: object) -> int:
    if not isinstance(value, int) or not 1 <= value <= MAXIMUM_SIGNERS:
        raise ValueError("a threshold is out of range")
    return value


def _known(fingerprint: str) -> str:
    check_fingerprint(fingerprint)
    return fingerprint


def _revoked(key: str) -> str:
    """Return the fingerprint of a revoked key; the first format had the key itself."""
    return key if is_fingerprint(key) else fingerprint_of(key)


def _sequence(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAXIMUM_SEQUENCE:
        raise ValueError("a sequence is out of range")
    return value
