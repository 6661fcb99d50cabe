"""Make the incarnations of one version under one name: the first, and those after a crash.

What all names of a version share is made once (`Recipe`). A `Maker` is the factory that a
supervisor calls; the first incarnation may have been started before, as a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

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

__all__ = ("Build", "HostedActor", "Maker", "Recipe", "reason_of", "supervisor_spec")


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

    __slots__ = ("_may_run", "_migrate_from", "weight")

    def __init__(
        self,
        recipe: Recipe,
        name: str,
        migrate_from: str | None,
        may_run: Callable[[], bool],
        *,
        linked: LinkedComponent | None = None,
        data: object = None,
    ) -> None:
        super().__init__(
            linked or recipe.linked,
            name,
            limits=recipe.limits,
            wasi=recipe.wasi,
            config=recipe.manifest.config,
            data=data,
            version=recipe.manifest.component.version,
        )
        self.weight: float = recipe.manifest.limits.weight
        self._migrate_from = migrate_from
        self._may_run = may_run

    async def stop(self) -> None:
        """Call `shutdown`, unless its code must not run any more."""
        if self._may_run():
            await super().stop()

    async def start(self) -> None:
        """Start, and take over data that an earlier version stored; once."""
        if self.instance is not None:  # it has started as a candidate
            return
        await super().start()
        if self._migrate_from is not None:
            await self.migrate(self._migrate_from)

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


Build: TypeAlias = Callable[[Recipe, str, "str | None", Callable[[], bool]], HostedActor]


@dataclass(slots=True)
class Maker:
    """Makes the incarnations of one version under one name.

    Attributes:
        recipe: The version.
        name: The component.
        migrate_from: The version whose data the first incarnation takes over.
        may_run: Whether the version is not barred.
        check_again: Whether it may start again; bars what may not.
        build: Makes an incarnation of a recipe.
        started: The first incarnation, if it has started already.
    """

    recipe: Recipe
    name: str
    migrate_from: str | None
    may_run: Callable[[], bool]
    check_again: Callable[[], bool]
    build: Build = HostedActor
    started: HostedActor | None = None

    @property
    def migrates(self) -> bool:
        """Whether the first start takes over stored data."""
        exports = self.recipe.linked.component.exports
        return self.migrate_from is not None and GUEST_MIGRATION in exports

    def make(self) -> HostedActor:
        """Make an incarnation, and check nothing."""
        return self.build(self.recipe, self.name, self.migrate_from, self.may_run)

    def __call__(self) -> HostedActor | Placeholder:
        started, self.started = self.started, None
        if not self.check_again():
            if started is not None:
                started.discard()
            return Placeholder(self.name)
        return started or self.make()


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
