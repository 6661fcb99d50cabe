"""A guest that calls every host function in a loop, made from nothing but their WIT.

What a host function costs with the argument that is worst for it is a question about the host,
and it has to be asked of each function that any block offers, today's and tomorrow's. So the
guest is not written but generated: for each function one loop, for each kind of argument a text
that fills every string and list that the function takes. `airswasm.lifecycle.testing` runs it.

The values are laid out in memory by the canonical ABI when the guest is generated; the guest
itself computes nothing, so that its fuel is the host's. A function that needs handles gets them
from whichever function returns one, directly or within a result, an option, a tuple or a list; that
one may need handles itself. What is lent is made once for a loop, so that it grows with each call;
what is given away is made anew for each.

Rejected: a C guest with bindings (a compiler to run, and code to write for each interface), and
arguments from a fuzzer (the worst ones for a linear search are dull, and it does not find them).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._blocks import Blocks
from ._contract import wit_folder
from ._probe_abi import (
    Handle,
    HandlePlace,
    Memory,
    ProbeArgument,
    flat,
    handles_in,
    holds_stored_handles,
    places_of_handles,
    up,
)
from ._reading import read_wit
from ._tool import run_wasm_tools, using_scratch
from .errors import WasmToolsFailed
from .model import Borrow, Function, Interface, Own, Resource, WitType

__all__ = ("ProbeArgument", "ProbeCall", "ProbeGuest", "write_probe")

_DATA = 1024
_PAGE = 65536
_NOTHING = ProbeArgument("nothing", "", b"", 0, 0)
"""The argument of functions that make a handle."""
_MOST_FLAT = 16
_WORLD = (
    "package airswasm:probe@0.1.0;\nworld probe {{\n{imports}\n  export run: func(call: u32);\n}}\n"
)


@dataclass(frozen=True, slots=True)
class ProbeCall:
    """One loop of the guest: `run(number)` calls a function until its fuel ends.

    Attributes:
        number: The argument of the guest's `run`.
        interface: Full name of the interface.
        function: The function's name.
        argument: The kind of argument.
    """

    number: int
    interface: str
    function: str
    argument: str

    def __str__(self) -> str:
        return f"{self.interface}#{self.function}({self.argument})"


@dataclass(frozen=True, slots=True)
class ProbeGuest:
    """A generated guest.

    Attributes:
        wasm: The component; it exports `run: func(call: u32)`.
        calls: Its loops.
        left_out: Functions that need a handle which no function makes out of nothing.
    """

    wasm: bytes
    calls: tuple[ProbeCall, ...]
    left_out: tuple[str, ...]


def write_probe(
    blocks: Blocks,
    interfaces: Iterable[str],
    arguments: Sequence[ProbeArgument],
    *,
    wit: Iterable[Path] = (),
) -> ProbeGuest:
    """Generate the guest. Blocks; from async code call it in a worker thread.

    Args:
        blocks: The installed blocks, whose contract declares the interfaces.
        interfaces: Full names; interfaces that are declared nowhere are left out.
        arguments: What each function is called with.
        wit: Files of further packages, such as WASI's.

    Raises:
        WasmToolsFailed: The component could not be put together.
        WasmToolsMissing: There is no wasm-tools.
    """
    with using_scratch(), tempfile.TemporaryDirectory(prefix="airswasm-probe-") as name:
        folder = Path(name)
        known = dict(blocks.contract.interfaces)
        known |= _collected(folder / "wit", blocks, wit)
        named = [known[name] for name in interfaces if name in known]
        writer = _Writer(arguments, [*named, *_makers_among(known.values(), named)])
        for interface in named:
            writer.add(interface)
        imports = "\n".join(f"  import {each};" for each in writer.interfaces)
        (folder / "wit" / "probe.wit").write_text(_WORLD.format(imports=imports))
        wasm = _assembled(folder, writer.text())
    return ProbeGuest(wasm, tuple(writer.calls), tuple(writer.left_out))


def _makers_among(known: Iterable[Interface], named: Sequence[Interface]) -> Iterator[Interface]:
    """Yield the other interfaces whose functions may make what the named ones need."""
    return (each for each in known if each not in named and each.name.startswith("wasi:"))


def _collected(wit: Path, blocks: Blocks, files: Iterable[Path]) -> dict[str, Interface]:
    """Collect all packages in one folder; return the interfaces of the further ones."""
    shutil.copytree(wit_folder(), wit / "deps" / "airswasm-component")
    for number, path in enumerate(blocks.wit_folders.values()):
        shutil.copytree(path, wit / "deps" / f"block-{number}", dirs_exist_ok=True)
    (wit / "probe.wit").write_text(_WORLD.format(imports=""))
    found: dict[str, Interface] = {}
    files = tuple(files)
    for path in files:
        shutil.copy(path, wit / "deps")
    if files:
        for package in read_wit(wit).packages.values():
            found |= {each.name: each for each in package.interfaces.values()}
    return found


def _assembled(folder: Path, core: str) -> bytes:
    wit, embedded, made = folder / "wit", folder / "embedded.wasm", folder / "probe.wasm"
    (folder / "core.wat").write_text(core)
    _run("embed", "-w", "probe", str(wit), str(folder / "core.wat"), "-o", str(embedded))
    _run("new", str(embedded), "-o", str(made))
    return made.read_bytes()


def _run(*arguments: str) -> None:
    output = run_wasm_tools(("component", *arguments))
    if output.exit_code:
        raise WasmToolsFailed(output.exit_code, output.stderr)


_Key = tuple[str | None, str]
"""A resource: its interface and its name."""


def _key(resource: Resource) -> _Key:
    return resource.owner, resource.name


@dataclass(frozen=True, slots=True)
class _Maker:
    """The function that makes a resource, and where in its result the handle is."""

    interface: Interface
    function: Function
    place: HandlePlace | None

    @property
    def needs(self) -> Iterator[_Key]:
        """The resources that it takes itself."""
        return (_key(each.resource) for each in handles_in(_types(self.function)))


class _Writer:
    """Writes the core module."""

    def __init__(self, arguments: Sequence[ProbeArgument], interfaces: Sequence[Interface]) -> None:
        self._arguments = arguments
        self._imports: dict[str, str] = {}
        self._functions: list[str] = []
        self._makers = dict(_makers(interfaces))
        self._written: set[_Key] = set()
        self._memory = Memory(arguments[0], _DATA, lambda handle: self._is_made(handle))
        self.calls: list[ProbeCall] = []
        self.left_out: list[str] = []
        self.interfaces: dict[str, None] = {}

    def add(self, interface: Interface) -> None:
        """Add a loop for each function of an interface and each kind of argument."""
        self.interfaces[interface.name] = None
        for function in interface.functions.values():
            for argument in self._arguments:
                call = self._call(interface, function, argument)
                if call is None:
                    self.left_out.append(f"{interface.name}#{function.name}")
                    break
                number = len(self.calls)
                self._functions.append(f"(func $run{number} {self._loop(call)})")
                self.calls.append(ProbeCall(number, interface.name, function.name, argument.name))

    def _is_made(self, handle: Handle) -> bool:
        return _key(handle.resource) in self._makers

    def _call(
        self, interface: Interface, function: Function, argument: ProbeArgument
    ) -> str | None:
        """Return the expression of a call; None when there is no way to one of its handles."""
        memory, types = self._memory, _types(function)
        memory.begin(argument)
        if _too_many(function):
            values = "" if any(handles_in(types)) else f"(i32.const {memory.store(types)})"
        elif holds_stored_handles(types):
            values = ""
        else:
            values = " ".join(memory.expressions(types))
        handles = [*memory.handles, *(each.handle for each in memory.lists)]
        if (types and not values) or not all(map(self._is_made, handles)):
            return None
        result = "(i32.const 0)" if _result_in_memory(function) else ""
        return f"(call {self._import(interface, function)} {values} {result})"

    def _loop(self, call: str) -> str:
        """Return the body of a function that calls until its fuel is used up."""
        memory = self._memory
        locals_ = "".join(f"(local $h{n} i32)" for n in range(len(memory.handles)))
        lent, given = "", ""
        for number, handle in enumerate(memory.handles):
            made = (
                f"(local.set $h{number} (call {self._maker(handle)}))"
                f"(if (i32.eqz (local.get $h{number})) (then (return)))"
            )
            if isinstance(handle, Borrow):
                lent += made
            else:
                given += made
        for each in memory.lists:
            filled = self._filled(each.address, each.items, each.handle)
            if isinstance(each.handle, Borrow):
                lent += filled
            else:
                given += filled
        top = "(global.set $top (global.get $heap))"
        return (
            f"{locals_}(local $at i32)(local $it i32){top}{lent}"
            f"(loop $again {top}{given}{call}(br $again))"
        )

    def _filled(self, address: int, items: int, handle: Handle) -> str:
        """Return what fills a list: with one handle, or with one each where they are given away."""
        maker = f"(local.set $it (call {self._maker(handle)}))"
        maker += "(if (i32.eqz (local.get $it)) (then (return)))"
        once, each = (maker, "") if isinstance(handle, Borrow) else ("", maker)
        return (
            f"(local.set $at (i32.const {address})){once}"
            f"(block $full (loop $fill (br_if $full (i32.ge_u (local.get $at)"
            f" (i32.const {address + 4 * items}))){each}"
            f"(i32.store (local.get $at) (local.get $it))"
            f"(local.set $at (i32.add (local.get $at) (i32.const 4)))(br $fill)))"
        )

    def _maker(self, handle: Handle) -> str:
        """Return the name of a function that makes such a handle; it returns 0 if it cannot."""
        key = _key(handle.resource)
        name = f"$make:{key[0]}#{key[1]}"
        if key not in self._written:
            self._written.add(key)
            memory = self._memory
            kept = memory.argument, memory.handles, memory.lists
            self._functions.append(f"(func {name} (result i32) {self._made(self._makers[key])})")
            memory.argument, memory.handles, memory.lists = kept
        return name

    def _made(self, maker: _Maker) -> str:
        call = self._call(maker.interface, maker.function, _NOTHING)
        memory = self._memory
        locals_ = "".join(f"(local $h{n} i32)" for n in range(len(memory.handles)))
        taken = "".join(
            f"(local.set $h{number} (call {self._maker(handle)}))"
            f"(if (i32.eqz (local.get $h{number})) (then (return (i32.const 0))))"
            for number, handle in enumerate(memory.handles)
        )
        if maker.place is None:
            return f"{locals_}{taken}{call}"
        checks = "".join(
            f"(if (i32.eqz {each}) (then (return (i32.const 0))))"
            for each in maker.place.conditions
        )
        return f"{locals_}{taken}{call}{checks}{maker.place.handle}"

    def _import(self, interface: Interface, function: Function) -> str:
        self.interfaces[interface.name] = None
        name = f"$f{interface.name}#{function.name}".replace(" ", "")
        name = "".join(char if char.isalnum() or char in "$#-.@/:" else "_" for char in name)
        parameters = _core_parameters(function)
        result = flat(function.result) if function.result is not None else []
        if len(result) > 1:
            parameters, result = [*parameters, "i32"], []
        self._imports[name] = (
            f'(import "{interface.name}" "{function.name}" (func {name}'
            f"{''.join(f' (param {each})' for each in parameters)}"
            f"{''.join(f' (result {each})' for each in result)}))"
        )
        return name

    def text(self) -> str:
        """Return the whole module."""
        heap = up(_DATA + len(self._memory.image), _PAGE)
        pages = heap // _PAGE + 1
        image = "".join(f"\\{byte:02x}" for byte in self._memory.image)
        chosen = (
            f"(if (i32.eq (local.get 0) (i32.const {n})) (then (call $run{n})))"
            for n in range(len(self.calls))
        )
        return "\n".join(
            (
                "(module",
                *self._imports.values(),
                f'(memory (export "memory") {pages})',
                f"(global $heap i32 (i32.const {heap}))",
                f"(global $top (mut i32) (i32.const {heap}))",
                '(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local i32)',
                "(local.set 4 (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))",
                "(global.set $top (i32.add (local.get 4) (local.get 3)))",
                "(block $fits (loop $grow (br_if $fits (i32.le_u (global.get $top)",
                f"(i32.mul (memory.size) (i32.const {_PAGE}))))",
                "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))",
                "(br $grow))) (local.get 4))",
                *self._functions,
                '(func (export "run") (param i32)',
                *chosen,
                ")",
                f'(data (i32.const {_DATA}) "{image}")',
                ")",
            )
        )


def _makers(interfaces: Iterable[Interface]) -> dict[_Key, _Maker]:
    """Return how to make each resource, of those that can be made at all."""
    found: dict[_Key, _Maker] = {}
    left = [(each, function) for each in interfaces for function in each.functions.values()]
    is_new = True
    while is_new:
        is_new = False
        for interface, function in left:
            for handle, place in _results(function):
                maker, key = _Maker(interface, function, place), _key(handle.resource)
                is_possible = not (_too_many(function) or holds_stored_handles(_types(function)))
                if key not in found and is_possible and all(each in found for each in maker.needs):
                    found[key], is_new = maker, True
    return found


def _results(function: Function) -> Iterator[tuple[Handle, HandlePlace | None]]:
    if isinstance(function.result, Own):
        yield function.result, None
    elif _result_in_memory(function):
        yield from places_of_handles(function.result)


def _types(function: Function) -> list[WitType]:
    return [each.type for each in function.parameters]


def _result_in_memory(function: Function) -> bool:
    return function.result is not None and len(flat(function.result)) > 1


def _core_parameters(function: Function) -> list[str]:
    return ["i32"] if _too_many(function) else [core for t in _types(function) for core in flat(t)]


def _too_many(function: Function) -> bool:
    return sum(len(flat(each)) for each in _types(function)) > _MOST_FLAT
