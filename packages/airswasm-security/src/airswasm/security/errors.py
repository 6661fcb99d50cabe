"""What can go wrong in this block, each condition a class of its own.

Every error carries what it knows as fields and builds its message from them:
what happened, where, and what to do next. `SecurityError` is their root, so
that an embedder can tell a refusal from a bug.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = (
    "SecurityError",
    "InvalidPattern",
    "InvalidResource",
    "InvalidCapability",
    "PermissionDenied",
    "UnannotatedFunction",
    "InvalidKey",
    "WeakKey",
    "KeyFileInvalid",
    "KeyFileExposed",
    "InvalidStatement",
    "InvalidSignature",
    "ContentMismatch",
    "TrustError",
    "UntrustedKey",
    "KeyMismatch",
    "KeyRevoked",
    "SequenceRefused",
    "RotationRefused",
    "TrustFileInvalid",
    "AuditError",
    "AuditUnavailable",
    "AuditLocked",
    "AuditBroken",
)


class SecurityError(Exception):
    """Root of this block's errors."""


class InvalidPattern(SecurityError):
    """A resource pattern of a grant cannot be read."""

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern = pattern
        self.reason = reason
        super().__init__(f"the pattern {pattern!a} is not usable: {reason}")


class InvalidResource(SecurityError):
    """A resource named in a call is malformed, so that no grant can cover it."""

    def __init__(self, resource: str, reason: str) -> None:
        self.resource = resource
        self.reason = reason
        super().__init__(f"the resource {resource[:200]!a} is malformed: {reason}")


class InvalidCapability(SecurityError):
    """A capability is not of the form `area:verb`."""

    def __init__(self, capability: str) -> None:
        self.capability = capability
        super().__init__(
            f"{capability!a} is not a capability: write area:verb, such as storage:read"
        )


class PermissionDenied(SecurityError):
    """A component lacks the capability for what it tried."""

    def __init__(self, component: str, capability: str, resource: str, text: str) -> None:
        self.component = component
        self.capability = capability
        self.resource = resource
        self.text = text
        super().__init__(f"{component}: {text}")


class UnannotatedFunction(SecurityError):
    """A host function has no permission annotation in the contract."""

    def __init__(self, interface: str, function: str, reason: str) -> None:
        self.interface = interface
        self.function = function
        self.reason = reason
        super().__init__(
            f"{interface}#{function} cannot be offered to components: {reason}; "
            "give it an @requires line in its WIT"
        )


class InvalidKey(SecurityError):
    """Bytes or text that should be an Ed25519 key are not one."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a usable Ed25519 key: {reason}")


class WeakKey(InvalidKey):
    """A public key under which signatures prove nothing."""


class KeyFileInvalid(SecurityError):
    """A key file cannot be read as a key."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")


class KeyFileExposed(KeyFileInvalid):
    """Other users of this machine can read a private key."""

    def __init__(self, path: str | os.PathLike[str], mode: int) -> None:
        self.mode = mode
        super().__init__(
            path,
            f"other users can read this private key (mode {mode:04o}); "
            f"run: chmod 600 {os.fspath(path)}",
        )


class InvalidStatement(SecurityError):
    """A statement to sign, or a validly signed one, breaks the format's rules."""

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        self.reason = reason
        self.field = field
        super().__init__(f"the signed statement is not valid: {reason}")


class InvalidSignature(SecurityError):
    """A signature file is malformed, or a signature in it does not verify."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the signature does not verify: {reason}; sign the package again with its owner's key"
        )


class ContentMismatch(SecurityError):
    """The files are not those that were signed."""

    def __init__(
        self, *, changed: Iterable[str] = (), missing: Iterable[str] = (), extra: Iterable[str] = ()
    ) -> None:
        self.changed = tuple(changed)
        self.missing = tuple(missing)
        self.extra = tuple(extra)
        parts = (
            ("changed since it was signed", self.changed),
            ("signed but missing", self.missing),
            ("not covered by the signature", self.extra),
        )
        text = "; ".join(
            f"{what}: {', '.join(map(ascii, names))}" for what, names in parts if names
        )
        super().__init__(f"the files are not the signed ones: {text}")


class TrustError(SecurityError):
    """A valid signature of somebody who may not sign this."""


class UntrustedKey(TrustError):
    """Nobody has approved this key for this component yet."""

    def __init__(self, component: str, fingerprint: str) -> None:
        self.component = component
        self.fingerprint = fingerprint
        super().__init__(
            f"{component} is signed by a key that nobody approved: {fingerprint}; compare this "
            f"fingerprint with the publisher's, then approve the key for {component}"
        )


class KeyMismatch(TrustError):
    """A component is pinned to one key and signed by another."""

    def __init__(self, component: str, pinned: str, offered: str) -> None:
        self.component = component
        self.pinned = pinned
        self.offered = offered
        super().__init__(
            f"{component} belongs to the key {pinned} but is signed by {offered}; "
            "an update needs the same key, or a rotation signed by both"
        )


class KeyRevoked(TrustError):
    """The key was revoked on this host."""

    def __init__(self, fingerprint: str, reason: str) -> None:
        self.fingerprint = fingerprint
        self.reason = reason
        super().__init__(f"the key {fingerprint} was revoked: {reason}")


class SequenceRefused(TrustError):
    """A validly signed version is older than what is installed, or leaps ahead."""

    def __init__(self, component: str, sequence: int, floor: int, reason: str) -> None:
        self.component = component
        self.sequence = sequence
        self.floor = floor
        super().__init__(
            f"{component} carries sequence {sequence}, and {floor} was accepted before: {reason}"
        )


class RotationRefused(TrustError):
    """A key rotation does not continue from the pinned key."""

    def __init__(self, component: str, reason: str) -> None:
        self.component = component
        self.reason = reason
        super().__init__(f"the key of {component} was not rotated: {reason}")


class TrustFileInvalid(SecurityError):
    """The trust file cannot be read; trust is refused rather than guessed."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")


class AuditError(SecurityError):
    """Root of the audit log's errors."""


class AuditUnavailable(AuditError):
    """An audit line could not be written; what it announces must not happen."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: the audit log cannot be written: {reason}")


class AuditLocked(AuditError):
    """Another process writes this audit log."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        super().__init__(
            f"{self.path}: another process writes this audit log; ask the running host instead"
        )


class AuditBroken(AuditError):
    """An audit log's chain does not hold."""

    def __init__(self, path: str | os.PathLike[str], line: int, reason: str) -> None:
        self.path = os.fspath(path)
        self.line = line
        self.reason = reason
        super().__init__(f"{self.path}:{line}: the audit log was altered: {reason}")
