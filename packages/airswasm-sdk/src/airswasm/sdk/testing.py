"""Test a built component inside pytest, against real storage and real limits.

The component runs in the real engine under the limits of its own manifest, its host calls pass the
real guard with the grants that the manifest asks for, and its storage is the real store over
memory. The harness replaces only the world beyond the component: it records sent messages, answers
them from `replies`, and keeps log lines. So a test that passes here fails on a host only for
something that the host adds.

A fault of the component (a trap, a limit) is raised where the test sent the message
that caused it, and ends that incarnation. The next message goes to a new one, as on a
host: `init` is called again, what is stored stays, and what was in memory is gone.
`restart` does the same without a fault. A message that is larger than the component
takes is `MessageTooLarge`, also as on a host, and ends nothing.

Rejected: a fake `wit_world` module to run the component's source natively (it tests another
program, without limits or capabilities), and a whole host for each test (the host's own tests cover
its scheduling).

    from airswasm.sdk.testing import assert_fuel_below, run_component

    def test_it_greets_and_counts():
        with run_component(".") as component:
            answer = component.send("world")
            assert answer.text == "Hello, world! You are number 1."
            assert component.published[-1].topic == "greetings"
            assert_fuel_below(answer, 20_000_000)
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from airswasm.actor import MessageTooLarge
from airswasm.lifecycle import (
    LOGGING_INTERFACE,
    MANIFEST_NAME,
    Manifest,
    Package,
    limits_of,
    load_package,
)
from airswasm.messaging import MESSAGING_INTERFACE, TIMERS_INTERFACE
from airswasm.runtime import (
    Caller,
    CallUse,
    Case,
    Component,
    Engine,
    EngineConfig,
    EngineSettings,
    Err,
    GuestFault,
    HostInterface,
    Instance,
    LinkedComponent,
    Ok,
    WasiConfig,
)
from airswasm.security import (
    AuditEvent,
    Guard,
    Kinds,
    PermissionDenied,
    capabilities_interface,
    decides_each,
)
from airswasm.storage import Namespace, storage_interface
from airswasm.storage.testing import MemoryDisk, MemoryStore
from airswasm.wit import Blocks
from airswasm.wit.names import (
    GUEST_CALLBACKS,
    GUEST_HANDLER,
    GUEST_LIFECYCLE,
    GUEST_MIGRATION,
)
from anyio import to_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ._fault_places import fault_places
from .errors import ArtifactMissing, ComponentRefused

__all__ = (
    "Answer",
    "ComponentHarness",
    "LogLine",
    "Published",
    "Reply",
    "RunningComponent",
    "ScheduledSend",
    "SentMessage",
    "assert_fuel_below",
    "run_component",
)

Reply = bytes | None | Callable[[bytes], bytes | None]
"""The answer of a recorded target: bytes, nothing, or a function of the payload."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a component to one message.

    Attributes:
        payload: The reply; None for an acknowledgement without one.
        fuel: The fuel used, always the same for the same artifact and engine.
        use: The receipt: that fuel, times, memory, and the calls of the host, by function. The
            fuel of a host call is always the same, too.
    """

    payload: bytes | None
    fuel: int
    use: CallUse | None = None

    @property
    def text(self) -> str:
        """The reply as UTF-8 text; empty when there is none."""
        return (self.payload or b"").decode()


@dataclass(frozen=True, slots=True)
class Published:
    """A published message; a retained one is the topic's value for later subscribers."""

    topic: str
    payload: bytes
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A sent message: `kind` is `send`, `request` or `call`."""

    kind: str
    target: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class ScheduledSend:
    """A timer that the component set; no time passes here, so the test sends what is due."""

    id: int
    target: str
    payload: bytes
    milliseconds: int
    repeats: bool
    is_durable: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that the component logged, or printed (then `level` is `stdout` or `stderr`)."""

    level: str
    message: str


