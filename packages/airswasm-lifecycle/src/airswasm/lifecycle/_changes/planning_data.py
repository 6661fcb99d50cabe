"""Plan the effect of a rollback on the data of a component, before it is done."""

from __future__ import annotations

from dataclasses import replace

from .._hosting.running import Running
from .._registry.data_plan import DataChoice, DataDifference, DataPlan
from .._registry.registry import ComponentRecord, VersionRecord
from ..errors import DataUndecided, NoCheckpoint, VersionActive

__all__ = ("choose_data", "plan_data")

_MOST_DIFFERENCES = 10_000
_INSIDE = ("storage:", "filesystem:")
"""Of the capabilities to change data, of which there is a copy."""


async def plan_data(running: Running, record: ComponentRecord, version: VersionRecord) -> DataPlan:
    """Return the choice between the data of now and that of a version's checkpoint.

    Raises:
        CheckpointFailed: A block could not look at what it keeps.
    """
    name, taken = record.name, version.checkpoint
    held = running.in_force.grants(record.grants, record.active_version)
    durable = running.delivery.status(name) if running.is_online else None
    timers = running.schedule.of(name) if running.is_online else ()
    plan = DataPlan(
        version=version.version,
        must_choose=version.data_format != record.data_format,
        migrated_by=record.data_format,
        has_checkpoint=taken is not None,
        waiting=max(running.hosting.waiting(name), durable.messages if durable else 0),
        timers=len(timers),
        outside=tuple(
            sorted(each.replace(":", ".") for each in held.allow if not each.startswith(_INSIDE))
        ),
    )
    if taken is None:
        return plan
    handled, is_least = running.data.handled_since(name, taken.label)
    found = await running.data.compare(name, taken.label, _MOST_DIFFERENCES)
    return replace(
        plan,
        taken_at=taken.taken_at,
        size_bytes=taken.size_bytes,
        content=taken.content,
        differences=tuple(
            DataDifference(noun, each.added, each.changed, each.removed, each.is_cut)
            for noun, each in found.items()
        ),
        unkept=await running.data.missing(name, taken.label),
        handled=handled,
        handled_is_least=is_least,
    )


def choose_data(
    record: ComponentRecord, version: VersionRecord, choice: DataChoice | None
) -> DataChoice:
    """Return the choice, or the one that is right without one.

    Raises:
        DataUndecided: There is none, and the version goes behind a migration.
        NoCheckpoint: The data of that version is to be restored, and is not there.
        VersionActive: It is the active version, and keeps its data: nothing would change.
    """
    has_checkpoint = version.checkpoint is not None
    if choice is None and version.data_format != record.data_format:
        raise DataUndecided(
            record.name, version.version, record.data_format, has_checkpoint=has_checkpoint
        )
    if choice == "restore":
        if not has_checkpoint:
            others = [each.version for each in record.versions if each.checkpoint is not None]
            raise NoCheckpoint(record.name, version.version, others)
        return "restore"
    if version.version == record.active:
        raise VersionActive(record.name, record.active, [each.version for each in record.versions])
    return "keep"
