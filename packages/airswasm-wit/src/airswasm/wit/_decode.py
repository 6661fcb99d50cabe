"""The way from the JSON of wasm-tools to the model.

The JSON refers to types by index, so a few bytes of a component can stand for a type that is
exponentially large when written out, or nested without end. Both are counted while building and
refused; everything behind this module may then recurse and print without a guard of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias, TypeVar, cast

from .errors import WitTooComplex
from .model import (
    Alias,
    Borrow,
    Case,
    Definition,
    Document,
    Enum,
    Field,
    Flags,
    Function,
    FutureOf,
    Interface,
    ListOf,
    MapOf,
    OptionOf,
    Own,
    Package,
    Parameter,
    Primitive,
    Record,
    Resource,
    ResultOf,
    StreamOf,
    TupleOf,
    Variant,
    WitType,
    World,
)

__all__ = ("decode",)

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
_T = TypeVar("_T")

_MOST_NESTING = 100
_MOST_NODES = 10_000


def decode(text: str | bytes) -> Document:
    """Build the model from the output of `wasm-tools component wit --json`.

    Raises:
        WitTooComplex: A type is nested or unfolds beyond the limits.
    """
    return _Decoder(_map(json.loads(text))).document()


class _Decoder:
    def __init__(self, raw: Mapping[str, Json]) -> None:
        self._types = [_map(item) for item in _list(raw["types"])]
        self._raw_interfaces = [_map(item) for item in _list(raw["interfaces"])]
        self._raw_worlds = [_map(item) for item in _list(raw["worlds"])]
        self._packages = [_map(item) for item in _list(raw["packages"])]
        self._built: dict[int, WitType] = {}
        self._nodes: dict[int, int] = {}
        self._levels: dict[int, int] = {}
        self._depth = 0
        self._inline = dict(self._inline_names())
        self._interfaces = [self._interface(item) for item in self._raw_interfaces]

    def document(self) -> Document:
        packages = {_text(item["name"]): self._package(item) for item in self._packages}
        # wasm-tools orders packages so that each comes after those it uses.
        main = list(packages.values())[-1]
        return Document(MappingProxyType(packages), main)

    def _package(self, raw: Mapping[str, Json]) -> Package:
        interfaces = _each(raw["interfaces"], lambda index: self._interfaces[_int(index)])
        worlds = _each(raw["worlds"], lambda index: self._world(self._raw_worlds[_int(index)]))
        return Package(_text(raw["name"]), interfaces, worlds, _docs(raw))

    def _world(self, raw: Mapping[str, Json]) -> World:
        package = _text(self._packages[_int(raw["package"])]["name"])
        imports, imported = self._items(_map(raw["imports"]))
        exports, exported = self._items(_map(raw["exports"]))
        return World(_text(raw["name"]), package, imports, exports, imported, exported, _docs(raw))

    def _items(
        self, raw: Mapping[str, Json]
    ) -> tuple[Mapping[str, Interface], Mapping[str, Function]]:
        interfaces: dict[str, Interface] = {}
        functions: dict[str, Function] = {}
        for key, value in raw.items():
            item = _map(value)
            if "interface" in item:
                interface = self._interfaces[_int(_map(item["interface"])["id"])]
                name = interface.name or key
                interfaces[name] = interface if interface.name else _named(interface, key)
            elif "function" in item:
                functions[key] = self._function(_map(item["function"]))
        return MappingProxyType(interfaces), MappingProxyType(functions)

    def _interface(self, raw: Mapping[str, Json]) -> Interface:
        types = _each(raw["types"], lambda index: self._definition(_int(index)))
        functions = _each(raw["functions"], lambda item: self._function(_map(item)))
        return Interface(self._full_name(raw), functions, types, _docs(raw))

    def _full_name(self, raw: Mapping[str, Json]) -> str:
        """Return the full name; an empty one for an interface that a world declares inline."""
        if raw["name"] is None:
            return ""
        package = _text(self._packages[_int(raw["package"])]["name"])
        base, at, version = package.partition("@")
        return f"{base}/{_text(raw['name'])}{at}{version}"

    def _function(self, raw: Mapping[str, Json]) -> Function:
        parameters = tuple(
            Parameter(_text(item["name"]), self._type(item["type"]))
            for item in map(_map, _list(raw["params"]))
        )
        kind = raw["kind"]
        kind_name = kind if isinstance(kind, str) else next(iter(_map(kind)))
        return Function(
            _text(raw["name"]),
            parameters,
            self._maybe(raw.get("result")),
            kind_name.startswith("async"),
            _docs(raw),
        )

    def _definition(self, index: int) -> Definition:
        raw = self._types[index]
        built = self._type(index)
        kind = raw["kind"]
        is_alias = isinstance(kind, dict) and "type" in kind
        if not is_alias and isinstance(built, Record | Variant | Enum | Flags | Resource):
            return built
        return Alias(_text(raw["name"]), built, _docs(raw))

    def _maybe(self, raw: Json) -> WitType | None:
        return None if raw is None else self._type(raw)

    def _type(self, raw: Json) -> WitType:
        if isinstance(raw, str):
            return Primitive(raw)
        index = _int(raw)
        if index not in self._built:
            self._depth += 1
            if self._depth > _MOST_NESTING:
                raise WitTooComplex("the nesting of a type", f"{_MOST_NESTING} levels")
            self._built[index] = self._build(self._types[index])
            self._depth -= 1
            self._measure(index)
        return self._built[index]

    def _measure(self, index: int) -> None:
        """Count the nodes and levels that a type unfolds to; its parts were built before."""
        parts = _indexes(self._types[index]["kind"])
        self._nodes[index] = 1 + sum(self._nodes[part] for part in parts)
        self._levels[index] = 1 + max((self._levels[part] for part in parts), default=0)
        if self._nodes[index] > _MOST_NODES:
            raise WitTooComplex("the size of a type, written out,", f"{_MOST_NODES} parts")
        if self._levels[index] > _MOST_NESTING:
            raise WitTooComplex("the nesting of a type", f"{_MOST_NESTING} levels")

    def _build(self, raw: Mapping[str, Json]) -> WitType:
        kind = raw["kind"]
        if kind == "resource":
            return Resource(_text(raw["name"]), self._owner(raw), _docs(raw))
        if not isinstance(kind, dict):
            return Primitive(_text(kind))
        (tag, body), *_ = kind.items()
        if tag in _NAMED:
            return self._build_named(tag, _map(body), raw)
        return self._build_structural(tag, body)

    def _build_named(self, tag: str, body: Mapping[str, Json], raw: Mapping[str, Json]) -> WitType:
        name, owner, docs = _text(raw["name"]), self._owner(raw), _docs(raw)
        parts = [_map(item) for item in _list(body[_NAMED[tag]])]
        if tag == "record":
            fields = (Field(_text(p["name"]), self._type(p["type"]), _docs(p)) for p in parts)
            return Record(name, tuple(fields), owner, docs)
        cases: tuple[Case, ...] = tuple(
            Case(_text(p["name"]), self._maybe(p.get("type")), _docs(p)) for p in parts
        )
        if tag == "variant":
            return Variant(name, cases, owner, docs)
        return (Enum if tag == "enum" else Flags)(name, cases, owner, docs)

    def _build_structural(self, tag: str, body: Json) -> WitType:
        if tag in ("list", "option", "type"):
            inner = self._type(body)
            return ListOf(inner) if tag == "list" else OptionOf(inner) if tag == "option" else inner
        if tag == "result":
            sides = _map(body)
            return ResultOf(self._maybe(sides["ok"]), self._maybe(sides["err"]))
        if tag == "tuple":
            return TupleOf(tuple(self._type(item) for item in _list(_map(body)["types"])))
        if tag == "handle":
            return self._handle(_map(body))
        if tag in ("future", "stream"):
            payload = self._maybe(body)
            return FutureOf(payload) if tag == "future" else StreamOf(payload)
        first, second = _list(body)
        if tag == "map":
            return MapOf(self._type(first), self._type(second))
        return ListOf(self._type(first), _int(second))

    def _handle(self, body: Mapping[str, Json]) -> WitType:
        (tag, index), *_ = body.items()
        resource = cast("Resource", self._type(index))
        return Own(resource) if tag == "own" else Borrow(resource)

    def _owner(self, raw: Mapping[str, Json]) -> str | None:
        owner = raw.get("owner")
        if not isinstance(owner, dict) or "interface" not in owner:
            return None
        index = _int(owner["interface"])
        return self._full_name(self._raw_interfaces[index]) or self._inline.get(index)

    def _inline_names(self) -> Iterator[tuple[int, str]]:
        """Find the names that worlds give to the interfaces that they declare inline."""
        for world in self._raw_worlds:
            for way in ("imports", "exports"):
                for key, value in _map(world[way]).items():
                    item = _map(value)
                    if "interface" in item:
                        yield _int(_map(item["interface"])["id"]), key


# How each kind of named type calls its parts.
_NAMED = {"record": "fields", "variant": "cases", "enum": "cases", "flags": "flags"}


def _named(interface: Interface, name: str) -> Interface:
    return Interface(name, interface.functions, interface.types, interface.docs)


def _indexes(kind: Json) -> list[int]:
    """List the type indexes in a type's JSON: every integer but the length of a list."""
    if isinstance(kind, bool) or kind is None or isinstance(kind, str):
        return []
    if isinstance(kind, int):
        return [kind]
    if isinstance(kind, dict):
        if "fixed-length-list" in kind:
            return _indexes(_list(kind["fixed-length-list"])[0])
        return [index for key, value in kind.items() if key != "docs" for index in _indexes(value)]
    return [index for item in _list(kind) for index in _indexes(item)]


def _each(raw: Json, build: Callable[[Json], _T]) -> Mapping[str, _T]:
    return MappingProxyType({key: build(value) for key, value in _map(raw).items()})


def _docs(raw: Mapping[str, Json]) -> str:
    docs = raw.get("docs")
    contents = docs.get("contents") if isinstance(docs, dict) else None
    return contents if isinstance(contents, str) else ""


def _map(raw: Json) -> Mapping[str, Json]:
    return cast("Mapping[str, Json]", raw)


def _list(raw: Json) -> Sequence[Json]:
    return cast("Sequence[Json]", raw)


def _text(raw: Json) -> str:
    return cast("str", raw)


def _int(raw: Json) -> int:
    return cast("int", raw)
