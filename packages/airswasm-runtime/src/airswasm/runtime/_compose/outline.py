"""Reads from a component's binary what it imports and exports.

Index spaces are followed as far as it takes to know the type of every imported
and exported function. Anything that ordinary tools do not emit ends in
`Unreadable`, and the component goes without a bridge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from .component_types import (
    Function,
    Lookup,
    Named,
    Resource,
    Type,
    read_defined,
    read_function,
)
from .reader import PREAMBLE_BYTES, Reader, Section, Unreadable
from .writer import Sort

CORE_MODULE_SORT = 0x11


@dataclass(frozen=True, slots=True)
class InstanceType:
    """The exports of an instance, in order: a `Function`, a `Named` resource or the type it is."""

    exports: tuple[tuple[str, Function | Type], ...]

    def find(self, name: str) -> Function | Type:
        """Return the export of that name."""
        for each, item in self.exports:
            if each == name:
                return item
        raise Unreadable(f"an instance has no export `{name}`")


Definition: TypeAlias = Function | InstanceType | Type


@dataclass(frozen=True, slots=True)
class Imported:
    """Something imported.

    Attributes:
        name: its name.
        type: what it is.
    """

    name: str
    type: Definition


@dataclass(frozen=True, slots=True)
class Aliased:
    """An export of an instance."""

    instance: int
    name: str


@dataclass(frozen=True, slots=True)
class Lifted:
    """A core function with a component type.

    Attributes:
        type: its type.
        core: the index of the core function.
        memory: the index of the core memory that its values are in, if it has one.
        realloc: the index of the core function that makes room there, likewise.
        after: the index of the core function that is called with its result, likewise.
        is_utf8: whether its strings are UTF-8.
    """

    type: Function
    core: int
    memory: int | None = None
    realloc: int | None = None
    after: int | None = None
    is_utf8: bool = True


@dataclass(frozen=True, slots=True)
class Lowered:
    """A component function as a core function.

    Attributes:
        function: the index of the function.
        memory: the index of the core memory that its values are in, if it has one.
        realloc: the index of the core function that makes room there, likewise.
        is_utf8: whether its strings are UTF-8.
    """

    function: int
    memory: int | None
    realloc: int | None
    is_utf8: bool


@dataclass(frozen=True, slots=True)
class Instantiated:
    """An instance of a component, with its arguments."""

    component: int
    arguments: dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Assembled:
    """An instance made of what there was: name to sort and index."""

    exports: dict[str, tuple[int, int]]


Entry: TypeAlias = Imported | Aliased | Lifted | Instantiated | Assembled


@dataclass(slots=True)
class Outline:
    """A component's index spaces, imports and exports."""

    types: list[Definition] = field(default_factory=list[Definition])
    functions: list[Entry] = field(default_factory=list[Entry])
    instances: list[Entry] = field(default_factory=list[Entry])
    components: list[Reader | None] = field(default_factory=list[Reader | None])
    imports: list[tuple[str, Sort, Imported]] = field(
        default_factory=list[tuple[str, Sort, Imported]]
    )
    exports: list[tuple[str, Sort, int]] = field(default_factory=list[tuple[str, Sort, int]])
    type_sources: dict[int, Aliased] = field(default_factory=dict[int, Aliased])
    imported_types: dict[str, int] = field(default_factory=dict[str, int])
    type_exports: dict[int, int] = field(default_factory=dict[int, int])
    core_counts: dict[str, int] = field(default_factory=dict[str, int])
    core_modules: list[Reader | None] = field(default_factory=list[Reader | None])
    core_instances: list[int | dict[str, int]] = field(default_factory=list[int | dict[str, int]])
    core_functions: list[tuple[int, str] | None] = field(
        default_factory=list[tuple[int, str] | None]
    )
    core_arguments: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    core_tables: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    lowered: dict[int, Lowered] = field(default_factory=dict[int, Lowered])
    parent: Outline | None = None

    def type_at(self, index: int) -> Definition:
        """Return the type of an index."""
        if index >= len(self.types):
            raise Unreadable(f"type {index} is not defined")
        return self.types[index]

    def value_at(self, index: int) -> Type:
        """Return a type of values."""
        return _value(self.type_at(index))

    def function_type(self, index: int) -> Function:
        """Return the type of a function of this component."""
        entry = self.functions[index]
        match entry:
            case Lifted(function):
                return function
            case Imported(type=function) if isinstance(function, Function):
                return function
            case Aliased(instance, name):
                return self._aliased_function(instance, name)
            case _:
                raise Unreadable(f"function {index} has no type that a bridge can find")

    def count_core(self, space: str, more: int = 1) -> None:
        """Count one more in a core index space, which is named as `ComponentWriter` does."""
        self.core_counts[space] = self.core_counts.get(space, 0) + more

    def core_module(self, index: int) -> Reader:
        """Return a core module of this component, after its preamble."""
        module = self.core_modules[index]
        if module is None:
            raise Unreadable("a core module that is not defined here")
        return module

    def lifted(self, sort: Sort, index: int, name: str) -> Lifted | None:
        """Find what is behind an exported function, or a function of an exported instance."""
        entry: Entry | None = None
        if sort == Sort.FUNCTION:
            entry = self.functions[index]
        elif sort == Sort.INSTANCE:
            entry = self._behind(self.instances[index], name)
        return entry if isinstance(entry, Lifted) else None

    def _behind(self, instance: Entry, name: str) -> Entry | None:
        if isinstance(instance, Assembled):
            sort, index = instance.exports[name]
            return self.functions[index] if sort == Sort.FUNCTION else None
        if not isinstance(instance, Instantiated):
            return None
        reader = self.components[instance.component]
        if reader is None:
            return None
        inner = read_outline(Reader(*reader.span()), self)
        for each, sort, index in inner.exports:
            if each == name and sort == Sort.FUNCTION:
                entry = inner.functions[index]
                if isinstance(entry, Imported):
                    return self.functions[instance.arguments[entry.name][1]]
        return None

    def _aliased_function(self, instance: int, name: str) -> Function:
        entry = self.instances[instance]
        if isinstance(entry, Imported) and isinstance(entry.type, InstanceType):
            found: object = entry.type.find(name)
        else:
            found = dict(self.exported_items(instance))[name]
        if not isinstance(found, Function):
            raise Unreadable(f"`{name}` is no function")
        return found

    def exported_items(self, instance: int) -> list[tuple[str, Function | Named]]:
        """Return what an instance exports, in order: functions and types that have a name here."""
        match self.instances[instance]:
            case Assembled(exports):
                return [(name, self._item(sort, at)) for name, (sort, at) in exports.items()]
            case Instantiated(component, arguments):
                return self._items_of(component, arguments)
            case _:
                raise Unreadable(f"instance {instance} is none that a bridge can follow")

    def origin(self, instance: str, name: str) -> tuple[str, str, Type]:
        """Return where a type of an imported instance comes from: instance, name, what it is.

        Interfaces hand types on; the names within a type are those of where it
        was defined.
        """
        for _ in range(len(self.imports) + 1):
            item = self._imported(instance).find(name)
            if not isinstance(item, Named):
                return instance, name, _inner(item)
            if item.name is not None:
                name = item.name
            else:
                instance, name = self.source_of(item)
        raise Unreadable(f"type `{name}` stands for itself")

    def source_of(self, named: Named) -> tuple[str, str]:
        """Return the imported instance and the name there of a type that is named here."""
        source = self.type_sources.get(named.index)
        imported = self.instances[source.instance] if source else None
        if source is None or not isinstance(imported, Imported):
            raise Unreadable(f"type {named.index} is not one that an instance imports")
        return imported.name, source.name

    def _imported(self, instance: str) -> InstanceType:
        for name, _, imported in self.imports:
            if name == instance and isinstance(imported.type, InstanceType):
                return imported.type
        raise Unreadable(f"`{instance}` is not imported")

    def _item(self, sort: int, index: int) -> Function | Named:
        if sort == Sort.FUNCTION:
            return self.function_type(index)
        if sort == Sort.TYPE and isinstance(named := self.type_at(index), Named):
            return named
        raise Unreadable("an exported instance with a part that a bridge does not know")

    def _items_of(
        self, component: int, arguments: dict[str, tuple[int, int]]
    ) -> list[tuple[str, Function | Named]]:
        reader = self.components[component]
        if reader is None:
            raise Unreadable("a component that is not defined here")
        inner = read_outline(Reader(*reader.span()), self)
        return [
            (name, self._inner_item(inner, sort, index, arguments))
            for name, sort, index in inner.exports
        ]

    def _inner_item(
        self, inner: Outline, sort: Sort, index: int, arguments: dict[str, tuple[int, int]]
    ) -> Function | Named:
        """Return an export of a component inside, as far as it hands on what it was given."""
        if sort == Sort.FUNCTION and isinstance(entry := inner.functions[index], Imported):
            return self._item(*arguments[entry.name])
        if sort == Sort.TYPE:
            name = inner.imported_name(index)
            return self._item(*arguments[name])
        return inner._item(sort, index)

    def imported_name(self, type_: int) -> str:
        """Return the name under which a type is imported, also if it is an export of it by now."""
        index = self.type_exports.get(type_, type_)
        for name, at in self.imported_types.items():
            if at == index:
                return name
        raise Unreadable(f"type {type_} is not imported")


