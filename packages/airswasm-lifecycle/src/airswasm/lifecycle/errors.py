"""Errors between a package on disk and a running component.

The tree follows the steps of an install: read the manifest, read the package, judge it, record it,
run it. Every class carries a stable ``code`` and a ``hint``, so a command line or an API can map a
failure without parsing text. Messages say what happened and where; hints say what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "AlreadyInstalled",
    "ApprovalRefused",
    "ArtifactCorrupt",
    "EndedForMemory",
    "GrantInPast",
    "BackupInvalid",
    "HomeNotEmpty",
    "HomeUnusable",
    "HostIsRunning",
    "LearningRefused",
    "HostOffline",
    "ConfigurationInvalid",
    "LifecycleError",
    "LimitAbovePolicy",
    "ManifestInvalid",
    "ManifestProblem",
    "MemoryTooSmall",
    "NoSuchSetting",
    "NotInstalled",
    "NotRunning",
    "OwnerChanged",
    "PackageInvalid",
    "PackageUnsigned",
    "ProviderFailed",
    "PurgeIncomplete",
    "RegistryCorrupt",
    "RestoreIsRunning",
    "RolledBackPast",
    "SequenceJumped",
    "SequenceTooOld",
    "StartFailed",
    "StopNeeded",
    "StoreMissing",
    "TemporaryFolderMissing",
    "TooManyRunning",
    "UpdateFailed",
    "VersionNotNewer",
    "VersionActive",
    "VersionNotRetained",
    "SourceUnknown",
    "SourceRefused",
    "SourceFailed",
    "SourceTooLarge",
    "SourceChanged",
    "ExtraMissing",
    "ComponentsInvalid",
    "LockMismatch",
    "LockMissing",
    "NoRecordedSource",
    "WrongPackage",
)


class LifecycleError(AirswasmError):
    """Base of every error that this block raises itself."""

    explanation = ErrorCode(
        "E0300",
        "lifecycle problem",
        "Installing or hosting failed without a code of its own.",
        "run the command again with -vv to see where it failed",
    )

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """One problem in a manifest, with its place."""

    file: str
    """The file; or a variable of the environment, or nothing where a value was just typed."""
    line: int
    """Counted from 1; the table's line if the key is missing; 0 for what is in no file."""
    key: str
    text: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.text) if part)


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
        self, source: str, reason: str, *, member: str | None = None, is_there: bool = True
    ) -> None:
        self.source, self.reason, self.member = source, reason, member
        if not is_there:
            self.hint = (
                "Name the folder of a project that was built, a .airswasm file, or an address "
                "(docs/sources.md)."
            )
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

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"{source} is unsigned: it has no component.sig")


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


class NotInstalled(LifecycleError):
    """No component of that name is installed."""

    explanation = ErrorCode(
        "E0310",
        "not installed",
        "No component of that name is installed.",
        "`airswasm list` shows what is installed, and `airswasm install FOLDER` installs more",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, installed: Sequence[str] = ()) -> None:
        from difflib import get_close_matches  # here: every verb imports errors, few raise this

        self.name = name
        self.suggestions = tuple(get_close_matches(name, installed, n=3))
        did_you_mean = f"; did you mean {self.suggestions[0]}?" if self.suggestions else ""
        super().__init__(f"{name[:130]} is not installed{did_you_mean}")


class AlreadyInstalled(LifecycleError):
    """The name is taken."""

    explanation = ErrorCode(
        "E0311",
        "already installed",
        "A component of that name is installed.",
        "use `airswasm update` for a newer version, or `airswasm uninstall` first",
    )

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version
        super().__init__(f"{name} is already installed, in version {version}")


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
        "raise the version and sign again. To go back on purpose: `airswasm rollback` to a "
        "retained version; after an uninstall, `airswasm trust remove NAME` drops the old sequence",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, name: str, floor: int, sequence: int) -> None:
        self.name, self.floor, self.sequence = name, floor, sequence
        super().__init__(
            f"{name}: the package has sequence {sequence}; "
            f"this host has already installed sequence {floor}"
        )


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


class GrantInPast(LifecycleError):
    """The end of a grant or denial is not in the future.

    Attributes:
        name: The component.
        until: The end, seconds since 1970.
        now: The host's clock.
    """

    explanation = ErrorCode(
        "E0340",
        "the end has passed",
        "A grant or a denial with an end in the past would mean nothing.",
        "pass a later time or a duration: --until 8h",
        ExitStatus.USAGE,
    )

    def __init__(self, name: str, until: float, now: float) -> None:
        self.name, self.until, self.now = name, until, now
        super().__init__(f"a grant of {name} would have ended {now - until:.0f} s ago")


