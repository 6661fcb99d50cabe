"""Recordings, and versions that are tried."""

from __future__ import annotations

from airswasm.wit import ErrorCode, ExitStatus

from ._tree import LifecycleError

__all__ = ("NothingRecorded", "RecordingUnreadable", "ReplayDiverged", "TriedEndedForMemory")


class RecordingUnreadable(LifecycleError):
    """A recorded message is damaged, or a newer version wrote it."""

    explanation = ErrorCode(
        "E0366",
        "recording unreadable",
        "A recorded message is damaged, or a newer version of airswasm wrote it.",
        "a replay leaves it out; `airswasm recordings forget NAME` removes the recording",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a recorded message cannot be read: {reason}")


class NothingRecorded(LifecycleError):
    """A replay was asked for, and no message of the component is recorded."""

    explanation = ErrorCode(
        "E0367",
        "nothing recorded",
        "No message of the component is recorded, so there is nothing to replay.",
        "add the component to `replay.record` in config.toml, and restart it",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, *, is_recording: bool) -> None:
        self.name, self.is_recording = name, is_recording
        super().__init__(f"no message of {name} is recorded")
        if is_recording:
            self.hint = (
                "send it messages; if it started before `replay.record` named it, first: "
                f"airswasm restart {name}"
            )
        else:
            self.hint = (
                "add it to `replay.record`, such as: airswasm config set replay.record "
                f"""'["{name}"]' --reload; then: airswasm restart {name}"""
            )


class ReplayDiverged(LifecycleError):
    """A version answered recorded messages otherwise than the version that runs."""

    explanation = ErrorCode(
        "E0368",
        "replay diverged",
        "The version answered recorded messages otherwise than the version that runs.",
        "mend the version; if the differences are meant: airswasm update SOURCE --override replay "
        "--reason TEXT",
    )

    def __init__(
        self, name: str, version: str, diverged: int, compared: int, differing_keys: int
    ) -> None:
        self.name, self.version = name, version
        self.diverged, self.compared = diverged, compared
        self.differing_keys = differing_keys
        keys = f", and leaves {differing_keys} stored values that differ" if differing_keys else ""
        super().__init__(
            f"{name} {version} handles {diverged} of {compared} recorded messages otherwise{keys}"
        )


class TriedEndedForMemory(LifecycleError):
    """The host's memory was nearly used up, and a version that was being tried gave first.

    Attributes:
        name: The component.
        version: The version that was tried, as a candidate or on a copy of the data.
        size_bytes: What it took: its memory, and what the host kept for it.
        most_bytes: What all components together may take.
    """

    explanation = ErrorCode(
        "E0393",
        "ended while it was tried",
        "All components together took nearly all that the host has for them, and this component "
        "took most by its limits.weight. A version of it that was being tried, for an update or a "
        "replay, was ended first; the version that serves goes on.",
        "try again when less is running, lower the version's limits.memory or limits.host_memory, "
        "or write a higher memory_bytes under [host] in config.toml",
    )

    def __init__(self, name: str, version: str, size_bytes: int, most_bytes: int) -> None:
        self.name, self.version = name, version
        self.size_bytes, self.most_bytes = size_bytes, most_bytes
        super().__init__(
            f"{name} {version} took {size_bytes:,} bytes while it was tried, "
            f"and all components together may take {most_bytes:,}"
        )
