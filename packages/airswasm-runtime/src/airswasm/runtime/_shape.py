"""The types of a component's functions, as plain values.

The engine describes types by handles that belong to it; they are read once into
frozen values that outlive it. Call plans, the typed Python object and error
messages are derived from them.

The classes of types are those of `airswasm.wit`, so that a type read from WIT and
one read from a component compare. Two things differ, and are here: a handle
carries the number that the engine and our host functions know its resource by,
and the engine tells neither docs nor owners, so functions and interfaces are
smaller than those of `airswasm.wit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from airswasm.wit import (
    Borrow,
    Enum,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
    name_labels,
)


@dataclass(frozen=True, slots=True)
class ResourceIdentity:
    """One resource type of a component.

    Attributes:
        number: its position among the component's resource types.
        interface: the interface that defines it.
        name: its name there.
        is_imported: whether the host defines it, not the guest.
    """

    number: int
    interface: str
    name: str
    is_imported: bool

    def __str__(self) -> str:
        return self.name


Handle: TypeAlias = Own[ResourceIdentity] | Borrow[ResourceIdentity]
"""A handle to a resource, handed over or lent for one call."""

ValueType: TypeAlias = (
    Primitive
    | ListOf["ValueType"]
    | TupleOf["ValueType"]
    | OptionOf["ValueType"]
    | ResultOf["ValueType"]
    | Record["ValueType"]
    | Variant["ValueType"]
    | Enum
    | Flags
    | Handle
)
"""The type of a value that crosses between Python and a guest."""


@dataclass(frozen=True, slots=True)
class FunctionShape:
    """One function: its name in WIT, its parameters in order, and its result."""

    name: str
    parameters: tuple[tuple[str, ValueType], ...]
    result: ValueType | None

    def __str__(self) -> str:
        listed = ", ".join(f"{name}: {type_}" for name, type_ in self.parameters)
        result = "" if self.result is None else f" -> {self.result}"
        return f"{self.name}: func({listed}){result}"


@dataclass(frozen=True, slots=True)
class InterfaceShape:
    """One imported or exported interface.

    Attributes:
        name: as in WIT, with its version; empty for functions of the world itself.
        functions: by their names in WIT.
        resources: the resource types that it names, by their names there.
    """

    name: str
    functions: Mapping[str, FunctionShape]
    resources: Mapping[str, ResourceIdentity]


def python_name(name: str) -> str:
    """Name a parameter or a field in Python: `max-bytes` is `max_bytes`.

    One at a time will do: those of one function or record differ by more than case in WIT.
    """
    return name_labels([name])[0]