class ApprovalRefused(LifecycleError):
    """The approver did not approve the component's requests."""

    explanation = ErrorCode(
        "E0315",
        "not approved",
        "The approver did not approve the component's requests; nothing changed.",
        "to approve without a question, pass --yes",
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


class VersionNotRetained(LifecycleError):
    """The host does not retain that version."""

    explanation = ErrorCode(
        "E0318",
        "version not retained",
        "The host does not retain that version.",
        "name one that the host retains; `airswasm info NAME` lists them",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, wanted: str | None, retained: Sequence[str]) -> None:
        self.name, self.wanted, self.retained = name, wanted, tuple(retained)
        missing = (
            f"version {wanted} is not retained" if wanted else "no version is before the active one"
        )
        super().__init__(f"{name}: {missing}; retained: {', '.join(retained)}")


class RolledBackPast(VersionNotRetained):
    """The active version is the oldest retained one."""

    explanation = VersionNotRetained.explanation


class VersionActive(VersionNotRetained):
    """A rollback to the active version, which would change nothing."""

    explanation = ErrorCode(
        "E0360",
        "version active already",
        "The named version is the active one; there is nothing to roll back.",
        "name another retained version; `airswasm info NAME` lists them",
    )

    def __init__(self, name: str, wanted: str, retained: Sequence[str]) -> None:
        self.name, self.wanted, self.retained = name, wanted, tuple(retained)
        others = ", ".join(each for each in retained if each != wanted) or "none"
        LifecycleError.__init__(
            self, f"{name}: version {wanted} is the active one already; others retained: {others}"
        )


class VersionNotNewer(LifecycleError):
    """An update's version is installed already, or below the active one."""

    explanation = ErrorCode(
        "E0328",
        "version not newer",
        "An update must have a higher version than the active one.",
        "raise `version` under [component] in Component.toml, then build and sign again",
    )

    def __init__(
        self, name: str, installed: str, offered: str, *, is_retained: bool = False
    ) -> None:
        self.name, self.installed, self.offered = name, installed, offered
        self.is_retained = is_retained
        reason = "the host has that version" if is_retained else f"{installed} is active"
        super().__init__(f"{name} cannot be updated to {offered}: {reason}")
        if is_retained and installed != offered:
            self.hint = (
                f"`airswasm rollback {name} --to {offered}` runs it; for other contents, raise "
                "`version` under [component] in Component.toml, then build and sign again"
            )


class UpdateFailed(LifecycleError):
    """A step of a switch failed; the earlier version continues."""

    explanation = ErrorCode(
        "E0319",
        "update failed",
        "A step of the switch failed; the earlier version continues.",
        "the earlier version is still active. `airswasm logs NAME` has the reason",
    )

    def __init__(self, name: str, old: str, new: str, step: str, reason: str) -> None:
        self.name, self.old, self.new, self.step, self.reason = name, old, new, step, reason
        super().__init__(
            f"{name}: switching from {old} to {new} failed at '{step}': {reason}; {old} continues"
        )


class NotRunning(LifecycleError):
    """The component is installed but does not run."""

    explanation = ErrorCode(
        "E0320",
        "not running",
        "The component is installed but does not run.",
        "`airswasm start NAME` starts it; `airswasm logs NAME` says why it stopped",
    )

    def __init__(self, name: str, state: str) -> None:
        self.name, self.state = name, state
        super().__init__(f"{name} is not running: it is {state}")
        if state == "quarantined":
            self.hint = (
                f"`airswasm logs {name}` names the revoked key; `airswasm trust transfer` gives "
                "the name to another key, `airswasm trust add NAME KEY --cosigner` adds a "
                "co-signer's, and a version by that key goes on"
            )


class NotMeasured(LifecycleError):
    """The messages of a component are not measured, or none has been handled."""

    explanation = ErrorCode(
        "E0334",
        "not measured",
        "The host has no figures of the component's messages: it has not run yet, or measuring is "
        "off.",
        "`airswasm config get monitoring.metrics` says whether messages are measured; `on` takes "
        "effect when the host restarts",
    )

    def __init__(self, name: str, *, is_measuring: bool) -> None:
        self.name, self.is_measuring = name, is_measuring
        reason = "it has not run since the host started" if is_measuring else "measuring is off"
        super().__init__(f"there are no figures of {name}: {reason}")


class StartFailed(LifecycleError):
    """The component did not come up."""

    explanation = ErrorCode(
        "E0321",
        "did not start",
        "The component did not come up.",
        "`airswasm logs NAME` shows what the component itself wrote",
    )

    def __init__(self, name: str, version: str, reason: str) -> None:
        self.name, self.version, self.reason = name, version, reason
        super().__init__(f"{name} {version} did not start: {reason}")


class HostIsRunning(LifecycleError):
    """Another process hosts this home."""

    explanation = ErrorCode(
        "E0322",
        "a host runs already",
        "Another process hosts this home.",
        "talk to it with the other commands, stop it, or use another AIRSWASM_HOME",
    )

    def __init__(self, home: str, pid: int | None) -> None:
        self.home, self.pid = home, pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{who} already uses {home}")


class StopNeeded(HostIsRunning):
    """The operation replaces the store, which a running host has open."""

    explanation = ErrorCode(
        "E0337",
        "the host must stop first",
        "The operation puts another store or another home in the place of the one that is there. "
        "A running host has it open, and components would write into what is replaced.",
        "end the host (Ctrl-C, or `kill` its process), do it again, and then `airswasm run`",
        ExitStatus.REFUSED,
    )

    def __init__(self, home: str, pid: int | None, operation: str) -> None:
        super().__init__(home, pid)
        self.operation = operation
        who = f"process {pid}" if pid is not None else "another process"
        self.args = (f"{operation} needs a stopped host, and {who} uses {home}",)


class RestoreIsRunning(LifecycleError):
    """Another restore of the same home is at work."""

    explanation = ErrorCode(
        "E0339",
        "a restore runs already",
        "Another process restores a backup into this home.",
        "wait for it, or end it; then look at the home before you restore again",
        ExitStatus.REFUSED,
    )

    def __init__(self, home: str, pid: int | None) -> None:
        self.home, self.pid = home, pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{who} already restores {home}")


class LearningRefused(LifecycleError):
    """A component cannot learn its capabilities here and now."""

    explanation = ErrorCode(
        "E0341",
        "cannot learn",
        "A component that learns may do more than it was granted, so it learns only in "
        "development mode, for one client at a time.",
        'set `host.mode` to "development" on a machine for development; not in production',
        ExitStatus.REFUSED,
    )

    def __init__(self, component: str, reason: str) -> None:
        self.component = component
        self.reason = reason
        super().__init__(f"{component} cannot learn its capabilities: {reason}")


class HostOffline(LifecycleError):
    """The operation needs running components, and this System runs none."""

    explanation = ErrorCode(
        "E0323",
        "needs a host",
        "The operation needs running components.",
        "start the host with `airswasm run`",
        ExitStatus.NO_HOST,
    )

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"{operation} needs a running host")


