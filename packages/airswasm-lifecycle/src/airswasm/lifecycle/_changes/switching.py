"""Switch a name to another version, in six steps; before the fifth, nothing has changed.

1. `load`: the new version is compiled and linked.
2. `keep the data`: what the old version stored is kept, so that a failure can restore it. Where the
   new version takes over stored data (`migrate`), or gets that of an earlier time, the old one
   finishes the message in hand and then pauses until the end, because two versions must not write
   the same data at once. A migration is tried before, beside the old version (`keeping_data`).
3. `start`: the new version starts beside the old one, which goes on. Now it is a candidate.
4. `pass the gates`: each gate has a verdict on it. Those that compare the versions, and ask no
   candidate, have theirs before step 2; where that blocks, no data is taken over.
5. `write the change`: one atomic write makes it the version of the name.
6. `switch`: it handles the messages of the name. Handlers never overlap, and the mailbox stays.

A failure of the steps 1 to 5 leaves the old version as it was, and the error names the step, the
reason and what runs. Where nothing runs (no host, or an operator has stopped the component), the
steps 3, 6 and the gates that ask a candidate are left out.

Rejected: to start the candidate in the supervisor of its name. It would restart the old version
only after the gates, and a stop would wait for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from airswasm.actor import ChildStartFailed

from .._gates.gate import VersionChange
from .._gates.judging import Gates, audit_line
from .._hosting.candidate import Candidate
from .._hosting.incarnations import reason_of
from .._hosting.loading import Loader
from .._hosting.running import Running
from .._packages.manifest import Manifest
from .._registry.checkpoint import DataCheckpoint
from .._registry.ledger import Decide, Ledger
from .._registry.registry import ComponentRecord
from .._verdicts import GateVerdict
from ..errors import UpdateBlocked, UpdateFailed

__all__ = ("KeepData", "Step", "Switch", "Switching")

Step: TypeAlias = Literal[
    "load", "keep the data", "start", "pass the gates", "write the change", "switch"
]


@dataclass(slots=True)
class Switch:
    """One update or rollback on its way.

    Attributes:
        change: The change, for the gates.
        record: The record as it is.
        successor: The record to write. Its `migrate_from` names the version whose data the new one
            has yet to take over; the steps remove it when that is done.
        manifest: The new version's manifest.
        decide: The decision on what the new version asks for.
        write: Writes a record in place of the old one, atomically.
        overrides: The gates that must not stop it, with an operator's reasons.
        step: The step that it is at.
        candidate: The new version beside the old one; None before it is loaded, and where it does
            not start.
        verdicts: The verdicts of the gates so far.
        restores: The checkpoint whose data the new version gets; None for the data of now.
    """

    change: VersionChange
    record: ComponentRecord
    successor: ComponentRecord
    manifest: Manifest
    decide: Decide
    write: Callable[[ComponentRecord], Awaitable[None]]
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    step: Step = "load"
    candidate: Candidate | None = None
    verdicts: tuple[GateVerdict, ...] = ()
    restores: DataCheckpoint | None = None

    @property
    def name(self) -> str:
        """The component."""
        return self.record.name

    async def commit(self) -> None:
        """Write the change."""
        self.step = "write the change"
        await self.write(self.successor)
        self.step = "switch"


KeepData: TypeAlias = Callable[[Switch], AbstractAsyncContextManager[None]]
"""Keeps what a name has stored before the block, and restores it if the block fails.

