"""A version that starts beside the one that serves, before it takes over.

It runs outside the supervisor of its name, which meanwhile restarts the old version as ever. It
gets no message: what has to be known of it is asked of it directly, and it is discarded unless it
takes over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from airswasm.actor import ActorStopped, AskTimeout
from airswasm.runtime import Component

from .._packages.manifest import Manifest
from .._registry.registry import ComponentRecord
from .beside import Beside, Visit
from .incarnations import HostedActor, Maker

__all__ = ("Candidate",)


@dataclass(slots=True)
class Candidate:
    """One version on its way to the place of another one.

    Attributes:
        record: The record that it would have.
        manifest: Its manifest, held to the host's policy.
        maker: Makes its incarnations.
        beside: Where it counts as one that runs beside the hosted ones, while it does.
        actor: Its first incarnation; None until `start`.
    """

    record: ComponentRecord
    manifest: Manifest
    maker: Maker
    beside: Beside
    actor: HostedActor | None = None
    _asking: anyio.Lock = field(default_factory=anyio.Lock)
    _visit: Visit | None = None

    @property
    def name(self) -> str:
        """The component."""
        return self.record.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.record.active

    @property
    def component(self) -> Component:
        """The compiled component, for its imports and exports."""
        return self.maker.recipe.linked.component

    @property
    def migrates(self) -> bool:
        """Whether its start takes over stored data, so that the old version must hold still."""
        return self.maker.migrates

    @property
    def is_alive(self) -> bool:
        """Whether what has started can take over: what has trapped cannot."""
        instance = self.actor.instance if self.actor is not None else None
        return instance is not None and not instance.is_closed

    @property
    def fuel_used(self) -> int:
        """The fuel that it has used since it was instantiated."""
        return self.actor.fuel_used if self.actor is not None else 0

    @property
    def memory_bytes(self) -> int:
        """Its peak linear memory."""
        return self.actor.memory_bytes if self.actor is not None else 0

    async def check_health(self, timeout: float) -> bool:
        """Call `health.check`, one call at a time. Return False if it has none.

        Args:
            timeout: Seconds.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            AskTimeout: It did not answer in time, and has ended.
            GuestFault: It trapped, or reached a limit, and has ended.
            TriedEndedForMemory: The host's memory was scarce.
            ActorStopped: It had ended before.
        """
        async with self._asking:
            if self.actor is None or self._visit is None:
                raise ActorStopped(self.name)
            with self._visit.calling():
                with anyio.move_on_after(timeout):
                    return await self.actor.check_unheard()
                raise AskTimeout(self.name, timeout)

    async def start(self) -> None:
        """Instantiate it, call its `init`, and let it take over data; then it is ready.

        Raises:
            InitFailed, MigrationFailed: It answered with an error.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        self.actor = actor = self.maker.make()
        visit = self._visit = self.beside.enter(self.name, self.version, lambda: actor.taken_bytes)
        try:
            with visit.calling():
                await actor.start()
        except BaseException:
            self.discard()
            raise

    async def start_again(self) -> None:
        """Start another incarnation; what the first one took over is not taken over again.

        Raises:
            InitFailed: It answered with an error.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        self.discard()
        await self.start()

    def hand_over(self) -> Maker:
        """Return the factory of its incarnations, the first of which has started."""
        self.maker.started, self.actor = self.actor, None
        self._leave()
        return self.maker

    def discard(self) -> None:
        """Drop what has started and did not take over."""
        for actor in (self.actor, self.maker.started):
            if actor is not None:
                actor.discard()
        self.actor = self.maker.started = None
        self._leave()

    def _leave(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.leave()
