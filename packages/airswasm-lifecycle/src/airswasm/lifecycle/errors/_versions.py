"""Names and their versions: installed, retained, updated, rolled back, purged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from airswasm.wit import ErrorCode, ExitStatus

from .._verdicts import GateVerdict
from ._tree import LifecycleError

__all__ = (
    "AlreadyInstalled",
    "GateUnknown",
    "NotInstalled",
    "OverrideUnexplained",
    "PurgeIncomplete",
    "RegistryCorrupt",
    "RegistryTooNew",
    "RolledBackPast",
    "UpdateBlocked",
    "UpdateFailed",
    "VersionActive",
    "VersionNotNewer",
    "VersionNotRetained",
)


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
    """A step of a switch to another version failed.

    Attributes:
        name: The component.
        old: The version before.
        new: The version that should have taken over.
        step: The step that failed: `load`, `keep the data`, `start`, `pass the gates`, `write the
            change` or `switch`.
        reason: Why.
        active: The version that is the active one now: `old`, unless the switch itself failed.
        state: What it does: `running`, or another state of `airswasm status`.
    """

    explanation = ErrorCode(
        "E0319",
        "update failed",
        "A step of the switch failed; the earlier version stays the active one.",
        "the message says what runs. `airswasm logs NAME` has the reason",
    )

    def __init__(
        self,
        name: str,
        old: str,
        new: str,
        step: str,
        reason: str,
        *,
        active: str = "",
        state: str = "running",
    ) -> None:
        self.name, self.old, self.new, self.step, self.reason = name, old, new, step, reason
        self.active, self.state = active or old, state
        self.hint = f"`airswasm logs {name}` has the reason"
        stands = "continues" if state == "running" else f"stays installed, and is {state}"
        super().__init__(
            f"{name}: switching from {old} to {new} failed at '{step}': {reason}; "
            f"{self.active} {stands}"
        )


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


class UpdateBlocked(UpdateFailed):
    """A gate does not let a version take over.

    Attributes:
        verdicts: The verdicts of all gates.
    """

    explanation = ErrorCode(
        "E0361",
        "blocked by a gate",
        "A gate found what would break if the new version took over. The version before stays the "
        "active one.",
        "mend that version, or choose another; where the reason is known, pass `--override GATE "
        "--reason TEXT`",
        ExitStatus.REFUSED,
    )

    def __init__(
        self,
        name: str,
        old: str,
        new: str,
        verdicts: Sequence[GateVerdict],
        *,
        active: str = "",
        state: str = "running",
    ) -> None:
        self.verdicts = tuple(verdicts)
        stopping = [each for each in self.verdicts if each.is_stopping]
        gates = ", ".join(each.gate for each in stopping)
        reason = f"blocked by {gates}"
        super().__init__(name, old, new, "pass the gates", reason, active=active, state=state)
        flags = " ".join(f"--override {each.gate}" for each in stopping)
        self.hint = (
            f"mend {new}, or choose another version; to accept what breaks: {flags} --reason TEXT"
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """The verdicts, a line for each reason; those that stop the change come first."""
        ordered = sorted(self.verdicts, key=lambda each: not each.is_stopping)
        return tuple(line for each in ordered for line in each.lines)

    @property
    def account(self) -> str:
        """The error with the reasons of the gates that stop the change, in one line, for a log."""
        stopping = [str(each) for each in self.verdicts if each.is_stopping]
        return f"{self}: {' / '.join(stopping)}"

    @property
    def facts(self) -> Mapping[str, object]:
        """All verdicts as data."""
        return {"verdicts": [asdict(each) for each in self.verdicts]}


class GateUnknown(LifecycleError):
    """An operator named a gate that no installed block brings.

    Attributes:
        gate: The name.
        known: The gates of this host.
    """

    explanation = ErrorCode(
        "E0362",
        "no such gate",
        "No installed block brings a gate of that name.",
        "`airswasm update --dry-run` shows the gates of this host",
        ExitStatus.USAGE,
    )

    def __init__(self, gate: str, known: Iterable[str]) -> None:
        from difflib import get_close_matches  # here: every verb imports errors, few raise this

        self.gate, self.known = gate, tuple(known)
        close = get_close_matches(gate, self.known, n=1, cutoff=0.5)
        meant = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(self.known)}"
        super().__init__(f"there is no gate {gate[:130]!r}{meant}")


class OverrideUnexplained(LifecycleError):
    """A gate was to be overridden without a reason.

    Attributes:
        gate: The gate.
    """

    explanation = ErrorCode(
        "E0363",
        "an override needs a reason",
        "The audit log and the history keep the reason for which a gate was overridden.",
        "pass it with --reason TEXT",
        ExitStatus.USAGE,
    )

    def __init__(self, gate: str) -> None:
        self.gate = gate
        super().__init__(f"the gate {gate} cannot be overridden without a reason")


class RegistryTooNew(RegistryCorrupt):
    """A record in the registry was written by a later version of airswasm.

    Attributes:
        found: The format of the record.
        known: The latest one that this version reads.
    """

    explanation = ErrorCode(
        "E0377",
        "registry too new",
        "A later version of airswasm has written the record, in a format that this one cannot "
        "read. Nothing was changed.",
        "install the version of airswasm that wrote it, or a later one; to stay with this one, "
        'put back what it can read: see "Formats" in docs/versions.md',
    )

    def __init__(self, name: str, found: int, known: int) -> None:
        self.found, self.known = found, known
        super().__init__(name, f"it has format {found}, and this version reads up to {known}")
