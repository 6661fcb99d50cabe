"""What a component's functions take and return, as plain values.

The engine describes types by handles that belong to it; they are read once into
these frozen dataclasses, which compare and hash by structure, print as WIT and
outlive the engine. Call plans, the typed Python object, `wit` checks and error
messages are all derived from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Primitive:
    """A number, `bool`, `char` or `string`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf:
    """`list<element>`."""

    element: WitType

    def __str__(self) -> str:
        return f"list<{self.element}>"


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`tuple<...>`."""

    elements: tuple[WitType, ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.elements))}>"


@dataclass(frozen=True, slots=True)
class OptionOf:
    """`option<some>`."""

    some: WitType

    def __str__(self) -> str:
        return f"option<{self.some}>"


@dataclass(frozen=True, slots=True)
class ResultOf:
    """`result<ok, err>`; None for a case without payload."""

    ok: WitType | None
    err: WitType | None

    def __str__(self) -> str:
        if self.ok is None and self.err is None:
            return "result"
        ok = "_" if self.ok is None else str(self.ok)
        return f"result<{ok}>" if self.err is None else f"result<{ok}, {self.err}>"


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A `record`. The name is empty where the component does not tell it."""

    name: str
    fields: tuple[tuple[str, WitType], ...]

    def __str__(self) -> str:
        listed = ", ".join(f"{name}: {type_}" for name, type_ in self.fields)
        return f"record {self.name or '{ ' + listed + ' }'}"


@dataclass(frozen=True, slots=True)
class VariantOf:
    """A `variant`; None for a case without payload."""

    name: str
    cases: tuple[tuple[str, WitType | None], ...]

    def __str__(self) -> str:
        return f"variant {self.name or '{ ' + ', '.join(name for name, _ in self.cases) + ' }'}"


@dataclass(frozen=True, slots=True)
class EnumOf:
    """An `enum`."""

    name: str
    cases: tuple[str, ...]

    def __str__(self) -> str:
        return f"enum {self.name or '{ ' + ', '.join(self.cases) + ' }'}"


@dataclass(frozen=True, slots=True)
class FlagsOf:
    """`flags`."""

    name: str
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return f"flags {self.name or '{ ' + ', '.join(self.flags) + ' }'}"


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


@dataclass(frozen=True, slots=True)
class HandleOf:
    """A handle: `own<resource>` or `borrow<resource>`."""

    resource: ResourceIdentity
    is_owned: bool

    def __str__(self) -> str:
        return self.resource.name if self.is_owned else f"borrow<{self.resource.name}>"


WitType: TypeAlias = (
    Primitive
    | ListOf
    | TupleOf
    | OptionOf
    | ResultOf
    | RecordOf
    | VariantOf
    | EnumOf
    | FlagsOf
    | HandleOf
)


@dataclass(frozen=True, slots=True)
class FunctionShape:
    """One function: its name in WIT, its parameters in order, and its result."""

    name: str
    parameters: tuple[tuple[str, WitType], ...]
    result: WitType | None

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
    """A WIT name as a Python identifier: `handle-message` is `handle_message`.

    A Python keyword gets an underscore at its end.
    """
    identifier = name.replace("-", "_")
    return f"{identifier}_" if iskeyword(identifier) else identifier
