"""WIT as Python values: packages, worlds, interfaces, functions, types and their docs.

Two types are equal when a component could use one for the other: field and case names count,
the name of a record and its docs do not, because the component model compares structure. A
resource is its name. Aliases (`type a = b`, `use x.{y}`) are seen through in signatures and kept
in `Interface.types`.

The values form a graph that shares what the source shares. `_decode.py` bounds its unfolded size,
so that comparing and printing are bounded too. Rejected: one class
with a `kind` string, as in wasm-tools' JSON. It saves fifteen classes here and costs an unchecked
key error at every use.

The type classes are the one vocabulary of all blocks. They are generic in what they are made of,
because three readers know different leaves: here a handle names a `Resource`, in the engine it
carries the identity that the engine gave the resource, in a binary it refers to a type by index.
Without parameters they are those of WIT: `ListOf` is `ListOf[WitType]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias

from ._requirement import Nothing, Requirement, find_provider, parse_requirements
from .errors import SeveralRequirements

if TYPE_CHECKING:  # defaults are for type checkers; `typing.TypeVar` has them since 3.13
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default="WitType")
    R_co = TypeVar("R_co", covariant=True, default="Resource")
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)
    R_co = TypeVar("R_co", covariant=True)

__all__ = (
    "Alias",
    "Borrow",
    "Case",
    "Definition",
    "Document",
    "Enum",
    "Field",
    "Flags",
    "Function",
    "FutureOf",
    "Interface",
    "ListOf",
    "MapOf",
    "OptionOf",
    "Own",
    "Package",
    "Parameter",
    "Place",
    "Primitive",
    "Record",
    "Resource",
    "ResultOf",
    "StreamOf",
    "TupleOf",
    "Variant",
    "WitType",
    "World",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source text; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Primitive:
    """`bool`, `u8` … `s64`, `f32`, `f64`, `char`, `string` or `error-context`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class ListOf(Generic[T_co]):
    """`list<element>`, of a fixed length or any."""

    element: T_co
    length: int | None = None

    def __str__(self) -> str:
        length = "" if self.length is None else f", {self.length}"
        return f"list<{self.element}{length}>"


@dataclass(frozen=True, slots=True)
class OptionOf(Generic[T_co]):
    """`option<payload>`."""

    payload: T_co

    def __str__(self) -> str:
        return f"option<{self.payload}>"


@dataclass(frozen=True, slots=True)
class ResultOf(Generic[T_co]):
    """`result<ok, error>`, either of which may carry nothing."""

    ok: T_co | None
    error: T_co | None

    def __str__(self) -> str:
        if self.error is None:
            return "result" if self.ok is None else f"result<{self.ok}>"
        return f"result<{'_' if self.ok is None else self.ok}, {self.error}>"


@dataclass(frozen=True, slots=True)
class TupleOf(Generic[T_co]):
    """`tuple<items>`."""

    items: tuple[T_co, ...]

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.items))}>"


@dataclass(frozen=True, slots=True)
class MapOf(Generic[T_co]):
    """`map<key, value>`."""

    key: T_co
    value: T_co

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


@dataclass(frozen=True, slots=True)
class FutureOf(Generic[T_co]):
    """`future<payload>`."""

    payload: T_co | None

    def __str__(self) -> str:
        return "future" if self.payload is None else f"future<{self.payload}>"


@dataclass(frozen=True, slots=True)
class StreamOf(Generic[T_co]):
    """`stream<payload>`."""

    payload: T_co | None

    def __str__(self) -> str:
        return "stream" if self.payload is None else f"stream<{self.payload}>"


@dataclass(frozen=True, slots=True)
class Field(Generic[T_co]):
    """One field of a record."""

    name: str
    type: T_co
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class Case(Generic[T_co]):
    """One case of a variant, an enum or flags; only a variant's carries a type."""

    name: str
    type: T_co | None = None
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name if self.type is None else f"{self.name}({self.type})"


def _spell(keyword: str, name: str, members: Iterable[object]) -> str:
    """Return a definition in one line; a type that was not read from WIT may lack its name."""
    return f"{keyword} {name}{' ' if name else ''}{{ {', '.join(map(str, members))} }}"


@dataclass(frozen=True, slots=True)
class Record(Generic[T_co]):
    """`record name { fields }`."""

    name: str = field(compare=False)
    fields: tuple[Field[T_co], ...]
    owner: str | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name or self.spelled_out()

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return _spell("record", self.name, self.fields)


@dataclass(frozen=True, slots=True)
class Variant(Generic[T_co]):
    """`variant name { cases }`."""

    name: str = field(compare=False)
    cases: tuple[Case[T_co], ...]
    owner: str | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name or self.spelled_out()

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return _spell("variant", self.name, self.cases)


@dataclass(frozen=True, slots=True)
class Enum:
    """`enum name { cases }`."""

    name: str = field(compare=False)
    cases: tuple[Case, ...]
    owner: str | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name or self.spelled_out()

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return _spell("enum", self.name, self.cases)


@dataclass(frozen=True, slots=True)
class Flags:
    """`flags name { cases }`."""

    name: str = field(compare=False)
    cases: tuple[Case, ...]
    owner: str | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name or self.spelled_out()

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return _spell("flags", self.name, self.cases)


@dataclass(frozen=True, slots=True)
class Resource:
    """`resource name`; its functions are among those of its interface."""

    name: str
    owner: str | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return f"resource {self.name}"


@dataclass(frozen=True, slots=True)
class Own(Generic[R_co]):
    """A handle that passes ownership of a resource."""

    resource: R_co

    def __str__(self) -> str:
        return str(self.resource)


