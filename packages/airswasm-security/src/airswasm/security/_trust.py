"""The signers that this host trusts: full keys pinned to component names.

Trust starts with an explicit approval, which pins a component's first key, whole, to its name. From
then on only that key may sign it; a publisher's label is for people and decides nothing. The store
also keeps the highest sequence accepted for each name, so that an old signed version cannot return
as an update, and refuses a leap so far ahead that no later sequence would be left.

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

from airswasm.runtime.files import replace_file

from ._files import locked
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

__all__ = ("TrustStore", "TrustedComponent", "Revocation")

_LARGEST_LEAP = 2**40
"""Above unix time in milliseconds, far below 2**63."""


@dataclass(frozen=True, slots=True)
class TrustedComponent:
    """The pin of one component.

    Attributes:
        name: `namespace/name`.
        key: The only key that may sign it.
        label: The publisher's name, for people.
        sequence: The highest sequence accepted so far; 0 before the first.
        since: The time of the pin, seconds since 1970.
    """

    name: str
    key: PublicKey
    label: str = ""
    sequence: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revoked key, which is refused whatever is pinned to it."""

    key: PublicKey
    reason: str
    since: float


@dataclass(frozen=True, slots=True)
class _Content:
    components: Mapping[str, TrustedComponent] = field(default_factory=dict[str, TrustedComponent])
    revoked: Mapping[PublicKey, Revocation] = field(default_factory=dict[PublicKey, Revocation])


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
            KeyMismatch: Another key is pinned.
            SequenceRefused: The sequence is not above the accepted one, or leaps ahead.
        """
        return self._judge(self._read(), verified, same_allowed=False)

    def check_key(self, verified: VerifiedStatement) -> TrustedComponent:
        """Check like `check`, without the sequence: for loading an installed version.

        Raises:
            KeyRevoked: One of the signers was revoked.
            UntrustedKey: Nothing is pinned for this name.
            KeyMismatch: Another key is pinned.
        """
        return _pinned(self._read(), verified)

    def accept(self, verified: VerifiedStatement) -> TrustedComponent:
        """Raise the sequence floor to this version's. A second call is harmless.

        Raises:
            TrustError: As for `check`, judged again under the file's lock.
        """
        with locked(self._path):
            content = self._read()
            pin = self._judge(content, verified, same_allowed=True)
            return self._store(content, replace(pin, sequence=verified.statement.sequence))

    def pin(self, name: str, key: PublicKey, *, label: str = "") -> TrustedComponent:
        """Approve a key for a component that has none.

        A second approval of the same key changes only the label.

        Raises:
            KeyRevoked: The key was revoked.
            KeyMismatch: Another key is pinned; `rotate`, or `unpin` first.
        """
        with locked(self._path):
            content = self._read()
            _refuse_revoked(content, key)
            pinned = content.components.get(name)
            if pinned is not None and pinned.key != key:
                raise KeyMismatch(name, pinned.key.fingerprint, key.fingerprint)
            fresh = pinned or TrustedComponent(name, key, label, 0, self._clock())
            return self._store(content, replace(fresh, label=label or fresh.label))

    def unpin(self, name: str) -> bool:
        """Forget a component's key and its sequence; an explicit act of the host's owner.

        Returns:
            Whether it was pinned.
        """
        with locked(self._path):
            content = self._read()
            rest = {key: pin for key, pin in content.components.items() if key != name}
            self._write(_Content(rest, content.revoked))
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
            _refuse_revoked(content, statement.old)
            _refuse_revoked(content, statement.new)
            if pinned is None or pinned.key != statement.old:
                raise RotationRefused(statement.name, "its old key is not the pinned one")
            reason = _sequence_problem(pinned.sequence, statement.sequence)
            if reason:
                raise RotationRefused(statement.name, reason)
            return self._store(
                content,
                replace(
                    pinned, key=statement.new, sequence=statement.sequence, since=self._clock()
                ),
            )

    def revoke(self, key: PublicKey, reason: str) -> Revocation:
        """Refuse a key from now on, everywhere. The first reason stays."""
        with locked(self._path):
            content = self._read()
            revocation = content.revoked.get(key) or Revocation(key, reason, self._clock())
            self._write(_Content(content.components, {**content.revoked, key: revocation}))
            return revocation

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
            self._write(_Content({**content.components, pin.name: pin}, content.revoked))
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


def _pinned(content: _Content, verified: VerifiedStatement) -> TrustedComponent:
    for signer in verified.signers:
        _refuse_revoked(content, signer)
    name = verified.statement.name
    pin = content.components.get(name)
    if pin is None:
        raise UntrustedKey(name, verified.signer.fingerprint)
    if pin.key not in verified.signers:
        raise KeyMismatch(name, pin.key.fingerprint, verified.signer.fingerprint)
    return pin


def _refuse_revoked(content: _Content, key: PublicKey) -> None:
    revocation = content.revoked.get(key)
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
        "format": 1,
        "components": {
            name: {
                "key": str(pin.key),
                "label": pin.label,
                "sequence": pin.sequence,
                "since": pin.since,
            }
            for name, pin in sorted(content.components.items())
        },
        "revoked": {
            str(key): {"reason": item.reason, "since": item.since}
            for key, item in content.revoked.items()
        },
    }
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def _decode(path: Path, content: bytes) -> _Content:
    try:
        document = json.loads(content)
        if document["format"] != 1:
            raise TrustFileInvalid(path, "it was written by a later version of airswasm")
        components = {
            name: TrustedComponent(
                name,
                PublicKey.from_text(pin["key"]),
                str(pin["label"]),
                _sequence(pin["sequence"]),
                float(pin["since"]),
            )
            for name, pin in document["components"].items()
        }
        revocations = (
            Revocation(PublicKey.from_text(key), str(item["reason"]), float(item["since"]))
            for key, item in document["revoked"].items()
        )
        return _Content(components, {item.key: item for item in revocations})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidKey) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        reason = f"it is not a trust file ({what}); nothing is trusted before it is restored"
        raise TrustFileInvalid(path, reason) from error


def _sequence(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= MAXIMUM_SEQUENCE:
        raise ValueError("a sequence is out of range")
    return value
