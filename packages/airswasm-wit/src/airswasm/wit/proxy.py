"""A typed Python module for the exports of any component.

    python -m airswasm.wit.proxy hello.wasm --name Hello > hello.py

The module has one class whose `async` methods are the component's functions, with dataclasses for
its records and variants, so that mypy and pyright see a wrong argument before the guest does:

    hello = Hello(instance)
    reply = await hello.handle_message("host", None, b"hi")     # Ok[bytes | None] | Err[str]

It is source text rather than classes made at run time, because a type checker only believes what
it can read. The values that airswasm.runtime takes and gives stay as they are wherever that is
typed enough (`Ok`, `Err`, `bytes`, tuples, enums as literals); records and variants are converted,
because a `Case("denied", text)` tells a type checker nothing.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from ._contract import contract
from ._reading import read_component
from ._signature import named_types
from .errors import WitError
from .model import (
    Borrow,
    Enum,
    Flags,
    Function,
    Interface,
    ListOf,
    MapOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    Resource,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
    World,
)
from .names import InterfaceName

__all__ = ("main", "python_proxy", "python_stub")

_INTEGERS = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64")
_PRIMITIVES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(_INTEGERS, "int")
    | {"bool": "bool", "f32": "float", "f64": "float", "char": "str", "string": "str"}
)
_HEAD = '''\
"""{title}, made by `python -m airswasm.wit.proxy`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from airswasm.runtime import Case, Err, GuestResource, Ok, Some
'''
_INSTANCE = '''
class CanCall(Protocol):
    """What the proxy needs: an `airswasm.runtime.Instance`."""

    async def call(self, function: str, /, *arguments: object) -> object:
        """Calls an exported function and waits for its result."""
        ...
