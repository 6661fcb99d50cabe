"""Run one built component over recorded doors; async."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from airswasm.actor import MessageTooLarge
from airswasm.component import HostError
from airswasm.component.testing import LogLine, Reply, SentMessage, check_function
from airswasm.lifecycle import (
    MANIFEST_NAME,
    NAME_VARIABLE,
    Manifest,
    Package,
    limits_of,
    load_package,
)
from airswasm.runtime import (
    Caller,
    CallUse,
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
from airswasm.storage import Namespace
from airswasm.storage.testing import MemoryDisk, MemoryStore
from airswasm.wit.names import (
    GUEST_CALLBACKS,
    GUEST_HANDLER,
    GUEST_HEALTH,
    GUEST_LIFECYCLE,
    GUEST_MIGRATION,
)
from anyio import to_thread

from .._fault_places import fault_places
from ..errors import ArtifactMissing, ComponentRefused
from ._doors import doors
from ._record import Record

__all__ = ("Answer", "ComponentHarness")


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
        self._own_config = config
        self._config = config if config is not None else self.manifest.config_json
        self._extra = tuple(interfaces)
        self._cache_folder = cache_folder
        self._disk = MemoryDisk()
        self._record = Record(replies or {})
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
            self._engine = await self._exits.enter_async_context(Engine(self._engine_config()))
            store = MemoryStore(self._disk, clock=self._record.seconds)
            self._store = await self._exits.enter_async_context(store)
            self._linked = await self._load(self.manifest)
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
        self._record.begin_incarnation()
        caller = Caller(self.manifest.name)
        self._instance = await self._linked.instantiate(
            caller=caller,
            limits=limits_of(self.manifest),
            wasi=WasiConfig(
                stdout=self._record,
                stderr=self._record,
                environment={**self.manifest.environment, NAME_VARIABLE: self.manifest.name},
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
        await self._end(instance)

    async def _end(self, instance: Instance | None) -> None:
        if instance is None or instance.is_closed:
            return
        if instance.has_export(f"{GUEST_LIFECYCLE}#shutdown"):
            await instance.call(f"{GUEST_LIFECYCLE}#shutdown")
        instance.close()

    async def restart(self) -> None:
        """Stop and start it."""
        await self.stop()
        await self.start()

    async def swap(self) -> None:
        """Take the project's artifact and manifest as they are now; what is stored stays.

        The earlier incarnation goes on if the new one does not start.

        Raises:
            ManifestInvalid: Component.toml is wrong.
            ComponentRefused: `init` answered with an error.
            GuestFault: It trapped or hit a limit.
        """
        manifest = Manifest.load(self._project / MANIFEST_NAME)
        linked = await self._load(manifest)
        before = (self.manifest, self._linked, self._instance, self._config)
        with self._record.kept_on_failure():
            try:
                self.manifest, self._linked = manifest, linked
                if self._own_config is None:
                    self._config = manifest.config_json
                await self.start()
            except BaseException:
                self.manifest, self._linked, self._instance, self._config = before
                raise
        await self._end(before[2])

    async def _load(self, manifest: Manifest) -> LinkedComponent:
        package = Package.read(self._project, signature="ignored")
        component = await load_package(self._engine, package)
        offered = doors(self._record, self._store, manifest)
        return component.link([*offered, *self._extra])

    async def migrate(self, from_version: str) -> None:
        """Call `migrate`, as at the first start of a new version."""
        await self._call_optional(f"{GUEST_MIGRATION}#migrate", from_version)

    async def call(self, path: str, *arguments: object) -> object:
        """Call a function that the component exports of its own, and return its result.

        Args:
            path: `acme:plugin/sums@1.0.0#add`.
            arguments: In the form in which the runtime takes them.

        Raises:
            NoSuchExport: There is no such function.
            GuestFault: It trapped or hit a limit.
        """
        return await (await self._running()).call(path, *arguments)

    async def check(self) -> None:
        """Check its health.

        Raises:
            ComponentRefused: It is unhealthy.
        """
        await self._call_optional(f"{GUEST_HEALTH}#check")

    async def advance(self, seconds: float) -> None:
        """Let time pass: values expire, and timers send what is due, in their order.

        A message of a timer to another component is recorded in `sent`. One that the component
        refuses is in its log.
        """
        until = self._record.now_ms + round(seconds * 1000)
        while (timer := self._record.next_due(until)) is not None:
            if timer.target != self.manifest.name:
                self.sent.append(SentMessage("send", timer.target, timer.payload))
                continue
            try:
                await self.send(timer.payload, sender=self.manifest.name)
            except ComponentRefused as refused:
                text = f"a timer's message was refused: {refused.text}"
                self.logs.append(LogLine("error", text))

    def fail(self, function: str, error: HostError | None) -> None:
        """Let a function of the host fail until it is called with None.

        Args:
            function: `storage.set`, `messaging.call`, `timers.send-later`, …
            error: Such as `airswasm.component.Unavailable("the disk is full")`; a case that the
                function has.

        Raises:
            ValueError: The host has no such function.
        """
        check_function(function, self._record.functions)
        if error is None:
            self._record.faults.pop(function, None)
        else:
            self._record.faults[function] = error

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

    async def _call_optional(self, path: str, *arguments: str) -> None:
        instance = await self._running()
        if instance.has_export(path):
            self._accepted(await instance.call(path, *arguments))

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


def _payload(value: object) -> bytes | None:
    assert value is None or isinstance(value, bytes)
    return value
