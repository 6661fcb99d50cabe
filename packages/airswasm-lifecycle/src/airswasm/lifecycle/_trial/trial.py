"""One version on trial: it runs under its own name and grants, and nothing of it has an effect.

It is no actor: it has no mailbox, no supervisor, and no name that a message could reach. So trials
run beside the version that serves, and beside each other. The engine runs its calls in slices, as
those of every other instance.

It may find out that it is tried: the answers of what was not recorded say little. `Trial.attempt`
has what it asked for. So a version cannot pass by behaving well on trial alone: it would have to
reply, write and call as the version before it did.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from airswasm.actor import (
    Callback,
    ComponentActor,
    FunctionMissing,
    GuestRefused,
    HealthCheckFailed,
    Message,
    UnfitPayload,
)
from airswasm.messaging import InvalidPayload
from airswasm.runtime import Caller, Err, Instance, LinkedComponent, Ok, WasiConfig
from airswasm.storage import Namespace, Written
from airswasm.wit.names import HANDLE_CALLBACK, HEALTH_CHECK

from .._hosting.beside import Beside
from .._hosting.loading import Loader, wasi_of
from .._packages.manifest import Manifest
from .._registry.limits import limits_of
from .attempts import Answer, Attempt
from .calls import RecordedCall, pack_result, shape_of, unpack_arguments
from .copies import Copies
from .doors import Doors

__all__ = ("GivenTime", "Trial", "Trials")

_LINES = 20


class _Said:
    """Keeps the last lines that a version on trial prints."""

    def __init__(self) -> None:
        self.lines = deque[str](maxlen=_LINES)

    def line(self, caller: Caller, stream: str, text: str) -> None:
        """Keep a line."""
        del caller, stream
        self.lines.append(text)


class GivenTime:
    """Clocks and random bytes that a recording gives, where it has no answer of its own.

    Time stands still within a message.
    """

    def __init__(self) -> None:
        self._at = 0.0
        self._random = random.Random(0)  # noqa: S311 - it is to be foreseen

    def move(self, at: float, seed: int) -> None:
        """Set the time, in seconds since 1970, and what random bytes follow from."""
        self._at = at
        self._random = random.Random(seed)  # noqa: S311

    def wasi(self, config: WasiConfig) -> WasiConfig:
        """Return a component's view of WASI with this time."""
        return replace(
            config,
            wall_ns=self._nanoseconds,
            monotonic_ns=self._nanoseconds,
            random_bytes=self._bytes,
        )

    def _bytes(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def _nanoseconds(self) -> int:
        return round(self._at * 1_000_000_000)


@dataclass(slots=True)
class _Data:
    """The `Caller.data` of a version on trial."""

    attempt: Attempt
    has_given_time: bool

    def note_changes(self, changes: Sequence[Written]) -> None:
        """Take what is written on the copy."""
        self.attempt.note_changes(changes)


class _TriedActor(ComponentActor):
    """The instance of a trial; nothing schedules it."""

    __slots__ = ()

    async def handle(self, message: Message) -> bytes | None:
        """Handle one message, and return the reply.

        Raises:
            GuestRefused: It answered with an error.
            UnfitPayload: It has no such function, or one with other parameters.
            GuestFault: It trapped, or reached a limit.
        """
        instance = self.instance
        assert instance is not None, "start it first"
        instance.caller.message = message
        payload = message.payload
        try:
            if isinstance(payload, Callback):
                callback = self._function(HANDLE_CALLBACK)
                if callback is None:
                    raise GuestRefused(self.name, "it exports no `handle-callback`")
                return _reply(
                    self.name,
                    await instance.call(callback, payload.request_id, payload.outcome),
                )
            if isinstance(payload, RecordedCall):
                return await self._call(instance, payload)
            function = self._message
            assert function is not None
            outcome = await instance.call(function, message.sender, message.topic, payload)
            return _reply(self.name, outcome)
        finally:
            instance.caller.message = None

    async def _call(self, instance: Instance, call: RecordedCall) -> bytes | None:
        function = self._function(call.function)
        component = self._linked.component
        shape = None if function is None else shape_of(component, function.path)
        if function is None or shape is None:
            paths = tuple(component.paths)
            raise FunctionMissing(self.name, call.function, paths, version=self.version)
        try:
            arguments = unpack_arguments(shape, call.arguments)
        except (InvalidPayload, TypeError, ValueError, AttributeError, LookupError) as problem:
            reason = f"its arguments are no longer those of {shape}"
            raise UnfitPayload(self.name, call.function, reason) from problem
        return pack_result(shape, await instance.call(function, *arguments))

    async def check_now(self) -> None:
        """Ask for its health.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        instance, health = self.instance, self._function(HEALTH_CHECK)
        if health is None or instance is None:
            return
        outcome = await instance.call(health)
        if isinstance(outcome, Err):
            raise HealthCheckFailed(self.name, str(cast("Err[object]", outcome).value))


class Trial:
    """A version that runs on a copy of its namespace, with its effects noted and not done.

    Attributes:
        name: The component's name.
        manifest: The version's manifest.
        data: The copy of the namespace.
        attempt: The calls of the last of its functions.
    """

    def __init__(
        self,
        name: str,
        linked: LinkedComponent,
        manifest: Manifest,
        data: Namespace,
        time: GivenTime | None,
        beside: Beside,
    ) -> None:
        self.name, self.manifest, self.data = name, manifest, data
        version = manifest.component.version
        self._visit = beside.enter(name, version, lambda: self._taken_bytes)
        self._linked, self._time = linked, time
        self._said = _Said()
        self._told = _Data(Attempt(), time is not None)
        self._actor: _TriedActor | None = None

    @property
    def attempt(self) -> Attempt:
        """The calls of the last of its functions."""
        return self._told.attempt

    @property
    def has_ended(self) -> bool:
        """Whether it must be started before it handles a message."""
        actor = self._actor
        return actor is None or actor.instance is None or actor.instance.is_closed

    @property
    def fuel_used(self) -> int:
        """The fuel of all calls of this instance."""
        return self._actor.fuel_used if self._actor is not None else 0

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines that it printed."""
        return tuple(self._said.lines)

    async def start(self, answers: Iterable[Answer] = ()) -> None:
        """Instantiate it, and call its `init`.

        Args:
            answers: What the host answered when this was recorded.

        Raises:
            InitFailed: `init` answered with an error.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
            EngineError: It cannot be instantiated.
        """
        self.close()
        self._told.attempt = Attempt.of(answers)
        wasi = wasi_of(self.manifest, self._said)
        actor = self._actor = _TriedActor(
            self._linked,
            self.name,
            limits=limits_of(self.manifest),
            wasi=wasi if self._time is None else self._time.wasi(wasi),
            config=self.manifest.config,
            data=self._told,
            version=self.manifest.component.version,
            kept_as=self.data.name,
        )
        with self._visit.calling():
            await actor.start()

    async def migrate(self, from_version: str) -> None:
        """Let it take over the copied data.

        Raises:
            MigrationFailed: It answered with an error.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        self._told.attempt = Attempt()
        with self._visit.calling():
            await self._running.migrate(from_version)

    async def check(self) -> None:
        """Ask for its health.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        self._told.attempt = Attempt()
        with self._visit.calling():
            await self._running.check_now()

    async def handle(self, message: Message, answers: Iterable[Answer] = ()) -> bytes | None:
        """Handle one message, and return the reply.

        Args:
            message: The message.
            answers: What the host answered when it was recorded.

        Raises:
            GuestRefused: It answered with an error.
            UnfitPayload: It has no such function, or one with other parameters.
            GuestFault: It trapped, or reached a limit.
            TriedEndedForMemory: The host's memory was scarce.
        """
        self._told.attempt = Attempt.of(answers)
        with self._visit.calling():
            return await self._running.handle(message)
        raise AssertionError("unreachable: the visit has raised why it ended")

    def end(self) -> None:
        """End the trial."""
        self.close()
        self._visit.leave()

    def close(self) -> None:
        """End the instance."""
        if self._actor is not None:
            self._actor.discard()
            self._actor = None

    @property
    def _taken_bytes(self) -> int:
        instance = self._actor.instance if self._actor is not None else None
        return instance.memory_bytes + instance.host_memory_bytes if instance is not None else 0

    @property
    def _running(self) -> _TriedActor:
        assert self._actor is not None, "start it first"
        return self._actor


class Trials:
    """Runs versions on copies of their data.

    Args:
        copies: Makes and drops the copies.
        doors: What the versions are linked to.
        loader: Loads the versions.
        beside: Where they count as what runs beside the hosted components.
    """

    def __init__(self, copies: Copies, doors: Doors, loader: Loader, beside: Beside) -> None:
        self.copies, self._beside = copies, beside
        self._doors, self._loader = doors, loader

    @asynccontextmanager
    async def trial(
        self,
        name: str,
        digest: str,
        manifest: Manifest,
        *,
        data: Namespace | None = None,
        time: GivenTime | None = None,
    ) -> AsyncGenerator[Trial]:
        """Try a version, which is neither started nor has any effect; end it with the block.

        Args:
            name: The component, under whose name and grants it runs.
            digest: The SHA-256 of its artifact, which is installed or was checked for an install.
            manifest: Its manifest.
            data: The copy that it is to run on; by default one of the namespace as it is now.
            time: Its clock and random bytes; by default those of the host.

        Raises:
            ArtifactCorrupt, EngineError: It cannot be loaded.
            StorageError: The namespace cannot be copied.
        """
        linked = (await self._loader.load(digest, name)).component
        ready = linked.link(self._doors.for_trial(linked))
        if data is not None:
            candidate = Trial(name, ready, manifest, data, time, self._beside)
            try:
                yield candidate
            finally:
                candidate.end()
            return
        async with (
            self.copies.of(name) as copy,
            self.trial(name, digest, manifest, data=copy, time=time) as candidate,
        ):
            yield candidate


def _reply(name: str, outcome: object) -> bytes | None:
    if isinstance(outcome, Err):
        raise GuestRefused(name, str(cast("Err[object]", outcome).value))
    return cast("Ok[bytes | None]", outcome).value if isinstance(outcome, Ok) else None
