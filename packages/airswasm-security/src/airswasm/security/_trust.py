"""The signers that this host trusts: full keys pinned to component names.

Trust starts with an explicit approval, which pins the owner's key, whole, to a component's name.
From then on only that key may sign it; a publisher's label is for people and decides nothing. The
store also keeps the highest sequence accepted for each name, so that an old signed version cannot
return as an update, and refuses a leap so far ahead that no later sequence would be left.

A key is replaced in two ways: `rotate` takes a statement that the old and the new key signed, and
`transfer` the operator's word, for an owner who changed or a key that is lost. Either way the old
key goes into the history of the name, with the sequence it had reached: versions up to there still
verify, so they run and can be rolled back to, and it can sign nothing new.

A revocation names a fingerprint, so that a key can be refused of which this host has only heard.

It is one JSON file, 0600, replaced atomically and re-read after every change, so that a command and
a running host agree. An unreadable file is an error, never an empty store: its loss must not mean
trust in every key.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from airswasm.runtime.files import replace_file

from ._files import locked
from ._key_text import fingerprint_of, is_fingerprint
from ._keys import PublicKey
from ._signatures import MAXIMUM_SEQUENCE, VerifiedStatement, verify_rotation
from .errors import (
    InvalidKey,
    KeyMismatch,
    KeyRevoked,
    RotationRefused,
    SequenceRefused,
    TrustFileInvalid,
    UntrustedKey,
)

__all__ = ("FormerKey", "Revocation", "TrustStore", "TrustedComponent", "TrustedKey")

_FORMAT = 2
_FORMAT_WITHOUT_HISTORY = 1
_LARGEST_LEAP = 2**40
"""Above unix time in milliseconds, far below 2**63."""


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
        key: The only key that may sign it.
        label: The publisher's name, for people.
        sequence: The highest sequence accepted so far; 0 before the first.
        since: The time of the pin, seconds since 1970.
        former: The keys that owned it before, oldest first.
    """

    name: str
    key: PublicKey
    label: str = ""
    sequence: int = 0
    since: float = 0.0
    former: tuple[FormerKey, ...] = ()

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
        return replace(self, key=key, sequence=sequence, since=now, former=(*self.former, former))


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
class _Content:
    components: Mapping[str, TrustedComponent] = field(default_factory=dict[str, TrustedComponent])
    revoked: Mapping[str, Revocation] = field(default_factory=dict[str, Revocation])
    keys: Mapping[str, TrustedKey] = field(default_factory=dict[str, TrustedKey])


