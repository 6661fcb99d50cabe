"""The typed exports of an installed component: calls of its functions, through its mailbox.

A call waits in the mailbox like a message, so it keeps its place among messages, and every bound
of a message holds for it: room, deadline, fuel, receipts, supervision, one version at a time. What
it does not share are codecs and the disk: arguments are Python values, so the call of a durable
component waits in memory too.

Rejected: a second instance for calls. It would not have the state of the one that handles
messages, and would write to the same data beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import anyio
from airswasm.actor import ActorSystem, FunctionCall, FunctionMissing
from airswasm.messaging import new_chain
from airswasm.runtime import CallTarget, Component, Exports, FunctionShape
from airswasm.wit.names import GUEST_HANDLER, are_compatible, is_of_contract

from .._registry.registry import Registry
from ..errors import ArgumentUnfit, NotRunning
from .hosting import Hosting
from .json_values import definitions, holds_resource, read_arguments, value_document
from .loading import Loader

__all__ = ("Calls", "ExportedFunction", "InstalledComponent")

DEFAULT_CALL_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class ExportedFunction:
    """One function that a component exports of its own."""

    path: str
    """`acme:plugin/transform@1.0.0#run`; `#run` for a function of the world itself."""
    signature: str
    """Its WIT type, `run: func(text: string) -> string`."""
    shape: FunctionShape
    """The same as values, by which arguments are read."""

    @property
    def types(self) -> tuple[str, ...]:
        """The definitions of the named types in its type, such as `record point { x: u8 }`."""
        types = (*(type_ for _, type_ in self.shape.parameters), self.shape.result)
        return tuple(dict.fromkeys(each for type_ in types for each in definitions(type_)))

    def read_arguments(self, values: Sequence[object]) -> tuple[object, ...]:
        """Return the Python values for arguments of JSON; `docs/embedding.md` has the forms.

        Raises:
            ArgumentUnfit: A value does not fit its type, or there are too many or too few.
        """
        return read_arguments(self.shape, values)

    def value_document(self, value: object) -> object:
        """Return the function's value as what `json.dumps` takes.

        Raises:
            ArgumentUnfit: It holds a resource.
        """
        return value_document(self.shape.result, value)

    def check_json(self) -> None:
        """Check, before anything is called, that JSON can call it.

        Raises:
            ArgumentUnfit: It takes or gives a resource.
        """
        if self.has_resources:
            raise ArgumentUnfit(self.path, "a function without resources", self.signature)

    @property
    def has_resources(self) -> bool:
        """Whether JSON cannot call it: it takes or gives a resource."""
        types = [type_ for _, type_ in self.shape.parameters]
        return any(map(holds_resource, [*types, self.shape.result]))


@dataclass(frozen=True, slots=True)
class Calls:
    """Puts calls of functions into the mailboxes of components."""

    registry: Registry
    hosting: Hosting
    actors: ActorSystem
    loader: Loader

    def find(self, name: str) -> Component:
        """Return the compiled component that runs under a name, or would.

        Raises:
            NotInstalled: No such component is installed.
            NotRunning: This host has not loaded it since it was opened.
        """
        record = self.registry.get(name)
        found = self.loader.find(record.active_version.wasm_digest)
        if found is None:
            raise NotRunning(name, self.hosting.state(name))
        return found.component

    async def call(
        self, component: InstalledComponent, function: str, arguments: tuple[object, ...]
    ) -> object:
        """Put a call into a mailbox and wait for its value; see `InstalledComponent.call`."""
        name, timeout = component.name, component.timeout
        envelope = new_chain(correlation=component.correlation, traceparent=component.traceparent)
        await self.wait_present(name, timeout)
        if is_of_contract(function):  # the host calls these on its own behalf
            raise FunctionMissing(name, function, [each.path for each in component.functions])
        broker, payload = self.actors.broker, FunctionCall(function, arguments)
        if not broker.is_carried(name):
            return await broker.ask(name, payload, timeout=timeout, envelope=envelope)
        ref = broker.handling(name)  # what a carrier takes is written, and this cannot be
        if ref is None:
            raise NotRunning(name, self.hosting.state(name))
        return await ref.ask(payload, timeout=timeout, envelope=envelope)

    async def wait_present(self, name: str, timeout: float) -> None:
        """Wait for a name's turn to start; then it must have a mailbox."""
        self.registry.get(name)
        if self.hosting.is_expected(name):
            with anyio.move_on_after(timeout):
                await self.hosting.wait_begun(name)
        if not self.hosting.can_receive(name):
            raise NotRunning(name, self.hosting.state(name))


