"""A guest that calls every host function in a loop, made from nothing but their WIT.

What a host function costs with the argument that is worst for it is a question about the host,
and it has to be asked of each function that any block offers, today's and tomorrow's. So the
guest is not written but generated: for each function one loop, for each kind of argument a text
that fills every string and list that the function takes. `airswasm.lifecycle.testing` runs it.

The values are laid out in memory by the canonical ABI when the guest is generated; the guest
itself computes nothing, so that its fuel is the host's.

Rejected: a C guest with bindings (a compiler to run, and code to write for each interface), and
arguments from a fuzzer (the worst ones for a linear search are dull, and it does not find them).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import pack

from ._blocks import Blocks
from ._contract import wit_folder
from ._tool import run_wasm_tools
from .errors import WasmToolsFailed
from .model import (
    Borrow,
    Enum,
    Flags,
    Function,
    Interface,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    Resource,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
)

__all__ = ("ProbeArgument", "ProbeCall", "ProbeGuest", "write_probe")

_DATA = 1024
_PAGE = 65536
_MOST_FLAT = 16
_CORE = {"u64": "i64", "s64": "i64", "f32": "f32", "f64": "f64"}
_SIZES = {"bool": 1, "u8": 1, "s8": 1, "u16": 2, "s16": 2, "u64": 8, "s64": 8, "f64": 8}
_WORLD = (
    "package airswasm:probe@0.1.0;\nworld probe {{\n{imports}\n  export run: func(call: u32);\n}}\n"
)


@dataclass(frozen=True, slots=True)
class ProbeArgument:
    """One kind of argument: what every text, every `list<u8>` and every number is.

    Attributes:
        name: For messages.
        text: In each string; in a list of other things it is cut into as many parts.
        data: In each `list<u8>`.
        number: Where it fits; else the largest that does.
        items: Items of each list of other things.
    """

    name: str
    text: str
    data: bytes
    number: int = 1
    items: int = 1


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
    blocks: Blocks, interfaces: Iterable[str], arguments: Sequence[ProbeArgument]
) -> ProbeGuest:
    """Generate the guest. Blocks; from async code call it in a worker thread.

    Args:
        blocks: The installed blocks, whose contract declares the interfaces.
        interfaces: Full names; interfaces that the contract does not know are left out.
        arguments: What each function is called with.

    Raises:
        WasmToolsFailed: The component could not be put together.
        WasmToolsMissing: There is no wasm-tools.
    """
    known = blocks.contract.interfaces
    named = [known[name] for name in interfaces if name in known]
    writer = _Writer(arguments)
    for interface in named:
        writer.add(interface)
    imports = "\n".join(f"  import {each.name};" for each in named)
    wasm = _assembled(writer.text(), _WORLD.format(imports=imports), blocks)
    return ProbeGuest(wasm, tuple(writer.calls), tuple(writer.left_out))


def _assembled(core: str, world: str, blocks: Blocks) -> bytes:
    with tempfile.TemporaryDirectory(prefix="airswasm-probe-") as name:
        folder = Path(name)
        wit, embedded, made = folder / "wit", folder / "embedded.wasm", folder / "probe.wasm"
        shutil.copytree(wit_folder(), wit / "deps" / "airswasm-component")
        for number, path in enumerate(blocks.wit_folders.values()):
            shutil.copytree(path, wit / "deps" / f"block-{number}", dirs_exist_ok=True)
        (wit / "probe.wit").write_text(world)
        (folder / "core.wat").write_text(core)
        _run("embed", "-w", "probe", str(wit), str(folder / "core.wat"), "-o", str(embedded))
        _run("new", str(embedded), "-o", str(made))
        return made.read_bytes()


def _run(*arguments: str) -> None:
    output = run_wasm_tools(("component", *arguments))
    if output.exit_code:
        raise WasmToolsFailed(output.exit_code, output.stderr)


# The canonical ABI: what a value is in memory, and among the parameters of a core function


def _size(type_: WitType) -> int:
    match type_:
        case Primitive("string") | ListOf():
            return 8
        case Primitive(name):
            return _SIZES.get(name, 4)
        case Record(_, fields):
            return _size_of_row([each.type for each in fields])
        case TupleOf(items):
            return _size_of_row(items)
        case Flags(_, cases):
            return 1 if len(cases) <= 8 else 2 if len(cases) <= 16 else 4
        case Enum() | Variant() | OptionOf() | ResultOf():
            most = max((_size(case) for case in _cases(type_) if case is not None), default=0)
            return _up(_payload_at(type_) + most, _alignment(type_))
        case _:
            return 4


def _alignment(type_: WitType) -> int:
    match type_:
        case Primitive("string") | ListOf():
            return 4
        case Primitive() | Flags():
            return _size(type_)
        case Record(_, fields):
            return max((_alignment(each.type) for each in fields), default=1)
        case TupleOf(items):
            return max((_alignment(each) for each in items), default=1)
        case Enum() | Variant() | OptionOf() | ResultOf():
            inner = [_alignment(case) for case in _cases(type_) if case is not None]
            return max((_tag_size(type_), *inner))
        case _:
            return 4


def _size_of_row(types: Iterable[WitType]) -> int:
    size, alignment = 0, 1
    for each in types:
        size = _up(size, _alignment(each)) + _size(each)
        alignment = max(alignment, _alignment(each))
    return _up(size, alignment)


def _cases(type_: WitType) -> Sequence[WitType | None]:
    match type_:
        case OptionOf(payload):
            return (None, payload)
        case ResultOf(ok, error):
            return (ok, error)
        case Variant(_, cases):
            return [case.type for case in cases]
        case Enum(_, cases):
            return [None for _ in cases]
        case _:
            return ()


def _tag_size(type_: WitType) -> int:
    return 1 if len(_cases(type_)) <= 256 else 2


def _payload_at(type_: WitType) -> int:
    inner = [_alignment(case) for case in _cases(type_) if case is not None]
    return _up(_tag_size(type_), max((1, *inner)))


def _up(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _flat(type_: WitType) -> list[str]:
    """Return the core types of a value among parameters."""
    match type_:
        case Primitive("string") | ListOf():
            return ["i32", "i32"]
        case Primitive(name):
            return [_CORE.get(name, "i32")]
        case Record(_, fields):
            return [core for each in fields for core in _flat(each.type)]
        case TupleOf(items):
            return [core for each in items for core in _flat(each)]
        case Enum() | Variant() | OptionOf() | ResultOf():
            joined: list[str] = []
            for case in _cases(type_):
                for at, core in enumerate(_flat(case) if case is not None else ()):
                    if at < len(joined):
                        joined[at] = _joined(joined[at], core)
                    else:
                        joined.append(core)
            return ["i32", *joined]
        case _:
            return ["i32"]


def _joined(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


class _Memory:
    """The guest's memory as it is when the guest begins: all arguments, laid out.

    Attributes:
        argument: What values are made of now.
        image: What begins at the base.
    """

    def __init__(self, argument: ProbeArgument, base: int) -> None:
        self.argument = argument
        self.image = bytearray()
        self._base = base
        self._known: dict[tuple[bytes, int], int] = {}

    def values(self, type_: WitType) -> list[int]:
        """Return the numbers that stand for a value among parameters, one for each core type."""
        match type_:
            case Primitive("string") | ListOf():
                return list(self._span(type_))
            case Primitive(name):
                return [self._number(name)]
            case Record(_, fields):
                return [number for each in fields for number in self.values(each.type)]
            case TupleOf(items):
                return [number for each in items for number in self.values(each)]
            case Enum() | Variant() | OptionOf() | ResultOf():
                case, payload = self._chosen(type_)
                inner = [] if payload is None else self.values(payload)
                return [case, *inner, *(0 for _ in _flat(type_)[1 + len(inner) :])]
            case _:
                return [0]

    def _chosen(self, type_: WitType) -> tuple[int, WitType | None]:
        """Return the last case with a payload: `some`, `err`, and what a variant ends with."""
        cases = list(enumerate(_cases(type_)))
        return next((each for each in reversed(cases) if each[1] is not None), cases[-1])

    def _number(self, name: str) -> int:
        if name in ("bool", "f32", "f64"):
            return 1 if name == "bool" else 0
        if name == "char":
            return ord("a")
        bits = int(name[1:]) - (name[0] == "s")
        return min(self.argument.number, (1 << bits) - 1)

    def _span(self, type_: WitType, parts: int = 1) -> tuple[int, int]:
        """Address and length of a text or a list."""
        match type_:
            case Primitive():
                whole = self.argument.text
                data = whole[: max(1, len(whole) // parts)].encode() if whole else b""
                return self._put(data, 1), len(data)
            case ListOf(Primitive("u8")):
                data = self.argument.data
                data = data[: max(1, len(data) // parts)]
                return self._put(data, 1), len(data)
            case ListOf(element):
                items = self.argument.items
                item = self._stored(element, max(1, items))
                item += bytes(_up(len(item), _alignment(element)) - len(item))
                return self._put(item * items, _alignment(element)), items
            case _:
                return 0, 0

    def _stored(self, type_: WitType, parts: int) -> bytes:
        """Return a value as it lies in memory."""
        match type_:
            case Primitive("string") | ListOf():
                return pack("<II", *self._span(type_, parts))
            case Primitive("f32" | "f64"):
                return bytes(_size(type_))
            case Primitive(name):
                return (self._number(name) % 2**64).to_bytes(8, "little")[: _size(type_)]
            case Record(_, fields):
                return self._row([each.type for each in fields], parts)
            case TupleOf(items):
                return self._row(items, parts)
            case Enum() | Variant() | OptionOf() | ResultOf():
                case, payload = self._chosen(type_)
                head = case.to_bytes(_tag_size(type_), "little")
                if payload is not None:
                    head += bytes(_payload_at(type_) - len(head)) + self._stored(payload, parts)
                return head + bytes(_size(type_) - len(head))
            case _:
                return bytes(_size(type_))

    def _row(self, types: Iterable[WitType], parts: int) -> bytes:
        row = b""
        types = list(types)
        for each in types:
            row += bytes(_up(len(row), _alignment(each)) - len(row)) + self._stored(each, parts)
        return row + bytes(_size_of_row(types) - len(row))

    def _put(self, data: bytes, alignment: int) -> int:
        at = self._known.get((data, alignment))
        if at is None:
            at = _up(self._base + len(self.image), alignment)
            self.image += bytes(at - self._base - len(self.image)) + data
            self._known[data, alignment] = at
        return at

    def store(self, types: Sequence[WitType]) -> int:
        """Lay out all parameters of a function that has too many for core ones."""
        return self._put(self._row(types, 1), 8)


class _Writer:
    """Writes the core module."""

    def __init__(self, arguments: Sequence[ProbeArgument]) -> None:
        self._arguments = arguments
        self._imports: list[str] = []
        self._loops: list[str] = []
        self._memory = _Memory(arguments[0], _DATA)
        self.calls: list[ProbeCall] = []
        self.left_out: list[str] = []

    def add(self, interface: Interface) -> None:
        """Add a loop for each function of an interface and each kind of argument."""
        makers = dict(self._makers(interface))
        for function in interface.functions.values():
            handles = _handles(parameter.type for parameter in function.parameters)
            if any(each.resource.name not in makers for each in handles):
                self.left_out.append(f"{interface.name}#{function.name}")
                continue
            name = self._import(interface, function)
            for argument in self._arguments:
                self._add_loop(interface, function, name, argument, makers)

    def _makers(self, interface: Interface) -> Iterator[tuple[str, str]]:
        """Yield the call that makes each resource whose constructor needs no other."""
        for function in interface.functions.values():
            result = function.result
            takes_handles = bool(_handles(each.type for each in function.parameters))
            if isinstance(result, Own) and not takes_handles:
                argument = self._arguments[0]
                values = self._values(function, argument)
                yield result.resource.name, f"(call {self._import(interface, function)} {values})"

    def _import(self, interface: Interface, function: Function) -> str:
        name = f"$f{interface.name}#{function.name}".replace(" ", "")
        name = "".join(char if char.isalnum() or char in "$#-.@/:" else "_" for char in name)
        parameters = _core_parameters(function)
        result = _flat(function.result) if function.result is not None else []
        if len(result) > 1:
            parameters, result = [*parameters, "i32"], []
        text = (
            f'(import "{interface.name}" "{function.name}" (func {name}'
            f"{''.join(f' (param {each})' for each in parameters)}"
            f"{''.join(f' (result {each})' for each in result)}))"
        )
        if text not in self._imports:
            self._imports.append(text)
        return name

    def _values(
        self,
        function: Function,
        argument: ProbeArgument,
        makers: dict[str, str] | None = None,
    ) -> str:
        memory = self._memory
        memory.argument = argument
        types = [each.type for each in function.parameters]
        if _too_many(function):
            parts = [f"(i32.const {memory.store(types)})"]
        else:
            parts = [
                makers[each.resource.name]
                if isinstance(each, Own | Borrow) and makers
                else " ".join(
                    f"({core}.const {number})"
                    for core, number in zip(_flat(each), memory.values(each), strict=True)
                )
                for each in types
            ]
        if function.result is not None and len(_flat(function.result)) > 1:
            parts.append("(i32.const 0)")
        return " ".join(parts)

    def _add_loop(
        self,
        interface: Interface,
        function: Function,
        name: str,
        argument: ProbeArgument,
        makers: dict[str, str],
    ) -> None:
        number = len(self.calls)
        call = f"(call {name} {self._values(function, argument, makers)})"
        flat = _flat(function.result) if function.result is not None else []
        if len(flat) == 1:
            call = f"(drop {call})"
        self._loops.append(
            f"(if (i32.eq (local.get 0) (i32.const {number})) (then (loop $again"
            f" (global.set $top (global.get $heap)) {call} (br $again))))"
        )
        self.calls.append(ProbeCall(number, interface.name, function.name, argument.name))

    def text(self) -> str:
        """Return the whole module."""
        heap = _up(_DATA + len(self._memory.image), _PAGE)
        pages = heap // _PAGE + 1
        image = "".join(f"\\{byte:02x}" for byte in self._memory.image)
        return "\n".join(
            (
                "(module",
                *self._imports,
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
                '(func (export "run") (param i32)',
                *self._loops,
                ")",
                f'(data (i32.const {_DATA}) "{image}")',
                ")",
            )
        )


def _core_parameters(function: Function) -> list[str]:
    flat = [core for each in function.parameters for core in _flat(each.type)]
    return ["i32"] if len(flat) > _MOST_FLAT else flat


def _too_many(function: Function) -> bool:
    return sum(len(_flat(each.type)) for each in function.parameters) > _MOST_FLAT


def _handles(types: Iterable[WitType]) -> list[Own[Resource] | Borrow[Resource]]:
    """Return the handles in these types, however deep."""
    found: list[Own[Resource] | Borrow[Resource]] = []
    for type_ in types:
        match type_:
            case Own() | Borrow():
                found.append(type_)
            case ListOf(inner) | OptionOf(inner):
                found += _handles((inner,))
            case TupleOf(items):
                found += _handles(items)
            case Record(_, fields):
                found += _handles(each.type for each in fields)
            case ResultOf() | Variant():
                found += _handles(case for case in _cases(type_) if case is not None)
            case _:
                continue
    return found