class TrustStore:
    """The trusted keys of one host, in a file.

    Args:
        path: The file; it need not exist yet.
        clock: Returns the seconds since 1970.

    Every method raises `TrustFileInvalid` if the file exists and is unreadable.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._cached = _Content()

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def components(self) -> tuple[TrustedComponent, ...]:
        """Return every pin, sorted by name."""
        content = self._read()
        return tuple(content.components[name] for name in sorted(content.components))

    def revocations(self) -> tuple[Revocation, ...]:
        """Return every revoked key, oldest first."""
        return tuple(sorted(self._read().revoked.values(), key=lambda item: item.since))

    def trusted_keys(self) -> tuple[TrustedKey, ...]:
        """Return every trusted key, oldest first."""
        return tuple(sorted(self._read().keys.values(), key=lambda item: item.since))

    def trusts(self, key: PublicKey) -> bool:
        """Return whether a key is trusted, and was not revoked."""
        content = self._read()
        return key.fingerprint in content.keys and key.fingerprint not in content.revoked

    def allow(self, fingerprint: str, *, label: str = "") -> TrustedKey:
        """Trust a key: its packages are granted what they ask for, without a question.

        Raises:
            InvalidKey: It is no fingerprint.
            KeyRevoked: The key was revoked.
        """
        _check_fingerprint(fingerprint)
        with locked(self._path):
            content = self._read()
            revocation = content.revoked.get(fingerprint)
            if revocation is not None:
                raise KeyRevoked(fingerprint, revocation.reason)
            known = content.keys.get(fingerprint)
            key = known or TrustedKey(fingerprint, label, self._clock())
            key = replace(key, label=label or key.label)
            self._write(replace(content, keys={**content.keys, fingerprint: key}))
            return key

    def disallow(self, fingerprint: str) -> bool:
        """Trust a key no longer; return whether it was trusted."""
        with locked(self._path):
            content = self._read()
            rest = {key: each for key, each in content.keys.items() if key != fingerprint}
            self._write(replace(content, keys=rest))
            return fingerprint in content.keys

    def get(self, name: str) -> TrustedComponent | None:
        """Return the pin of this component, or None."""
        return self._read().components.get(name)

    def check(self, verified: VerifiedStatement) -> TrustedComponent:
        """Check that this signed version may be installed or replace the present one.

        Changes nothing; call `accept` once the version is in place.

        Returns:
            The present pin.

        Raises:
            KeyRevoked: One of the signers was revoked.
            UntrustedKey: Nothing is pinned for this name: ask for approval, then `pin`.
            KeyMismatch: Another key than the owner's is pinned.
            SequenceRefused: The sequence is not above the accepted one, or leaps ahead.
        """
        return self._judge(self._read(), verified, same_allowed=False)

    def check_installed(self, verified: VerifiedStatement) -> None:
        """Check that a version which was accepted before may still run.

        Removing a pin means to ask again at the next change; it does not end what was approved.

        Raises:
            KeyRevoked: One of the signers was revoked.
            KeyMismatch: The pinned key is another one, and its owner was not the one before.
        """
        content = self._read()
        _refuse_revoked(content, *verified.signers)
        pin = content.components.get(verified.statement.name)
        if pin is not None and not pin.signed(verified):
            raise KeyMismatch(pin.name, pin.key.fingerprint, verified.owner.fingerprint)

    def accept(self, verified: VerifiedStatement) -> TrustedComponent:
        """Raise the sequence floor to this version's. A second call is harmless.

        Raises:
            TrustError: As for `check`, judged again under the file's lock.
        """
        with locked(self._path):
            content = self._read()
            pin = self._judge(content, verified, same_allowed=True)
            return self._store(content, replace(pin, sequence=verified.statement.sequence))

    def pin(
        self,
        name: str,
        key: PublicKey,
        *,
        label: str = "",
        accepted: Mapping[PublicKey, int] = MappingProxyType({}),
    ) -> TrustedComponent:
        """Approve a key for a component that has none.

        A second approval of the same key changes only the label.

        Args:
            name: `namespace/name`.
            key: The owner's key.
            label: The publisher's name, for people.
            accepted: For a fresh pin, the keys that signed versions which are installed already,
                each with its highest sequence.

        Raises:
            KeyRevoked: The key was revoked.
            KeyMismatch: Another key is pinned; `rotate` or `transfer` replace it.
        """
        with locked(self._path):
            content = self._read()
            _refuse_revoked(content, key)
            pinned = content.components.get(name)
            if pinned is not None and pinned.key != key:
                raise KeyMismatch(name, pinned.key.fingerprint, key.fingerprint)
            now = self._clock()
            others = tuple(
                FormerKey(each, top, now) for each, top in accepted.items() if each != key
            )
            fresh = TrustedComponent(name, key, label, accepted.get(key, 0), now, others)
            fresh = pinned or fresh
            return self._store(content, replace(fresh, label=label or fresh.label))

    def unpin(self, name: str) -> bool:
        """Forget a component's key and its sequence; an explicit act of the host's owner.

        Returns:
            Whether it was pinned.
        """
        with locked(self._path):
            content = self._read()
            rest = {key: pin for key, pin in content.components.items() if key != name}
            self._write(replace(content, components=rest))
            return name in content.components

    def rotate(self, rotation: bytes) -> TrustedComponent:
        """Transfer a component to a new key by a statement that both keys signed.

        Raises:
            InvalidSignature: The statement is malformed, or not signed by both.
            InvalidStatement: The statement breaks the format's rules.
            RotationRefused: It does not continue from the pinned key and sequence.
            KeyRevoked: The old or the new key was revoked.
        """
        statement = verify_rotation(rotation)
        with locked(self._path):
            content = self._read()
            pinned = content.components.get(statement.name)
            _refuse_revoked(content, statement.old, statement.new)
            if pinned is not None and pinned.key == statement.new:
                raise RotationRefused(statement.name, "the statement's new key owns it already")
            if pinned is None or pinned.key != statement.old:
                raise RotationRefused(statement.name, "its old key is not the pinned one")
            reason = _sequence_problem(pinned.sequence, statement.sequence)
            if reason:
                raise RotationRefused(statement.name, reason)
            after = pinned.followed_by(statement.new, statement.sequence, self._clock())
            return self._store(content, after)

    def transfer(self, name: str, key: PublicKey, *, label: str = "") -> TrustedComponent:
        """Give a pinned component to another key, because the operator says so.

        Raises:
            KeyRevoked: The new key was revoked.
            RotationRefused: Nothing is pinned for this name, or this very key is.
        """
        with locked(self._path):
            content = self._read()
            _refuse_revoked(content, key)
            pinned = content.components.get(name)
            if pinned is None:
                raise RotationRefused(name, "it is pinned to no key")
            if pinned.key == key:
                raise RotationRefused(name, "it belongs to this key already")
            after = pinned.followed_by(key, pinned.sequence, self._clock())
            return self._store(content, replace(after, label=label))

    def revoke(self, fingerprint: str, reason: str) -> Revocation:
        """Refuse a key from now on, everywhere. The first reason stays.

        Args:
            fingerprint: Of the key, whether this host has seen it or not.
            reason: For people.

        Raises:
            InvalidKey: It is no fingerprint.
        """
        _check_fingerprint(fingerprint)
        with locked(self._path):
            content = self._read()
            known = content.revoked.get(fingerprint)
            revocation = known or Revocation(fingerprint, reason, self._clock())
            self._write(replace(content, revoked={**content.revoked, fingerprint: revocation}))
            return revocation

    def check_signers(self, verified: VerifiedStatement) -> None:
        """Check that no key which signed this was revoked.

        Raises:
            KeyRevoked: One was.
        """
        _refuse_revoked(self._read(), *verified.signers)

    def _judge(
        self, content: _Content, verified: VerifiedStatement, *, same_allowed: bool
    ) -> TrustedComponent:
        pin = _pinned(content, verified)
        sequence = verified.statement.sequence
        if same_allowed and sequence == pin.sequence:
            return pin
        reason = _sequence_problem(pin.sequence, sequence)
        if reason:
            raise SequenceRefused(pin.name, sequence, pin.sequence, reason)
        return pin

    def _store(self, content: _Content, pin: TrustedComponent) -> TrustedComponent:
        if content.components.get(pin.name) != pin:
            self._write(replace(content, components={**content.components, pin.name: pin}))
        return pin

    def _read(self) -> _Content:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
                if stamp != self._stamp:
                    self._cached = _decode(self._path, file.read())
                    self._stamp = stamp
        except FileNotFoundError:
            self._cached, self._stamp = _Content(), None
        except OSError as error:
            raise TrustFileInvalid(self._path, error.strerror or str(error)) from error
        return self._cached

    def _write(self, content: _Content) -> None:
        try:
            replace_file(self._path, _encode(content))
        except OSError as error:
            reason = f"it cannot be written ({error.strerror or error}), and is as it was"
            raise TrustFileInvalid(self._path, reason) from error


def _check_fingerprint(text: str) -> None:
    if not is_fingerprint(text):
        raise InvalidKey(f"{text[:80]!a} is no fingerprint: 64 digits of lower-case hex")


def _pinned(content: _Content, verified: VerifiedStatement) -> TrustedComponent:
    _refuse_revoked(content, *verified.signers)
    name = verified.statement.name
    pin = content.components.get(name)
    if pin is None:
        raise UntrustedKey(name, verified.owner.fingerprint)
    if pin.key != verified.owner:
        raise KeyMismatch(name, pin.key.fingerprint, verified.owner.fingerprint)
    return pin


def _refuse_revoked(content: _Content, *keys: PublicKey) -> None:
    for key in keys if content.revoked else ():
        revocation = content.revoked.get(key.fingerprint)
        if revocation is not None:
            raise KeyRevoked(key.fingerprint, revocation.reason)


def _sequence_problem(floor: int, sequence: int) -> str:
    if sequence <= floor:
        return "an update must carry a higher one; to go back to a retained version, roll back"
    if floor and sequence - floor > _LARGEST_LEAP:
        return "it leaps so far ahead that no later update might be possible"
    return ""


def _encode(content: _Content) -> bytes:
    document = {
        "format": _FORMAT,
        "components": {
            name: {
                "key": str(pin.key),
                "label": pin.label,
                "sequence": pin.sequence,
                "since": pin.since,
                "former": [
                    {"key": str(each.key), "sequence": each.sequence, "until": each.until}
                    for each in pin.former
                ],
            }
            for name, pin in sorted(content.components.items())
        },
        "revoked": {
            item.fingerprint: {"reason": item.reason, "since": item.since}
            for item in content.revoked.values()
        },
        "keys": {
            item.fingerprint: {"label": item.label, "since": item.since}
            for item in content.keys.values()
        },
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _decode(path: Path, content: bytes) -> _Content:
    try:
        document = json.loads(content)
        if document["format"] not in (_FORMAT_WITHOUT_HISTORY, _FORMAT):
            raise TrustFileInvalid(path, "it was written by a later version of airswasm")
        components = {
            name: TrustedComponent(
                name,
                PublicKey.from_text(pin["key"]),
                str(pin["label"]),
                _sequence(pin["sequence"]),
                float(pin["since"]),
                tuple(map(_former, pin.get("former", ()))),
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
        return _Content(components, {item.fingerprint: item for item in revocations}, keys)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidKey) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        reason = f"it is not a trust file ({what}); nothing is trusted before it is restored"
        raise TrustFileInvalid(path, reason) from error


def _former(entry: dict[str, Any]) -> FormerKey:
    key = PublicKey.from_text(entry["key"])
    return FormerKey(key, _sequence(entry["sequence"]), float(entry["until"]))


def _known(fingerprint: str) -> str:
    _check_fingerprint(fingerprint)
    return fingerprint


def _revoked(key: str) -> str:
    """Return the fingerprint of a revoked key; the first format had the key itself."""
    return key if is_fingerprint(key) else fingerprint_of(key)


def _sequence(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAXIMUM_SEQUENCE:
        raise ValueError("a sequence is out of range")
    return value
