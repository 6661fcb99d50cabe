"""The alarm clock of a host: the functions that components call, and what wakes them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
from airswasm.actor import DeliveryError, MessageBroker
from airswasm.runtime import Caller, Case, Err, HostInterface, LiveSettings, Meters, Ok, Services
from airswasm.wit import Finding

from .errors import NoSuchAlarm


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """`[alarm]` of config.toml.

    Attributes:
        most: Alarms that one component may have at once.
    """

    most: int = 100

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError("most must be at least 1")


class AlarmClock:
    """All alarms of one host. Each belongs to the component that set it."""

    def __init__(self, broker: MessageBroker, meters: Meters, settings: AlarmSettings) -> None:
        self._broker, self._meters, self._settings = broker, meters, settings
        self._due: dict[tuple[str, str], float] = {}
        self._heap: list[tuple[float, str, str]] = []
        self._changed = anyio.Event()

    def adopt(self, settings: AlarmSettings) -> None:
        """Take changed settings over; alarms beyond a lower bound stay."""
        self._settings = settings

    def interface(self) -> HostInterface:
        """Return what components import."""
        return HostInterface("acme:alarm/alarm@0.1.0", {"set": self.set, "cancel": self._cancel})

    def set(self, caller: Caller, name: str, after_ms: int) -> Ok[None] | Err[Case]:
        """Set an alarm. The guard has checked that the caller may."""
        mine = self.waiting(caller.name)
        if len(mine) >= self._settings.most and name not in mine:
            return Err(Case("too-many", f"at most {self._settings.most} alarms at once"))
        due = anyio.current_time() + after_ms / 1000
        self._due[caller.name, name] = due
        heapq.heappush(self._heap, (due, caller.name, name))
        self._meters.add("alarms_set_total", caller.name)
        self._count(caller.name)
        self._changed.set()
        return Ok(None)

    def cancel(self, component: str, name: str) -> None:
        """Cancel an alarm.

        Raises:
            NoSuchAlarm: There is none of that name.
        """
        if self._due.pop((component, name), None) is None:
            raise NoSuchAlarm(component, name)
        self._count(component)

    def waiting(self, component: str | None = None) -> dict[str, float]:
        """Return the alarms of a component, or of all as `component name`, with seconds left."""
        now = anyio.current_time()
        return {
            (name if component else f"{owner} {name}"): max(0.0, due - now)
            for (owner, name), due in self._due.items()
            if component in (None, owner)
        }

    def forget(self, component: str) -> None:
        """Drop all alarms of a component that was purged."""
        for name in self.waiting(component):
            del self._due[component, name]

    async def run(self) -> None:
        """Wake components until it is cancelled; the host runs this in a task."""
        while True:
            self._changed = anyio.Event()
            next_due = self._heap[0][0] if self._heap else math.inf
            with anyio.move_on_after(max(0.0, next_due - anyio.current_time())):
                await self._changed.wait()
            self._ring()

    def _ring(self) -> None:
        now = anyio.current_time()
        while self._heap and self._heap[0][0] <= now:
            due, component, name = heapq.heappop(self._heap)
            if self._due.get((component, name)) != due:
                continue  # cancelled, or set anew
            del self._due[component, name]
            self._count(component)
            try:
                self._broker.tell(component, f"alarm {name}".encode())
            except DeliveryError:
                continue  # stopped, or full: the broker has counted it

    def _cancel(self, caller: Caller, name: str) -> bool:
        try:
            self.cancel(caller.name, name)
        except NoSuchAlarm:
            return False
        return True

    def _count(self, component: str) -> None:
        self._meters.set("alarms_waiting", component, len(self.waiting(component)))


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface; the host puts its guard in front of it."""
    clock = AlarmClock(
        services.get(MessageBroker), services.get(Meters), services.get(AlarmSettings)
    )
    services.add(AlarmClock, clock)
    services.get(LiveSettings).take(AlarmSettings, clock.adopt)
    return (clock.interface(),)


def observe(services: Services) -> AlarmClock:
    """Return the clock, so that a task of the host runs it."""
    return services.get(AlarmClock)


def forget(services: Services, name: str) -> None:
    """Drop what is kept for a component that was purged."""
    services.get(AlarmClock).forget(name)


def check(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Tell `airswasm doctor` that the clock is there."""
    del home, quick
    yield Finding("alarm", "ok", "alarms can be set; they end with the host")