'''

_Named: TypeAlias = Record | Variant | Enum | Flags | Resource


def python_proxy(world: World, *, name: str = "Component") -> str:
    """The source of a module with the typed class `name` for what a world exports.

    Args:
        world: From `read_component`, or a world of `read_wit`.
        name: The class that stands for the component.

    Raises:
        ValueError: `name` is no Python identifier.
    """
    return _Writer(world, _identifier(name), is_stub=False).module()


def python_stub(world: World, *, name: str = "Component") -> str:
    """The `.pyi` of what `python_proxy` gives."""
    return _Writer(world, _identifier(name), is_stub=True).module()


@dataclass(slots=True)
class _Writer:
    world: World
    name: str
    is_stub: bool
    _names: dict[tuple[str | None, str], str] = field(
        default_factory=dict[tuple[str | None, str], str]
    )
    _variables: int = 0

    def module(self) -> str:
        named = self._collect()
        self._choose_names(named)
        title = f"What a component exports as the typed class {self.name}"
        parts = [_HEAD.format(title=title), self._all(named), _INSTANCE]
        parts += [part for item in named for part in self._definition(item)]
        parts += [self._interface(item) for item in self.world.exports.values()]
        parts.append(self._component())
        return _tidy("\n".join(parts))

    def _all(self, named: Sequence[_Named]) -> str:
        public = [self.name, "CanCall"]
        for item in named:
            public += [] if isinstance(item, Resource) else [self._class_of(item)]
            if isinstance(item, Variant):
                public += [self._case_class(item, case.name) for case in item.cases]
        public += [self._interface_class(item) for item in self.world.exports.values()]
        return f"\n__all__ = ({', '.join(repr(each) for each in sorted(public))},)\n"

    # Names

    def _functions(self) -> Iterator[Function]:
        yield from self.world.exported_functions.values()
        for interface in self.world.exports.values():
            yield from interface.functions.values()

    def _collect(self) -> list[_Named]:
        """The named types that are in use, in the order in which they appear."""
        found: dict[tuple[str | None, str], _Named] = {}
        for function in self._functions():
            for item in named_types(function):
                found[item.owner, item.name] = item
        return list(found.values())

    def _choose_names(self, named: Iterable[_Named]) -> None:
        items = list(named)
        taken = {self.name, "CanCall"}
        taken |= {self._interface_class(item) for item in self.world.exports.values()}
        for item in items:
            plain = _pascal(item.name)
            interface = InterfaceName.parse(item.owner or "")
            if plain in taken:
                plain = _pascal(interface.interface) + plain if interface else plain + "Value"
            while plain in taken:
                plain += "_"
            taken.add(plain)
            self._names[item.owner, item.name] = plain

    def _class_of(self, item: _Named) -> str:
        return self._names[item.owner, item.name]

    def _case_class(self, item: Variant, case: str) -> str:
        return self._class_of(item) + _pascal(case)

    def _interface_class(self, interface: Interface) -> str:
        plain = _pascal(interface.short_name)
        return f"{plain}Interface" if plain == self.name else plain

    # Types

    def _type(self, item: WitType | None, *, down: bool = False) -> str:
        if item is None:
            return "None"
        if isinstance(item, Primitive):
            return _PRIMITIVES.get(item.name, "object")
        if isinstance(item, Record | Variant | Enum | Flags):
            return self._class_of(item)
        if isinstance(item, Own | Borrow | Resource):
            return "GuestResource"
        return self._structural(item, down)

    def _structural(self, item: WitType, down: bool) -> str:
        def inner(part: WitType | None) -> str:
            return self._type(part, down=down)

        match item:
            case ListOf(Primitive("u8"), None):
                return "bytes"
            case ListOf(element):
                return f"{'Sequence' if down else 'list'}[{inner(element)}]"
            case OptionOf(OptionOf() as payload):
                return f"Some[{inner(payload)}] | None"
            case OptionOf(payload):
                return f"{inner(payload)} | None"
            case ResultOf(ok, error):
                return f"Ok[{inner(ok)}] | Err[{inner(error)}]"
            case TupleOf(()):
                return "tuple[()]"
            case TupleOf(items):
                return f"tuple[{', '.join(inner(part) for part in items)}]"
            case MapOf(key, value):
                return f"{'Mapping' if down else 'dict'}[{inner(key)}, {inner(value)}]"
            case _:
                return "object"

    # Definitions of records, variants, enums and flags

    def _definition(self, item: _Named) -> Iterator[str]:
        if isinstance(item, Record):
            yield self._record(item)
        elif isinstance(item, Variant):
            yield self._variant(item)
        elif isinstance(item, Enum | Flags):
            names = ", ".join(repr(case.name) for case in item.cases)
            literal = f"Literal[{names}]"
            shown = literal if isinstance(item, Enum) else f"frozenset[{literal}]"
            yield f"{self._class_of(item)}: TypeAlias = {shown}\n{_docs(item.docs, 0)}"
        if not self.is_stub and isinstance(item, Record | Variant):
            yield self._lift_function(item)
            if _is_lowered(item):
                yield self._lower_function(item)

    def _record(self, item: Record) -> str:
        fields = [f"    {_snake(each.name)}: {self._type(each.type)}" for each in item.fields]
        documented = [
            f"{line}{_docs(each.docs, 4, lead=chr(10))}"
            for line, each in zip(fields, item.fields, strict=True)
        ]
        return self._dataclass(self._class_of(item), item.docs or f"`{item.name}`.", documented)

    def _variant(self, item: Variant) -> str:
        parts: list[str] = []
        for case in item.cases:
            value = [] if case.type is None else [f"    value: {self._type(case.type)}"]
            docs = case.docs or f"The case `{case.name}` of `{item.name}`."
            parts.append(self._dataclass(self._case_class(item, case.name), docs, value))
        union = " | ".join(self._case_class(item, case.name) for case in item.cases)
        parts.append(f"{self._class_of(item)}: TypeAlias = {union}\n{_docs(item.docs, 0)}")
        return "\n".join(parts)

    def _dataclass(self, name: str, docs: str, body: Sequence[str]) -> str:
        lines = ["@dataclass(frozen=True, slots=True)", f"class {name}:", _docs(docs, 4).rstrip()]
        return "\n".join(["", *lines, "", *body, ""])

    # Conversions. `down` is what the runtime takes, `up` what it gives.

    def _lift_function(self, item: Record | Variant) -> str:
        name = self._class_of(item)
        lines = [f"def _up_{name}(value: Any) -> {name}:"]
        if isinstance(item, Record):
            parts = (
                f"{_snake(each.name)}={self._up(each.type, f'value.{_snake(each.name)}')}"
                for each in item.fields
            )
            return "\n".join(["", *lines, f"    return {name}({', '.join(parts)})", ""])
        for case in item.cases:
            inner = "" if case.type is None else self._up(case.type, "value.value")
            lines += [f"    if value.name == {case.name!r}:"]
            lines += [f"        return {self._case_class(item, case.name)}({inner})"]
        lines += ["    raise ValueError(value)", ""]
        return "\n".join(["", *lines])

    def _lower_function(self, item: Record | Variant) -> str:
        name = self._class_of(item)
        lines = [f"def _down_{name}(value: {name}) -> object:"]
        if isinstance(item, Record):
            parts = (
                f"{_snake(each.name)!r}: {self._down(each.type, f'value.{_snake(each.name)}')}"
                for each in item.fields
            )
            return "\n".join(["", *lines, f"    return {{{', '.join(parts)}}}", ""])
        for case in item.cases:
            inner = "" if case.type is None else ", " + self._down(case.type, "value.value")
            lines += [f"    if isinstance(value, {self._case_class(item, case.name)}):"]
            lines += [f"        return Case({case.name!r}{inner})"]
        lines += ["    raise TypeError(value)", ""]
        return "\n".join(["", *lines])

    def _up(self, item: WitType, value: str) -> str:
        return self._converted(item, value, "_up", _is_lifted, self._up)

    def _down(self, item: WitType, value: str) -> str:
        return self._converted(item, value, "_down", _is_lowered, self._down)

    def _converted(
        self,
        item: WitType,
        value: str,
        prefix: str,
        is_needed: Callable[[WitType], bool],
        convert: Callable[[WitType, str], str],
    ) -> str:
        if not is_needed(item):
            return value
        if isinstance(item, Record | Variant):
            return f"{prefix}_{self._class_of(item)}({value})"
        self._variables += 1
        name = f"v{self._variables}"
        match item:
            case ListOf(element):
                return f"[{convert(element, name)} for {name} in {value}]"
            case OptionOf(OptionOf() as payload):
                inner = convert(payload, f"{name}.value")
                return f"(None if ({name} := {value}) is None else Some({inner}))"
            case OptionOf(payload):
                return f"(None if ({name} := {value}) is None else {convert(payload, name)})"
            case ResultOf(ok, error):
                yes = "None" if ok is None else convert(ok, f"{name}.value")
                no = "None" if error is None else convert(error, f"{name}.value")
                return f"(Ok({yes}) if isinstance({name} := {value}, Ok) else Err({no}))"
            case TupleOf(items):
                inner = ", ".join(convert(p, f"{name}[{i}]") for i, p in enumerate(items))
                return f"(lambda {name}: ({inner},))({value})"
            case MapOf(key, element):
                inner = f"{convert(key, f'{name}k')}: {convert(element, f'{name}v')}"
                return f"{{{inner} for {name}k, {name}v in ({value}).items()}}"
            case _:
                return value

    # Classes

    def _interface(self, interface: Interface) -> str:
        known = contract().interface(interface.name)
        docs = interface.docs or (known.docs if known else "") or f"`{interface.name}`."
        lines = [f"\nclass {self._interface_class(interface)}:", _docs(docs, 4)]
        lines += self._initializer([])
        names = _method_names(interface.functions.values())
        for function in interface.functions.values():
            documented = known.functions.get(function.name) if known else None
            docs = function.docs or (documented.docs if documented else "")
            path = f"{interface.name}#{function.name}"
            lines.append(self._method(names[function.name], function, path, docs))
        return "\n".join(lines)

    def _component(self) -> str:
        flat = self._flat_interfaces()
        bases = ", ".join(self._interface_class(item) for item in flat)
        lines = [f"\nclass {self.name}({bases}):" if bases else f"\nclass {self.name}:"]
        lines.append(_docs("The component: its functions, and its interfaces by name.", 4))
        interfaces = list(self.world.exports.values())
        lines += self._initializer(interfaces)
        names = _method_names(self.world.exported_functions.values())
        for name, function in self.world.exported_functions.items():
            lines.append(self._method(names[name], function, f"#{name}", function.docs))
        return "\n".join(lines)

    def _flat_interfaces(self) -> list[Interface]:
        """Those whose functions collide with no other's, so that they can be called directly."""
        exports = list(self.world.exports.values())
        methods = [set(_method_names(item.functions.values()).values()) for item in exports]
        taken = Counter(_snake(item.short_name) for item in exports)
        taken.update(_method_names(self.world.exported_functions.values()).values())
        for names in methods:
            taken.update(names)
        return [
            item
            for item, names in zip(exports, methods, strict=True)
            if all(taken[name] == 1 for name in names)
        ]

    def _initializer(self, interfaces: Sequence[Interface]) -> list[str]:
        lines = ["    def __init__(self, instance: CanCall) -> None:"]
        if self.is_stub:
            attributes = [
                f"    {_snake(i.short_name)}: {self._interface_class(i)}" for i in interfaces
            ]
            return [*attributes, f"{lines[0]} ...", ""]
        lines.append("        self._instance = instance")
        for item in interfaces:
            made = f"{self._interface_class(item)}(instance)"
            lines.append(f"        self.{_snake(item.short_name)} = {made}")
        return [*lines, ""]

    def _method(self, method: str, function: Function, path: str, docs: str) -> str:
        names = _parameter_names(function)
        typed = [
            f"{name}: {self._type(parameter.type, down=True)}"
            for name, parameter in zip(names, function.parameters, strict=True)
        ]
        returned = self._type(function.result)
        head = f"async def {method}({', '.join(['self', *typed])}) -> {returned}:"
        if self.is_stub:
            return f"    {head} ...\n"
        passed = [
            self._down(parameter.type, name)
            for name, parameter in zip(names, function.parameters, strict=True)
        ]
        call = f"await self._instance.call({', '.join([repr(path), *passed])})"
        body = [_docs(docs or f"`{function.signature}`", 8).rstrip()]
        if function.result is None:
            body.append(f"        {call}")
        else:
            body.append(f"        value: Any = {call}")
            body.append(f"        result: {returned} = {self._up(function.result, 'value')}")
            body.append("        return result")
        return "\n".join([f"    {head}", *body, ""])


def _is_lifted(item: WitType) -> bool:
    """Whether a value that comes up has to be converted."""
    return isinstance(item, Record | Variant) or any(map(_is_lifted, _inside(item)))


def _is_lowered(item: WitType) -> bool:
    """Whether a value that goes down has to be: records go by their attributes."""
    return isinstance(item, Variant) or any(map(_is_lowered, _inside(item)))


def _inside(item: WitType) -> Iterator[WitType]:
    match item:
        case ListOf(inner) | OptionOf(inner):
            yield inner
        case ResultOf(ok, error):
            yield from (part for part in (ok, error) if part is not None)
        case TupleOf(items):
            yield from items
        case MapOf(key, value):
            yield from (key, value)
        case Record():
            yield from (each.type for each in item.fields)
        case Variant():
            yield from (each.type for each in item.cases if each.type is not None)
        case _:
            return


def _identifier(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} cannot be the name of a Python class")
    return name


def _method_name(function: Function) -> str:
    resource = function.resource_name
    if resource is None:
        return _snake(function.name)
    if function.is_constructor:
        return _snake(f"new-{resource}")
    return _snake(f"{resource}-{function.plain_name}")


def _method_names(functions: Iterable[Function]) -> dict[str, str]:
    """A method's name for each function of one interface; two never share one."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for function in functions:
        name = _method_name(function)
        while name in taken:
            name += "_"
        taken.add(name)
        names[function.name] = name
    return names


def _parameter_names(function: Function) -> list[str]:
    names: list[str] = []
    for parameter in function.parameters:
        names.append("handle" if parameter.name == "self" else _snake(parameter.name))
    return names


def _snake(name: str) -> str:
    """A Python name for a WIT name; components are made by others, so nothing else passes."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "unnamed"
    if plain[0].isdigit():
        plain = f"_{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) or plain in _RESERVED else plain


_RESERVED = frozenset({"value", "result", "self"})


def _pascal(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    plain = "".join(word[:1].upper() + word[1:].lower() for word in words) or "Unnamed"
    if plain[0].isdigit():
        plain = f"_{plain}"
    return f"{plain}_" if plain in _IMPORTED or keyword.iskeyword(plain) else plain


_IMPORTED = frozenset(
    {"Any", "Case", "Err", "GuestResource", "Literal", "Mapping", "Ok", "Protocol", "Sequence"}
    | {"Some", "TypeAlias"}
)


def _docs(text: str, indent: int, *, lead: str = "") -> str:
    """A docstring; what it says comes from strangers and must not end it."""
    if not text:
        return ""
    safe = _plain(text).replace("\\", "\\\\").replace('"', "'")
    pad = " " * indent
    lines = safe.split("\n")
    if len(lines) == 1:
        return f'{lead}{pad}"""{lines[0]}"""\n'
    body = [f"{pad}{line}".rstrip() for line in lines[1:]]
    return "\n".join([f'{lead}{pad}"""{lines[0]}', *body, f'{pad}"""', ""])


def _plain(text: str) -> str:
    """Without control characters, which can hide what a source says."""
    return "".join(c for c in text if c == "\n" or (c.isprintable()))


def _tidy(source: str) -> str:
    """At most two empty lines in a row."""
    return re.sub(r"\n{4,}", "\n\n\n", source).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the module for a component."""
    parser = argparse.ArgumentParser(prog="python -m airswasm.wit.proxy")
    parser.add_argument("component", type=Path, help="a compiled component")
    parser.add_argument("--name", default="Component", help="the name of its class")
    parser.add_argument("--stub", action="store_true", help="print the .pyi instead")
    given = parser.parse_args(arguments)
    write = python_stub if given.stub else python_proxy
    try:
        sys.stdout.write(write(read_component(given.component), name=given.name))
    except (WitError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