@dataclass(frozen=True, slots=True)
class Borrow(Generic[R_co]):
    """A handle lent for one call."""

    resource: R_co

    def __str__(self) -> str:
        return f"borrow<{self.resource}>"


@dataclass(frozen=True, slots=True)
class Alias:
    """`type name = target`, or a name taken from elsewhere with `use`."""

    name: str
    target: WitType
    docs: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.name

    def spelled_out(self) -> str:
        """Return the definition in one line."""
        return f"type {self.name} = {self.target}"


WitType: TypeAlias = (
    Primitive
    | ListOf["WitType"]
    | OptionOf["WitType"]
    | ResultOf["WitType"]
    | TupleOf["WitType"]
    | MapOf["WitType"]
    | FutureOf["WitType"]
    | StreamOf["WitType"]
    | Record["WitType"]
    | Variant["WitType"]
    | Enum
    | Flags
    | Resource
    | Own
    | Borrow
)
Definition: TypeAlias = Record | Variant | Enum | Flags | Resource | Alias


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function."""

    name: str
    type: WitType

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of an interface, of a resource, or of a world.

    Attributes:
        name: The name in the component model: `get`, `[method]connection.send`,
            `[constructor]connection`, `[static]connection.open`.
        parameters: In order; a method's first one is `self`.
        result: None when it returns nothing.
        is_async: Whether it is declared `async`, which airswasm does not run.
        docs: The doc comment, annotations included.
        place: The place of its declaration, if the source was read as text.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: WitType | None = None
    is_async: bool = False
    docs: str = field(default="", compare=False)
    place: Place | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the signature, as WIT writes it."""
        shown = [p for p in self.parameters if p.name != "self" or not self.is_method]
        result = "" if self.result is None or self.is_constructor else f" -> {self.result}"
        keyword = "" if self.is_constructor else self._keyword()
        return f"{self.plain_name}{keyword}({', '.join(map(str, shown))}){result};"

    @property
    def signature(self) -> str:
        """The signature, as WIT writes it."""
        return str(self)

    @property
    def plain_name(self) -> str:
        """The name as it is written in WIT, `send` for `[method]connection.send`."""
        if self.is_constructor:
            return "constructor"
        return self.name.rpartition(".")[2] if self.name.startswith("[") else self.name

    @property
    def resource_name(self) -> str | None:
        """The resource that this is a method, static function or constructor of."""
        if not self.name.startswith("["):
            return None
        return self.name.partition("]")[2].partition(".")[0]

    @property
    def is_method(self) -> bool:
        """Whether it is called on a resource."""
        return self.name.startswith("[method]")

    @property
    def is_constructor(self) -> bool:
        """Whether it makes a resource."""
        return self.name.startswith("[constructor]")

    @property
    def requirements(self) -> tuple[Requirement, ...] | Nothing | None:
        """Its permission annotations, all of which must be met; None without any.

        Raises:
            AnnotationError: One of them cannot be understood.
        """
        return parse_requirements(self.docs)

    @property
    def requires(self) -> Requirement | Nothing | None:
        """Its only permission annotation; None without any.

        Raises:
            AnnotationError: It cannot be understood.
            SeveralRequirements: There are more, and enforcing one would leave the others open.
        """
        found = self.requirements
        if not isinstance(found, tuple):
            return found
        first, *others = found
        if others:
            raise SeveralRequirements(self.name, len(found))
        return first

    def _keyword(self) -> str:
        keyword = ": static func" if self.name.startswith("[static]") else ": func"
        return keyword.replace("func", "async func") if self.is_async else keyword


@dataclass(frozen=True, slots=True)
class Interface:
    """A named set of functions and types.

    Attributes:
        name: In full, `airswasm:component/storage@0.1.0`; a plain name for one that a world
            declares inline.
    """

    name: str
    functions: Mapping[str, Function]
    types: Mapping[str, Definition]
    docs: str = field(default="", compare=False)

    @property
    def short_name(self) -> str:
        """Without package and version: `storage`."""
        return self.name.rpartition("/")[2].partition("@")[0]

    @property
    def provider(self) -> str | None:
        """The distribution that its doc comment names: `@offered-by airswasm-storage`."""
        return find_provider(self.docs)

    @property
    def is_types_only(self) -> bool:
        """Whether it has neither functions nor resources, so that no host needs to provide it."""
        has_resource = any(isinstance(item, Resource) for item in self.types.values())
        return not self.functions and not has_resource


@dataclass(frozen=True, slots=True)
class World:
    """The imports and exports of a component.

    Attributes:
        name: Its plain name; a compiled component's is `root`.
        package: The package that declares it.
        imports: Interfaces by their name.
        exports: Interfaces by their name.
        imported_functions: Functions that the world imports outside any interface.
        exported_functions: Functions that the world exports outside any interface.
    """

    name: str
    package: str
    imports: Mapping[str, Interface]
    exports: Mapping[str, Interface]
    imported_functions: Mapping[str, Function]
    exported_functions: Mapping[str, Function]
    docs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Package:
    """A WIT package.

    Attributes:
        name: With its version, `airswasm:component@0.1.0`.
        interfaces: By short name.
        worlds: By name.
    """

    name: str
    interfaces: Mapping[str, Interface]
    worlds: Mapping[str, World]
    docs: str = field(default="", compare=False)

    @property
    def version(self) -> str | None:
        """The part after `@`."""
        return self.name.partition("@")[2] or None

    def functions(self) -> Iterator[tuple[Interface, Function]]:
        """Iterate over every function of every interface."""
        for interface in self.interfaces.values():
            for function in interface.functions.values():
                yield interface, function


@dataclass(frozen=True, slots=True)
class Document:
    """The result of one reading: a package with the packages that it uses."""

    packages: Mapping[str, Package]
    main: Package
