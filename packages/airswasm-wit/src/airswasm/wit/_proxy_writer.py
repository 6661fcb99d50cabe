"""The source text of a generated module."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ._contract import contract
from ._naming import name_exports, name_functions, name_labels
from ._proxy_conversion import Annotations, Conversions, is_lowered
from ._proxy_names import IMPORTS, DefinedType, choose_class_names
from ._signature import named_types
from .model import Enum, Function, Interface, Record, Resource, Variant, World

__all__ = ("ModuleWriter",)

_HEAD = '''\
"""{title}.

Made by `python -m airswasm.wit.proxy`; do not edit.
"""
# pyright: reportUnknownMemberType=false, reportUnnecessaryIsInstance=false

from __future__ import annotations

'''
_INSTANCE = '''
class CanCall(Protocol):
    """An `airswasm.runtime.Instance`, or what stands in for one in a test."""

    async def call(self, function: str, /, *arguments: object) -> object:
        """Call an exported function and wait for its result."""
        ...
'''


class ModuleWriter:
    """Writes the module, or its stub, for what one world exports."""

    def __init__(self, world: World, name: str, *, is_stub: bool) -> None:
        self._name = name
        self._is_stub = is_stub
        self._interfaces = list(world.exports.values())
        self._functions = world.exported_functions
        self._defined = list(_defined_types(world))
        self._classes = choose_class_names(name, self._interfaces, self._defined)
        self._exports = name_exports(world.exports, world.exported_functions)
        self._methods = {item.name: name_functions(item.functions) for item in self._interfaces}

    def module(self) -> str:
        """Write the whole text."""
        parts = [self._all(), _INSTANCE]
        parts += [part for item in self._defined for part in self._definition(item)]
        parts += [self._interface(item) for item in self._interfaces]
        parts.append(self._component())
        body = "\n".join(parts)
        title = f"The exports of a component as the typed class {self._name}"
        return _tidy("\n".join([_HEAD.format(title=title), *_imports(body), body]))

    def _all(self) -> str:
        public = [self._name, "CanCall", *self._classes.interfaces.values()]
        public += [name for names in self._classes.types.values() for name in names]
        return f"\n__all__ = ({', '.join(repr(each) for each in sorted(public))},)\n"

    # Records, variants, enums and flags

    def _definition(self, item: DefinedType) -> Iterator[str]:
        if isinstance(item, Record):
            yield self._record(item)
        elif isinstance(item, Variant):
            yield self._variant(item)
        else:
            names = ", ".join(repr(case.name) for case in item.cases)
            literal = f"Literal[{names}]"
            shown = literal if isinstance(item, Enum) else f"frozenset[{literal}]"
            yield self._alias(item, shown)
        if not self._is_stub and isinstance(item, Record | Variant):
            yield self._up_function(item)
            if is_lowered(item):
                yield self._down_function(item)

    def _alias(self, item: DefinedType, target: str) -> str:
        return f"{self._classes.of_type(item)}: TypeAlias = {target}\n{_docs(item.docs, 0)}"

    def _record(self, item: Record) -> str:
        names = name_labels(each.name for each in item.fields)
        annotations = Annotations(self._classes, names)
        fields = [
            f"    {name}: {annotations.of(each.type)}{_docs(each.docs, 4, lead=chr(10))}"
            for name, each in zip(names, item.fields, strict=True)
        ]
        return _dataclass(self._classes.of_type(item), item.docs or f"`{item.name}`.", fields)

    def _variant(self, item: Variant) -> str:
        annotations = Annotations(self._classes)
        names = self._classes.of_cases(item)
        parts: list[str] = []
        for name, case in zip(names, item.cases, strict=True):
            value = [] if case.type is None else [f"    value: {annotations.of(case.type)}"]
            docs = case.docs or f"The case `{case.name}` of `{item.name}`."
            parts.append(_dataclass(name, docs, value))
        return "\n".join([*parts, self._alias(item, " | ".join(names))])

    def _up_function(self, item: Record | Variant) -> str:
        name = self._classes.of_type(item)
        conversions = Conversions(Annotations(self._classes))
        lines = ["", f"def _up_{name}(_value: Any) -> {name}:"]
        if isinstance(item, Record):
            return "\n".join([*lines, f"    return {conversions.record_up(item)}", ""])
        for class_, case in zip(self._classes.of_cases(item), item.cases, strict=True):
            inner = "" if case.type is None else conversions.up(case.type, "_value.value")
            lines += [f"    if _value.name == {case.name!r}:", f"        return {class_}({inner})"]
        return "\n".join([*lines, "    raise ValueError(_value)", ""])

    def _down_function(self, item: Record | Variant) -> str:
        name = self._classes.of_type(item)
        conversions = Conversions(Annotations(self._classes))
        lines = ["", f"def _down_{name}(_value: {name}) -> object:"]
        if isinstance(item, Record):
            return "\n".join([*lines, f"    return {conversions.record_down(item)}", ""])
        for class_, case in zip(self._classes.of_cases(item), item.cases, strict=True):
            inner = "" if case.type is None else ", " + conversions.down(case.type, "_value.value")
            lines += [f"    if isinstance(_value, {class_}):"]
            lines += [f"        return Case({case.name!r}{inner})"]
        return "\n".join([*lines, "    raise TypeError(_value)", ""])

    # Interfaces and the component

    def _interface(self, interface: Interface) -> str:
        known = contract().interface(interface.name)
        docs = interface.docs or (known.docs if known else "") or f"`{interface.name}`."
        lines = [f"\nclass {self._classes.interfaces[interface.name]}:", _docs(docs, 4)]
        lines += self._initializer([])
        names = self._methods[interface.name]
        annotations = Annotations(self._classes, names.values())
        for function in interface.functions.values():
            documented = known.functions.get(function.name) if known else None
            docs = function.docs or (documented.docs if documented else "")
            path = f"{interface.name}#{function.name}"
            lines.append(self._method(names[function.name], function, path, docs, annotations))
        return "\n".join(lines)

    def _component(self) -> str:
        bases = ", ".join(self._classes.interfaces[item.name] for item in self._flat_interfaces())
        lines = [f"\nclass {self._name}({bases}):" if bases else f"\nclass {self._name}:"]
        lines.append(_docs("The component: its functions, and its interfaces by name.", 4))
        lines += self._initializer(self._interfaces)
        names = self._exports.functions
        taken = {*names.values(), *self._exports.interfaces.values()}
        annotations = Annotations(self._classes, taken)
        for name, function in self._functions.items():
            lines.append(
                self._method(names[name], function, f"#{name}", function.docs, annotations)
            )
        return "\n".join(lines)

    def _flat_interfaces(self) -> list[Interface]:
        """List the interfaces whose functions the component can offer as its own.

        These are the ones none of whose names is that of another function or interface.
        """
        taken = Counter(self._exports.interfaces.values())
        taken.update(self._exports.functions.values())
        for names in self._methods.values():
            taken.update(names.values())
        return [
            item
            for item in self._interfaces
            if all(taken[name] == 1 for name in self._methods[item.name].values())
        ]

    def _initializer(self, interfaces: Sequence[Interface]) -> list[str]:
        lines = ["    def __init__(self, instance: CanCall) -> None:"]
        pairs = [
            (self._exports.interfaces[item.name], self._classes.interfaces[item.name])
            for item in interfaces
        ]
        if self._is_stub:
            return [*(f"    {name}: {class_}" for name, class_ in pairs), f"{lines[0]} ...", ""]
        lines.append("        self._instance = instance")
        lines += [f"        self.{name} = {class_}(instance)" for name, class_ in pairs]
        return [*lines, ""]

    def _method(
        self, method: str, function: Function, path: str, docs: str, outside: Annotations
    ) -> str:
        names = name_labels(each.name for each in function.parameters)
        pairs = list(zip(names, function.parameters, strict=True))
        typed = [f"{name}: {outside.of(each.type, down=True)}" for name, each in pairs]
        returned = outside.of(function.result)
        head = f"async def {method}({', '.join(['self', *typed])}) -> {returned}:"
        if self._is_stub:
            return f"    {head} ...\n"
        inside = Annotations(self._classes, names)
        conversions = Conversions(inside)
        passed = [conversions.down(each.type, name) for name, each in pairs]
        call = f"await self._instance.call({', '.join([repr(path), *passed])})"
        body = [_docs(docs or f"`{function.signature}`", 8).rstrip()]
        if function.result is None:
            body.append(f"        {call}")
        else:
            lifted = conversions.up(function.result, "_value")
            body.append(f"        _value: Any = {call}")
            body.append(f"        _result: {inside.of(function.result)} = {lifted}")
            body.append("        return _result")
        return "\n".join([f"    {head}", *body, ""])


def _imports(body: str) -> Iterator[str]:
    """Write the imports that a text needs; each word of it counts."""
    words = set(re.findall(r"\w+", body))
    if "_builtins" in words:
        yield "import builtins as _builtins"
    for module, names in IMPORTS.items():
        used = [name for name in names if name in words]
        if module == "airswasm.runtime":
            yield ""
        if used:
            yield f"from {module} import {', '.join(used)}"


def _defined_types(world: World) -> Iterable[DefinedType]:
    """List the types that the module defines, in the order in which functions mention them."""
    functions = [*world.exported_functions.values()]
    functions += [each for item in world.exports.values() for each in item.functions.values()]
    found: dict[tuple[str | None, str], DefinedType] = {}
    for function in functions:
        for item in named_types(function):
            if not isinstance(item, Resource):
                found[item.owner, item.name] = item
    return found.values()


def _dataclass(name: str, docs: str, body: Sequence[str]) -> str:
    lines = ["@dataclass(frozen=True, slots=True)", f"class {name}:", _docs(docs, 4).rstrip()]
    return "\n".join(["", *lines, "", *body, ""])


def _docs(text: str, indent: int, *, lead: str = "") -> str:
    """Write a docstring; its text may come from a component and must not end it."""
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
    """Drop control characters, which can hide the meaning of a source."""
    lines = text.split("\n")
    return "\n".join(each if each.isprintable() else _printable(each) for each in lines)


def _printable(line: str) -> str:
    return "".join(filter(str.isprintable, line))


def _tidy(source: str) -> str:
    """Leave at most two empty lines in a row."""
    return re.sub(r"\n{4,}", "\n\n\n", source).rstrip() + "\n"