def read_component(wasm: bytes) -> Outline:
    """Read a whole component.

    Raises:
        Unreadable: it has a shape that a bridge does not know.
    """
    try:
        return read_outline(Reader(wasm, PREAMBLE_BYTES), None)
    except (IndexError, KeyError, ValueError) as error:  # an index or sort that is none
        raise Unreadable(f"an index or sort points nowhere: {error}") from error


def read_outline(reader: Reader, parent: Outline | None) -> Outline:
    """Read a component after its preamble."""
    outline = Outline(parent=parent)
    for number, body in reader.sections():
        if number == Section.COMPONENT:
            body.part(PREAMBLE_BYTES)
            outline.components.append(body)
        elif (read := _ITEMS.get(number)) is not None:
            for _ in range(body.u32()):
                read(outline, body)
        elif number == Section.CORE_MODULE:
            outline.count_core("core module")
            body.part(PREAMBLE_BYTES)
            outline.core_modules.append(body)
        elif number == Section.CORE_INSTANCE:
            for _ in range(body.u32()):
                outline.count_core("core instance")
                outline.core_instances.append(_read_core_instance(outline, body))
        elif number not in _SKIPPED:
            raise Unreadable(f"a section of kind {number}")
    return outline


def _read_core_instance(outline: Outline, body: Reader) -> int | dict[str, int]:
    """Read the module that it is an instance of, or the functions that it is made of, by name."""
    kind, number = body.byte(), len(outline.core_instances)
    if kind == 0:
        module = body.u32()
        given = [(body.name(), body.byte(), body.u32()) for _ in range(body.u32())]
        outline.core_arguments[number] = {name: index for name, _, index in given}
        return module
    if kind != 1:
        raise Unreadable(f"a core instance of kind {kind}")
    items = [(body.name(), body.byte(), body.u32()) for _ in range(body.u32())]
    outline.core_tables[number] = {name: index for name, sort, index in items if sort == 1}
    return {name: index for name, sort, index in items if sort == 0}


