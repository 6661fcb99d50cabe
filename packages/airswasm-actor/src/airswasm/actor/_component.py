"""A WebAssembly component as an actor.

One store for one incarnation: `start` makes it, `discard` drops it, and one that has trapped is
never repaired. A message is a call of `handle-message` that the dispatcher polls; while it waits in
a host function it takes no task. Callbacks, health checks and calls of other exports
(`FunctionCall`) are messages too, so that the guest is never entered twice and never out of turn.

An `err` of the guest is an answer: the asker gets `GuestRefused` and the guest goes on. A trap, a
limit or a cancel ends the incarnation and reaches the supervisor as the typed fault of the runtime,
evidence included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast

from airswasm.runtime import (
    ArgumentsTooLarge,
    Caller,
    CallState,
    CallTooLarge,
    Case,
    Err,
    Function,
    GuestResource,
    Instance,
    Limits,
    LinkedComponent,
    Ok,
    Usage,
    ValueMismatch,
    WasiConfig,
)
from airswasm.wit.names import (
    HANDLE_CALLBACK,
    HANDLE_MESSAGE,
    HEALTH_CHECK,
    INIT,
    MIGRATE,
    SHUTDOWN,
    are_compatible,
    is_of_contract,
)

from ._foreign import type_name
from ._messages.bounds import Inspection, Weighed, payload_bytes
from ._messages.function_call import FunctionCall
from ._messages.message import HOST
from ._running.asking import ask, inquire
from ._running.reference import cell_of
from .errors import (
    ActorStopped,
    FunctionMissing,
    GuestRefused,
    HealthCheckFailed,
    InitFailed,
    MessageTooLarge,
    MigrationFailed,
    UnfitPayload,
)

if TYPE_CHECKING:
    from airswasm.runtime import Component

    from ._lives.context import Context
    from ._messages.message import Message
    from ._running.cell import GuestCall

__all__ = ("Callback", "CheckHealth", "ComponentActor")

_DEFAULT_LIMITS = Limits()
_NO_WASI = WasiConfig()
_OK: type[Ok[object]] = Ok  # `type(…) is Ok` alone does not say that its value is an object


@dataclass(frozen=True, slots=True)
class Callback(Weighed):
    """A payload that makes the guest's `handle-callback` be called in turn with messages.

    Attributes:
        request_id: The id that `messaging.request` returned.
        outcome: `Ok(bytes | None)`, or `Err` with a case of `messaging-error`.
    """

    request_id: int
    outcome: Ok[bytes | None] | Err[Case]

    @property
    def weight_bytes(self) -> int:
        """The bytes of the answer."""
        return len(self.outcome.value or b"") if isinstance(self.outcome, Ok) else 0


@dataclass(frozen=True, slots=True)
class CheckHealth(Inspection):
    """A payload that makes the guest's `check` be called; `ComponentActor.check` sends it."""


class _Nothing:
    """The call of a function that the guest does not have: it is done."""

    fuel_used = 0
    seconds = ended_at = 0.0

    def poll(self) -> CallState:
        return CallState.DONE

    async def poll_in_thread(self) -> CallState:
        return CallState.DONE

    def cancel(self) -> None:
        return

    def result(self) -> None:
        return


