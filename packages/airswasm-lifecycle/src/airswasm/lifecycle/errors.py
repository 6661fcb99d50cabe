"""What can go wrong between a package on disk and a running component.

The tree mirrors the way of an install: reading the manifest, reading the
package, judging it, writing it down, running it. Every class carries a stable
``code`` and a ``hint``, so that a command line or an API can map a failure
without parsing text. Messages say what happened and where; hints say what to
do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

__all__ = (
    "AlreadyInstalled",
    "ApprovalRefused",
    "ArtifactCorrupt",
    "HomeUnusable",
    "HostIsRunning",
    "HostOffline",
    "HostPolicyInvalid",
    "LifecycleError",
    "LimitAbovePolicy",
    "ManifestInvalid",
    "ManifestProblem",
    "MemoryTooSmall",
    "NotInstalled",
    "NotRunning",
    "OwnerChanged",
    "PackageInvalid",
    "PackageUnsigned",
    "ProviderFailed",
    "RegistryCorrupt",
    "RolledBackPast",
    "SequenceJumped",
    "SequenceTooOld",
    "StartFailed",
    "StoreMissing",
    "TemporaryFolderMissing",
    "TooManyRunning",
    "UpdateFailed",
    "VersionNotNewer",
    "VersionNotRetained",
    "WrongPackage",
)


class LifecycleError(Exception):
    """Base of every error that this block raises itself."""

    code: str = "E0300"
    hint: str = "Run the command again with -vv to see where it failed."

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """One thing that is wrong in a manifest, and where."""

    file: str
    line: int
    """Counted from 1; for a missing key the line of its table."""
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.text}"


class ManifestInvalid(LifecycleError):
    """Component.toml does not say what a manifest must; all problems at once."""

    code = "E0301"
    hint = "Correct the lines named above; docs/manifest.md lists every key."

    def __init__(self, file: str, problems: Sequence[ManifestProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PackageInvalid(LifecycleError):
    """A folder or archive is not a package, or not one that is safe to read."""

    code = "E0302"
    hint = "Pack it again with `airswasm build` and `airswasm sign`; do not edit the archive."

    def __init__(
        self, source: str, reason: str, *, member: str | None = None, is_there: bool = True
    ) -> None:
        self.source, self.reason, self.member = source, reason, member
        if not is_there:
            self.hint = "Name the folder of a project that was built, or a .airswasm file."
        where = f"{source}: {member!r}" if member is not None else source
        super().__init__(f"{where}: {reason}")


class PackageUnsigned(LifecycleError):
    """The package has no signature and this host does not take unsigned ones."""

    code = "E0303"
    hint = (
        "Sign it: `airswasm sign`. For development only: "
        "`unsigned = true` under [install] in config.toml."
    )

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"{source} is not signed: it has no component.sig")


class WrongPackage(LifecycleError):
    """The package is fine but is not the one that was meant."""

    code = "E0304"
    hint = "Install it under its own name, or give the package of the component you mean."

    def __init__(self, expected: str, found: str, *, where: str) -> None:
        self.expected, self.found, self.where = expected, found, where
        super().__init__(f"{where} is {found}, expected {expected}")


class ArtifactCorrupt(LifecycleError):
    """Stored bytes are missing or are no longer those that were installed."""

    code = "E0305"
    hint = "Run `airswasm install` with the same package again: it puts the files back."

    def __init__(self, digest: str, path: str, reason: str) -> None:
        self.digest, self.path, self.reason = digest, path, reason
        super().__init__(f"{path}: {reason} (wanted sha256 {digest[:16]}…)")


class NotInstalled(LifecycleError):
    """No component of that name is installed."""

    code = "E0310"
    hint = "`airswasm list` shows what is installed."

    def __init__(self, name: str, installed: Sequence[str] = ()) -> None:
        self.name = name
        self.suggestions = tuple(get_close_matches(name, installed, n=3))
        did_you_mean = f"; did you mean {self.suggestions[0]}?" if self.suggestions else ""
        super().__init__(f"{name[:130]} is not installed{did_you_mean}")


class AlreadyInstalled(LifecycleError):
    """The name is taken."""

    code = "E0311"
    hint = "Use `airswasm update` for a newer version, or `airswasm uninstall` first."

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version
        super().__init__(f"{name} is already installed, in version {version}")


class OwnerChanged(LifecycleError):
    """An update is signed by a key that does not own the name."""

    code = "E0312"
    hint = (
        "Sign with the key that signed the installed version, or rotate the key "
        "with a statement signed by both."
    )

    def __init__(self, name: str, owner: str, signer: str) -> None:
        self.name, self.owner, self.signer = name, owner, signer
        super().__init__(
            f"{name} belongs to key {owner[:16]}…, and this package is signed by {signer[:16]}…"
        )


class SequenceTooOld(LifecycleError):
    """An update is not newer than what has been installed before."""

    code = "E0313"
    hint = (
        "Raise the version and sign again. To go back on purpose: `airswasm rollback` to a "
        "retained version; when it was uninstalled, `airswasm trust remove NAME` forgets it."
    )

    def __init__(self, name: str, floor: int, sequence: int) -> None:
        self.name, self.floor, self.sequence = name, floor, sequence
        super().__init__(
            f"{name}: the package has sequence {sequence}; "
            f"sequence {floor} has been installed already"
        )


class SequenceJumped(LifecycleError):
    """A sequence so high that no later update could follow it."""

    code = "E0314"
    hint = "Sign again without --sequence: the default leaves room for later versions."

    def __init__(self, name: str, floor: int, sequence: int, cap: int) -> None:
        self.name, self.floor, self.sequence, self.cap = name, floor, sequence, cap
        super().__init__(
            f"{name}: sequence {sequence} is more than {cap} above {floor}, the last one"
        )


class ApprovalRefused(LifecycleError):
    """Whoever was asked did not approve what the component asks for."""

    code = "E0315"
    hint = "Nothing was changed. Pass --yes to accept without being asked."

    def __init__(self, name: str, version: str, capabilities: Sequence[str]) -> None:
        self.name, self.version, self.capabilities = name, version, tuple(capabilities)
        super().__init__(f"{name} {version} was not approved")


class LimitAbovePolicy(LifecycleError):
    """A manifest asks for more than the host's policy lets a component have."""

    code = "E0316"
    hint = "Ask for less in Component.toml, or raise the policy in config.toml and try again."

    def __init__(self, name: str, limit: str, wanted: str, allowed: str, policy_line: str) -> None:
        self.name, self.limit, self.wanted, self.allowed = name, limit, wanted, allowed
        self.policy_line = policy_line
        super().__init__(
            f"{name} asks for limits.{limit} = {wanted}; this host allows {allowed}. "
            f"To allow it, write `{policy_line}` under [limits] in config.toml"
        )


