"""Replay a recording: let two versions handle it on copies of the same data, and compare.

The data is that of the moment at which the recording begins. The host does not keep a copy of it;
it takes today's and undoes what was recorded: each change has the value of before. What others than
the component have changed meanwhile shows as a value of before that is not the one after the last
change, and is done again where it was done.

The running version goes first: it is the control. A message that it does not handle on trial as was
recorded is not compared (see `comparing`). What it wrote is undone, and the candidate handles the
same messages, on the same data, at the same time, with the same chance. A key that neither wrote
cannot differ, so the values of the others are compared.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice

import anyio
import anyio.lowlevel
from airswasm.actor import GuestRefused, InitFailed, MigrationFailed, UnfitPayload
from airswasm.runtime import EngineError, Meters
from airswasm.storage import Namespace
from airswasm.wit import safe_text

from .._block import DIVERGED, REPLAYED
from .._packages.manifest import Manifest
from ..errors import NothingRecorded
from .attempts import Attempt
from .comparing import Observed, compare, incomparable_reason
from .recorded import Recorded
from .recordings import Recordings
from .report import Divergence, ReplayReport, StateDifference
from .tape import ending_of
from .trial import GivenTime, Trial, Trials

__all__ = ("Replaying", "Tried")

_STEP = 256
"""Keys that are read or written between two turns of other tasks."""
_SHOWN = 20
_DETAIL = 300
_MOST_BYTES = 64 * 1024 * 1024
"""Of what the messages of one run have done; those that come after are not reached."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A version to try.

    Attributes:
        version: Its number.
        digest: The SHA-256 of its artifact.
        manifest: Its manifest, held to the host's policy.
    """

    version: str
    digest: str
    manifest: Manifest


@dataclass(slots=True)
class _Run:
    """The outcome of a recording with one version.

    Attributes:
        observed: By the place of each message; None where it did not get it.
        failure: Why it did not start; empty if it did.
        moved: The keys that `migrate` wrote.
        writers: The place of the message that last wrote each key.
        expiring: The keys that expire.
        before: The values that keys had before the run wrote them.
        after: The values that they have at its end.
        size_bytes: About what all of this takes.
    """

    observed: list[Observed | None] = field(default_factory=list[Observed | None])
    failure: str = ""
    moved: set[str] = field(default_factory=set[str])
    writers: dict[str, int] = field(default_factory=dict[str, int])
    expiring: set[str] = field(default_factory=set[str])
    before: dict[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    after: dict[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Replaying:
    """Replays the recordings of a home."""

    recordings: Recordings
    trials: Trials
    meters: Meters

    async def replay(self, name: str, running: Tried, candidate: Tried) -> ReplayReport:
        """Compare two versions over what is recorded of a component; nothing else changes.

        Args:
            name: The component.
            running: The version that serves.
            candidate: The version to try.

        Raises:
            NothingRecorded: There is no message to replay.
            ArtifactCorrupt, EngineError: A version cannot be loaded.
            StorageError: The data cannot be copied.
        """
        began = time.monotonic()
        entries, damaged = await self._entries(name)
        entries, others = _of_version(entries, running.version)
        if not any(each.kind != "start" for each in entries) and not damaged and not others:
            is_recording = self.recordings.settings.covers(name)
            raise NothingRecorded(name, is_recording=is_recording)
        async with self.trials.copies.of(name) as data:
            await _undo(data, entries)
            most = self.recordings.settings.timeout / 2
            control = await self._run(name, running, data, entries, most)
            await _write(data, control.before)
            tried = await self._run(name, candidate, data, entries, most, running.version)
        report = self._compare(entries, control, tried)
        incomparable = dict(report.incomparable)
        if others:
            incomparable["another version handled it"] = others
        if damaged:
            incomparable["its record is damaged"] = damaged
        report = replace(
            report,
            name=name,
            running=running.version,
            candidate=candidate.version,
            messages=report.messages + others + damaged,
            incomparable=incomparable,
            seconds=time.monotonic() - began,
        )
        self.meters.add(REPLAYED, name, report.compared)
        self.meters.add(DIVERGED, name, report.diverged)
        return report

    async def _entries(self, name: str) -> tuple[list[Recorded], int]:
        found: list[Recorded] = []
        damaged = 0
        async with aclosing(self.recordings.entries(name)) as entries:
            async for each in entries:
                if each is None:
                    damaged += 1
                else:
                    found.append(each)
        return found, damaged

    async def _run(
        self,
        name: str,
        tried: Tried,
        data: Namespace,
        entries: Sequence[Recorded],
        most_seconds: float,
        migrate_from: str = "",
    ) -> _Run:
        """Let a version handle a recording on `data`."""
        run, given = _Run(), GivenTime()
        async with self.trials.trial(
            name, tried.digest, tried.manifest, data=data, time=given
        ) as trial:
            player = _Player(trial, given, run, migrate_from)
            with anyio.move_on_after(most_seconds):
                await player.play(entries)
            player.note_rest()
        run.after = await _read(data, run.before)
        run.observed += [None] * (len(entries) - len(run.observed))
        return run

    def _compare(self, entries: Sequence[Recorded], control: _Run, tried: _Run) -> ReplayReport:
        reasons = Counter[str]()
        divergences: list[Divergence] = []
        unsure: set[int] = set()
        excused = compared = diverged = running_fuel = candidate_fuel = 0
        if tried.failure and not control.failure:
            divergences.append(Divergence("", 0.0, "start", "it starts", tried.failure))
        for place, entry in enumerate(entries):
            if entry.kind == "start":
                continue
            mine, its = control.observed[place], tried.observed[place]
            reason = incomparable_reason(entry, mine)
            found: tuple[Divergence, ...] = ()
            if not reason and its is None:
                reason = "not reached"
            if not reason and mine is not None and its is not None:
                found, reason = compare(entry, mine, its, self.recordings.settings.fuel)
                excused += bool(reason)
            if reason or mine is None or its is None:
                reasons[reason] += 1
                unsure.add(place)
                continue
            compared += 1
            diverged += bool(found)
            running_fuel += mine.fuel
            candidate_fuel += its.fuel
            divergences += found
        count, differences = 0, list[StateDifference]()
        for difference, is_sure in _differences(entries, control, tried, unsure):
            if not is_sure:
                reasons["a key whose value a message decides that is not compared"] += 1
                continue
            count += 1
            if len(differences) < _SHOWN:
                differences.append(difference)
        return ReplayReport(
            "", "", "",
            messages=sum(each.kind != "start" for each in entries),
            compared=compared,
            diverged=diverged,
            divergences=tuple(divergences[:_SHOWN]),
            differing_keys=count,
            differences=tuple(differences),
            unsure=excused,
            incomparable=dict(reasons),
            running_fuel=running_fuel,
            candidate_fuel=candidate_fuel,
        )  # fmt: skip


@dataclass(slots=True)
class _Player:
    """Plays a recording to a version on trial."""

    trial: Trial
    given: GivenTime
    run: _Run
    migrate_from: str
    known: dict[str, bytes | None] = field(default_factory=dict[str, "bytes | None"])
    """The last values in the recording, by key."""

    async def play(self, entries: Sequence[Recorded]) -> None:
        """Play until the end, or until it does not start."""
        first = entries[0] if entries else None
        if first is None:
            return
        if first.kind != "start" and not await self._start(replace(first, answers=())):
            return
        for place, entry in enumerate(entries):
            if self.run.size_bytes > _MOST_BYTES:
                return
            await anyio.lowlevel.checkpoint()  # a call that needs no slice more never gives way
            await self._catch_up(entry)
            if entry.kind == "start":
                if not await self._start(entry):
                    return
                self.run.observed.append(None)
            elif entry.unkept or entry.uncovered or entry.ending == "unfinished":
                await self._skip(entry)
            else:
                if self.trial.has_ended and not await self._start(replace(entry, answers=())):
                    return
                self.run.observed.append(await self._handle(entry, place))

    async def _start(self, entry: Recorded) -> bool:
        """Start an incarnation; return whether it runs."""
        self.given.move(entry.at, 0)
        try:
            await self.trial.start(entry.answers)
            if self.migrate_from:
                self._note(self.trial.attempt, -1)
                origin, self.migrate_from = self.migrate_from, ""
                await self.trial.migrate(origin)
                self.run.moved.update(self.trial.attempt.written)
            self._note(self.trial.attempt, -1)
        except (InitFailed, MigrationFailed, EngineError) as error:
            printed = f"; it printed: {self.trial.lines[-1]}" if self.trial.lines else ""
            self.run.failure = f"{safe_text(error)}{safe_text(printed)}"[:_DETAIL]
            return False
        return True

    async def _handle(self, entry: Recorded, place: int) -> Observed:
        trial = self.trial
        self.given.move(entry.at, place)
        before = trial.fuel_used
        reply: bytes | None = None
        error: BaseException | None = None
        try:
            reply = await trial.handle(entry.message, entry.answers)
        except (GuestRefused, UnfitPayload, EngineError) as failure:
            error = failure
        attempt = trial.attempt
        self._note(attempt, place)
        is_refused = isinstance(error, GuestRefused)
        name = "" if error is None else type(error).__name__
        return Observed(
            ending_of(error),
            reply,
            error.text if isinstance(error, GuestRefused) else name,
            _fuel_of(error) or trial.fuel_used - before,
            tuple(attempt.calls),
            tuple(attempt.unanswered),
            attempt.written,
            "" if error is None or is_refused else safe_text(error)[:_DETAIL],
        )

    async def _catch_up(self, entry: Recorded) -> None:
        """Do what others than the component did before a message."""
        foreign: dict[str, bytes | None] = {}
        for each in entry.changes:
            if each.key in self.known and self.known[each.key] != each.before:
                foreign.setdefault(each.key, each.before)
            self.known[each.key] = each.after
        await self._put(foreign)

    async def _skip(self, entry: Recorded) -> None:
        """Do what a message did that is not handled again."""
        self.run.observed.append(None)
        await self._put({each.key: each.after for each in entry.changes})

    async def _put(self, values: dict[str, bytes | None]) -> None:
        """Write what neither version writes here."""
        for key in values:
            if key not in self.run.before:
                self.run.before[key] = self.trial.data.read(key)
        await _write(self.trial.data, values)

    def note_rest(self) -> None:
        """Note what was written by a function that did not come to its end."""
        for key, value in self.trial.attempt.before.items():
            self.run.before.setdefault(key, value)

    def _note(self, attempt: Attempt, place: int) -> None:
        self.run.writers.update(dict.fromkeys(attempt.written, place))
        self.run.expiring |= attempt.expiring
        self.run.size_bytes += attempt.size_bytes
        self.note_rest()


def _of_version(entries: Sequence[Recorded], version: str) -> tuple[list[Recorded], int]:
    """Return the last entries, which a version handled, and the number of messages before."""
    start = len(entries)
    while start and entries[start - 1].version == version:
        start -= 1
    return list(entries[start:]), sum(each.kind != "start" for each in entries[:start])


async def _undo(data: Namespace, entries: Sequence[Recorded]) -> None:
    """Make a copy what it was before the first message."""
    first: dict[str, bytes | None] = {}
    for entry in entries:
        for each in entry.changes:
            first.setdefault(each.key, each.before)
    await _write(data, first)


async def _write(data: Namespace, values: Mapping[str, bytes | None]) -> None:
    """Write values in steps that hold nothing up."""
    waiting = iter(values.items())
    while part := dict(islice(waiting, _STEP)):
        await data.batch(part)


async def _read(data: Namespace, keys: Iterable[str]) -> dict[str, bytes | None]:
    """Read values in steps that hold nothing up."""
    values: dict[str, bytes | None] = {}
    for number, key in enumerate(keys):
        if not number % _STEP:
            await anyio.lowlevel.checkpoint()
        values[key] = data.read(key)
    return values


def _differences(
    entries: Sequence[Recorded], control: _Run, tried: _Run, unsure: set[int]
) -> Iterator[tuple[StateDifference, bool]]:
    """Yield each key that differs in the end, and whether that is the candidate's doing.

    Both runs began with the same data, so a key that one of them did not write has the value that
    the other found.
    """
    expiring = control.expiring | tried.expiring
    for key in sorted(control.after.keys() | tried.after.keys()):
        running = control.after[key] if key in control.after else tried.before[key]
        candidate = tried.after[key] if key in tried.after else control.before[key]
        if running == candidate:
            continue
        places = [run.writers[key] for run in (control, tried) if key in run.writers]
        place = max(places, default=-1)
        is_sure = not (
            tried.failure
            or control.failure
            or key in expiring
            or key in tried.moved
            or unsure.intersection(places)
        )
        message = entries[place].id if place >= 0 else ""
        yield StateDifference(key, running, candidate, message), is_sure


def _fuel_of(error: BaseException | None) -> int:
    return int(getattr(error, "fuel_used", 0) or 0)