_SKIPPED = (Section.CUSTOM, Section.CORE_TYPE)


def _value(definition: Definition) -> Type:
    if isinstance(definition, Function | InstanceType):
        raise Unreadable("a function or instance where a value is meant")
    return definition


def _read_type(outline: Outline, body: Reader) -> None:
    code = body.peek()
    if code == 0x3F:
        outline.types.append(_read_resource(body, len(outline.types)))
    elif code == 0x40:
        body.byte()
        outline.types.append(read_function(body, outline.value_at))
    elif code == 0x42:
        body.byte()
        outline.types.append(_read_instance_type(body, outline))
    else:
        outline.types.append(read_defined(body, outline.value_at))


def _read_resource(body: Reader, index: int) -> Named:
    body.byte()
    if body.byte() != 0x7F:
        raise Unreadable("a resource that is not represented by 32 bits")
    if body.byte():
        body.u32()
    return Named(index, None, Resource())


def _read_instance_type(body: Reader, outline: Outline) -> InstanceType:
    local: list[Definition] = []
    exports: list[tuple[str, Function | Type]] = []

    def at(index: int) -> Type:
        return _value(local[index])

    for _ in range(body.u32()):
        kind = body.byte()
        if kind == 1:
            local.append(_read_local_type(body, at))
        elif kind == 2:
            local.append(_read_outer_alias(body, outline))
        elif kind == 4:
            name, sort, item = _read_export_declaration(body, local)
            exports.append((name, item))
            if sort == Sort.TYPE:
                local.append(Named(len(local), name, _inner(item)))
        else:
            raise Unreadable(f"a declaration of kind {kind} in an instance type")
    return InstanceType(tuple(exports))