class MemoryTooSmall(LifecycleError):
    """The component cannot even start within its own memory limit."""

    code = "E0317"
    hint = "Raise `memory` under [limits] in Component.toml, then build and sign again."

    def __init__(self, name: str, limit: str, suggestion: str) -> None:
        self.name, self.limit, self.suggestion = name, limit, suggestion
        super().__init__(
            f"{name} needs more than its memory limit of {limit} to start; a guest with a "
            f"language runtime inside (Python, JavaScript) needs about {suggestion}: write "
            f'`memory = "{suggestion}"` under [limits] in Component.toml'
        )


class VersionNotRetained(LifecycleError):
    """There is no such version to go back to."""

    code = "E0318"
    hint = "`airswasm rollback NAME --to VERSION` takes any of those."

    def __init__(self, name: str, wanted: str | None, retained: Sequence[str]) -> None:
        self.name, self.wanted, self.retained = name, wanted, tuple(retained)
        missing = f"version {wanted} is not retained" if wanted else "nothing is before this one"
        super().__init__(f"{name}: {missing}; retained: {', '.join(retained)}")


class RolledBackPast(VersionNotRetained):
    """The active version is the oldest retained one."""


class VersionNotNewer(LifecycleError):
    """An update's version is installed already, or is below the active one."""

    code = "E0328"
    hint = "Raise `version` under [component] in Component.toml, then build and sign again."

    def __init__(self, name: str, installed: str, offered: str) -> None:
        self.name, self.installed, self.offered = name, installed, offered
        super().__init__(f"{name} {offered} does not follow {installed}, which is installed")


