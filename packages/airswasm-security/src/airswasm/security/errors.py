"""Errors of this block, with one class for each condition.

Every error has its facts as fields and builds its message from them: what happened, where, and the
next step. `SecurityError` is their root, so that an embedder can tell a refusal from a bug.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "SecurityError",
    "InvalidPattern",
    "InvalidResource",
    "InvalidCapability",
    "PermissionDenied",
    "GrantBarred",
    "GrantMissing",
    "GrantNotNarrower",
    "RolesInvalid",
    "UnannotatedFunction",
    "UnknownCapability",
    "InvalidKey",
    "WeakKey",
    "KeyFileInvalid",
    "KeyFileExposed",
    "InvalidStatement",
    "InvalidSignature",
    "SignaturesMissing",
    "ContentMismatch",
    "TrustError",
    "UntrustedKey",
    "KeyMismatch",
    "KeyRevoked",
    "SequenceRefused",
    "RotationRefused",
    "StatementExpired",
    "SignersMissing",
    "CosignerRefused",
    "TrustFileInvalid",
    "AuditError",
    "AuditUnavailable",
    "AuditFileGone",
    "AuditSinkUnusable",
    "AuditLocked",
    "AuditBroken",
)


class SecurityError(AirswasmError):
    """Root of this block's errors."""

    explanation = ErrorCode(
        "E0400",
        "security problem",
        "A check failed in a way without a code of its own.",
        "read the message; what fails is refused",
        ExitStatus.REFUSED,
    )


class InvalidPattern(SecurityError):
    """A resource pattern of a grant cannot be read."""

    explanation = ErrorCode(
        "E0402",
        "wrong capability or pattern",
        "A capability, pattern or resource cannot be read, so that it can grant nothing.",
        "a pattern has segments; `*` is one of them, `**` any number",
    )

    def __init__(self, pattern: str, reason: str) -> None:
        self.pattern = pattern
        self.reason = reason
        super().__init__(f"the pattern {pattern!a} is not usable: {reason}")


class InvalidResource(SecurityError):
    """A resource named in a call is malformed, so that no grant can cover it."""

    explanation = InvalidPattern.explanation

    def __init__(self, resource: str, reason: str) -> None:
        self.resource = resource
        self.reason = reason
        super().__init__(f"the resource {resource[:200]!a} is malformed: {reason}")


class InvalidCapability(SecurityError):
    """A capability is not of the form `area:verb`."""

    explanation = InvalidPattern.explanation

    def __init__(self, capability: str) -> None:
        self.capability = capability
        super().__init__(
            f"{capability!a} is not a capability: write domain.verb, such as storage.read"
        )


class UnknownCapability(InvalidCapability):
    """No installed block declares this capability.

    Attributes:
        capability: `domain:verb`.
        suggestion: The closest known capability, or None.
    """

    explanation = ErrorCode(
        "E0404",
        "no such capability",
        "A manifest or a setting names a capability that no installed block declares, so nothing "
        "could be granted by it.",
        "correct the name, or install the package that brings the capability",
    )

    def __init__(self, capability: str, suggestion: str | None) -> None:
        self.suggestion = suggestion
        self.capability = capability
        meant = f"; did you mean {suggestion.replace(':', '.')}?" if suggestion else ""
        SecurityError.__init__(
            self, f"no installed block has the capability {capability.replace(':', '.')}{meant}"
        )


class RolesInvalid(SecurityError):
    """A role or an entry of the access list cannot be read.

    Attributes:
        where: The role or entry.
        reason: What is wrong with it.
    """

    explanation = ErrorCode(
        "E0450",
        "wrong role or access list",
        "A role or an entry of the access list cannot be read. The host does not start without "
        "it, because what it denies would be allowed.",
        "correct it in `[roles]` or `[acl]` of config.toml, or in the file that `roles.file` names",
    )

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where} is not usable: {reason}")


