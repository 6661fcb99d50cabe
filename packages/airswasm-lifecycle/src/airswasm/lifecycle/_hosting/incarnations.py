"""Make the incarnations of one version under one name: the first, and those after a crash.

What all names of a version share is made once (`Recipe`). A `Maker` is the factory that a
supervisor calls; the first incarnation may have been started before, as a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from airswasm.actor import (
    Backoff,
    ChildSpec,
    ComponentActor,
    MailboxSpec,
    SupervisorSpec,
)
from airswasm.runtime import Limits, LinkedComponent, WasiConfig
from airswasm.wit.names import GUEST_MIGRATION

from .._packages.manifest import Manifest
from .quarantine import Placeholder

__all__ = ("Build", "HostedActor", "Maker", "Permit", "Recipe", "reason_of", "supervisor_spec")


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Recipe:
    """The parts that all names of one version share, made once."""

    linked: LinkedComponent
    manifest: Manifest
    limits: Limits
    wasi: WasiConfig
    mailbox: MailboxSpec
    backoff: Backoff


class HostedActor(ComponentActor):
    """A component that takes over data before its first message and reports its use.

    Attributes:
        weight: By which its use is divided where components are compared.
    """

    __slots__ = ("_maker", "weight")

    def __init__(
        self, maker: Maker, *, linked: LinkedComponent | None = None, data: object = None
    ) -> None:
        recipe = maker.recipe
        super().__init__(
            linked or recipe.linked,
            maker.name,
            limits=recipe.limits,
            wasi=recipe.wasi,
            config=recipe.manifest.config,
            data=data,
            version=recipe.manifest.component.version,
        )
        self.weight: float = recipe.manifest.limits.weight
        self._maker = maker

    async def stop(self) -> None:
        """Call `shutdown`, unless its code must not run any more."""
        if self._maker.permit.may_run(self._maker):
            await super().stop()

    async def start(self) -> None:
        """Start, and take over data that an earlier version stored; once."""
        if self.instance is not None:  # it has started as a candidate
            return
        maker = self._maker
        with maker.permit.starting(maker.name):
            await super().start()
            if maker.migrate_from is not None:
                await self.migrate(maker.migrate_from)
                maker.migrate_from = None

    @property
    def memory_bytes(self) -> int:
        """Peak linear memory; 0 before the first message and where it is unknown."""
        return (self.instance.memory_peak_bytes or 0) if self.instance else 0

    @property
    def taken_bytes(self) -> int:
        """The bytes that it takes now: its memory, and what the host keeps for it."""
        return self.instance.memory_bytes + self.instance.host_memory_bytes if self.instance else 0

    @property
    def host_memory_bytes(self) -> int:
        """The bytes that the host keeps on its behalf, beside that."""
        return self.instance.host_memory_bytes if self.instance else 0


class Permit(Protocol):
    """Says which incarnations may run."""

    def may_run(self, maker: Maker) -> bool:
        """Return whether code of what a maker makes may run now."""
        ...

    def placeholder(self, maker: Maker) -> Placeholder | None:
        """Return the stand-in for an incarnation that may not start now; None if it may."""
        ...

    def starting(self, name: str) -> AbstractContextManager[None]:
        """Count a start as under way inside the block."""
        ...


@dataclass(slots=True, eq=False)
class Maker:
    """Makes the incarnations of one version under one name.

    Attributes:
        recipe: The version.
        name: The component.
        version: Its number.
        migrate_from: The version whose data is yet to be taken over: by its next incarnation.
        permit: Says whether they may run.
        build: Makes an incarnation.
        started: The first incarnation, if it has started already.
    """

    recipe: Recipe
    name: str
    version: str
    migrate_from: str | None
    permit: Permit
    build: Build
    started: HostedActor | None = None

    @property
    def migrates(self) -> bool:
        """Whether the first start takes over stored data."""
        exports = self.recipe.linked.component.exports
        return self.migrate_from is not None and GUEST_MIGRATION in exports

    def make(self) -> HostedActor:
        """Make an incarnation, and check nothing."""
        return self.build(self)

    def __call__(self) -> HostedActor | Placeholder:
        started, self.started = self.started, None
        placeholder = self.permit.placeholder(self)
        if placeholder is not None and started is not None:
            started.discard()
        return placeholder or started or self.make()


Build: TypeAlias = Callable[[Maker], HostedActor]


def supervisor_spec(make: Maker) -> SupervisorSpec:
    """Return the specification of the supervisor of one component."""
    recipe = make.recipe
    settings = recipe.manifest.supervision
    child = ChildSpec(
        id=make.name,
        start=make,
        restart=settings.restart,
        shutdown=settings.shutdown,
        mailbox=recipe.mailbox,
        weight=recipe.manifest.limits.weight,
    )
    return SupervisorSpec(
        intensity=settings.intensity,
        period=settings.period,
        backoff=recipe.backoff,
        children=(child,),
    )


def reason_of(error: BaseException | None) -> str:
    """Return an error's message, or its class name if it has none."""
    return str(error) or type(error).__name__