Where two versions would write the same data, the old one holds still inside the block.
"""


@dataclass(frozen=True, slots=True)
class Switching:
    """Carries out switches."""

    running: Running
    ledger: Ledger
    loader: Loader
    gates: Gates
    keep_data: KeepData
    checkpoint: Callable[[str], None]
    """Called with the name of each step; tests stop the process there."""

    async def carry_out(self, switch: Switch) -> tuple[GateVerdict, ...]:
        """Make `switch.successor` the record of its name, and what runs, where the old one did.

        Returns:
            The verdicts of all gates.

        Raises:
            UpdateBlocked: A gate did not let it pass.
            UpdateFailed: Another step failed; see the error for what runs.
        """
        name, record = switch.name, switch.record
        try:
            await self._take_steps(switch)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, ChildStartFailed) else error
            failed = self._failure(switch, cause or error)
            self.loader.keep_only(self.running.registry.digests())
            why = failed.account if isinstance(failed, UpdateBlocked) else failed.reason
            text = f"{failed.new} did not take over, at '{failed.step}': {why}"
            self.running.logs.write(name, "error", text, source="supervisor")
            raise failed from (cause if failed.step != "pass the gates" else None)
        self.loader.keep_only(await self.ledger.sweep())  # not before: it may have to go back
        text = f"switched from {record.active} to {switch.successor.active}"
        self.running.logs.write(name, "info", text, source="supervisor")
        return switch.verdicts

    async def _take_steps(self, switch: Switch) -> None:
        hosting, name = self.running.hosting, switch.name
        switch.manifest, excesses = self.running.policy.hold(switch.manifest)
        async with AsyncExitStack() as stack:
            self._enter(switch, "load")
            if not switch.change.standing:
                stack.enter_context(self.running.both_in_force(switch.successor, switch.decide))
                candidate = await hosting.load_candidate(switch.successor, switch.manifest)
                switch.candidate = candidate
                stack.callback(candidate.discard)
            async with hosting.trying(name, switch.change.new.version):
                await self._judge_versions(switch)
            self._enter(switch, "keep the data")
            await stack.enter_async_context(self.keep_data(switch))
            if switch.candidate is not None:
                await self._try(switch, switch.candidate)
            await self._pass(switch)
            is_replaced = switch.candidate is not None and hosting.is_replaceable(name)
            if switch.candidate is not None and is_replaced:
                await hosting.take_over(switch.candidate, switch.commit)
            else:
                await switch.commit()
                await hosting.stop(name)
            hosting.note_held(name, excesses)
            self.running.take_over(self.running.registry.get(name), switch.manifest)
            if switch.candidate is not None and not is_replaced:
                await self._begin_or_return(switch, switch.candidate)

    def _enter(self, switch: Switch, step: Step) -> None:
        switch.step = step
        self.checkpoint(f"switch.{step}")

    async def _try(self, switch: Switch, candidate: Candidate) -> None:
        async with self.running.hosting.trying(switch.name, candidate.version):
            self._enter(switch, "start")
            await candidate.start()
            switch.successor = replace(switch.successor, migrate_from=None)
            self._enter(switch, "pass the gates")
            beside = replace(switch.change, candidate=candidate, standing="")
            switch.verdicts += await self.gates.judge(beside, "candidate", switch.overrides)
            if not any(each.is_stopping for each in switch.verdicts) and not candidate.is_alive:
                await candidate.start_again()  # a gate that only warns, or was overridden, ended it

    async def _judge_versions(self, switch: Switch) -> None:
        """Ask the gates that need no candidate, and give up at once what would migrate in vain.

        A trial runs on a copy of the data as the old version has left it: this is before any start.
        """
        switch.verdicts = await self.gates.judge(switch.change, "versions", switch.overrides)
        candidate, asks = switch.candidate, ["trial", "candidate"]
        if candidate is not None:
            switch.verdicts += await self.gates.judge(switch.change, "trial", switch.overrides)
            asks = ["candidate"]
        is_vain = any(each.is_stopping for each in switch.verdicts)
        why = switch.change.standing
        if candidate is not None and candidate.migrates and is_vain:
            why = "it is blocked already, and its start would take over the data"
        elif candidate is not None:
            return
        switch.verdicts += self.gates.not_tried(switch.change, switch.overrides, why, asks)
        if candidate is not None:
            await self._pass(switch)

    async def _pass(self, switch: Switch) -> None:
        """Record the verdicts; raise if one of them stops the change."""
        switch.step = "pass the gates"
        switch.verdicts = self.gates.ordered(switch.verdicts)
        self.gates.count(switch.name, switch.verdicts)
        await self.ledger.record(audit_line(switch.change, each) for each in switch.verdicts)
        if any(each.is_stopping for each in switch.verdicts):
            record = switch.record
            raise UpdateBlocked(
                switch.name, record.active, switch.successor.active, switch.verdicts
            )
        overridden = {each.gate: each.override for each in switch.verdicts if each.is_overridden}
        switch.successor = switch.successor.with_overridden(overridden)

    async def _begin_or_return(self, switch: Switch, candidate: Candidate) -> None:
        """Host it where nothing ran; if that fails, the old version is the active one again."""
        hosting, name = self.running.hosting, switch.name
        try:
            await self.running.begin(self.running.registry.get(name), candidate)
        except Exception as error:
            await hosting.stop(name)
            await self.ledger.put("rollback", switch.record)
            hosting.note_refusal(name, error)
            raise

    def standing(self, record: ComponentRecord) -> str:
        """Return why a new version of a name would not start at once; empty if it would."""
        if not self.running.is_online:
            return "no host runs"
        is_hosted = self.running.hosting.is_replaceable(record.name)
        return "" if is_hosted or record.wanted == "running" else "it is stopped"

    def _failure(self, switch: Switch, error: BaseException) -> UpdateFailed:
        name, hosting = switch.name, self.running.hosting
        state = hosting.state(name) if self.running.is_online else "not running"
        at_work = hosting.version_at_work(name) if state == "running" else None
        active = at_work or self.running.registry.get(name).active
        old, new = switch.record.active, switch.successor.active
        if isinstance(error, UpdateBlocked):
            return UpdateBlocked(name, old, new, switch.verdicts, active=active, state=state)
        reason = reason_of(error)
        return UpdateFailed(name, old, new, switch.step, reason, active=active, state=state)