def _read_local_type(body: Reader, at: Lookup) -> Definition:
    if body.peek() == 0x40:
        body.byte()
        return read_function(body, at)
    return read_defined(body, at)


def _read_outer_alias(body: Reader, outline: Outline) -> Definition:
    if body.byte() != Sort.TYPE or body.byte() != 2 or body.u32() != 1:
        raise Unreadable("an alias in an instance type that is not of the type around it")
    return outline.type_at(body.u32())


def _read_export_declaration(
    body: Reader, local: list[Definition]
) -> tuple[str, Sort, Function | Type]:
    name, kind = _external_name(body), body.byte()
    if kind == Sort.FUNCTION:
        function = local[body.u32()]
        if not isinstance(function, Function):
            raise Unreadable(f"`{name}` is no function")
        return name, Sort.FUNCTION, function
    if kind == Sort.TYPE:
        return name, Sort.TYPE, _read_bound(body, lambda index: _value(local[index]))
    raise Unreadable(f"`{name}`, in an instance, is of a kind that a bridge does not know")


def _read_bound(body: Reader, lookup: Lookup) -> Type:
    if body.byte() == 0:
        return lookup(body.u32())
    return Resource()


def _inner(item: Function | Type) -> Type:
    if isinstance(item, Function):
        raise Unreadable("a function where a type is meant")
    return item.type if isinstance(item, Named) else item


def _external_name(body: Reader) -> str:
    if body.byte() > 1:
        raise Unreadable("a name with options")
    return body.name()


def _read_import(outline: Outline, body: Reader) -> None:
    name, kind = _external_name(body), body.byte()
    if kind == Sort.FUNCTION:
        imported = Imported(name, outline.type_at(body.u32()))
        outline.functions.append(imported)
    elif kind == Sort.INSTANCE:
        imported = Imported(name, outline.type_at(body.u32()))
        outline.instances.append(imported)
    elif kind == Sort.TYPE:
        bound = _read_bound(body, outline.value_at)
        imported = Imported(name, bound)
        outline.imported_types[name] = len(outline.types)
        outline.types.append(Named(len(outline.types), None, _inner(bound)))
    else:
        raise Unreadable(f"import `{name}` is of a kind that a bridge does not know")
    outline.imports.append((name, Sort(kind), imported))


def _read_export(outline: Outline, body: Reader) -> None:
    name = _external_name(body)
    sort, index = _sort_index(body)
    if body.byte():
        _skip_description(body)
    outline.exports.append((name, Sort(sort), index))
    if sort == Sort.FUNCTION:
        outline.functions.append(outline.functions[index])
    elif sort == Sort.INSTANCE:
        outline.instances.append(outline.instances[index])
    elif sort == Sort.TYPE:
        named = outline.types[index]
        if not isinstance(named, Function | InstanceType):
            outline.type_exports[len(outline.types)] = index
            named = Named(len(outline.types), None, _inner(named))
        outline.types.append(named)
    elif sort == Sort.COMPONENT:
        outline.components.append(outline.components[index])
    else:
        raise Unreadable(f"export `{name}` is of a kind that a bridge does not know")


def _skip_description(body: Reader) -> None:
    kind = body.byte()
    if kind == 0:
        body.byte()
    elif kind == Sort.TYPE and body.byte() == 1:
        return
    body.u32()


def _sort_index(body: Reader) -> tuple[int, int]:
    sort = body.byte()
    if sort == 0:
        body.byte()
    return sort, body.u32()