class ComponentHarness:
    """One component under test; an async context manager.

    Args:
        project: The folder of the built project.
        replies: Answers of the components that it calls, by their names. Others are unknown.
        config: Replaces `[config]` of the manifest, as JSON text.
        interfaces: Additional host interfaces, such as your own fakes.
        cache_folder: Folder for compiled code between runs; by default in the project's `build`,
            for a shared Python component that of `AIRSWASM_HOME`, where the interpreter may be.

    Attributes:
        published: Messages that it published, oldest first.
        timers: Timers that it has set and not cancelled, oldest first.
        sent: Messages that it sent, requested and called, oldest first.
        logs: Lines that it logged and printed, oldest first.
        subscriptions: The patterns of its subscriptions.
        denials: Calls that it tried without the capability.
    """

    def __init__(
        self,
        project: str | PathLike[str],
        *,
        replies: Mapping[str, Reply] | None = None,
        config: str | None = None,
        interfaces: Iterable[HostInterface] = (),
        cache_folder: Path | None = None,
    ) -> None:
        self._project = Path(project)
        self.manifest = Manifest.load(self._project / MANIFEST_NAME)
        self._artifact = self._project / self.manifest.build.artifact
        if not self._artifact.is_file():
            raise ArtifactMissing(self._artifact, built=False)
        self._config = config if config is not None else self.manifest.config_json
        self._extra = tuple(interfaces)
        self._cache_folder = cache_folder
        self._disk = MemoryDisk()
        self._record = _Record(replies or {})
        self._exits = AsyncExitStack()
        self._linked: LinkedComponent | None = None
        self._instance: Instance | None = None
        self.published = self._record.published
        self.timers = self._record.timers
        self.sent = self._record.sent
        self.logs = self._record.logs
        self.subscriptions = self._record.subscriptions
        self.denials = self._record.denials

    async def __aenter__(self) -> Self:
        await self._exits.__aenter__()
        try:
            engine = await self._exits.enter_async_context(Engine(self._engine_config()))
            self._store = await self._exits.enter_async_context(MemoryStore(self._disk))
            package = Package.read(self._project, signature="ignored")
            component = await load_package(engine, package)
            self._linked = self._link(component)
            await self.start()
        except BaseException as error:
            await self._exits.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.stop()
        finally:
            await self._exits.__aexit__(kind, error, traceback)

    def _engine_config(self) -> EngineConfig:
        """Return a configuration; a shared component has that of a host, and its cache."""
        beside = self._artifact.parent / ".compiled"
        if self.manifest.build.mode != "shared":
            return EngineConfig(cache_folder=self._cache_folder or beside)
        home = os.environ.get("AIRSWASM_HOME")
        cache_folder = Path(home) / "cache" if home else beside
        return EngineSettings().config(self._cache_folder or cache_folder)

    @property
    def storage(self) -> Namespace:
        """The component's stored data; a test may write to it as preparation."""
        return self._store.namespace(self.manifest.name)

    async def start(self) -> None:
        """Start a new incarnation and call `init`, as after a restart of the host.

        Raises:
            ComponentRefused: `init` answered with an error.
            GuestFault: It trapped or hit a limit.
        """
        assert self._linked is not None, "use it with `async with`"
        self.subscriptions.clear()
        caller = Caller(self.manifest.name)
        self._instance = await self._linked.instantiate(
            caller=caller,
            limits=limits_of(self.manifest),
            wasi=WasiConfig(
                stdout=self._record,
                stderr=self._record,
                environment=dict(self.manifest.environment),
            ),
        )
        try:
            await self._call_optional(f"{GUEST_LIFECYCLE}#init", self._config)
        except BaseException:
            self._instance.close()
            raise

    async def stop(self) -> None:
        """Call `shutdown` and end this incarnation; its stored data stays."""
        instance, self._instance = self._instance, None
        if instance is None or instance.is_closed:
            return
        if instance.has_export(f"{GUEST_LIFECYCLE}#shutdown"):
            await instance.call(f"{GUEST_LIFECYCLE}#shutdown")
        instance.close()

    async def restart(self) -> None:
        """Stop and start it."""
        await self.stop()
        await self.start()

    async def migrate(self, from_version: str) -> None:
        """Call `migrate`, as at the first start of a new version."""
        await self._call_optional(f"{GUEST_MIGRATION}#migrate", from_version)

    async def send(
        self, payload: bytes | str = b"", *, sender: str = "host", topic: str | None = None
    ) -> Answer:
        """Deliver one message and return the answer.

        After a fault it starts a new incarnation first, as a host's supervisor does.

        Args:
            payload: The message; text is encoded as UTF-8.
            sender: The sender's name.
            topic: Set for a published message.

        Raises:
            ComponentRefused: It answered with an error, or the new incarnation's `init` did.
            MessageTooLarge: It is more than the component takes (`limits.message_bytes`).
            GuestFault: It trapped or hit a limit; the next message goes to a new incarnation.
                After `build --debug` its notes have the places in the project's sources.
        """
        instance = await self._running()
        content = payload.encode() if isinstance(payload, str) else payload
        most = instance.caller.message_bytes
        if len(content) > most:
            raise MessageTooLarge(self.manifest.name, len(content), most, "message_bytes")
        self._record.messages += 1
        try:
            outcome, use = await instance.call_itemized(
                f"{GUEST_HANDLER}#handle-message", sender, topic, content
            )
        except GuestFault as fault:
            wasm = self._artifact.read_bytes()
            for place in await to_thread.run_sync(fault_places, wasm, fault):
                if place.file.startswith("./"):  # the project's own, and no library's
                    fault.add_note(f"  {place}")
            raise
        await self._deliver_callbacks()  # of a refused message, too
        return Answer(_payload(self._accepted(outcome)), use.fuel, use)

    async def publish(
        self, topic: str, payload: bytes | str = b"", *, sender: str = "test/publisher"
    ) -> Answer:
        """Deliver one published message."""
        return await self.send(payload, sender=sender, topic=topic)

    def _link(self, component: Component) -> LinkedComponent:
        blocks = Blocks.find()
        guard = Guard(
            Kinds(blocks.capabilities.values()),
            {self.manifest.name: self.manifest.grants},
            audit=self._record,
        )
        offered = (
            _logging(self._record),
            _messaging(self._record, guard),
            _timers(self._record),
            storage_interface(self._store, _Quota(self.manifest)),
            capabilities_interface(guard),
        )
        doors = [guard.guarded(interface, blocks.contract) for interface in offered]
        return component.link([*doors, *self._extra])

    async def _call_optional(self, path: str, argument: str) -> None:
        instance = await self._running()
        if instance.has_export(path):
            self._accepted(await instance.call(path, argument))

    async def _deliver_callbacks(self) -> None:
        path = f"{GUEST_CALLBACKS}#handle-callback"
        instance = await self._running()
        while self._record.outcomes:
            request_id, outcome = self._record.first_outcome()
            if instance.has_export(path):
                await instance.call(path, request_id, outcome)

    def _accepted(self, outcome: object) -> object:
        if isinstance(outcome, Err):
            raise ComponentRefused(self.manifest.name, str(cast("Err[object]", outcome).value))
        return cast("Ok[object]", outcome).value if isinstance(outcome, Ok) else outcome

    async def _running(self) -> Instance:
        """Return the instance, or a new one when a fault has ended it."""
        assert self._instance is not None, "the component was stopped: call start()"
        if self._instance.is_closed:
            await self.start()
        return self._instance


