"""One operation of a control API, described once.

Every user of an operation reads it from here: the server derives its routes from the table, the
remote host its requests, the OpenAPI document and the API's page their text. So no two places can
spell an operation differently, and a block with operations of its own writes one tuple.

This is data, and the module imports only the standard library: a verb that talks to a running host
reads the table, and must not load an engine for it. The implementation of an operation is named,
not imported: a method of the host for the command's own, `module:function` for a block's.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

__all__ = (
    "REQUIRED",
    "SCOPES",
    "Answer",
    "Bytes",
    "Component",
    "Flag",
    "Json",
    "JsonLines",
    "Kind",
    "Nothing",
    "Number",
    "Operation",
    "Parameter",
    "Place",
    "Raw",
    "Scope",
    "Stream",
    "Table",
    "Text",
    "plain_number",
    "read_table",
)

REQUIRED: object = inspect.Parameter.empty
"""Marks a parameter without a default."""
Place = Literal["path", "query", "body"]
Scope = Literal["monitoring", "read", "send", "all"]
SCOPES: tuple[Scope, ...] = ("monitoring", "read", "send", "all")
"""The scopes of tokens: figures and health; all that changes nothing; messages to some components;
everything."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


# -- what a parameter can be ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Text:
    """A text.

    Attributes:
        choices: The accepted texts; empty for any.
    """

    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A number.

    Attributes:
        least: The smallest accepted number.
        most: The largest accepted number.
        is_whole: Whether it must be an integer.
    """

    least: float = 0.0
    most: float = 1e9
    is_whole: bool = False


def plain_number(value: float) -> str:
    """Return a number as people write it."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes (`1`) or no (`0`)."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component's full name; in a path it is two segments, `{namespace}/{name}`."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A body of bytes that is read as a whole.

    Attributes:
        most: The largest accepted size in bytes.
        media_type: The media type of the body.
    """

    most: int
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Stream:
    """A body of bytes that is read as it arrives.

    Attributes:
        media_type: The media type of the body.
    """

    media_type: str = "application/octet-stream"


Kind: TypeAlias = Text | Number | Flag | Component | Bytes | Stream


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation.

    Attributes:
        name: The name in a call and in the URL.
        place: `path`, `query` or `body`.
        kind: The accepted values.
        meaning: One sentence for people.
        default: The value when a call omits it; `REQUIRED` if a call may not.
    """

    name: str
    place: Place
    kind: Kind
    meaning: str
    default: object = REQUIRED

    @property
    def is_required(self) -> bool:
        """Whether a call must give it."""
        return self.default is REQUIRED


# -- what an answer can be ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON object with a `schema`.

    Attributes:
        schema: Its name and version, `component/1`; empty for a document of another standard.
        model: The dataclass that it shows, as `module:Class`; empty if it has none.
        member: The member that holds the operation's result; empty if the whole object is it.
        is_list: Whether the result is a list of `model`.
    """

    schema: str
    model: str = ""
    member: str = ""
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class JsonLines:
    """JSON objects as they are made, one on each line.

    Attributes:
        schema: The name and version of each, `log/1`.
        model: As in `Json`.
    """

    schema: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes.

    Attributes:
        is_streamed: Whether they arrive in pieces; otherwise the answer may be empty.
    """

    is_streamed: bool = False


@dataclass(frozen=True, slots=True)
class Nothing:
    """No content: the host carried it out."""


Answer: TypeAlias = Json | JsonLines | Raw | Nothing


