"""A host for code without an event loop: Flask, Django, Celery, scripts.

One `BlockingSystem` serves all threads of a process. The host runs on an event loop of its own
(`airswasm.runtime.LoopThread`), and each method crosses over to it and back; what a method does and
raises is written at the method of `System` of the same name.

Rejected: a synchronous host. Guests are green threads of an event loop, so there is none.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import anyio.to_thread
from airswasm.runtime import Exports, LoopThread

from ._system import System
from ._talking import DEFAULT_SEND_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airswasm.actor import LifecycleEvent
    from airswasm.runtime import EngineConfig
    from airswasm.wit import Blocks

    from ._changes.reloading import ReloadReport
    from ._home.configuration import Configuration
    from ._home.home import Home
    from ._hosting.exports import InstalledComponent
    from ._hosting.status import ComponentStatus, SystemStatus
    from ._packages.package import Package
    from ._registry.approval import Approval
    from ._registry.info import ComponentInfo
    from ._registry.plan import InstallPlan
    from ._registry.summary import ComponentSummary

__all__ = ("BlockingSystem", "Events")

R = TypeVar("R")
ApproveNow = Callable[["InstallPlan"], "bool | Approval"]
"""Says yes or no to a plan; called on a worker thread, so that it may ask a person."""


class BlockingSystem:
    """A host, usable from every thread of the process that opened it.

    Every method raises `airswasm.runtime.NotRunning` when it is not open, was closed, or this
    process was forked since it was opened: open one in each worker. At exit it closes by itself,
    and its components stop in order.

    Args:
        home: The home, or its folder.
        configuration: Replaces the home's config.toml and the environment.
        blocks: Replaces the installed ones.
        engine: Sizes and slices, instead of the policy's.
        backend: The event loop that it runs on, `asyncio` or `trio`.

    Example:
        with BlockingSystem("home") as system:
            system.install("shout.airswasm", approve=lambda plan: True)
            print(system.send("acme/shout", b"hello"))
    """

    def __init__(
        self,
        home: Home | os.PathLike[str] | str,
        *,
        configuration: Configuration | None = None,
        blocks: Blocks | None = None,
        engine: EngineConfig | None = None,
        backend: str = "asyncio",
    ) -> None:
        make = partial(System, home, configuration=configuration, blocks=blocks, engine=engine)
        self._loop: LoopThread[System] = LoopThread(make, backend=backend)
        self._events: list[Events] = []

    # -- opening and closing -------------------------------------------------------------------

    def open(self) -> None:
        """Open the home and start its components; `with` does so too. Twice is fine.

        Raises:
            HomeUnusable, HostIsRunning, ConfigurationInvalid: As for `System`.
        """
        self._loop.start()

    def close(self) -> None:
        """Stop the components in order and close the home. Calls in progress end."""
        for each in self._events:
            each.close()
        self._events.clear()
        self._loop.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def system(self) -> System:
        """The host on the loop; pass its methods to `run`, and call none of them here."""
        return self._loop.value

    def run(self, function: Callable[..., Awaitable[R]], *arguments: object) -> R:
        """Run an asynchronous function on the host's loop, and wait for what it returns.

        For what has no method here: `host.run(host.system.timers.cancel, 7)`.
        """
        return self._loop.run(function, *arguments)

    # -- changing what is installed ------------------------------------------------------------

    def install(
        self,
        source: Package | os.PathLike[str] | str,
        *,
        name: str | None = None,
        approve: ApproveNow | None = None,
        start: bool = True,
    ) -> ComponentInfo:
        """Install a component; see `System.install`."""
        ask = _asking(approve)
        return self.run(partial(self.system.install, source, name=name, approve=ask, start=start))

    def update(
        self,
        source: Package | os.PathLike[str] | str,
        *,
        name: str | None = None,
        approve: ApproveNow | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> ComponentInfo:
        """Replace a component by a newer version; see `System.update`."""
        ask = _asking(approve)
        return self.run(
            partial(self.system.update, source, name=name, approve=ask, overrides=overrides)
        )

    def rollback(self, name: str, to: str | None = None) -> ComponentInfo:
        """Go back to a retained version, and keep the data; see `System.rollback`."""
        return self.run(self.system.rollback, name, to)

    def uninstall(self, name: str, *, purge: bool = False) -> None:
        """Stop and remove a component; see `System.uninstall`."""
        self.run(partial(self.system.uninstall, name, purge=purge))

    def reload(self, *, dry_run: bool = False) -> ReloadReport:
        """Take config.toml over; see `System.reload`."""
        return self.run(partial(self.system.reload, dry_run=dry_run))

    # -- running -------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a stopped component; see `System.start`."""
        self.run(self.system.start, name)

    def stop(self, name: str, *, kill: bool = False) -> None:
        """Stop a component; see `System.stop`."""
        self.run(partial(self.system.stop, name, kill=kill))

    def restart(self, name: str) -> None:
        """Stop and start a component; see `System.restart`."""
        self.run(self.system.restart, name)

    # -- messages and calls --------------------------------------------------------------------

    def send(
        self, name: str, payload: bytes, timeout: float = DEFAULT_SEND_TIMEOUT
    ) -> bytes | None:
        """Deliver one message and wait for the reply; see `System.send`."""
        return self.run(self.system.send, name, payload, timeout)

    def request(
        self,
        name: str,
        value: object,
        *,
        codec: str | None = None,
        timeout: float = DEFAULT_SEND_TIMEOUT,
    ) -> object:
        """Send a value in a codec and wait for the answer, decoded; see `Messenger.ask`."""
        messenger = self._now(self.system.messenger)
        return self.run(partial(messenger.ask, name, value, codec=codec, timeout=timeout))

    def post(self, name: str, payload: bytes) -> None:
        """Send one message and wait until it is accepted; see `System.post`."""
        self.run(self.system.post, name, payload)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Publish to a topic in the host's name; see `System.publish`."""
        return self.run(partial(self.system.publish, topic, payload, retain=retain))

    def exports(self, name: str, timeout: float = DEFAULT_SEND_TIMEOUT) -> Exports:
        """Return the functions that a component exports of its own; each call waits here.

        Raises:
            NotInstalled, NotRunning: As for `InstalledComponent.exports`.
        """
        component = self.component(name).calling(timeout=timeout)

        def through() -> Exports:
            return component.exports_through(_Calls(self, component.call))

        return self._now(through)

    def component(self, name: str) -> InstalledComponent:
        """Return an installed component, whose asynchronous methods `run` runs.

        A class of `airswasm.wit.proxy` takes it: `host.run(Plugin(component).sums.add, 40, 2)`.
        """
        return self._now(self.system.component, name)

    # -- looking -------------------------------------------------------------------------------

    def list(self) -> Sequence[ComponentSummary]:
        """Return all installed components, sorted by name."""
        return self._now(self.system.list)

    def info(self, name: str) -> ComponentInfo:
        """Return all details of one component; see `System.info`."""
        return self._now(self.system.info, name)

    def status(self) -> SystemStatus:
        """Return the status of the host and of every component."""
        return self._now(self.system.status)

    def component_status(self, name: str) -> ComponentStatus:
        """Return the status of one component; see `System.component_status`."""
        return self._now(self.system.component_status, name)

    def events(self, *, capacity: int = 1000) -> Events:
        """Return the events of actors and supervisors from now on, to iterate over.

        Args:
            capacity: A reader that is more events behind loses the oldest ones.
        """
        events = Events(capacity)
        subscription = self._now(self.system.events.listen, events.note)
        events.on_close = partial(self._forget, events, subscription.cancel)
        self._events.append(events)
        return events

    def _forget(self, events: Events, cancel: Callable[[], None]) -> None:
        if events in self._events:
            self._events.remove(events)
        if self._loop.is_running:
            self._now(cancel)

    def _now(self, function: Callable[..., R], *arguments: object) -> R:
        """Call a plain function on the loop's thread, where the host's parts belong."""

        async def call() -> R:
            return function(*arguments)

        return self.run(call)