class ComponentActor:
    """Runs one incarnation of a component; a factory of these is a child's `start`.

    Attributes:
        name: The component's name, `namespace/name`; host functions see it as the caller's.
        version: Its version, for receipts.
        instance: The running instance; None before `start` and after the end.
    """

    __slots__ = (
        "_calls_function",
        "_config",
        "_context",
        "_data",
        "_health",
        "_kept_as",
        "_limits",
        "_linked",
        "_message",
        "_usage",
        "_wasi",
        "instance",
        "name",
        "version",
    )

    def __init__(
        self,
        linked: LinkedComponent,
        name: str,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        wasi: WasiConfig = _NO_WASI,
        config: Mapping[str, object] | None = None,
        data: object = None,
        version: str = "",
        kept_as: str | None = None,
    ) -> None:
        self.name = name
        self._kept_as = kept_as
        self.version = version
        self._usage: Usage | None = None
        self.instance: Instance | None = None
        self._linked = linked
        self._limits = limits
        self._wasi = wasi
        self._config = config
        self._data = data
        self._context: Context | None = None
        self._message: Function | None = None
        self._health: Function | None = None
        self._calls_function = False

    def __repr__(self) -> str:
        return f"<ComponentActor {self.name}>"

    @property
    def message_bytes(self) -> int:
        """The largest payload that its memory has room for; a larger one is refused unsent."""
        return self._linked.component.message_bytes(self._limits)

    # -- life --------------------------------------------------------------------------------

    def bind(self, context: Context) -> None:
        """Take the context of the actor that it is going to be."""
        self._context = context

    def measure_use(self, usage: Usage | None) -> None:
        """Add up in `usage` what its calls cost; None measures nothing."""
        self._usage = usage
        if self.instance is not None:
            self.instance.measure(usage)

    @property
    def fuel_used(self) -> int:
        """The fuel of all calls of this incarnation."""
        return self.instance.fuel_used if self.instance else 0

    async def start(self) -> None:
        """Instantiate the component and call its `init`, if it has one.

        Raises:
            InitFailed: `init` answered with an error.
            NoSuchExport: The component has neither a handler nor exports of its own.
            GuestFault: It trapped, or reached a limit.
        """
        caller = Caller(self.name, self._data, kept_as=self._kept_as)
        self.instance = instance = await self._linked.instantiate(
            caller=caller, limits=self._limits, wasi=self._wasi, usage=self._usage
        )
        self._message = self._function(HANDLE_MESSAGE)
        if self._message is None and not _has_own_exports(self._linked.component):
            self._message = instance.function(HANDLE_MESSAGE)  # raises: nothing can be asked of it
        if self._linked.component.defines_resources:
            instance.drop_through(self._drop)
        init = self._function(INIT)
        if init is not None:
            refusal = _refusal(await instance.call(init, json.dumps(dict(self._config or {}))))
            instance.forget(init.path)  # it is not called again
            if refusal is not None:
                raise InitFailed(self.name, refusal)

    async def migrate(self, from_version: str) -> None:
        """Tell a started component which version ran before it; before its first message.

        A component without `migrate` has nothing to do.

        Raises:
            MigrationFailed: It answered with an error.
            GuestFault: It trapped, or reached a limit.
        """
        migrate = self._function(MIGRATE)
        if migrate is not None and self.instance is not None:
            refusal = _refusal(await self.instance.call(migrate, from_version))
            if refusal is not None:
                raise MigrationFailed(self.name, from_version, refusal)

    async def check(self, *, timeout: float = 5.0) -> None:
        """Ask the component for its health: before waiting messages, after the one in hand.

        A component without `check` is healthy as long as it runs.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            AskTimeout: It did not answer in time.
            ActorFailed: It failed over the question.
            ActorStopped: It does not run.
        """
        if self._context is None or self.instance is None:
            raise ActorStopped(self.name)
        await inquire(cell_of(self._context.ref), CheckHealth(), timeout, HOST)

    async def check_unheard(self) -> bool:
        """Ask a component that has started, and gets no messages yet, for its health.

        Returns:
            False if it has no `check`.

        Raises:
            HealthCheckFailed: It answered that it does not work.
            ActorStopped: It does not run.
            GuestFault: It trapped, or reached a limit.
        """
        if self.instance is None or self.instance.is_closed:
            raise ActorStopped(self.name)
        check = self._function(HEALTH_CHECK)
        if check is None:
            return False
        refusal = _refusal(await self.instance.call(check))
        if refusal is not None:
            raise HealthCheckFailed(self.name, refusal)
        return True

    async def stop(self) -> None:
        """Call `shutdown`, if the component has one."""
        shutdown = self._function(SHUTDOWN)
        if shutdown is not None and self.instance is not None:
            await self.instance.call(shutdown)

    def discard(self) -> None:
        """Drop the store."""
        instance, self.instance = self.instance, None
        if instance is not None:
            instance.close()

    def _function(self, path: str) -> Function | None:
        """Return the export of a path, or of a compatible version of its interface."""
        instance = self.instance
        if instance is None or instance.is_closed:
            return None
        if instance.has_export(path):
            return instance.function(path)
        other = _compatible_path(tuple(self._linked.component.exports), path)
        return None if other is None else instance.function(other)

    # -- messages ----------------------------------------------------------------------------

    def receive(self, message: Message, context: Context) -> object:
        """Not used: the dispatcher polls the calls of `begin`."""
        raise NotImplementedError("the dispatcher drives components through begin and complete")

    def begin(
        self,
        message: Message,
        context: Context,  # noqa: ARG002 - the protocol's
        wake: Callable[[GuestCall], None],
    ) -> GuestCall:
        """Begin the call that handles a message.

        Raises:
            UnfitPayload: A component cannot take such a payload.
            MessageTooLarge: One call does not carry as much.
        """
        instance: Instance = self.instance  # type: ignore[assignment]  # it is running
        instance.caller.message = message
        payload = message.payload
        try:
            if type(payload) is bytes:
                if self._message is None:
                    raise self._without_handler()
                return instance.start(self._message, (message[1], message[2], payload), wake)
            if isinstance(payload, Callback):
                return self._begin_callback(instance, payload, wake)
            if isinstance(payload, FunctionCall):
                return self._begin_function(instance, payload, wake)
        except CallTooLarge as problem:
            raise self._too_large(message, problem.most_bytes, "host_call_bytes") from problem
        except ValueMismatch as problem:
            raise UnfitPayload(self.name, type_name(payload), str(problem)) from problem
        if isinstance(payload, CheckHealth):
            self._health = health = self._function(HEALTH_CHECK)
            return _Nothing() if health is None else instance.start(health, (), wake)
        raise UnfitPayload(self.name, type_name(payload))

    def _without_handler(self) -> UnfitPayload:
        reason = "it exports no handler for messages, and is called by its functions"
        error = UnfitPayload(self.name, "bytes", reason)
        error.hint = f"`airswasm send {self.name} --functions` lists its functions"
        return error

    def _begin_callback(
        self, instance: Instance, payload: Callback, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        callback = self._function(HANDLE_CALLBACK)
        if callback is None:
            raise UnfitPayload(self.name, "Callback", "it exports no `handle-callback`")
        return instance.start(callback, (payload.request_id, payload.outcome), wake)

    def _begin_function(
        self, instance: Instance, payload: FunctionCall, wake: Callable[[GuestCall], None]
    ) -> GuestCall:
        function = payload.function
        if isinstance(function, str):
            found = self._function(function)
            if found is None:
                paths = [each for each in self._linked.component.paths if not is_of_contract(each)]
                raise FunctionMissing(self.name, function, paths, version=self.version)
        elif function.instance is not instance:  # the resource to drop has ended with its instance
            return _Nothing()
        else:
            found = function
        call = instance.start(found, payload.arguments, wake)
        self._calls_function = True
        return call

    async def _drop(self, drop: Function, resource: GuestResource) -> None:
        """Drop a resource in turn with messages; one of an incarnation that ended is dropped."""
        if self._context is not None:
            call, timeout = FunctionCall(drop, (resource,)), self._limits.timeout
            with suppress(ActorStopped):
                await ask(cell_of(self._context.ref), call, timeout, HOST, None, None)

    def complete(self, call: GuestCall) -> object:
        """Return the guest's reply: bytes or None; of a `FunctionCall` the value, as it is.

        Raises:
            GuestRefused: The guest answered with `err`.
            HealthCheckFailed: The same, of a health check.
            MessageTooLarge: Its allocator had no room for the message; it did not see it.
            GuestFault: It trapped, or reached a limit.
        """
        instance = self.instance
        message: object = None
        if instance is not None:
            caller = instance.caller
            message, caller.message = caller.message, None  # it keeps the asker alive, too
        try:
            outcome = call.result()
        except ArgumentsTooLarge as fault:
            if fault.component != self.name:  # of another component, by way of a host function
                raise
            memory_bytes = self._limits.memory_bytes
            raise self._too_large(cast("Message", message), memory_bytes, "memory_bytes") from fault
        if self._calls_function:
            self._calls_function = False
            return outcome
        if type(outcome) is _OK:
            return outcome.value
        refusal = _refusal(outcome)
        if refusal is None:
            return outcome
        if self._health is not None and getattr(call, "function", None) == self._health.path:
            raise HealthCheckFailed(self.name, refusal)
        raise GuestRefused(self.name, refusal)

    def _too_large(
        self, message: Message, most_bytes: int, limit: Literal["memory_bytes", "host_call_bytes"]
    ) -> MessageTooLarge:
        payload = message.payload
        outcome = payload.outcome if isinstance(payload, Callback) else None
        content = outcome.value if isinstance(outcome, Ok) else payload
        return MessageTooLarge(self.name, payload_bytes(content), most_bytes, limit)


def _refusal(outcome: object) -> str | None:
    """Return the text of a guest's `err`; None when it is none."""
    return str(cast("Err[object]", outcome).value) if isinstance(outcome, Err) else None


def _has_own_exports(component: Component) -> bool:
    own = (each for name, each in component.exports.items() if not is_of_contract(name))
    return any(each.functions for each in own)


@lru_cache(maxsize=256)
def _compatible_path(exports: tuple[str, ...], path: str) -> str | None:
    """Return the path of a compatible version of a function; None when there is none."""
    interface, _, name = path.partition("#")
    for other in exports:
        if other and are_compatible(other, interface):
            return f"{other}#{name}"
    return None