class RunningComponent:
    """A harness for tests that are not async; made by `run_component`."""

    def __init__(self, harness: ComponentHarness, portal: BlockingPortal) -> None:
        self._harness = harness
        self._portal = portal
        self.manifest = harness.manifest
        self.published = harness.published
        self.timers = harness.timers
        self.sent = harness.sent
        self.logs = harness.logs
        self.subscriptions = harness.subscriptions
        self.denials = harness.denials

    def send(
        self, payload: bytes | str = b"", *, sender: str = "host", topic: str | None = None
    ) -> Answer:
        """Deliver one message; see `ComponentHarness.send`."""
        return self._portal.call(partial(self._harness.send, payload, sender=sender, topic=topic))

    def publish(self, topic: str, payload: bytes | str = b"") -> Answer:
        """Deliver one published message."""
        return self._portal.call(self._harness.publish, topic, payload)

    def restart(self) -> None:
        """Stop and start it; its stored data stays."""
        self._portal.call(self._harness.restart)

    def migrate(self, from_version: str) -> None:
        """Call `migrate`, as at the first start of a new version."""
        self._portal.call(self._harness.migrate, from_version)

    def stored(self, key: str) -> bytes | None:
        """Return the value that it stored under a key."""
        return self._portal.call(self._harness.storage.get, key)

    def store(self, key: str, value: bytes) -> None:
        """Put a value into its storage, as preparation."""
        self._portal.call(self._harness.storage.set, key, value)