@dataclass(frozen=True, slots=True)
class InstalledComponent:
    """One installed component, to call the functions that it exports of its own.

    Get it with `System.component`. It stands for the name: after an update it calls the version
    that runs then. A generated proxy (`python -m airswasm.wit.proxy`) takes it in the place of an
    instance, with types that checkers read.

    Attributes:
        name: The component's name.
        timeout: Seconds until a call gives up, its time in the mailbox included.
        correlation: The id of the conversation that calls belong to; empty for one each.
        traceparent: The W3C trace context of calls.

    Example:
        text = await system.component("acme/shout").exports.transform.run("hello")
    """

    name: str
    _calls: Calls
    timeout: float = DEFAULT_CALL_TIMEOUT
    correlation: str = ""
    traceparent: str = ""

    @property
    def exports(self) -> Exports:
        """Its functions as typed async Python, by their names in Python.

        What the contract prescribes is not among them: the host calls that.

        Raises:
            NotInstalled: It is not installed any more.
            NotRunning: This host has not loaded it since it was opened.
        """
        return self.exports_through(self)

    def exports_through(self, target: CallTarget) -> Exports:
        """Return the same methods, called on something else: a façade that blocks, a recorder.

        Raises:
            NotInstalled, NotRunning: As for `exports`.
        """
        return self._calls.find(self.name).exports_type(is_of_contract)(target)

    async def ready(self) -> None:
        """Wait until it can be called, where the host has yet to start it.

        Raises:
            NotInstalled, NotRunning: No component of that name can be called.
        """
        await self._calls.wait_present(self.name, self.timeout)

    @property
    def functions(self) -> tuple[ExportedFunction, ...]:
        """The functions that it exports of its own, in the order of its world.

        Raises:
            NotInstalled, NotRunning: As for `exports`.
        """
        return tuple(_functions(self._calls.find(self.name)))

    @property
    def handles_messages(self) -> bool:
        """Whether it has a handler, and can be sent messages.

        Raises:
            NotInstalled, NotRunning: As for `exports`.
        """
        exports = self._calls.find(self.name).exports
        return any(are_compatible(each, GUEST_HANDLER) for each in exports)

    def function(self, text: str) -> ExportedFunction:
        """Return the function that a text names: a path, or as much of its end as is unique.

        `run`, `transform.run`, `transform#run` and the whole path can all be one function.

        Raises:
            NotInstalled, NotRunning: As for `exports`.
            FunctionMissing: No function has that name, or several do.
        """
        functions = self.functions
        found = [each for each in functions if text in _spellings(each.path)]
        if len(found) != 1:
            available = [each.path for each in found or functions]
            raise FunctionMissing(self.name, text, available, is_ambiguous=bool(found))
        return found[0]

    async def call(self, function: str, /, *arguments: object) -> object:
        """Call a function by its path, once the messages and calls before it are done.

        A cancel gives up waiting; a call that has begun goes on.

        Args:
            function: `acme:plugin/transform@1.0.0#run`, or a path of a compatible version.
            arguments: Python values for its parameters.

        Returns:
            Its value; a `result` is `Ok` or `Err`.

        Raises:
            NotInstalled, NotRunning: No component of that name can be called.
            FunctionMissing: The version that answers has no such function.
            UnfitPayload: An argument does not fit its type; the guest did not see the call.
            MailboxFull, MessageTooLarge: There is no room for it.
            AskTimeout: No answer came in time.
            ActorFailed: The component trapped, or reached a limit; its supervisor restarts it.
            ActorError: It could not be answered for another reason.
        """
        return await self._calls.call(self, function, arguments)

    def calling(
        self,
        *,
        timeout: float | None = None,
        correlation: str | None = None,
        traceparent: str | None = None,
    ) -> InstalledComponent:
        """Return the same component, called on other terms; what is left out stays."""
        return replace(
            self,
            timeout=self.timeout if timeout is None else timeout,
            correlation=self.correlation if correlation is None else correlation,
            traceparent=self.traceparent if traceparent is None else traceparent,
        )


def _functions(component: Component) -> list[ExportedFunction]:
    return [
        ExportedFunction(f"{name}#{function}", str(shape), shape)
        for name, interface in component.exports.items()
        if not is_of_contract(name)
        for function, shape in interface.functions.items()
    ]


def _spellings(path: str) -> set[str]:
    """Return the texts that name a function, from the whole path to its own name."""
    interface, _, function = path.partition("#")
    base = interface.partition("@")[0]
    short = base.rpartition("/")[2]
    interfaces = {interface, base, short} - {""}
    named = {f"{each}{mark}{function}" for each in interfaces for mark in "#."}
    return {path, function, f"#{function}", *named}