class Events:
    """An iterator over events that ends when it is closed, or its host is.

    Use it with `with`, or close it; a thread that waits for the next event then goes on.
    """

    def __init__(self, capacity: int) -> None:
        self._waiting = queue.Queue["LifecycleEvent | None"](capacity)
        self._is_closed = False
        self.on_close: Callable[[], None] = lambda: None

    def note(self, event: LifecycleEvent | None) -> None:
        """Take an event; the oldest gives way."""
        while True:
            try:
                self._waiting.put_nowait(event)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    continue
            else:
                return

    def close(self) -> None:
        """End the iteration, also in a thread that waits. Twice is fine."""
        if not self._is_closed:
            self._is_closed = True
            self.note(None)
            self.on_close()

    def __iter__(self) -> Iterator[LifecycleEvent]:
        return self

    def __next__(self) -> LifecycleEvent:
        event = self._waiting.get()
        if event is None:
            self.note(None)  # for others that wait, and for the next time
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Calls:
    """Calls functions of a component for a thread that waits; the target of typed exports."""

    def __init__(self, host: BlockingSystem, call: Callable[..., Awaitable[object]]) -> None:
        self._host, self._call = host, call

    def call(self, function: str, /, *arguments: object) -> object:
        """Call a function by its path, and wait for its value."""
        return self._host.run(self._call, function, *arguments)


def _asking(
    approve: ApproveNow | None,
) -> Callable[[InstallPlan], Awaitable[bool | Approval]] | None:
    if approve is None:
        return None

    async def ask(plan: InstallPlan) -> bool | Approval:
        return await anyio.to_thread.run_sync(approve, plan)

    return ask