def _read_alias(outline: Outline, body: Reader) -> None:
    sort, core = body.byte(), None
    if sort == 0:
        core = body.byte()
        outline.count_core("core module" if core == CORE_MODULE_SORT else f"core {core}")
        if core == CORE_MODULE_SORT:
            outline.core_modules.append(None)
    target = body.byte()
    if target == 2:
        _read_outer(outline, body, sort)
    elif target == 1:
        alias = body.u32(), body.name()
        if sort == 0 and core == 0:
            outline.core_functions.append(alias)
    elif target == 0:
        _add_alias(outline, sort, Aliased(body.u32(), body.name()))
    else:
        raise Unreadable(f"an alias of kind {target}")


def _read_outer(outline: Outline, body: Reader, sort: int) -> None:
    levels, index = body.u32(), body.u32()
    around: Outline | None = outline
    for _ in range(levels):
        around = around.parent if around else None
    if around is None or sort not in (Sort.TYPE, Sort.COMPONENT):
        if sort == 0:
            return  # a core module or type of the component around
        raise Unreadable("an alias of what is not around")
    if sort == Sort.COMPONENT:
        outline.components.append(None)
        return
    outline.types.append(around.type_at(index))


def _add_alias(outline: Outline, sort: int, alias: Aliased) -> None:
    if sort == Sort.FUNCTION:
        outline.functions.append(alias)
    elif sort == Sort.INSTANCE:
        outline.instances.append(alias)
    elif sort == Sort.COMPONENT:
        outline.components.append(None)
    elif sort == Sort.TYPE:
        outline.types.append(_aliased_type(outline, alias))
    elif sort != 0:
        raise Unreadable(f"an alias of sort {sort}")


def _aliased_type(outline: Outline, alias: Aliased) -> Named:
    index, instance = len(outline.types), outline.instances[alias.instance]
    if isinstance(instance, Imported) and isinstance(instance.type, InstanceType):
        outline.type_sources[index] = alias
        return Named(index, None, _inner(instance.type.find(alias.name)))
    return Named(index, None, Resource())  # of an instance inside; nothing imported needs it


def _read_instance(outline: Outline, body: Reader) -> None:
    kind = body.byte()
    if kind == 0:
        component = body.u32()
        given = {body.name(): _sort_index(body) for _ in range(body.u32())}
        outline.instances.append(Instantiated(component, given))
    elif kind == 1:
        made = {_external_name(body): _sort_index(body) for _ in range(body.u32())}
        outline.instances.append(Assembled(made))
    else:
        raise Unreadable(f"an instance of kind {kind}")


def _read_canon(outline: Outline, body: Reader) -> None:
    kind = body.byte()
    if kind == 0:
        body.byte()
        core = body.u32()
        options = _read_options(body)
        function = outline.type_at(body.u32())
        if not isinstance(function, Function):
            raise Unreadable("a lifted function without a function type")
        is_utf8 = not {1, 2} & options.keys()
        places = options.get(3), options.get(4), options.get(5)
        outline.functions.append(Lifted(function, core, *places, is_utf8))
    elif kind == 1:
        body.byte()
        function_index = body.u32()
        options = _read_options(body)
        is_utf8 = not {1, 2} & options.keys()
        outline.lowered[len(outline.core_functions)] = Lowered(
            function_index, options.get(3), options.get(4), is_utf8
        )
        outline.count_core("core 0")
        outline.core_functions.append(None)
    elif kind in (2, 3, 4):
        body.u32()
        outline.count_core("core 0")
        outline.core_functions.append(None)
    else:
        raise Unreadable(f"a canonical function of kind {kind}")


def _read_options(body: Reader) -> dict[int, int | None]:
    """Read canonical options by kind: encodings, without a value, memory, realloc, post-return."""
    options: dict[int, int | None] = {}
    for _ in range(body.u32()):
        kind = body.byte()
        if kind > 5:
            raise Unreadable(f"a canonical option of kind {kind}")
        options[kind] = body.u32() if kind > 2 else None
    return options


_ITEMS: dict[int, Callable[[Outline, Reader], None]] = {
    Section.INSTANCE: _read_instance,
    Section.ALIAS: _read_alias,
    Section.TYPE: _read_type,
    Section.CANON: _read_canon,
    Section.IMPORT: _read_import,
    Section.EXPORT: _read_export,
}
