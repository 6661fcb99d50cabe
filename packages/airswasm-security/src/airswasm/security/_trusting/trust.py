"""The signers that this host trusts: full keys pinned to component names.

Trust starts with an explicit approval, which pins the owner's key, whole, to a component's name.
From then on only that key may sign it; a publisher's label is for people and decides nothing. The
store also keeps the highest sequence accepted for each name, so that an old signed version cannot
return as an update, and refuses a leap so far ahead that no later sequence would be left.

Where more than one key must sign a name (`needed`), the owner's and so many co-signers' count, each
once, and only if they are pinned. The number of a name outlives its pin, and no operation lowers it
but `set_threshold`: so a thief of one key can do nothing that passes for the others.

A key is replaced in two ways: `rotate` takes a statement that the old and the new key signed, and
beside them as many pinned keys as the name needs; `transfer` takes the operator's word, for an
owner who changed or a key that is lost. Either way the old owner's key goes into the history of the
name, with the sequence it had reached: versions up to there still verify, so they run and can be
rolled back to, and it can sign nothing new.

A revocation names a fingerprint, so that a key can be refused of which this host has only heard.

The file is 0600, replaced atomically and re-read after every change, so that a command and a
running host agree.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from airswasm.runtime.files import replace_file

from .._signing.key_text import MAXIMUM_SIGNERS
from .._signing.keys import PublicKey
from .._signing.rotations import Rotation, verify_rotation
from .._signing.signatures import VerifiedStatement
from ..errors import (
    CosignerRefused,
    KeyMismatch,
    KeyRevoked,
    RotationRefused,
    SequenceRefused,
    SignersMissing,
    StatementExpired,
    TrustFileInvalid,
    UntrustedKey,
)
from .files import locked
from .settings import TrustSettings
from .trust_file import (
    FormerKey,
    NewestVersion,
    Revocation,
    TrustContent,
    TrustedComponent,
    TrustedKey,
    TrustEncoder,
    check_fingerprint,
    decode_trust,
)

__all__ = ("FormerKey", "Revocation", "TrustStore", "TrustedComponent", "TrustedKey")

_LARGEST_LEAP = 2**40
"""Above unix time in milliseconds, far below 2**63."""


class TrustStore:
    """The trusted keys of one host, in a file.

    Args:
        path: The file; it need not exist yet.
        threshold: How many pinned keys must sign any name, at least.
        keys: Fingerprints that the settings trust, beside those that `allow` adds.
        clock: Returns the seconds since 1970; statements end by it.

    Every method raises `TrustFileInvalid` if the file exists and is unreadable.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threshold: int = 1,
        keys: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path)
        self._threshold, self._keys = threshold, frozenset(keys)
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._cached = TrustContent()
        self._encoder = TrustEncoder()
        self._announce: Callable[[], None] = _announce_nothing

    @contextmanager
    def before_write(self, announce: Callable[[], None]) -> Generator[None]:
        """Call a function in front of each write inside the block: no refused change gets there.

        Its error prevents the write. Only for one change at a time.
        """
        self._announce = announce
        try:
            yield
        finally:
            self._announce = _announce_nothing

    def hold_to(self, settings: TrustSettings) -> None:
        """Trust the keys of other settings, and ask for so many signers, from now on."""
        self._threshold, self._keys = settings.threshold, frozenset(settings.keys)

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

    def trusts(self, fingerprint: str) -> bool:
        """Return whether a key is trusted, and was not revoked."""
        content = self._read()
        is_listed = fingerprint in content.keys or fingerprint in self._keys
        return is_listed and fingerprint not in content.revoked

    def allow(self, fingerprint: str, *, label: str = "") -> TrustedKey:
        """Trust a key: its packages are granted what they ask for, without a question.

        Raises:
            InvalidKey: It is no fingerprint.
            KeyRevoked: The key was revoked.
        """
        check_fingerprint(fingerprint)
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
            SignersMissing: Fewer pinned keys have signed than the name needs.
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
        _refuse_signers(content, verified)
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
            statement = verified.statement
            pin = replace(pin, sequence=statement.sequence)
            newest, components = content.newest, content.components
            known = newest.get(pin.name)
            if known is None or known.sequence < statement.sequence:
                fresh = NewestVersion(statement.sequence, statement.version)
                newest = {**newest, pin.name: fresh}
            if components.get(pin.name) != pin:
                components = {**components, pin.name: pin}
            if newest is not content.newest or components is not content.components:
                self._write(replace(content, newest=newest, components=components))
            return pin

    def newer_than(self, verified: VerifiedStatement) -> str:
        """Return the newest version accepted before under this name, if this one is older.

        It outlives the pin, so that a name whose pin was removed does not go back unseen.

        Returns:
            The version; empty if none is newer.
        """
        known = self._read().newest.get(verified.statement.name)
        is_older = known is not None and verified.statement.sequence < known.sequence
        return known.version if known is not None and is_older else ""

    def pin(
        self,
        name: str,
        key: PublicKey,
        *,
        label: str = "",
        accepted: Mapping[PublicKey, int] = MappingProxyType({}),
        cosigners: Iterable[PublicKey] = (),
    ) -> TrustedComponent:
        """Approve a key for a component that has none.

        A second approval of the same key changes only the label.

        Args:
            name: `namespace/name`.
            key: The owner's key.
            label: The publisher's name, for people.
            accepted: For a fresh pin, the keys that signed versions which are installed already,
                each with its highest sequence.
            cosigners: For a fresh pin, keys that count beside the owner's.

        Raises:
            KeyRevoked: One of the keys was revoked.
            KeyMismatch: Another key is pinned; `rotate` or `transfer` replace it.
        """
        with locked(self._path):
            content = self._read()
            further = tuple(dict.fromkeys(each for each in cosigners if each != key))
            _refuse_revoked(content, key, *further)
            pinned = content.components.get(name)
            if pinned is not None and pinned.key != key:
                raise KeyMismatch(name, pinned.key.fingerprint, key.fingerprint)
            now = self._clock()
            others = tuple(
                FormerKey(each, top, now) for each, top in accepted.items() if each != key
            )
            fresh = TrustedComponent(name, key, label, accepted.get(key, 0), now, others, further)
            fresh = pinned or fresh
            return self._store(content, replace(fresh, label=label or fresh.label))

    def unpin(self, name: str) -> bool:
        """Forget a component's keys and its sequence; an explicit act of the host's owner.

        How many keys must sign the name stays, and so does the newest version (`newer_than`).

        Returns:
            Whether it was pinned.
        """
        with locked(self._path):
            content = self._read()
            rest = {key: pin for key, pin in content.components.items() if key != name}
            self._write(replace(content, components=rest))
            return name in content.components

    def needed(self, name: str) -> int:
        """Return how many different pinned keys must sign a version of this name."""
        return self._needed(self._read(), name)

    def thresholds(self) -> Mapping[str, int]:
        """Return the names of which more than one key must sign, sorted, with the number."""
        return dict(sorted(self._read().thresholds.items()))

    def set_threshold(self, name: str, needed: int) -> int:
        """Set how many pinned keys must sign a name; the only way to lower it.

        Returns:
            The number that holds: this one, or the host's where that is higher.

        Raises:
            CosignerRefused: It is not between 1 and 8.
        """
        if not 1 <= needed <= MAXIMUM_SIGNERS:
            raise CosignerRefused(name, f"{needed} is not between 1 and {MAXIMUM_SIGNERS}")
        with locked(self._path):
            content = self._read()
            rest = {each: count for each, count in content.thresholds.items() if each != name}
            after = {**rest, name: needed} if needed > 1 else rest
            self._write(replace(content, thresholds=after))
        return self.needed(name)

    def add_cosigner(self, name: str, key: PublicKey) -> TrustedComponent:
        """Count a further key for a pinned name.

        Raises:
            KeyRevoked: The key was revoked.
            CosignerRefused: The name has no owner, this key already, or too many.
        """
        with locked(self._path):
            content = self._read()
            _refuse_revoked(content, key)
            pinned = content.components.get(name)
            if pinned is None:
                raise CosignerRefused(name, "it is pinned to no owner yet")
            if key in pinned.keys:
                raise CosignerRefused(name, "this key is pinned already")
            if len(pinned.keys) >= MAXIMUM_SIGNERS:
                raise CosignerRefused(name, f"{MAXIMUM_SIGNERS} keys are pinned already")
            return self._store(content, replace(pinned, cosigners=(*pinned.cosigners, key)))

    def remove_cosigner(self, name: str, fingerprint: str) -> TrustedComponent:
        """Count a key for a name no longer; how many must sign stays.

        Raises:
            CosignerRefused: It is no co-signer's.
        """
        with locked(self._path):
            content = self._read()
            pinned = content.components.get(name)
            if pinned is None or all(each.fingerprint != fingerprint for each in pinned.cosigners):
                raise CosignerRefused(name, f"{fingerprint[:16]} is no co-signer of it")
            rest = tuple(each for each in pinned.cosigners if each.fingerprint != fingerprint)
            return self._store(content, replace(pinned, cosigners=rest))

    def check_threshold(self, verified: VerifiedStatement) -> None:
        """Check that enough pinned keys have signed this; without a pin, all signers count.

        Raises:
            SignersMissing: Too few have.
        """
        content = self._read()
        name = verified.statement.name
        pin = content.components.get(name)
        pinned = pin.keys if pin is not None else verified.signers
        self._check_signers(content, name, verified.signers, pinned)

    def rotate(self, rotation: bytes) -> TrustedComponent:
        """Replace a key of a component by a statement that the old and the new one signed.

        The old key is the owner's, or a co-signer's.

        Raises:
            InvalidSignature: The statement is malformed, or not signed by all of its signers.
            InvalidStatement: The statement breaks the format's rules.
            RotationRefused: It does not continue from a pinned key and the sequence.
            StatementExpired: It has ended, by this host's clock.
            SignersMissing: Fewer pinned keys have signed it than the name needs.
            KeyRevoked: One of its signers was revoked.
        """
        statement = verify_rotation(rotation)
        with locked(self._path):
            content = self._read()
            pinned = self._rotatable(content, statement)
            if pinned.key == statement.old:
                after = pinned.followed_by(statement.new, statement.sequence, self._clock())
            else:
                swap = {statement.old: statement.new}
                others = tuple(swap.get(each, each) for each in pinned.cosigners)
                after = replace(pinned, cosigners=others, sequence=statement.sequence)
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
        check_fingerprint(fingerprint)
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
        _refuse_signers(self._read(), verified)

    def _rotatable(self, content: TrustContent, statement: Rotation) -> TrustedComponent:
        """Return the pin that a statement may change, or raise why it may not."""
        name, pinned = statement.name, content.components.get(statement.name)
        _refuse_revoked(content, *statement.signers)
        now = self._clock()
        if now > statement.expires:
            raise StatementExpired(name, statement.expires, now)
        if pinned is not None and pinned.key == statement.new:
            raise RotationRefused(name, "the statement's new key owns it already")
        if pinned is None or statement.old not in pinned.keys:
            raise RotationRefused(name, "its old key is not the pinned one")
        if statement.new in pinned.keys:
            raise RotationRefused(name, "its new key is pinned already, and counts once")
        reason = _sequence_problem(pinned.sequence, statement.sequence)
        if reason:
            raise RotationRefused(name, reason)
        self._check_signers(content, name, statement.signers, pinned.keys, statement.new)
        return pinned

    def _needed(self, content: TrustContent, name: str) -> int:
        return max(self._threshold, content.thresholds.get(name, 1))

    def _check_signers(
        self,
        content: TrustContent,
        name: str,
        signers: tuple[PublicKey, ...],
        pinned: tuple[PublicKey, ...],
        newcomer: PublicKey | None = None,
    ) -> None:
        """Raise `SignersMissing` if too few of the signers are pinned."""
        needed = self._needed(content, name)
        counted = [each.fingerprint for each in signers if each in pinned]
        if len(counted) < needed:
            strangers = [each.fingerprint for each in signers if each not in (*pinned, newcomer)]
            raise SignersMissing(name, needed, counted, strangers)

    def _judge(
        self, content: TrustContent, verified: VerifiedStatement, *, same_allowed: bool
    ) -> TrustedComponent:
        pin = _pinned(content, verified)
        self._check_signers(content, pin.name, verified.signers, pin.keys)
        sequence = verified.statement.sequence
        if same_allowed and sequence == pin.sequence:
            return pin
        reason = _sequence_problem(pin.sequence, sequence)
        if reason:
            raise SequenceRefused(pin.name, sequence, pin.sequence, reason)
        return pin

    def _store(self, content: TrustContent, pin: TrustedComponent) -> TrustedComponent:
        if content.components.get(pin.name) != pin:
            self._write(replace(content, components={**content.components, pin.name: pin}))
        return pin

    def _read(self) -> TrustContent:
        try:
            if _stamp_of(self._path.stat()) == self._stamp:
                return self._cached
            with self._path.open("rb") as file:
                stamp = _stamp_of(os.fstat(file.fileno()))
                self._cached = decode_trust(self._path, file.read())
                self._stamp = stamp
        except FileNotFoundError:
            self._cached, self._stamp = TrustContent(), None
        except OSError as error:
            raise TrustFileInvalid(self._path, error.strerror or str(error)) from error
        return self._cached

    def _write(self, content: TrustContent) -> None:
        """Replace the file, under its lock; what was written need not be read again."""
        self._announce()
        try:
            replace_file(self._path, self._encoder.encode(content))
            self._cached, self._stamp = content, _stamp_of(self._path.stat())
        except OSError as error:
            reason = f"it cannot be written ({error.strerror or error}), and is as it was"
            raise TrustFileInvalid(self._path, reason) from error


def _stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _announce_nothing() -> None:
    """Say nothing before a write."""


def _pinned(content: TrustContent, verified: VerifiedStatement) -> TrustedComponent:
    _refuse_signers(content, verified)
    name = verified.statement.name
    pin = content.components.get(name)
    if pin is None:
        raise UntrustedKey(name, verified.owner.fingerprint)
    if pin.key != verified.owner:
        raise KeyMismatch(name, pin.key.fingerprint, verified.owner.fingerprint)
    return pin


def _refuse_signers(content: TrustContent, verified: VerifiedStatement) -> None:
    for key in verified.signers if content.revoked else ():
        revocation = content.revoked.get(key.fingerprint)
        if revocation is not None:
            role = "owner" if key == verified.owner else "co-signer"
            raise KeyRevoked(key.fingerprint, revocation.reason, role)


def _refuse_revoked(content: TrustContent, *keys: PublicKey) -> None:
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
