"""Data of components: copied before a change, and restored after one."""

from __future__ import annotations

from collections.abc import Sequence

from airswasm.wit import ErrorCode, ExitStatus

from ._tree import LifecycleError

__all__ = ("CheckpointFailed", "DataNotRestored", "DataUndecided", "NoCheckpoint")


class CheckpointFailed(LifecycleError):
    """A block could not copy, or read, what it keeps for a component.

    Attributes:
        name: The component.
        block: The block.
        reason: Its words.
    """

    explanation = ErrorCode(
        "E0371",
        "no checkpoint of the data",
        "What a component keeps could not be copied before another version works on it.",
        'remove the cause that the message names; with `[updates] checkpoints = "never"` the '
        "host takes no copies, and can restore nothing",
    )

    def __init__(self, name: str, block: str, reason: str) -> None:
        self.name, self.block, self.reason = name, block, reason
        super().__init__(f"{name}: no checkpoint of what {block} keeps for it: {reason}")


class DataNotRestored(LifecycleError):
    """A change failed, and the data that the earlier version had left could not be put back.

    Attributes:
        name: The component.
        version: The version whose data it is.
        block: The block that refused.
        reason: Its words.
    """

    explanation = ErrorCode(
        "E0372",
        "data not restored",
        "A change failed, and the data of the earlier version could not be put back. The "
        "component does not run until that is done.",
        "remove the cause that the message names; the host tries again as it starts, and at "
        "`airswasm start NAME`",
    )

    def __init__(self, name: str, version: str, block: str, reason: str) -> None:
        self.name, self.version, self.block, self.reason = name, version, block, reason
        super().__init__(
            f"{name}: the data that {version} left could not be put back by {block}: {reason}; "
            "it does not run until that is done"
        )
        self.hint = (
            "remove the cause, such as a full disk; the host tries again every 10 s, and at "
            f"`airswasm start {name}`"
        )


class NoCheckpoint(LifecycleError):
    """A rollback was to restore data, and the version has no checkpoint.

    Attributes:
        name: The component.
        version: The version.
        others: The versions that have one.
    """

    explanation = ErrorCode(
        "E0373",
        "no checkpoint",
        "The version has no copy of its data to go back to.",
        "go back with the data of now: airswasm rollback NAME --to VERSION --keep-data",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, name: str, version: str, others: Sequence[str]) -> None:
        self.name, self.version, self.others = name, version, tuple(others)
        others = ", ".join(self.others)
        have = f"those that have one: {others}" if others else "no version has one"
        super().__init__(f"{name}: there is no checkpoint of the data of {version}; {have}")
        self.hint = (
            f"`airswasm rollback {name} --to {version} --keep-data` goes back with the data of now"
        )


class DataUndecided(LifecycleError):
    """A rollback goes behind a migration, and nothing says which data that version gets.

    Attributes:
        name: The component.
        version: The version to go back to.
        migrated_by: The version whose `migrate` made the data what it is.
        has_checkpoint: Whether the data of that time is there.
    """

    explanation = ErrorCode(
        "E0374",
        "which data",
        "A version would work on data that a later one has migrated.",
        "say which data it gets: `airswasm rollback NAME --with-data` or `--keep-data`",
        ExitStatus.REFUSED,
    )

    def __init__(self, name: str, version: str, migrated_by: str, *, has_checkpoint: bool) -> None:
        self.name, self.version, self.migrated_by = name, version, migrated_by
        self.has_checkpoint = has_checkpoint
        by = f"{migrated_by} has migrated it" if migrated_by else "it has another format"
        super().__init__(
            f"{name}: the data of now is not what {version} works on: {by}; say which it gets"
        )
        kept = f"`airswasm rollback {name} --to {version} --keep-data` keeps the data of now"
        restored = f"`airswasm rollback {name} --to {version} --with-data` restores that of then"
        self.hint = f"{restored}; {kept}" if has_checkpoint else f"{kept}; no checkpoint is there"
