"""Keep a name's data through a switch of its version: the second of the steps in `switching`.

A version that takes over stored data (`migrate`), and one that gets the data of an earlier time
back, work on a copy while the present data is set aside. Any other update copies the data where
`[updates] checkpoints` asks for it, beside the component that goes on.

A migration is tried before, on a copy of its own, while the old version serves: one that fails
costs no pause. A trial does nothing outside; where the migration asks for that, and fails, it may
have failed for the answer, and only the real one tells.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
from airswasm.actor import ActorError
from airswasm.runtime import GuestFault
from airswasm.wit.names import GUEST_MIGRATION

from .._hosting.candidate import Candidate
from .._hosting.data_keeper import DataKeeper, Still
from .._hosting.hosting import Hosting
from .._hosting.incarnations import reason_of
from .._hosting.loading import Loader
from .._registry.checkpoint import DataCheckpoint
from .._trial.trial import Trials
from ..errors import DataNotRestored
from .switching import Switch

__all__ = ("KeepingData",)


@dataclass(frozen=True, slots=True)
class KeepingData:
    """Keeps the data of names whose version is switched."""

    keeper: DataKeeper
    hosting: Hosting
    loader: Loader
    trials: Trials

    @asynccontextmanager
    async def around(self, switch: Switch) -> AsyncGenerator[None]:
        """Keep the data inside the block, and put it back if the block fails.

        Where two versions would write the same data, the old one holds still meanwhile.

        Raises:
            CheckpointFailed: A copy could not be made; nothing changed.
            DataNotRestored: The data could not be put back, after this switch or an earlier one.
        """
        if await self.keeper.put_back(switch.name):  # of a change that failed before
            switch.record = replace(switch.record, set_aside="")
        switch.successor = replace(switch.successor, set_aside="")
        async with AsyncExitStack() as stack:
            await self._keep(switch, stack)
            try:
                yield
            except BaseException:
                if switch.candidate is not None:
                    switch.candidate.discard()  # it must not write to what is put back
                raise

    async def _keep(self, switch: Switch, stack: AsyncExitStack) -> None:
        name, candidate = switch.name, switch.candidate
        migrates = candidate is not None and candidate.migrates
        former = switch.record.migrate_from or switch.record.active  # the version whose data it is
        if switch.restores is not None:
            former = switch.record.active  # the one for which the data of now is kept

        async def hold_still() -> None:
            await stack.enter_async_context(self.hosting.holding_still(name, candidate))

        if candidate is not None and migrates and switch.restores is None:
            await self._try_migration(switch, candidate, former)
        if switch.restores is not None:
            switch.successor = switch.successor.with_checkpoint(switch.successor.active, None)
        if switch.restores is not None or (migrates and self.keeper.checkpoints != "never"):
            other = self._other_data(name, switch.restores, hold_still)
            taken = await stack.enter_async_context(other)
            switch.record = replace(switch.record, set_aside=taken.label)  # to write it once more
        elif migrates:
            taken = None
            await hold_still()
        elif self.keeper.checkpoints == "always" and not await self._migrates_later(switch):
            taken = await stack.enter_async_context(self.keeper.kept(name))
        else:
            taken = None
        if taken is not None:
            switch.successor = switch.successor.with_checkpoint(former, taken)
        if migrates:
            switch.successor = switch.successor.with_data_format(switch.successor.active)
        elif switch.restores is not None:
            restored = switch.restores.data_format
            if restored is None:
                restored = switch.successor.active_version.data_format
            switch.successor = replace(switch.successor, data_format=restored)
        elif switch.change.verb == "update":
            switch.successor = switch.successor.with_data_format(switch.record.data_format)

    async def _try_migration(self, switch: Switch, candidate: Candidate, former: str) -> None:
        """Let it start and migrate on a copy, beside the old version.

        Raises:
            ActorError, GuestFault: It fails, and nothing that a trial leaves out explains it.
        """
        step, switch.step = switch.step, "start"
        digest = candidate.record.active_version.wasm_digest
        async with self.trials.trial(switch.name, digest, candidate.manifest) as trial:
            is_certain = True
            try:
                await trial.start()
                is_certain = trial.attempt.is_certain
                await trial.migrate(former)
            except (ActorError, GuestFault) as error:
                if is_certain and trial.attempt.is_certain:
                    raise
                text = f"on a copy of its data {candidate.version} failed: {reason_of(error)}"
                self.keeper.logs.write(switch.name, "warn", text, source="supervisor")
        switch.step = step

    @asynccontextmanager
    async def _other_data(
        self, name: str, source: DataCheckpoint | None, still: Still
    ) -> AsyncGenerator[DataCheckpoint]:
        """As `DataKeeper.other_data`; what would go on with neither data is stopped."""
        try:
            async with self.keeper.other_data(name, source, still) as taken:
                yield taken
        except DataNotRestored as error:
            with anyio.CancelScope(shield=True):
                async with self.hosting.killing(name):
                    await self.hosting.stop(name)
                self.hosting.note_refusal(name, error)
            raise

    async def _migrates_later(self, switch: Switch) -> bool:
        """Return whether its first start, after this switch, takes over stored data."""
        version = switch.successor.active_version
        if switch.candidate is not None or switch.successor.migrate_from is None:
            return False
        linked = await self.loader.load(version.wasm_digest, switch.name)
        return GUEST_MIGRATION in linked.component.exports
