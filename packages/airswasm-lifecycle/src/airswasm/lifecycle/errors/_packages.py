"""Read and judge a package: manifest, archive, signature, owner, sequence, policy."""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.wit import ErrorCode, ExitStatus

from ._tree import LifecycleError, ManifestProblem

__all__ = (
    "ApprovalRefused",
    "ArtifactCorrupt",
    "ArtifactsDamaged",
    "InterpreterMissing",
    "KeyNotTrusted",
    "LimitAbovePolicy",
    "ManifestInvalid",
    "MemoryTooSmall",
    "NeedsInCycle",
    "OwnerChanged",
    "PackageInvalid",
    "PackageUnsigned",
    "SequenceJumped",
    "SequenceTooOld",
    "SourceIndexInvalid",
    "SourcesInvalid",
    "WrongPackage",
)


class ManifestInvalid(LifecycleError):
    """Component.toml is wrong; the error lists every problem."""

    explanation = ErrorCode(
        "E0301",
        "Component.toml is wrong",
        "Unknown keys are errors, because a typo in a security setting must not read as `not "
        "set`. The message lists every problem with file, line and key.",
        "correct the lines named above; docs/manifest.md lists every key",
    )

    def __init__(self, file: str, problems: Sequence[ManifestProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PackageInvalid(LifecycleError):
    """A folder or archive is not a package, or is not safe to read."""

    explanation = ErrorCode(
        "E0302",
        "not a package",
        "The folder or file is not a package, or is not safe to read (paths that lead "
        "outside, duplicate names, decompression bombs).",
        "pack it again with `airswasm build` and `airswasm sign`; do not edit the archive",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(
        self,
        source: str,
        reason: str,
        *,
        member: str | None = None,
        is_there: bool = True,
        hint: str = "",
    ) -> None:
        self.source, self.reason, self.member = source, reason, member
        if not is_there:
            self.hint = (
                "Name the folder of a project that was built, a .airswasm file, or an address "
                "(docs/sources.md)."
            )
        if hint:
            self.hint = hint
        where = f"{source}: {member!r}" if member is not None else source
        super().__init__(f"{where}: {reason}")


class PackageUnsigned(LifecycleError):
    """The package has no signature, and this host requires one."""

    explanation = ErrorCode(
        "E0303",
        "not signed",
        "The package has no signature, and this host accepts only signed packages.",
        "sign it: `airswasm sign`. On a machine for development, not in production: `airswasm "
        "config set host.mode development`",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, source: str, *, name: str = "", owner: str = "") -> None:
        self.source, self.name, self.owner = source, name, owner
        whose = f", and {name} belongs to the key {owner}" if owner else ""
        super().__init__(f"{source} is unsigned: it has no component.sig{whose}")
        if owner:
            self.hint = (
                "sign it with that key: `airswasm sign`; to build without a key, give the project "
                "a name that no key owns"
            )


class WrongPackage(LifecycleError):
    """The package is valid but is not the expected one."""

    explanation = ErrorCode(
        "E0304",
        "another package",
        "The package is valid, but its name or version is not the expected one.",
        "install it under its own name, or pass the package of the intended component",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, expected: str, found: str, *, where: str) -> None:
        self.expected, self.found, self.where = expected, found, where
        super().__init__(f"{where} is {found}, expected {expected}")


class ArtifactCorrupt(LifecycleError):
    """Stored bytes are missing or differ from the installed ones."""

    explanation = ErrorCode(
        "E0305",
        "stored bytes changed",
        "Installed files are missing or differ from the verified ones.",
        "run `airswasm install` with the same package again to restore the files",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, digest: str, path: str, reason: str) -> None:
        self.digest, self.path, self.reason = digest, path, reason
        super().__init__(f"{path}: {reason} (expected sha256 {digest[:16]}…)")


class OwnerChanged(LifecycleError):
    """Another key than the owner's signed the update."""

    explanation = ErrorCode(
        "E0312",
        "another owner",
        "Another key signed the update than the installed version. A name belongs to the "
        "key that signed its first version, so that no other publisher can replace it.",
        "sign with the owner's key; to give the name to another: `airswasm trust rotate` with a "
        "statement that both signed, or `airswasm trust transfer`",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, owner: str, signer: str) -> None:
        self.name, self.owner, self.signer = name, owner, signer
        super().__init__(
            f"{name} belongs to the key {owner}, and this package is signed by {signer}"
        )


class SequenceTooOld(LifecycleError):
    """An update is not newer than the versions installed before."""

    explanation = ErrorCode(
        "E0313",
        "older sequence",
        "The package's sequence is not above that of the last install, so it may be an old, "
        "vulnerable version that an attacker replays.",
        "ask its publisher for a newer release; a publisher raises the version and signs again. To "
        "go back on purpose: `airswasm rollback` to a retained version; after an uninstall, "
        "`airswasm trust remove NAME` drops the old sequence",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, floor: int, sequence: int) -> None:
        self.name, self.floor, self.sequence = name, floor, sequence
        if sequence == floor:
            what = f"this package has the sequence of the newest release installed here, {floor}"
        else:
            what = f"this package (sequence {sequence}) is older than {floor}, installed before"
        super().__init__(f"{name}: {what}; nothing changed")


class SequenceJumped(LifecycleError):
    """The sequence is so high that no later update could follow it."""

    explanation = ErrorCode(
        "E0314",
        "sequence too high",
        "The sequence is so high that no later update could follow it.",
        "sign again without --sequence: the default leaves room for later versions",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, floor: int, sequence: int, cap: int) -> None:
        self.name, self.floor, self.sequence, self.cap = name, floor, sequence, cap
        super().__init__(
            f"{name}: sequence {sequence} is more than {cap} above the last one, {floor}"
        )


class ApprovalRefused(LifecycleError):
    """The approver did not approve the component's requests."""

    explanation = ErrorCode(
        "E0315",
        "not approved",
        "The approver did not approve the component's requests; nothing changed.",
        "run it again to be asked again; --yes approves without a question",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, version: str, capabilities: Sequence[str]) -> None:
        self.name, self.version, self.capabilities = name, version, tuple(capabilities)
        super().__init__(f"{name} {version} was not approved")


class LimitAbovePolicy(LifecycleError):
    """A manifest asks for more than the host's policy lets a component have."""

    explanation = ErrorCode(
        "E0316",
        "above the host's policy",
        "The manifest asks for more than this host allows.",
        "ask for less in Component.toml, or raise the policy in config.toml and try again",
        ExitStatus.REFUSED,
    )

    def __init__(
        self,
        name: str,
        key: str,
        wanted: str,
        allowed: str,
        setting: str,
        *,
        is_least: bool = False,
    ) -> None:
        self.name, self.key, self.wanted, self.allowed = name, key, wanted, allowed
        self.setting, self.is_least = setting, is_least
        section, _, policy_key = setting.partition(".")
        super().__init__(
            f"{name} asks for {key} = {wanted}; this host allows {allowed} at "
            f"{'least' if is_least else 'most'}. "
            f"To allow it, write `{policy_key} = {wanted}` under [{section}] in config.toml"
        )


class MemoryTooSmall(LifecycleError):
    """The component cannot even start within its own memory limit."""

    explanation = ErrorCode(
        "E0317",
        "cannot start in its memory",
        "The component cannot even start within its memory limit: a guest that carries a "
        "language runtime (Python, JavaScript) needs more than the default.",
        "raise `memory` under [limits] in Component.toml, then build and sign again",
    )

    def __init__(self, name: str, limit: str, suggestion: str) -> None:
        self.name, self.limit, self.suggestion = name, limit, suggestion
        super().__init__(
            f"{name} needs more than its memory limit of {limit} to start; a guest with a "
            f"language runtime inside (Python, JavaScript) needs about {suggestion}: write "
            f'`memory = "{suggestion}"` under [limits] in Component.toml'
        )


class ArtifactsDamaged(LifecycleError):
    """Some of the stored files are missing or changed.

    Attributes:
        damaged: How many.
        files: How many were read.
    """

    explanation = ErrorCode(
        "E0376",
        "stored files damaged",
        "Files of installed versions are missing or differ from what was installed. A version "
        "with such a file does not start.",
        "`airswasm artifacts verify` names each with what needs it, and how to get it back: an "
        "install of the same package restores it",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, damaged: int, files: int) -> None:
        self.damaged, self.files = damaged, files
        super().__init__(f"{damaged:,} of {files:,} stored files are missing or changed")


class NeedsInCycle(LifecycleError):
    """A component would need itself, over what it needs.

    Attributes:
        name: The component.
        cycle: The way from it back to it.
    """

    explanation = ErrorCode(
        "E0382",
        "needs in a circle",
        "Each component starts after those that it needs, so none of a circle could ever start. "
        "Nothing was changed.",
        "take one of the names out of `needs` under [component] in its Component.toml",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, cycle: Sequence[str]) -> None:
        self.name, self.cycle = name, tuple(cycle)
        super().__init__(f"{name} would need itself: {' -> '.join(self.cycle)}")


class KeyNotTrusted(LifecycleError):
    """A key was to be trusted no longer that is not on the list of the home.

    Attributes:
        fingerprint: Of the key.
    """

    explanation = ErrorCode(
        "E0392",
        "key not trusted",
        "The key is not on the list of the keys whose packages get what they ask for, so there is "
        "nothing to take away.",
        "`airswasm trust list` shows the trusted keys; one of `[trust] keys` leaves with its line "
        "in config.toml",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__(f"the key {fingerprint} is not on the list of this home")


class SourcesInvalid(LifecycleError):
    """A source of a component does not compile.

    Attributes:
        name: The component.
        file: The source.
        line: The line, from 1.
        reason: What is wrong there.
    """

    explanation = ErrorCode(
        "E0397",
        "source does not compile",
        "The host compiles a component that is sources before anything is approved, without "
        "running it. One of the sources is wrong, or compiling it took more than it may.",
        "correct the line, then `airswasm build`; the interpreter's version is in the message of "
        "`airswasm doctor`",
    )

    def __init__(self, name: str, file: str, line: int, reason: str) -> None:
        self.name, self.file, self.line, self.reason = name, file, line, reason
        super().__init__(f"{name}: {file}:{line}: {reason}")


class InterpreterMissing(LifecycleError):
    """No installed block brings the interpreter that a component needs, and the host kept none.

    Attributes:
        name: The component.
        abi: The ABI that it needs.
        known: The ABIs that are there.
    """

    explanation = ErrorCode(
        "E0398",
        "interpreter missing",
        "The component is sources, and what runs them is a component of its own that a "
        "distribution such as airswasm-python brings.",
        "install the distribution whose interpreter has that ABI; `airswasm doctor` lists those "
        "that are there",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, abi: str, known: Sequence[str]) -> None:
        self.name, self.abi, self.known = name, abi, tuple(known)
        there = f"there is {', '.join(known)}" if known else "there is none"
        super().__init__(f"{name} needs an interpreter with the ABI {abi}; {there}")
        if abi.startswith("python-") and not any(each.startswith("python-") for each in known):
            self.hint = "pip install airswasm-python"
        elif known:
            self.hint = (
                "build the component again for an interpreter that is there: `airswasm build`; or "
                "install the version of airswasm-python that it was built with"
            )


class SourceIndexInvalid(LifecycleError):
    """The index of a component that is sources is no index, or does not fit the files.

    Attributes:
        where: The index.
        reason: What is wrong.
    """

    explanation = ErrorCode(
        "E0399",
        "index of sources invalid",
        "The artifact of a component that is sources lists its files with their digests. This "
        "one is no such list, or a file is not the one that was built.",
        "`airswasm build`, then `airswasm sign`; do not edit the index",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, where: str, reason: str) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"{where}: {reason}")