class PermissionDenied(SecurityError):
    """A component lacks the capability for its call."""

    explanation = ErrorCode(
        "E0401",
        "capability missing",
        "The component tried what it was not granted. It got an error it can handle, and the "
        "audit log has the attempt.",
        "add the line that the message names to [capabilities] in Component.toml",
        ExitStatus.REFUSED,
    )

    def __init__(self, component: str, capability: str, resource: str, text: str) -> None:
        self.component = component
        self.capability = capability
        self.resource = resource
        self.text = text
        super().__init__(f"{component}: {text}")


class GrantNotNarrower(SecurityError):
    """A pattern that should narrow a grant is not within it.

    Attributes:
        capability: `domain:verb`.
        pattern: The pattern.
        held: The patterns that it would have to be within.
    """

    explanation = ErrorCode(
        "E0405",
        "not narrower than the grant",
        "A narrowed grant must be within the one that it replaces, so that narrowing never "
        "allows more.",
        "list what is granted with `airswasm grants list NAME`, or widen it with `airswasm grants "
        "add NAME CAPABILITY PATTERN`",
    )

    def __init__(self, capability: str, pattern: str, held: tuple[str, ...]) -> None:
        self.capability, self.pattern, self.held = capability, pattern, held
        name = capability.replace(":", ".")
        within = f"within {_listed(held)}" if held else "granted at all"
        super().__init__(f"{name} on {pattern!a} is not {within}")


class GrantBarred(SecurityError):
    """A grant would mean nothing, because a denial of the record covers it.

    Attributes:
        capability: `domain:verb`.
        pattern: The pattern that was to be granted.
        denied: The pattern of the denial.
    """

    explanation = ErrorCode(
        "E0406",
        "the record denies it",
        "A denial wins over any grant. A new grant lifts the denials that it covers as a whole, "
        "and no wider one.",
        "lift that denial first: airswasm grants remove NAME CAPABILITY PATTERN --denial",
    )

    def __init__(self, capability: str, pattern: str, denied: str) -> None:
        self.capability, self.pattern, self.denied = capability, pattern, denied
        name = capability.replace(":", ".")
        super().__init__(f"{name} on {pattern!a} would stay denied, by the denial of {denied!a}")


class GrantMissing(SecurityError):
    """A change is about a grant or a request that does not exist.

    Attributes:
        capability: `domain:verb`.
        known: The patterns of the capability, or the capabilities, that exist.
        pattern: The pattern; empty for all of the capability.
    """

    explanation = ErrorCode(
        "E0407",
        "no such grant",
        "The record has no grant or denial of these words, or the package does not ask for the "
        "capability.",
        "list what there is with `airswasm grants list NAME`",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, capability: str, known: tuple[str, ...], pattern: str = "") -> None:
        self.capability, self.known, self.pattern = capability, known, pattern
        name = capability.replace(":", ".")
        what = f"{name} on {pattern!a}" if pattern else name
        instead = f"; there is {_listed(known)}" if known else ""
        super().__init__(f"there is no {what}{instead}")


def _short(fingerprints: tuple[str, ...]) -> str:
    return ", ".join(each[:16] for each in fingerprints)


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def _listed(patterns: tuple[str, ...], most: int = 5) -> str:
    shown = ", ".join(f"{each!a}" for each in patterns[:most])
    return f"{shown} and {len(patterns) - most} more" if len(patterns) > most else shown


class UnannotatedFunction(SecurityError):
    """A host function has no permission annotation in the contract."""

    explanation = ErrorCode(
        "E0403",
        "unchecked host function",
        "A host function has no permission annotation, so it is not offered.",
        "report it to the block that offers it",
    )

    def __init__(
        self,
        interface: str,
        function: str,
        reason: str,
        advice: str = "give it an @requires line in its WIT",
    ) -> None:
        self.interface = interface
        self.function = function
        self.reason = reason
        super().__init__(
            f"{interface}#{function} cannot be offered to components: {reason}; {advice}"
        )


