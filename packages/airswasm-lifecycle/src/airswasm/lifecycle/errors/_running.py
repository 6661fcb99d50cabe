"""Components that run, and the host that runs them."""

from __future__ import annotations

from airswasm.wit import ErrorCode, ExitStatus

from ._tree import LifecycleError

__all__ = (
    "EndedForMemory",
    "GrantInPast",
    "HostIsRunning",
    "HostOffline",
    "LearningRefused",
    "NotMeasured",
    "NotRunning",
    "ProviderFailed",
    "RestoreIsRunning",
    "StartFailed",
    "StopNeeded",
    "TooManyRunning",
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


class SwapRefused(LifecycleError):
    """A development build may not take the place of what is installed."""

    explanation = ErrorCode(
        "E0388",
        "swap refused",
        "Only a host in development mode swaps builds in, and only where no key owns the name.",
        "use `airswasm update` for a signed version, or swap it in under another name",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"a build is not swapped in for {name}: {reason}")
        if "production" in reason:
            self.hint = (
                "use `airswasm update` for a signed version; on a machine for development: "
                "`airswasm config set host.mode development`, and start the host again"
            )
        else:
            short = name.rpartition("/")[2]
            self.hint = (
                "sign it and use `airswasm update`, or give it a name and data of its own: "
                f"`airswasm swap --name dev/{short}`"
            )


class ArgumentUnfit(LifecycleError):
    """A value of JSON does not fit the type of a function that is called."""

    explanation = ErrorCode(
        "E0387",
        "argument does not fit",
        "A value does not have the type of the function's parameter, or its type has no form in "
        "JSON.",
        "`airswasm send NAME --functions` shows the types; docs/embedding.md has the JSON form of "
        "each",
        ExitStatus.USAGE,
    )

    def __init__(self, where: str, expected: str, found: str) -> None:
        self.where, self.expected, self.found = where, expected, found
        super().__init__(f"{where}: expected {expected}, got {found}")
