"""Several instances of one component, for callers that do not care which one they get.

Instances are made when they are needed and kept for the next call; the one that was
used last is used first, so that those of a peak stay idle and give their memory back
(`Engine.rest_idle`). One that a fault, a cancel or its number of calls has ended is
replaced by the next call that needs it.

Rejected: to replace it at once, in the background. It would restart a component that
fails at its start without end, and hide the failure from every caller.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._host import Caller
from ._limits import Limits
from ._queue import Line
from ._single import Single
from .errors import InstanceClosed
from .wasi._state import WasiConfig

if TYPE_CHECKING:
    from types import TracebackType

    from ._component import LinkedComponent
    from ._exports import Exports
    from ._instance import Instance


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """The work of a pool so far, and what it holds now.

    Attributes:
        idle: instances that wait for a call.
        busy: instances in use.
        waiting: callers in line.
        made: instances made so far.
        uses: how often an instance was taken.
        faults: instances that a fault ended.
        discarded: instances that ended for another reason: a cancel, their number of calls.
        refused: callers that found too many in line.
        expired: callers that waited too long.
        waited_seconds: how long callers waited for an instance, in all.
        fuel_used: fuel of all calls.
    """

    idle: int
    busy: int
    waiting: int
    made: int
    uses: int
    faults: int
    discarded: int
    refused: int
    expired: int
    waited_seconds: float
    fuel_used: int


class InstancePool(Single):
    """A bounded number of instances of one component, shared by any number of callers.

    A guest remembers things from one caller to the next: give tenants a
    pool each, or a fresh instance for each call (`calls_per_instance=1`).

    Args:
        linked: what to make instances of.
        size: how many there may be at once.
        waiting: how many callers may wait for one.
        seconds: how long a caller may wait; None for as long as it takes.
        warm: how many are made when the pool is entered.
        calls_per_instance: uses after which an instance is replaced; None for never.
        caller: makes how host functions see one instance.
        limits: what each may use.
        wasi: what each may see of WASI.

    Example:
        async with InstancePool(linked, size=8, seconds=0.5, warm=2) as pool:
            await pool.exports.plugin.echo(b"hello")
    """

    def __init__(
        self,
        linked: LinkedComponent,
        *,
        size: int = 4,
        waiting: int = 1000,
        seconds: float | None = None,
        warm: int = 0,
        calls_per_instance: int | None = None,
        caller: Callable[[], Caller] | None = None,
        limits: Limits | None = None,
        wasi: WasiConfig | None = None,
    ) -> None:
        if warm > size or (calls_per_instance is not None and calls_per_instance < 1):
            raise ValueError("a pool warms up to its size, and each instance serves a call or more")
        name = linked.component.name
        self._linked = linked
        self._caller = caller or (lambda: Caller(name))
        self._limits = limits or Limits()
        self._wasi = wasi or WasiConfig()
        self._line = Line(name, size, waiting, seconds)
        self._size = size
        self._warm = warm
        self._most_uses = calls_per_instance
        self._idle: list[Instance] = []
        self._busy: dict[Instance, int] = {}  # with the fuel it had used before
        self._uses_of: dict[Instance, int] = {}
        self._exports: Exports | None = None
        self._is_closed = False
        self._making = 0
        self._made = self._uses = self._faults = self._discarded = self._fuel_used = 0

    @property
    def exports(self) -> Exports:
        """The component's exports as typed async Python; each call takes an instance."""
        if self._exports is None:
            self._exports = self._linked.component._exports_type(self)
        return self._exports

    @property
    def statistics(self) -> PoolStatistics:
        """Its work so far, and what it holds now."""
        line = self._line
        return PoolStatistics(
            idle=len(self._idle),
            busy=len(self._busy),
            waiting=line.waiting,
            made=self._made,
            uses=self._uses,
            faults=self._faults,
            discarded=self._discarded,
            refused=line.refused,
            expired=line.expired,
            waited_seconds=line.waited_seconds,
            fuel_used=self._fuel_used,
        )

    async def call(self, function: str, *arguments: object) -> object:
        """Call an exported function on whichever instance is free, or becomes free first.

        Raises:
            QueueFull: too many callers wait already.
            QueueExpired: no instance became free in time.
            InstanceClosed: the pool was closed.
            ValueMismatch, GuestFault, NoSuchExport: as `Instance.call`; an instance that a
                fault ended is not used again.
            HostExhausted: the host has no room for another instance.
        """
        instance = await self._take()
        try:
            return await instance.call(function, *arguments)
        finally:
            self._give_back(instance)

    @asynccontextmanager
    async def instance(self) -> AsyncGenerator[Instance]:
        """Take an instance for several calls, or to say in its `caller` whom they are for.

        Raises:
            QueueFull, QueueExpired, InstanceClosed, HostExhausted, GuestFault: as `call`.
        """
        instance = await self._take()
        try:
            yield instance
        finally:
            self._give_back(instance)

    async def warm_up(self, number: int) -> None:
        """Make instances until there are so many, or as many as there may be.

        Raises:
            GuestFault: one does not get through its start code.
            HostExhausted: the host has no room for another.
        """
        while self._line.free and self._number < min(number, self._size):
            await self._line.enter()  # its place is taken while it is made
            try:
                self._idle.append(await self._make())
            finally:
                self._line.leave()

    def close(self) -> None:
        """End all instances; those in use end their calls, callers in line are told."""
        self._is_closed = True
        self._line.close()
        idle, self._idle = self._idle, []
        for instance in (*idle, *self._busy):
            instance.close()

    async def __aenter__(self) -> InstancePool:
        try:
            await self.warm_up(self._warm)
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _take(self) -> Instance:
        await self._line.enter()
        try:
            while self._idle:
                instance = self._idle.pop()
                if not instance.is_closed:  # its embedder may have closed it
                    break
                self._discard(instance)
            else:
                instance = await self._make()
        except BaseException:
            self._line.leave()
            raise
        self._uses += 1
        self._busy[instance] = instance.fuel_used
        return instance

    @property
    def _number(self) -> int:
        """All instances, with those that are being made."""
        return len(self._idle) + len(self._busy) + self._making

    async def _make(self) -> Instance:
        self._making += 1
        try:
            instance = await self._linked.instantiate(
                caller=self._caller(), limits=self._limits, wasi=self._wasi
            )
        finally:
            self._making -= 1
        self._made += 1
        if self._is_closed:
            instance.close()
            raise InstanceClosed(self._linked.component.name)
        return instance

    def _give_back(self, instance: Instance) -> None:
        self._fuel_used += instance.fuel_used - self._busy.pop(instance)
        if instance.is_closed:
            self._discard(instance)
        elif self._is_worn(instance):
            instance.close()
            self._discard(instance)
        else:
            self._idle.append(instance)
        self._line.leave()

    def _is_worn(self, instance: Instance) -> bool:
        """Return whether it must not be used again, though no fault has ended it."""
        if self._is_closed or instance._call is not None:  # its user did not wait for a call
            return True
        if self._most_uses is None:
            return False
        uses = self._uses_of[instance] = self._uses_of.get(instance, 0) + 1
        return uses >= self._most_uses

    def _discard(self, instance: Instance) -> None:
        self._uses_of.pop(instance, None)
        if instance.fault is None:
            self._discarded += 1
        else:
            self._faults += 1