class InvalidKey(SecurityError):
    """The bytes or text are not an Ed25519 key."""

    explanation = ErrorCode(
        "E0410",
        "not a usable key",
        "Bytes, text or a file are not an Ed25519 key.",
        "take it from your backup, or make another one: airswasm keygen --output FILE",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a usable Ed25519 key: {reason}")


class WeakKey(InvalidKey):
    """Signatures prove nothing under this public key."""

    explanation = ErrorCode(
        "E0411",
        "weak key",
        "Under this public key one signature holds for many messages, so it proves nothing.",
        "ask the publisher for another key",
        ExitStatus.NOT_AUTHENTIC,
    )


class KeyFileInvalid(SecurityError):
    """A key file does not contain a readable key."""

    explanation = InvalidKey.explanation

    def __init__(self, path: str | os.PathLike[str], reason: str, *, hint: str = "") -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")
        if hint:
            self.hint = hint


class KeyFileExposed(KeyFileInvalid):
    """Other users of this machine can read a private key."""

    explanation = ErrorCode(
        "E0412",
        "key exposed",
        "Other users of this machine can read the private key.",
        "chmod 600 the file, and consider the key known to them",
        ExitStatus.REFUSED,
    )

    def __init__(self, path: str | os.PathLike[str], mode: int) -> None:
        self.mode = mode
        super().__init__(
            path,
            f"other users can read this private key (mode {mode:04o}); "
            f"run: chmod 600 {os.fspath(path)}",
        )


class InvalidStatement(SecurityError):
    """A statement to sign, or a validly signed one, breaks the format's rules."""

    explanation = ErrorCode(
        "E0422",
        "statement breaks the rules",
        "The statement to sign, or a signed one, has a malformed name, version, sequence or path.",
        "correct the field that the message names",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, reason: str, *, field: str | None = None, hint: str = "") -> None:
        self.reason = reason
        self.field = field
        super().__init__(f"the signed statement is not valid: {reason}")
        if hint:
            self.hint = hint


class InvalidSignature(SecurityError):
    """A signature file is malformed, or a signature in it does not verify."""

    explanation = ErrorCode(
        "E0420",
        "signature does not hold",
        "component.sig is malformed, or was not made by the key that it names.",
        "get the package again, or sign it again",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the signature does not verify: {reason}; sign the package again with its owner's key"
        )


class SignaturesMissing(InvalidSignature):
    """Some of the keys that a statement names have not signed it yet.

    Attributes:
        named: The number of keys that it names.
        missing: The fingerprints of those that have not signed.
    """

    explanation = ErrorCode(
        "E0423",
        "signatures missing",
        "A statement names the keys that sign it, and holds only once all of them have.",
        "have each of the others add a signature: airswasm sign PACKAGE --key THEIRS",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, named: int, missing: Iterable[str]) -> None:
        self.named, self.missing = named, tuple(missing)
        self.reason = (
            f"{named - len(self.missing)} of {named} keys that it names have signed; "
            f"it waits for {', '.join(each[:16] for each in self.missing)}"
        )
        SecurityError.__init__(self, f"the signature is not complete: {self.reason}")


class ContentMismatch(SecurityError):
    """The files differ from the signed ones."""

    explanation = ErrorCode(
        "E0421",
        "files are not those that were signed",
        "A file was changed, added or removed since it was signed.",
        "if you changed it: airswasm build && airswasm sign; if not, do not install it",
        ExitStatus.NOT_AUTHENTIC,
    )

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
    """The signature is valid, but its signer may not sign this."""

    explanation = ErrorCode(
        "E0430",
        "key not trusted",
        "The signature is valid, but this key was not approved here.",
        "compare its fingerprint with the publisher's, then: airswasm trust add NAME KEY",
        ExitStatus.NOT_AUTHENTIC,
    )


class UntrustedKey(TrustError):
    """No operator has approved this key for this component yet."""

    explanation = TrustError.explanation

    def __init__(self, component: str, fingerprint: str) -> None:
        self.component = component
        self.fingerprint = fingerprint
        super().__init__(
            f"{component} is signed by a key that was never approved: {fingerprint}; compare this "
            f"fingerprint with the publisher's, then approve the key for {component}"
        )


class KeyMismatch(TrustError):
    """A component is pinned to one key and signed by another."""

    explanation = ErrorCode(
        "E0431",
        "signed by another key",
        "The component is pinned to another key.",
        "sign with that key, or rotate it with a statement signed by both",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, component: str, pinned: str, offered: str) -> None:
        self.component = component
        self.pinned = pinned
        self.offered = offered
        super().__init__(
            f"{component} belongs to the key {pinned} but is signed by {offered}; "
            "an update needs the same key, or a rotation signed by both"
        )


class KeyRevoked(TrustError):
    """The key was revoked on this host.

    Attributes:
        fingerprint: Of the key.
        reason: For people.
        role: `owner` or `co-signer`, for a key that signed a version; empty for others.
    """

    explanation = ErrorCode(
        "E0432",
        "key revoked",
        "The key was revoked on this host.",
        "get a version that is signed by another key",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, fingerprint: str, reason: str, role: str = "") -> None:
        self.fingerprint = fingerprint
        self.reason = reason
        self.role = role
        key = f"the {role}'s key" if role else "the key"
        super().__init__(f"{key} was revoked: {reason}; its fingerprint is {fingerprint}")


class SequenceRefused(TrustError):
    """A validly signed version is older than the installed one, or leaps ahead."""

    explanation = ErrorCode(
        "E0433",
        "sequence refused",
        "A validly signed version is older, or leaps far ahead.",
        "sign again; to go back on purpose: airswasm rollback NAME",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, component: str, sequence: int, floor: int, reason: str) -> None:
        self.component = component
        self.sequence = sequence
        self.floor = floor
        super().__init__(
            f"{component} carries sequence {sequence}, and {floor} was accepted before: {reason}"
        )


class RotationRefused(TrustError):
    """A key rotation does not continue from the pinned key."""

    explanation = ErrorCode(
        "E0434",
        "rotation refused",
        "A key rotation does not continue from the pinned key.",
        "`airswasm trust list` shows the pinned key; the owner makes a statement with it and the "
        "new key",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, component: str, reason: str) -> None:
        self.component = component
        self.reason = reason
        super().__init__(f"the key of {component} was not rotated: {reason}")


class StatementExpired(RotationRefused):
    """A statement has ended before this host got it.

    Attributes:
        expired: Its end, seconds since 1970.
        now: The time of this host's clock.
    """

    explanation = ErrorCode(
        "E0437",
        "statement expired",
        "A statement that gives a name to another key has an end, so that one that was stolen or "
        "forgotten is worth nothing later. The clock of the host decides.",
        "compare the host's clock (`date`); if it is right, ask the owner for another statement",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, component: str, expired: float, now: float) -> None:
        self.expired, self.now = expired, now
        reason = (
            f"its statement ended at {_utc(expired)}, and the clock of this host says "
            f"{_utc(now)}; "
            "what is installed goes on"
        )
        super().__init__(component, reason)


class SignersMissing(TrustError):
    """Fewer pinned keys have signed than this name needs.

    Attributes:
        component: The name.
        needed: The number of different pinned keys that must sign.
        counted: The fingerprints of the pinned keys that have signed.
        strangers: The fingerprints of keys that have signed, and are not pinned to the name.
    """

    explanation = ErrorCode(
        "E0438",
        "too few signers",
        "This name, or every name on this host, needs the signatures of several pinned keys.",
        "`airswasm trust list` shows the keys that are pinned; have another of their holders sign: "
        "airswasm sign PACKAGE --key THEIRS",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(
        self, component: str, needed: int, counted: Iterable[str], strangers: Iterable[str] = ()
    ) -> None:
        self.component, self.needed = component, needed
        self.counted, self.strangers = tuple(counted), tuple(strangers)
        text = f"{component} has {len(self.counted)} of {needed} signatures that it needs"
        if self.counted:
            text += f", by {_short(self.counted)}"
        if self.strangers:
            several = len(self.strangers) > 1
            text += (
                f"; {_short(self.strangers)} signed too, and {'are' if several else 'is'} not "
                f"pinned: airswasm trust add {component} KEY --cosigner"
            )
        super().__init__(text)


class CosignerRefused(TrustError):
    """The keys of a name, or the number of them that must sign, cannot be changed so.

    Attributes:
        component: The name.
        reason: Why not.
    """

    explanation = ErrorCode(
        "E0439",
        "co-signers unchanged",
        "A co-signer is pinned beside the owner of a name, and the number of keys that must sign "
        "is between 1 and 8.",
        "`airswasm trust list` shows the keys of each name",
    )

    def __init__(self, component: str, reason: str) -> None:
        self.component, self.reason = component, reason
        super().__init__(f"the keys of {component} stay as they are: {reason}")


class FingerprintUnknown(SecurityError):
    """Digits do not identify one key."""

    explanation = ErrorCode(
        "E0436",
        "no such key",
        "The digits are the start of no key's fingerprint that this host knows, or of several.",
        "airswasm trust list shows the keys; give the whole fingerprint for one that is not there",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, digits: str, matches: int, fewest: int) -> None:
        self.digits, self.matches, self.fewest = digits, matches, fewest
        if not set(digits) <= set("0123456789abcdef"):
            problem = "is no fingerprint, which has hexadecimal digits only"
        elif len(digits) < fewest:
            problem = f"is too short to name a key: at least {fewest} digits"
        else:
            problem = f"is the start of {matches} known keys, not of one"
        super().__init__(f"{digits[:80]!a} {problem}")


class TrustFileInvalid(SecurityError):
    """The trust file cannot be read; trust is refused rather than guessed."""

    explanation = ErrorCode(
        "E0435",
        "trust file unreadable",
        "The file of trusted keys cannot be read. Trust is refused rather than guessed.",
        "restore it from a backup; without one, move it away, then `airswasm trust add NAME "
        "KEY` for each component, and `airswasm trust revoke` what was revoked",
        ExitStatus.REFUSED,
    )

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")


class AuditError(SecurityError):
    """Root of the audit log's errors."""

    explanation = ErrorCode(
        "E0440",
        "audit log not writable",
        "What must be recorded before it happens could not be recorded, so it does not happen.",
        "check that file's disk, owner and mode; nothing was changed",
    )


class AuditUnavailable(AuditError):
    """An audit line could not be written; its effect must not happen."""

    explanation = AuditError.explanation

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: the audit log is not usable: {reason}")


class AuditFileGone(AuditUnavailable):
    """An older file of the log was removed while it was read; reading again helps."""


class AuditSinkUnusable(AuditError):
    """A sink of the audit log cannot be opened."""

    explanation = ErrorCode(
        "E0443",
        "audit sink not usable",
        "A sink in [audit] sinks of config.toml is not installed, or cannot be opened.",
        "correct it: airswasm config get audit.sinks; see docs/audit.md",
    )

    def __init__(self, setting: str, reason: str) -> None:
        self.setting = setting
        self.reason = reason
        super().__init__(f"the audit sink {setting!a} is not usable: {reason}")


class AuditLocked(AuditError):
    """Another process writes this audit log."""

    explanation = ErrorCode(
        "E0441",
        "audit log in use",
        "Another process writes this audit log.",
        "stop the other one, or use another home",
    )

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        super().__init__(
            f"{self.path}: another process writes this audit log; ask the running host instead"
        )


class AuditBroken(AuditError):
    """The chain of an audit log is broken."""

    explanation = ErrorCode(
        "E0442",
        "audit log broken",
        "The chain of the audit log does not hold: lines were changed or removed.",
        "find out who can write there, and keep the home's folder audit as evidence; to go on "
        "after a cut: airswasm audit accept REASON; after a change: move that folder away",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, path: str | os.PathLike[str], line: int, reason: str) -> None:
        self.path = os.fspath(path)
        self.line = line
        self.reason = reason
        super().__init__(f"{self.path}:{line}: the audit log was altered: {reason}")
