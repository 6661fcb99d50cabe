"""Sources of packages, lists of components, and their locks."""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.wit import ErrorCode, ExitStatus

from ._packages import ManifestInvalid
from ._tree import LifecycleError, ManifestProblem

__all__ = (
    "ComponentsInvalid",
    "ExtraMissing",
    "LockMismatch",
    "LockMissing",
    "NoRecordedSource",
    "SourceChanged",
    "SourceFailed",
    "SourceRefused",
    "SourceTooLarge",
    "SourceUnknown",
)


class SourceUnknown(LifecycleError):
    """A text is not the source of a package.

    Attributes:
        source: The text.
        reason: The mistake.
    """

    explanation = ErrorCode(
        "E0350",
        "not a source",
        "A package comes from a folder, a .airswasm file, `-`, or a source that begins with "
        "git+https://, git+ssh://, git+file:, https:// or oci://.",
        "docs/sources.md shows each form",
        ExitStatus.USAGE,
    )

    def __init__(self, source: str, reason: str, *, hint: str = "") -> None:
        self.source, self.reason = source, reason
        if hint:
            self.hint = hint
        super().__init__(f"{source}: {reason}")


class SourceRefused(LifecycleError):
    """This host does not take packages from there.

    Attributes:
        source: The source.
        reason: The rule.
    """

    explanation = ErrorCode(
        "E0351",
        "source refused",
        "The host's settings, or a rule for every source, refuse it: its kind, an address inside "
        "a private network, a redirect to another scheme, a link or a submodule in a repository.",
        "use another source, or allow this one under [sources] in config.toml",
        ExitStatus.REFUSED,
    )

    def __init__(self, source: str, reason: str, *, hint: str = "") -> None:
        self.source, self.reason = source, reason
        if hint:
            self.hint = hint
        super().__init__(f"{source}: {reason}")


class SourceFailed(LifecycleError):
    """A source did not give the package.

    Attributes:
        source: The source.
        reason: What the other side answered, or why it did not.
    """

    explanation = ErrorCode(
        "E0352",
        "source failed",
        "The other side did not answer, has no such package, wants other credentials, or broke "
        "the protocol. Nothing changed.",
        "check the address and the network, and try again",
    )

    def __init__(self, source: str, reason: str, *, hint: str = "") -> None:
        self.source, self.reason = source, reason
        if hint:
            self.hint = hint
        super().__init__(f"{source}: {reason}")


class SourceTooLarge(LifecycleError):
    """A source sent more than this host takes in, or too slowly.

    Attributes:
        source: The source.
        limit: The setting, `sources.most_bytes`.
        allowed: Its value, with its unit.
    """

    explanation = ErrorCode(
        "E0353",
        "source above a limit",
        "A source sent more bytes than this host takes in for one package, or so slowly that it "
        "would never have ended.",
        "raise the named setting under [sources] in config.toml, if the source is right",
        ExitStatus.REFUSED,
    )

    def __init__(self, source: str, limit: str, allowed: str) -> None:
        self.source, self.limit, self.allowed = source, limit, allowed
        super().__init__(f"{source}: ended at its limit, {limit} = {allowed}")


class SourceChanged(LifecycleError):
    """A source gave other bytes than those that were pinned.

    Attributes:
        source: The source.
        expected: The pinned digest or commit.
        found: The one of what came.
    """

    explanation = ErrorCode(
        "E0354",
        "another content than pinned",
        "The source gave other bytes than its pin, its lock or the registry's manifest names.",
        "ask the publisher; if the change is meant, pin the new digest",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, source: str, expected: str, found: str) -> None:
        self.source, self.expected, self.found = source, expected, found
        super().__init__(f"{source}: expected {expected}, and it is {found}")


class ExtraMissing(LifecycleError):
    """A kind of source needs a library that is not installed.

    Attributes:
        kind: The kind of source.
        distribution: The distribution that has it.
        extra: The extra that brings the library.
    """

    explanation = ErrorCode(
        "E0355",
        "a library is missing",
        "This kind of source needs a library that is not installed by default.",
        "pip install 'airswasm-lifecycle[git,http]'",
    )

    def __init__(self, kind: str, distribution: str, extra: str) -> None:
        self.kind, self.distribution, self.extra = kind, distribution, extra
        self.hint = f"pip install '{distribution}[{extra}]'"
        super().__init__(f"sources of the kind {kind} need the extra {extra} of {distribution}")


class NoRecordedSource(LifecycleError):
    """An update without a source goes to where the version came from, and that is not known.

    Attributes:
        name: The component.
        reason: Why there is none.
    """

    explanation = ErrorCode(
        "E0356",
        "no recorded source",
        "The active version came from standard input, from a program, or from an airswasm that "
        "did not record sources.",
        "name the source: airswasm update FOLDER",
        ExitStatus.USAGE,
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"{name}: {reason}")


class ComponentsInvalid(ManifestInvalid):
    """A list of components, or its lock, is wrong; the error lists every problem."""

    explanation = ErrorCode(
        "E0357",
        "the list of components is wrong",
        "A list has one table, [components], with a line for each component: its name and its "
        "source. The lock beside it is written by `airswasm lock`.",
        "correct the lines named above; docs/sources.md shows a list",
    )

    def __init__(self, file: str, problems: Sequence[ManifestProblem], *, hint: str = "") -> None:
        super().__init__(file, problems)
        if hint:
            self.hint = hint


class LockMismatch(LifecycleError):
    """A component is not the one that was locked.

    Attributes:
        name: The component.
        part: `signer` or `digest`.
        locked: The locked value.
        found: The value of what came.
    """

    explanation = ErrorCode(
        "E0358",
        "another package than locked",
        "The source gives another package than the one that `airswasm lock` saw. Nothing of the "
        "list was installed.",
        "ask its publisher; if the change is meant, run `airswasm lock` again and review the lock",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, part: str, locked: str, found: str) -> None:
        self.name, self.part, self.locked, self.found = name, part, locked, found
        super().__init__(f"{name}: the lock has the {part} {locked}, and it is {found}")


class LockMissing(LifecycleError):
    """The lock lacks a component of the list, or has it from another source.

    Attributes:
        name: The component.
        file: The lock.
        locked: The source in the lock; empty if it lacks the component.
        source: The source in the list.
    """

    explanation = ErrorCode(
        "E0359",
        "not locked",
        "With --locked, every component of the list must be in its lock, from the same source.",
        "run `airswasm lock`, and review the change of the lock",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, file: str, locked: str, source: str) -> None:
        self.name, self.file, self.locked, self.source = name, file, locked, source
        reason = f"has it from {locked}, and the list from {source}" if locked else "lacks it"
        super().__init__(f"{name}: {file} {reason}")
