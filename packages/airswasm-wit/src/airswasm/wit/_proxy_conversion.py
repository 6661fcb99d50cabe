"""WIT types in a generated module: their annotations, and the expressions that convert values.

`down` is the way into the component, what the runtime takes; `up` is what it gives. A value whose
type needs no class of the module passes as it is.

Temporaries begin with an underscore, which no name from WIT does. Built-in names that a scope uses
for something of its own (a method `list`) are reached through `_builtins` there, so that a name
needs no change because of what the generated code happens to call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType

from ._naming import name_labels
from ._proxy_names import ClassNames
from .model import (
    Borrow,
    Enum,
    Field,
    Flags,
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
)

__all__ = ("Annotations", "Conversions", "is_lowered")

_INTEGERS = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64")
_PRIMITIVES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(_INTEGERS, "int")
    | {"bool": "bool", "f32": "float", "f64": "float", "char": "str", "string": "str"}
)


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations of one scope of the module.

    Attributes:
        classes: The classes of the module.
        taken: The names that the scope itself defines, and that hide Python's built-in ones.
    """

    classes: ClassNames
    taken: Collection[str] = ()

    def builtin(self, name: str) -> str:
        """Name something of Python's own, so that it is found in this scope."""
        return f"_builtins.{name}" if name in self.taken else name

    def of(self, item: WitType | None, *, down: bool = False) -> str:
        """Annotate a value of a type; one that goes down may be any sequence or mapping."""
        if item is None:
            return "None"
        if isinstance(item, Primitive):
            return self.builtin(_PRIMITIVES.get(item.name, "object"))
        if isinstance(item, Record | Variant | Enum | Flags):
            return self.classes.of_type(item)
        if isinstance(item, Own | Borrow | Resource):
            return "GuestResource"
        return self._structural(item, down)

    def _structural(self, item: WitType, down: bool) -> str:
        def inner(part: WitType | None) -> str:
            return self.of(part, down=down)

        match item:
            case ListOf(Primitive("u8"), None):
                return self.builtin("bytes")
            case ListOf(element):
                return f"{'Sequence' if down else self.builtin('list')}[{inner(element)}]"
            case OptionOf(OptionOf() as payload):
                return f"Some[{inner(payload)}] | None"
            case OptionOf(payload):
                return f"{inner(payload)} | None"
            case ResultOf(ok, error):
                return f"Ok[{inner(ok)}] | Err[{inner(error)}]"
            case TupleOf(items):
                return f"{self.builtin('tuple')}[{', '.join(map(inner, items)) or '()'}]"
            case MapOf(key, value):
                mapping = "Mapping" if down else self.builtin("dict")
                return f"{mapping}[{inner(key)}, {inner(value)}]"
            case _:
                return self.builtin("object")


class Conversions:
    """The conversions of one function; each temporary of it is used once."""

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations
        self._classes = annotations.classes
        self._numbers = count(1)

    def up(self, item: WitType, value: str) -> str:
        """Write the expression that makes what the runtime gave a value of the module."""
        return self._converted(item, value, "_up", _is_lifted, self.up)

    def down(self, item: WitType, value: str) -> str:
        """Write the expression that makes a value of the module what the runtime takes."""
        return self._converted(item, value, "_down", is_lowered, self.down)

    def record_up(self, item: Record) -> str:
        """Write the conversion of `_value`, a record."""
        parts = (
            f"{name}={self.up(each.type, f'_value.{name}')}" for name, each in _named_fields(item)
        )
        return f"{self._classes.of_type(item)}({', '.join(parts)})"

    def record_down(self, item: Record) -> str:
        """Write the conversion of `_value`, a record."""
        parts = (
            f"{name!r}: {self.down(each.type, f'_value.{name}')}"
            for name, each in _named_fields(item)
        )
        return f"{{{', '.join(parts)}}}"

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
            return f"{prefix}_{self._classes.of_type(item)}({value})"
        name = f"_v{next(self._numbers)}"
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
                is_ok = f"{self._annotations.builtin('isinstance')}({name} := {value}, Ok)"
                return f"(Ok({yes}) if {is_ok} else Err({no}))"
            case TupleOf(items):
                inner = ", ".join(convert(p, f"{name}[{i}]") for i, p in enumerate(items))
                return f"(lambda {name}: ({inner},))({value})"
            case MapOf(key, element):
                inner = f"{convert(key, f'{name}_key')}: {convert(element, f'{name}_value')}"
                return f"{{{inner} for {name}_key, {name}_value in ({value}).items()}}"
            case _:
                return value


def _named_fields(item: Record) -> Iterator[tuple[str, Field]]:
    return zip(name_labels(each.name for each in item.fields), item.fields, strict=True)


def _is_lifted(item: WitType) -> bool:
    """Tell whether a value that comes up has to be converted."""
    return isinstance(item, Record | Variant) or any(map(_is_lifted, _inside(item)))


def is_lowered(item: WitType) -> bool:
    """Tell whether a value that goes down has to be converted: records go by their attributes."""
    return isinstance(item, Variant) or any(map(is_lowered, _inside(item)))


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