@contextmanager
def run_component(
    project: str | PathLike[str],
    *,
    replies: Mapping[str, Reply] | None = None,
    config: str | None = None,
    cache_folder: Path | None = None,
) -> Generator[RunningComponent]:
    """Run a built component for tests that are not async; see `ComponentHarness`."""
    harness = ComponentHarness(project, replies=replies, config=config, cache_folder=cache_folder)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(harness):
        yield RunningComponent(harness, portal)


def assert_fuel_below(answer: Answer, fuel: int) -> None:
    """Fail if a message cost this much fuel or more.

    Fuel counts instructions, so it is the same on every machine: a performance test without
    flicker.
    """
    if answer.fuel >= fuel:
        spent = "".join(
            f"\n  {each.function}: {each.calls:,} calls, {each.fuel:,} fuel"
            for each in (answer.use.host_calls if answer.use is not None else ())
        )
        raise AssertionError(
            f"handling the message cost {answer.fuel:,} fuel, expected less than {fuel:,} "
            f"({answer.fuel / fuel:.1f} times as much){spent}"
        )


class _Record:
    """The record of the component's actions; also its audit log and its standard output."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self.replies = replies
        self.published: list[Published] = []
        self.timers: list[ScheduledSend] = []
        self.sent: list[SentMessage] = []
        self.logs: list[LogLine] = []
        self.subscriptions: list[str] = []
        self.denials: list[AuditEvent] = []
        self.outcomes: dict[int, object] = {}
        self.messages = 0
        self._next_id = 0
        self.timer_ids = itertools.count(1)

    def record(self, event: AuditEvent) -> None:
        if event.outcome == "deny":
            self.denials.append(event)

    def line(self, caller: Caller, stream: str, text: str) -> None:
        del caller
        self.logs.append(LogLine(stream, text))

    def answer(self, caller: Caller, kind: str, target: str, payload: bytes) -> object:
        self.sent.append(SentMessage(kind, target, payload))
        if target not in self.replies:
            return Err(Case("unknown-target", f"{target} is not among the harness's replies"))
        reply = self.replies[target]
        content = reply(payload) if callable(reply) else reply
        if content is not None and len(content) > caller.message_bytes:
            return Err(Case("too-large", f"the reply of {target} has {len(content):,} bytes"))
        return Ok(content)

    def request(self, caller: Caller, target: str, payload: bytes) -> int:
        self._next_id += 1
        self.outcomes[self._next_id] = self.answer(caller, "request", target, payload)
        return self._next_id

    def first_outcome(self) -> tuple[int, object]:
        """Remove and return the outcome of the earliest request."""
        request_id = next(iter(self.outcomes))
        return request_id, self.outcomes.pop(request_id)


def _logging(record: _Record) -> HostInterface:
    def log(_caller: Caller, level: str, message: str) -> None:
        record.logs.append(LogLine(level, message))

    return HostInterface(LOGGING_INTERFACE, {"log": log})


def _messaging(record: _Record, guard: Guard) -> HostInterface:
    def send(_caller: Caller, target: str, payload: bytes) -> object:
        record.sent.append(SentMessage("send", target, payload))
        return Ok(None)

    def request(caller: Caller, target: str, payload: bytes, _timeout_ms: int) -> object:
        return Ok(record.request(caller, target, payload))

    def call(caller: Caller, target: str, payload: bytes, _timeout_ms: int) -> object:
        return record.answer(caller, "call", target, payload)

    def cancel(_caller: Caller, request_id: int) -> bool:
        return record.outcomes.pop(request_id, None) is not None

    def publish(_caller: Caller, topic: str, payload: bytes) -> object:
        record.published.append(Published(topic, payload))
        return Ok(1)

    def publish_retained(_caller: Caller, topic: str, payload: bytes) -> object:
        record.published.append(Published(topic, payload, is_retained=True))
        return Ok(1)

    @decides_each
    def broadcast(caller: Caller, targets: Sequence[str], payload: bytes) -> object:
        return Ok([broadcast_to(caller, target, payload) for target in targets])

    def broadcast_to(caller: Caller, target: str, payload: bytes) -> object:
        try:
            guard.admit(caller, "messaging:send", target, argument="target")
        except PermissionDenied as denied:
            return Err(Case("denied", denied.text))
        return send(caller, target, payload)

    def envelope(_caller: Caller) -> object:
        name = f"message-{record.messages}"
        return {
            "id": name, "correlation": name, "hops": 0, "remaining_ms": None, "traceparent": None,
            "codec": None, "attempt": 1, "replay_of": None, "retained": False,
        }  # fmt: skip

    def subscribe(_caller: Caller, pattern: str) -> object:
        record.subscriptions.append(pattern)
        return Ok(None)

    def unsubscribe(_caller: Caller, pattern: str) -> object:
        if pattern in record.subscriptions:
            record.subscriptions.remove(pattern)
        return Ok(None)

    functions = (
        send, broadcast, request, call, cancel, publish, publish_retained, subscribe, unsubscribe,
        envelope,
    )  # fmt: skip
    named = {each.__name__.replace("_", "-"): each for each in functions}
    return HostInterface(MESSAGING_INTERFACE, named)


def _timers(record: _Record) -> HostInterface:
    def keep(
        target: str, payload: bytes, milliseconds: int, durable: bool, repeats: bool
    ) -> object:
        timer = ScheduledSend(
            next(record.timer_ids),
            target,
            payload,
            milliseconds,
            repeats=repeats,
            is_durable=durable,
        )
        record.timers.append(timer)
        return Ok(timer.id)

    def send_later(
        _caller: Caller, target: str, payload: bytes, delay_ms: int, durable: bool
    ) -> object:
        return keep(target, payload, delay_ms, durable, repeats=False)

    def send_every(
        _caller: Caller, target: str, payload: bytes, interval_ms: int, durable: bool
    ) -> object:
        return keep(target, payload, interval_ms, durable, repeats=True)

    def cancel(_caller: Caller, timer_id: int) -> bool:
        found = [each for each in record.timers if each.id == timer_id]
        for each in found:
            record.timers.remove(each)
        return bool(found)

    return HostInterface(
        TIMERS_INTERFACE, {"send-later": send_later, "send-every": send_every, "cancel": cancel}
    )


@dataclass(frozen=True, slots=True)
class _Quota:
    manifest: Manifest

    def quota_bytes(self, component: str) -> int:
        del component
        return self.manifest.limits.storage or 64 * 2**20

    def quota_keys(self, component: str) -> int | None:
        del component
        return self.manifest.limits.storage_keys


def _payload(value: object) -> bytes | None:
    assert value is None or isinstance(value, bytes)
    return value
