"""A version that starts beside the one that serves, before it takes over.

It runs outside the supervisor of its name, which meanwhile restarts the old version as ever. It
gets no message: what has to be known of it is asked of it directly, and it is discarded unless it
takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.runtime import Component

from .._packages.manifest import Manifest
from .._registry.registry import ComponentRecord
from .incarnations import HostedActor, Maker

__all__ = ("Candidate",)


@dataclass(slots=True)
class Candidate:
    """One version on its way to the place of another one.

    Attributes:
        record: The record that it would have.
        manifest: Its manifest, held to the host's policy.
        maker: Makes its incarnations.
        actor: Its first incarnation; None until `start`.
    """

    record: ComponentRecord
    manifest: Manifest
    maker: Maker
    actor: HostedActor | None = None

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

    async def start(self) -> None:
        """Instantiate it, call its `init`, and let it take over data; then it is ready.

        Raises:
            InitFailed, MigrationFailed: It answered with an error.
            GuestFault: It trapped, or reached a limit.
        """
        self.actor = actor = self.maker.make()
        try:
            await actor.start()
        except BaseException:
            self.discard()
            raise

    def hand_over(self) -> Maker:
        """Return the factory of its incarnations, the first of which has started."""
        self.maker.started, self.actor = self.actor, None
        return self.maker

    def discard(self) -> None:
        """Drop what has started and did not take over."""
        for actor in (self.actor, self.maker.started):
            if actor is not None:
                actor.discard()
        self.actor = self.maker.started = None