class UpdateFailed(LifecycleError):
    """A step of a switch failed; the version that ran before goes on."""

    code = "E0319"
    hint = "The earlier version is still active. `airswasm logs NAME` has the reason."

    def __init__(self, name: str, old: str, new: str, step: str, reason: str) -> None:
        self.name, self.old, self.new, self.step, self.reason = name, old, new, step, reason
        super().__init__(
            f"{name}: switching from {old} to {new} failed at '{step}': {reason}; {old} goes on"
        )


class NotRunning(LifecycleError):
    """The component is installed but is not running."""

    code = "E0320"
    hint = "`airswasm start NAME` starts it; `airswasm logs NAME` says why it stopped."

    def __init__(self, name: str, state: str) -> None:
        self.name, self.state = name, state
        super().__init__(f"{name} is not running: it is {state}")


class StartFailed(LifecycleError):
    """The component did not come up."""

    code = "E0321"
    hint = "`airswasm logs NAME` shows what the component itself wrote."

    def __init__(self, name: str, version: str, reason: str) -> None:
        self.name, self.version, self.reason = name, version, reason
        super().__init__(f"{name} {version} did not start: {reason}")


class HostIsRunning(LifecycleError):
    """Another process hosts this home."""

    code = "E0322"
    hint = "Talk to it with the other commands, stop it, or use another AIRSWASM_HOME."

    def __init__(self, home: str, pid: int | None) -> None:
        self.home, self.pid = home, pid
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{who} already uses {home}")


class HostOffline(LifecycleError):
    """The operation needs running components, and this System runs none."""

    code = "E0323"
    hint = "Start the host with `airswasm run`."

    def __init__(self, operation: str) -> None:
        self.operation = operation
        super().__init__(f"{operation} needs a running host")


class HomeUnusable(LifecycleError):
    """The home folder cannot be created, read, or written."""

    code = "E0324"
    hint = "Check the folder's owner and mode, or set AIRSWASM_HOME to another one."

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class StoreMissing(LifecycleError):
    """Files of installed components are there, and the store that knows of them is not."""

    code = "E0330"
    hint = (
        "Put it back, from a backup or by mounting its disk. To begin anew instead, remove the "
        "home's folder `artifacts` too."
    )

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{path} is missing, though components were installed in this home")


class TemporaryFolderMissing(LifecycleError):
    """No folder for temporary files can be written; reading a component takes some."""

    code = "E0331"
    hint = "Set TMPDIR to a folder that can be written, for example one in the home."

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a component cannot be read: {reason}")


class HostPolicyInvalid(LifecycleError):
    """config.toml of the home is not what a policy must be; all problems at once."""

    code = "E0325"
    hint = "Correct the lines named above."

    def __init__(self, file: str, problems: Sequence[ManifestProblem]) -> None:
        self.file = file
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class RegistryCorrupt(LifecycleError):
    """A record in the registry cannot be understood."""

    code = "E0326"
    hint = "Restore the home from a backup, or uninstall and install the component again."

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"the registry's record of {name} is damaged: {reason}")


class TooManyRunning(LifecycleError):
    """As many components run as the host's policy allows."""

    code = "E0329"
    hint = (
        "Stop some, or write a higher `running` under [limits] in config.toml; on Linux also "
        "raise vm.max_map_count: each running component takes 4 mappings."
    )

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        super().__init__(f"{name} was not started: {most} components run already")


class ProviderFailed(LifecycleError):
    """An installed block could not set up what it offers to components."""

    code = "E0327"
    hint = "Update or remove the package that the entry point comes from."

    def __init__(self, group: str, entry_point: str, distribution: str, reason: str) -> None:
        self.group, self.entry_point = group, entry_point
        self.distribution, self.reason = distribution, reason
        super().__init__(f"{entry_point} of {distribution} ({group}) failed: {reason}")
