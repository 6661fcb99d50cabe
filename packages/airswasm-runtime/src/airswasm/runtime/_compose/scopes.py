"""Types and imports written again, in a component of ours, under the names that they had."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .component_types import Function, Named, Resource, Type, TypeSpace, text, unsigned, vector
from .crossings import Crossing
from .outline import Imported, InstanceType, Outline
from .reader import Unreadable
from .writer import ComponentWriter, Sort


class GivenTypes:
    """The types that a component of ours imports one by one, and what it is given for them.

    Attributes:
        given: arguments for its instantiation.
    """

    def __init__(self, writer: ComponentWriter, scope: ImportScope) -> None:
        self._writer = writer
        self._scope = scope
        self._indices: dict[tuple[str, str], int] = {}
        self.given: list[tuple[str, Sort, int]] = []

    def key(self, instance: str | None, named: Named) -> tuple[str, str]:
        """Return where a type comes from that is named in that instance's type."""
        outline = self._scope.outline
        if named.name is not None and instance is not None:
            return outline.origin(instance, named.name)[:2]
        return outline.origin(*outline.source_of(named))[:2]

    def key_of_export(self, instance: str | None, name: str, item: Type) -> tuple[str, str]:
        """Return the same for a type that an instance exports."""
        if instance is not None:
            return self._scope.outline.origin(instance, name)[:2]
        if not isinstance(item, Named):
            raise Unreadable(f"exported type `{name}` is not imported")
        return self.key(None, item)

    def refer_in(self, instance: str | None) -> Callable[[Named], int]:
        """Return how types that are named in that instance's type are referred to here."""
        return lambda named: self.index(self.key(instance, named))

    def index(self, key: tuple[str, str]) -> int:
        """Return the index of a type, imported when it is first asked for."""
        if key not in self._indices:
            instance, name, type_ = self._scope.outline.origin(*key)
            bound = _bound(TypeSpace(self._writer.type, self.refer_in(instance)), type_)
            label = f"t{len(self.given)}"
            self._indices[key] = self._writer.import_(label, Sort.TYPE, bound)
            self.given.append((label, Sort.TYPE, self._scope.type_of(instance, name)))
        return self._indices[key]


class ImportScope:
    """Writes a component's imports again, with the host's side of the bridged functions.

    Types that have names keep them: a reference to one is written as an alias of
    the instance that exports it.
    """

    def __init__(
        self, writer: ComponentWriter, outline: Outline, bridged: Sequence[Crossing]
    ) -> None:
        self.writer = writer
        self.outline = outline
        self._as_text = {(each.instance, each.name): each.as_text for each in bridged}
        self._types: dict[int, int] = {}
        self._aliases: dict[tuple[str, str], int] = {}
        self.index_of: dict[str, int] = {}
        for name, _, imported in outline.imports:
            self.index_of[name] = self._import(name, imported)

    def type_of(self, instance: str, name: str) -> int:
        """Return the index of a type that an imported instance exports."""
        key = instance, name
        if key not in self._aliases:
            index = self.index_of[instance]
            self._aliases[key] = self.writer.alias(Sort.TYPE, index, name)
        return self._aliases[key]

    def refer_in(self, instance: str | None) -> Callable[[Named], int]:
        """Return how types that are named in that instance's type are referred to from outside."""

        def refer(named: Named) -> int:
            if named.name is None or instance is None:
                return self._outer(named)
            return self.type_of(instance, named.name)

        return refer

    def _outer(self, named: Named) -> int:
        if (index := self._types.get(named.index)) is not None:
            return index
        return self.type_of(*self.outline.source_of(named))

    def _import(self, name: str, imported: Imported) -> int:
        type_ = imported.type
        if isinstance(type_, InstanceType):
            index = self.writer.type(self._instance_type(name, type_))
            return self.writer.import_(name, Sort.INSTANCE, b"\x05" + unsigned(index))
        space = TypeSpace(self.writer.type, self._outer)
        if isinstance(type_, Function):
            index = space.function(self._as_text.get((None, name), type_))
            return self.writer.import_(name, Sort.FUNCTION, b"\x01" + unsigned(index))
        bound = _bound(space, type_)
        index = self.writer.import_(name, Sort.TYPE, bound)
        self._types[self._imported_type(name)] = index
        return index

    def _imported_type(self, name: str) -> int:
        return self.outline.imported_types[name]

    def _instance_type(self, instance: str, type_: InstanceType) -> bytes:
        declarations: list[bytes] = []
        names: dict[str, int] = {}
        outer: dict[int, int] = {}
        count = 0

        def declare(declaration: bytes) -> int:
            nonlocal count
            declarations.append(declaration)
            count += 1
            return count - 1

        def refer(named: Named) -> int:
            if named.name is not None:
                return names[named.name]
            if named.index not in outer:
                around = unsigned(self._outer(named))
                outer[named.index] = declare(b"\x02\x03\x02\x01" + around)
            return outer[named.index]

        space = TypeSpace(lambda definition: declare(b"\x01" + definition), refer)
        for name, item in type_.exports:
            if isinstance(item, Function):
                index = space.function(self._as_text.get((instance, name), item))
                declarations.append(b"\x04\x00" + text(name) + b"\x01" + unsigned(index))
            else:
                bound = _bound(space, item)
                names[name] = declare(b"\x04\x00" + text(name) + bound)
        return b"\x42" + vector(declarations)


def _bound(space: TypeSpace, type_: Type) -> bytes:
    if isinstance(type_, Resource):
        return b"\x03\x01"
    return b"\x03\x00" + unsigned(space.defined(type_))
