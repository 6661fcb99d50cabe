"""A compiled component, and the same with its imports satisfied.

Three steps with three owners: loading (slow, once for each artifact), linking
(milliseconds, once for each set of host functions) and instantiating
(microseconds, once for each actor incarnation). Everything that can be done in
an earlier step is: plans belong to the component, callbacks to the link.

Imports are matched by semver, as the component model prescribes: an interface
offered as 0.2.12 serves an import of 0.2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from airswasm.wit import Own, Primitive
from wasmtime import component as wc

from ._calls.call import CallState
from ._calls.driving import drive, ignore_wake
from ._calls.handles import Drop
from ._calls.host_calls import HostCall, destructor
from ._calls.plan import ExportPlan, ImportPlan, Planner
from ._calls.stack_depth import check_depth_to_instantiate
from ._calls.staging import SIDES, StagingFinder
from ._compile.description import Description
from ._compose.bridging import Side
from ._exports import Exports, exports_of
from ._host import Caller, HostInterface
from ._instance import PAGE_BYTES, Instance
from ._limits import Limits
from ._process.mappings import MappingGuard
from ._shape import FunctionShape, InterfaceShape, ResourceIdentity
from ._single import Single
from ._usage import Usage
from ._wasmtime import bindings as wt
from ._wasmtime.slot_allocator import first_stack
from .errors import NoSuchExport, UnsatisfiedImport
from .wasi._builtin import interfaces
from .wasi._state import WasiConfig, WasiState

if TYPE_CHECKING:
    from ._engine import Engine, Layout


_FEW, _FOR_A_MEMORY = 4, 4  # mappings that an instance takes at most, unpacked
_mapping_guard = MappingGuard()  # the limit is the process's, whatever the engine
_DEFAULT_LIMITS = Limits()
_DEFAULT_WASI = WasiConfig()


@dataclass(frozen=True, slots=True)
class Export:
    """One exported function: how to find it and how to call it."""

    index: int
    plan: ExportPlan


class Component(Single):
    """A compiled component; get it with `Engine.load`.

    Attributes:
        engine: the engine that it was compiled for.
        name: what it was called when it was loaded.
        digest: SHA-256 of the wasm, in hex.
        imports: interfaces that it needs, by name; "" for the world's own functions.
        exports: interfaces that it offers, likewise.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        description: Description,
        compiled: wc.Component,
        layout: Layout,
    ) -> None:
        shape = description.shape
        self._description = description
        self._bound: tuple[HostInterface, ...] = ()
        self._layout = layout
        self.engine = engine
        self.name = name
        self.digest = description.digest
        self.imports: Mapping[str, InterfaceShape] = MappingProxyType(shape.imports)
        self.exports: Mapping[str, InterfaceShape] = MappingProxyType(shape.exports)
        self._resources = shape.resources
        self._bridging = description.bridging
        self._core = description.core
        self._all_imports = shape.imports
        self._compiled = compiled
        self._address = wt.address_of(compiled)
        nonces = description.bridging.nonces
        self._finders = [StagingFinder(nonces[side]) if side in nonces else None for side in SIDES]
        self._planner = Planner(engine._bytes_as_text)
        self._indices: list[wc.ExportIndex] = []
        self._exports = dict(self._plan_exports())
        self._drops = dict(self._plan_drops())
        self._gauge = self._plan_gauge()

    def __repr__(self) -> str:
        return f"<Component {self.name} {self.digest[:12]}>"

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all exported functions."""
        return tuple(self._exports)

    def message_bytes(self, limits: Limits) -> int:
        """Return the most bytes that one message to an instance with these limits may have.

        An eighth of the memory that is left when it has started, unless the limits say more
        or less. Senders and host functions keep to it; the engine does not enforce it.
        """
        return limits.most_message_bytes(self._core.memory_pages * PAGE_BYTES)

    def link(self, interfaces: Iterable[HostInterface] = ()) -> LinkedComponent:
        """Satisfy the imports; the result makes any number of instances.

        WASI is always offered; an interface given here replaces the built-in one
        of the same name. Only what the component imports is linked.

        Args:
            interfaces: what the host offers; a later one replaces an earlier one
                of the same name.

        Raises:
            UnsatisfiedImport: something that it imports is not offered.
        """
        return LinkedComponent(self, (*interfaces, *self._bound))

    def specialized(
        self,
        name: str,
        digest: str,
        *,
        bound: Sequence[HostInterface],
        exports: Container[str],
    ) -> Component:
        """Return this component as another one: some of its imports satisfied, exports left out.

        The code is shared. It is how an interpreter becomes the component whose sources it runs.

        Args:
            name: what the other is called.
            digest: what identifies it, in hex.
            bound: satisfy its imports of these names, whatever it is linked to.
            exports: the names of the exported interfaces that it has.
        """
        other = Component(self.engine, name, self._description, self._compiled, self._layout)
        other.digest = digest
        other._bound = (*self._bound, *bound)
        names = {each.name for each in other._bound}
        other.imports = MappingProxyType(
            {each: shape for each, shape in self.imports.items() if each not in names}
        )
        other.exports = MappingProxyType(
            {each: shape for each, shape in self.exports.items() if each in exports}
        )
        kept = (path for path in other._exports if path.partition("#")[0] in other.exports)
        other._exports = {path: other._exports[path] for path in kept}
        return other

    @property
    def bytes_cross(self) -> Literal["copies", "text", "values"]:
        """The way of a `list<u8>`: by `copies`, once a large one has crossed as text.

        As `text`, where memories are not packed or a memory pretends to be a bridge's; one byte
        a value without a bridge.
        """
        if not self._bridging.is_bridged:
            return "values"
        finders = [each for each in self._finders if each is not None]
        is_copied = any(each.has_found for each in finders)
        return "copies" if is_copied and not any(each.is_forged for each in finders) else "text"

    @property
    def defines_resources(self) -> bool:
        """Whether it hands out resources of its own that the host can drop."""
        return bool(self._drops)

    def exports_type(self, hides: Callable[[str], bool]) -> type[Exports]:
        """Return the class of its exports without some, to be called on anything with a `call`.

        For targets that stand before an instance: a mailbox, a thread, another machine. An
        `Instance` has its `exports` already.

        Args:
            hides: whether an exported interface is left out.
        """
        return exports_of(self, hides)

    @cached_property
    def _exports_type(self) -> type[Exports]:
        return exports_of(self)

    def _plan_exports(self) -> Iterator[tuple[str, Export]]:
        for interface, shape in self.exports.items():
            parent = self._compiled.get_export_index(interface) if interface else None
            if parent is not None:
                self._indices.append(parent)
            for name, function in shape.functions.items():
                index = self._compiled.get_export_index(name, parent)
                if index is None:
                    continue
                self._indices.append(index)
                path = f"{interface}#{name}"
                yield (
                    path,
                    Export(
                        wt.address_of(index),
                        self._planner.plan_export(
                            function,
                            self._bridging.exports.get(path, ()),
                            self._bridging.side_of(path),
                        ),
                    ),
                )

    def _plan_drops(self) -> Iterator[tuple[ResourceIdentity, Export]]:
        """Plan, for each resource that it defines, the export that drops it."""
        for path, name in self._bridging.added.drops.items():
            interface, _, resource = path.rpartition("#")
            identity = self.exports[interface].resources[resource]
            index = self._compiled.get_export_index(name, None)
            if index is not None:
                self._indices.append(index)
                parameter = "it", Own(identity)
                shape = FunctionShape(f"[resource-drop]{resource}", (parameter,), None)
                yield identity, Export(wt.address_of(index), self._planner.plan_export(shape))

    def _plan_gauge(self) -> Export | None:
        """Plan the export that says how many pages its memory has."""
        name = self._bridging.added.gauge
        index = self._compiled.get_export_index(name, None) if name else None
        if index is None:
            return None
        self._indices.append(index)
        shape = FunctionShape(name, (), Primitive("u32"))
        return Export(wt.address_of(index), self._planner.plan_export(shape))

    def _plan_import(self, path: str, shape: FunctionShape) -> ImportPlan:
        return self._planner.plan_import(shape, self._bridging.text_imports.get(path, ()))

    def _plan_rebound(self, path: str, shape: FunctionShape) -> ImportPlan:
        return self._planner.plan_import(shape, self._bridging.imports[path], Side.REBOUND)

    def _export(self, path: str) -> Export:
        found = self._exports.get(path)
        if found is None:
            raise NoSuchExport(self.name, path, self.paths)
        return found


class LinkedComponent(Single):
    """A component with its imports satisfied; get it with `Component.link`.

    Attributes:
        component: what was linked.
        engine: its engine.
    """

    def __init__(self, component: Component, offered: Iterable[HostInterface]) -> None:
        self.component = component
        self.engine: Engine = component.engine
        self._bridging = component._bridging
        self._wasi = _DEFAULT_WASI
        self._make_wasi = partial(_make_wasi, _DEFAULT_WASI, self.engine)
        self._callbacks: list[object] = []
        self._holds_loop = False  # whether a poll of an instance worked on it for too long
        self._linker = wc.Linker(component._layout.wasm)
        self._linker.allow_shadowing = True
        offers = _Offers([*interfaces(), *offered])
        self._drops: Sequence[Drop | None] = [
            offers.drop_of(resource) for resource in component._resources
        ]
        self._define(offers)
        self._linker_address = wt.address_of(self._linker)

    def __repr__(self) -> str:
        return f"<LinkedComponent {self.component.name}>"

    async def instantiate(
        self,
        *,
        caller: Caller,
        limits: Limits = _DEFAULT_LIMITS,
        wasi: WasiConfig = _DEFAULT_WASI,
        usage: Usage | None = None,
    ) -> Instance:
        """Make an instance; its start code runs under the same limits as a call.

        Args:
            caller: how host functions see the instance; one for each.
            limits: what it may use.
            wasi: what it may see of WASI.
            usage: where what it costs is added up, its start code included.

        Raises:
            GuestFault: it does not get through its start code, or needs more
                memory than it may have.
            HostExhausted: the host has no memory or address space left for it.
        """
        memories = limits.memories + self._bridging.extra_memories
        _mapping_guard.take(_FEW + memories * _FOR_A_MEMORY, caller.name)
        check_depth_to_instantiate()
        instance = Instance(self, limits, caller)
        instance._usage = usage
        caller.instance = instance
        caller.message_bytes = self.component.message_bytes(limits)
        if wasi is not self._wasi:  # most often the same: shared by ten thousand instances
            self._wasi, self._make_wasi = wasi, partial(_make_wasi, wasi, self.engine)
        caller._make_wasi = self._make_wasi
        call = instance._begin(ignore_wake)
        call._is_awaited = True
        state, instance._stack = first_stack(call._first_poll)
        if instance._stack is not None:
            self.engine._resting[instance._context] = instance._handles.instance
        if state is not CallState.DONE:
            await drive(call, self.engine.config.slices_before_thread)
        call.result()
        if instance._memories:
            instance._stage(self.component._finders)
        return instance

    def _define(self, offers: _Offers) -> None:
        scope = wt.LinkerScope(self._linker)
        rebound: dict[str, HostCall] = {}
        destroy = destructor(self.engine._running)
        self._callbacks.append(destroy)
        try:
            for interface in self.component._all_imports.values():
                if interface.name:
                    scope.enter_interface(interface.name)
                else:
                    scope.leave_interface()
                for name, resource in interface.resources.items():
                    scope.add_resource(name, resource.number, destroy)
                self._define_functions(scope, interface, offers, rebound)
            scope.leave_interface()
            for name, host_call in rebound.items():
                self._define_function(scope, name, host_call)
        finally:
            scope.close()

    def _define_functions(
        self,
        scope: wt.LinkerScope,
        interface: InterfaceShape,
        offers: _Offers,
        rebound: dict[str, HostCall],
    ) -> None:
        offer = offers.find(interface.name)
        for name, shape in interface.functions.items():
            function = offer.functions.get(name) if offer else None
            if function is None:
                raise UnsatisfiedImport(
                    self.component.name,
                    interface.name,
                    name if offer or not interface.name else None,
                    offers.names,
                )
            path = f"{interface.name}#{name}"
            component = self.component
            host_call = HostCall(self.engine, path, component._plan_import(path, shape), function)
            self._define_function(scope, name, host_call)
            if (added := self._bridging.rebound.get(path)) is not None:
                plan = component._plan_rebound(path, shape)
                rebound[added] = HostCall(self.engine, path, plan, function)

    def _define_function(self, scope: wt.LinkerScope, name: str, host_call: HostCall) -> None:
        self._callbacks.append(host_call)
        scope.add_function(name, host_call.callback)


def _make_wasi(config: WasiConfig, engine: Engine, caller: Caller) -> WasiState:
    return WasiState(config, caller, engine.timers)


class _Offers:
    """The interfaces that the host offers, found by semver-compatible name."""

    def __init__(self, offered: Sequence[HostInterface]) -> None:
        self.names = tuple(offer.name for offer in offered)
        self._by_track: dict[str, HostInterface] = {}
        for offer in offered:
            self._by_track[compatible_track(offer.name)] = offer

    def find(self, name: str) -> HostInterface | None:
        """Return the offer that serves an import of that name."""
        return self._by_track.get(compatible_track(name))

    def drop_of(self, resource: ResourceIdentity) -> Drop | None:
        """Return what to do when the guest drops a resource of the host's."""
        offer = self.find(resource.interface) if resource.is_imported else None
        found = offer.resources.get(resource.name) if offer else None
        return found.drop if found else None


def compatible_track(name: str) -> str:
    """Return the part of an interface's name that compatible versions share.

    `a:b/c@1.2.3` shares `a:b/c@1` with all of 1; below 1.0 the minor version
    counts, and below 0.1 the patch.
    """
    base, _, version = name.partition("@")
    if not version or "-" in version:
        return name
    parts = version.split("+")[0].split(".")
    significant = next((i for i, part in enumerate(parts) if part != "0"), len(parts) - 1)
    return f"{base}@{'.'.join(parts[: significant + 1])}"