# -- the operation --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: The name of the host's method.
        method: The HTTP method.
        path: The path, with parameters as `{name}`.
        summary: One sentence for people, in the imperative.
        answer: The form of the answer.
        parameters: The parameters, in the order of a call.
        scope: The scope that a token needs for it.
        changes: Whether it changes the host. Then a token that may only read is refused.
        detail: Further paragraphs for people.
        one_of: Names of query parameters, exactly one of which must be given.
        handler: For a block's operation, `module:function`, called with the host's services and the
            parameters by name; empty for a method of the host.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    answer: Answer
    parameters: tuple[Parameter, ...] = ()
    changes: bool = False
    detail: str = ""
    handler: str = ""
    one_of: tuple[str, ...] = ()
    scope: Scope = field(kw_only=True)

    def __post_init__(self) -> None:
        named = {each.name for each in self.parameters if each.place == "path"}
        if named != set(_PLACEHOLDER.findall(self.path)):
            raise ValueError(f"{self.name}: the path and its parameters differ")
        if len(named) < len([each for each in self.parameters if each.place == "path"]):
            raise ValueError(f"{self.name}: a parameter appears twice")
        if self.changes and self.scope in ("monitoring", "read"):
            raise ValueError(f"{self.name}: it changes the host; its scope is send or all")
        has_component = any(
            isinstance(each.kind, Component) and each.place == "path" for each in self.parameters
        )
        if self.scope == "send" and not has_component:
            raise ValueError(f"{self.name}: the scope send needs a component")

    @property
    def route(self) -> str:
        """The path with one placeholder for each segment."""
        path = self.path
        for each in self.parameters:
            if each.place == "path" and isinstance(each.kind, Component):
                path = path.replace(f"{{{each.name}}}", "{namespace}/{name}")
        return path

    @property
    def body(self) -> Parameter | None:
        """The parameter that is the request's body, if there is one."""
        return next((each for each in self.parameters if each.place == "body"), None)

    def signature(self) -> inspect.Signature:
        """Return the signature of a call, without types: required ones may be positional."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        ordered = sorted(self.parameters, key=lambda each: not each.is_required)
        return inspect.Signature(
            [inspect.Parameter(each.name, kind, default=each.default) for each in ordered]
        )

    def bind(self, *positional: object, **named: object) -> Mapping[str, object]:
        """Return the arguments of a call by name, with defaults for those left out.

        Raises:
            TypeError: The arguments do not fit the signature.
        """
        bound = self.signature().bind(*positional, **named)
        bound.apply_defaults()
        return bound.arguments

    def load(self) -> Callable[..., object]:
        """Import the implementation of a block's operation."""
        return cast("Callable[..., object]", _imported(self.handler))  # the table's word for it


@dataclass(frozen=True, slots=True)
class Table:
    """Operations by name; no two have the same name or the same route.

    Iteration yields them in the order of their declaration.
    """

    operations: tuple[Operation, ...]
    _by_name: Mapping[str, Operation] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[str, Operation] = {}
        routes: dict[tuple[str, str], Operation] = {}
        for each in self.operations:
            route = each.method, _PLACEHOLDER.sub("{}", each.route)
            other = names.get(each.name) or routes.get(route)
            if other is not None:
                raise ValueError(
                    f"two operations conflict: {each.name} ({each.method} {each.path}) "
                    f"and {other.name} ({other.method} {other.path})"
                )
            names[each.name] = routes[route] = each
        object.__setattr__(self, "_by_name", names)

    def __iter__(self) -> Iterator[Operation]:
        return iter(self.operations)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Operation:
        return self._by_name[name]

    def joined(self, *sources: Iterable[Operation]) -> Table:
        """Return a table that has these operations too.

        Raises:
            ValueError: Two have the same name or the same route, or an added one has no handler:
                only the host's own table names methods of the host.
        """
        added = tuple(operation for source in sources for operation in source)
        for each in added:
            if not each.handler:
                raise ValueError(f"{each.name} ({each.method} {each.path}) names no handler")
        return Table((*self.operations, *added))


def read_table(base: Table, paths: Iterable[str]) -> Table:
    """Return a table with the operations that blocks declare.

    Args:
        base: The host's own operations.
        paths: The blocks' operations, each `module:NAME` of an iterable. This imports only these
            modules, and nothing that the operations name.

    Raises:
        ImportError, AttributeError: A path leads nowhere.
        ValueError: As for `Table.joined`.
    """
    return base.joined(*(cast("Iterable[Operation]", _imported(path)) for path in paths))


def _imported(path: str) -> object:
    module, _, name = path.partition(":")
    found: object = getattr(importlib.import_module(module), name)
    return found