class HomeUnusable(LifecycleError):
    """The home folder cannot be created, read, or written."""

    explanation = ErrorCode(
        "E0324",
        "home unusable",
        "The home folder cannot be created, read or written.",
        "check the folder's owner and mode, or set AIRSWASM_HOME to another one",
    )

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class StoreMissing(LifecycleError):
    """The home has artifacts of installed components but no store."""

    explanation = ErrorCode(
        "E0330",
        "store missing",
        "The home has files of installed components but no store with their records: its folder "
        "was removed, or its disk is not mounted. Nothing changed.",
        "restore the store from a backup, mount its disk or, after an interrupted `airswasm "
        "storage migrate`, run it again. To start afresh, remove the home's folder `artifacts` too",
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is missing, though components were installed in this home")


class BackupInvalid(LifecycleError):
    """A file is not a whole backup of a home."""

    explanation = ErrorCode(
        "E0338",
        "not a backup",
        "The file is cut short, altered, or not a backup of a home. Nothing was restored.",
        "use a file that `airswasm backup` wrote and verified",
        ExitStatus.NOT_AUTHENTIC,
    )

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class HomeNotEmpty(LifecycleError):
    """A home would be replaced, and that was not asked for."""

    explanation = ErrorCode(
        "E0335",
        "home not empty",
        "A backup is restored into a new home, unless it is to replace the one that is there.",
        "name another folder with --home, or say --replace: the old home is kept beside the new",
        ExitStatus.REFUSED,
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is not empty")


class TemporaryFolderMissing(LifecycleError):
    """No folder for temporary files is writable, and the reader of components needs one."""

    explanation = ErrorCode(
        "E0333",
        "no temporary folder",
        "Reading a component takes a few temporary files, and none of the usual folders for them "
        "is writable. Nothing changed.",
        "set TMPDIR to a writable folder, for example one in the home",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a component cannot be read: {reason}")


class ConfigurationInvalid(LifecycleError):
    """config.toml of the home is wrong; the error lists every problem."""

    explanation = ErrorCode(
        "E0325",
        "config.toml is wrong",
        "config.toml has unknown keys or wrong values.",
        "correct the lines named above",
        ExitStatus.USAGE,
    )

    def __init__(self, file: str, problems: Sequence[ManifestProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
        if not any(problem.line for problem in self.problems):
            keys = dict.fromkeys(problem.key for problem in self.problems)
            self.hint = f"`airswasm config get {next(iter(keys), '')}` says what it accepts"


class NoSuchSetting(LifecycleError):
    """No installed block has a setting of that name.

    Attributes:
        name: The requested name.
    """

    explanation = ErrorCode(
        "E0331",
        "no such setting",
        "A setting is named section.key, and no installed block has one of that name.",
        "`airswasm config show` lists all of them",
        ExitStatus.USAGE,
    )

    def __init__(self, name: str, suggestion: str) -> None:
        self.name = name
        super().__init__(f"there is no setting {name!r}{suggestion}")


class PurgeIncomplete(LifecycleError):
    """A name was uninstalled, but a block failed to remove what it keeps for it.

    Attributes:
        name: The component's name.
        failures: The reason of each block that failed.
    """

    explanation = ErrorCode(
        "E0332",
        "purge incomplete",
        "The component is uninstalled, but a block failed to remove what it keeps for it. The "
        "name cannot be installed again until the purge is complete.",
        "remove the cause that the message names; the host retries as it starts, and at the next "
        "install",
    )

    def __init__(self, name: str, failures: Sequence[str]) -> None:
        self.name, self.failures = name, tuple(failures)
        super().__init__(f"{name} is not completely purged: {'; '.join(self.failures)}")


class RegistryCorrupt(LifecycleError):
    """A record in the registry is damaged."""

    explanation = ErrorCode(
        "E0326",
        "registry damaged",
        "A record of an installed component is damaged.",
        "restore the home from a backup, or uninstall and install the component again",
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"the registry's record of {name} is damaged: {reason}")


class TooManyRunning(LifecycleError):
    """The host already runs as many components as its policy allows."""

    explanation = ErrorCode(
        "E0329",
        "too many running",
        "The host already runs as many components as its policy allows.",
        "stop some, or write a higher `running` under [limits] in config.toml; on Linux also "
        "raise vm.max_map_count: each running component takes 4 mappings",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        super().__init__(f"{name} was not started: {most} components run already")


class EndedForMemory(LifecycleError):
    """The host's memory was nearly used up, and this component took most of it.

    Attributes:
        name: The component.
        size_bytes: What it took: its memory, and what the host kept for it.
        most_bytes: What all components together may take.
    """

    explanation = ErrorCode(
        "E0336",
        "ended to free memory",
        "All components together took nearly all that the host has for them, and this one took "
        "most by its limits.weight. It was ended, and its supervisor starts it again; its mailbox "
        "and its stored data stay.",
        "lower the component's limits.memory or limits.host_memory, raise its limits.weight, or "
        "write a higher memory_bytes under [host] in config.toml",
    )

    def __init__(self, name: str, size_bytes: int, most_bytes: int) -> None:
        self.name, self.size_bytes, self.most_bytes = name, size_bytes, most_bytes
        super().__init__(
            f"{name} took {size_bytes:,} bytes, by its weight more than any other, "
            f"and all components together may take {most_bytes:,}"
        )


class ProviderFailed(LifecycleError):
    """An installed block failed to set up its interfaces."""

    explanation = ErrorCode(
        "E0327",
        "a block failed to set up",
        "An installed block failed to set up its interfaces.",
        "update or remove the package of that entry point",
    )

    def __init__(self, group: str, entry_point: str, distribution: str, reason: str) -> None:
        self.group, self.entry_point = group, entry_point
        self.distribution, self.reason = distribution, reason
        super().__init__(f"{entry_point} of {distribution} ({group}) failed: {reason}")


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
