"""A component as its class or module declares it: handlers, and what they need of the host.

It is read once, when the module is imported: at the build, in the guest before its memory is kept,
and in a test. So a mistake is an error of the import, with the place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeGuard, TypeVar, overload

from ._abilities import Peer, Setting, Topic
from ._codec import Codec, JsonCodec
from ._marks import Mark, marks_of, on_message
from ._shape import Shape, shape_of
from ._stored import State, StateMap
from .errors import DefinitionError

__all__ = ("Definition", "Handler", "component", "definition_of", "find_definition")

C = TypeVar("C", bound=Callable[..., Any])
_DEFINITION = "__airswasm_definition__"
_ONCE = ("start", "stop", "health", "migration")


@dataclass(frozen=True)
class Handler:
    """One function in one of its roles."""

    mark: Mark
    function: Callable[..., object]
    shape: Shape


@dataclass(frozen=True)
class Definition:
    """A component.

    Attributes:
        name: The class or module, for messages.
        make: Makes its object, once for each incarnation; None for a module's functions.
        handlers: Its handlers, in the order of their definition.
        abilities: Its stored values, topics, settings and peers, by attribute.
        codec: The codec of its payloads.
    """

    name: str
    make: Callable[[], object] | None
    handlers: tuple[Handler, ...]
    abilities: Mapping[str, object]
    codec: Codec
    messages: Mapping[str, Handler] = field(init=False)

    def __post_init__(self) -> None:
        messages: dict[str, Handler] = {}
        for each in self.of("message"):
            if each.shape.name in messages:
                other = messages[each.shape.name].function.__name__
                problem = f"{other} and {each.function.__name__} handle {each.shape.name!r}"
                raise DefinitionError(self.name, f'{problem}: name one, @on_message("…")')
            messages[each.shape.name] = each
        object.__setattr__(self, "messages", messages)
        for kind in _ONCE:
            if len(self.of(kind)) > 1:
                raise DefinitionError(self.name, f"it has several functions for {kind}")
        if not any(self.of(kind) for kind in ("message", "event", "every")):
            problem = "it handles nothing: put @on_message above a function with annotations"
            raise DefinitionError(self.name, problem)

    def of(self, kind: str) -> tuple[Handler, ...]:
        """Return the handlers of a kind."""
        return tuple(each for each in self.handlers if each.mark.kind == kind)

    def one(self, kind: str) -> Handler | None:
        """Return the handler of a kind of which there is one at most."""
        return next(iter(self.of(kind)), None)

    def named(self, kind: str, name: str) -> Handler | None:
        """Return the handler of a kind whose function has a name."""
        return next((each for each in self.of(kind) if each.function.__name__ == name), None)

    @property
    def settings(self) -> tuple[Setting[Any], ...]:
        """The settings that it reads."""
        return tuple(each for each in self.abilities.values() if _is_setting(each))

    @property
    def imports(self) -> tuple[str, ...]:
        """The interfaces of the contract that it needs."""
        needs = {"logging"}
        for each in self.abilities.values():
            if isinstance(each, State | StateMap):
                needs.add("storage")
            elif isinstance(each, Topic | Peer):
                needs.add("messaging")
        if self.of("event") or any(each.shape.message for each in self.handlers):
            needs.add("messaging")
        if self.of("every") or self.of("timer"):
            needs |= {"timers", "messaging"}
        return tuple(sorted(needs))

    @property
    def exports(self) -> tuple[str, ...]:
        """The interfaces of the contract that it implements."""
        kinds = {"reply": "callbacks", "health": "health", "migration": "migration"}
        optional = [name for kind, name in kinds.items() if self.of(kind)]
        return tuple(sorted(["handler", "lifecycle", *optional]))

    @property
    def capabilities(self) -> dict[str, list[str]]:
        """The capabilities that its declarations need, as in Component.toml.

        A timer needs `messaging.schedule` on the component's own name, which is not known here: it
        stands there as `{name}`.
        """
        needs: dict[str, list[str]] = {}

        def need(resource: str, *capabilities: str) -> None:
            for capability in capabilities:
                if resource not in needs.setdefault(capability, []):
                    needs[capability].append(resource)

        for each in self.abilities.values():
            match each:
                case State(key=key):
                    need(key, "storage.read", "storage.write")
                case StateMap(prefix=prefix):
                    need(f"{prefix}**", "storage.read", "storage.write")
                case Topic(name=name):
                    need(name, "messaging.publish")
                case Peer(target=target):
                    need(target, "messaging.request")
                case _:
                    continue
        for handler in self.of("event"):
            need(handler.mark.argument or "", "messaging.subscribe")
        if self.of("every") or self.of("timer"):
            need("{name}", "messaging.schedule")
        return needs


@overload
def component(kind: C) -> C: ...
@overload
def component(*, codec: Codec) -> Callable[[C], C]: ...
def component(kind: C | None = None, *, codec: Codec | None = None) -> C | Callable[[C], C]:
    """Make a class a component; its methods under the decorators of this package are its handlers.

    A function under it is a component of one handler. A module needs no `@component`: it is one by
    its functions under `@on_message` and the others.

    Args:
        kind: The class or function.
        codec: The codec of its payloads; JSON by default.

    Raises:
        DefinitionError: It cannot be a component as it is written.
    """

    def decorate(given: C) -> C:
        chosen = codec or JsonCodec()
        code: object = given
        if inspect.isclass(code):
            definition = _of_class(code, chosen)
        else:
            on_message(given)
            definition = Definition(
                given.__qualname__, None, tuple(_handlers([given], is_method=False)),
                _abilities(vars(inspect.getmodule(given))), chosen,
            )  # fmt: skip
        setattr(given, _DEFINITION, definition)
        return given

    return decorate if kind is None else decorate(kind)


def definition_of(given: object) -> Definition:
    """Return the definition of a component: of a class, a function, or a module.

    Raises:
        DefinitionError: It is none.
    """
    if isinstance(given, ModuleType):
        return find_definition(given)
    found = getattr(given, "__dict__", {}).get(_DEFINITION)
    if not isinstance(found, Definition):
        name = getattr(given, "__name__", type(given).__name__)
        raise DefinitionError(name, "it is no component: put @component above its class")
    return found


def find_definition(module: ModuleType) -> Definition:
    """Return the one component of a module.

    Raises:
        DefinitionError: It has none, or several.
    """
    own = [each for each in vars(module).values() if _is_of(module, each)]
    found = [each for each in own if _DEFINITION in vars(each)]
    if len(found) > 1:
        names = " and ".join(each.__name__ for each in found)
        raise DefinitionError(module.__name__, f"it has several components, {names}: keep one")
    if found:
        return definition_of(found[0])
    functions = [each for each in own if marks_of(each)]
    if not functions:
        problem = (
            "it has no component: put @component above a class, or @on_message above a function"
        )
        raise DefinitionError(module.__name__, problem)
    handlers = tuple(_handlers(functions, is_method=False))
    return Definition(module.__name__, None, handlers, _abilities(vars(module)), JsonCodec())


def _is_setting(value: object) -> TypeGuard[Setting[Any]]:
    return isinstance(value, Setting)


def _is_of(module: ModuleType, value: object) -> bool:
    is_code = inspect.isfunction(value) or inspect.isclass(value)
    return is_code and getattr(value, "__module__", None) == module.__name__


def _of_class(kind: type, codec: Codec) -> Definition:
    members: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        members.update(vars(base))
    module = inspect.getmodule(kind)
    abilities = _abilities(vars(module) if module is not None else {}) | _abilities(members)
    handlers = tuple(_handlers(members.values(), is_method=True))
    return Definition(kind.__qualname__, kind, handlers, abilities, codec)


def _abilities(names: Mapping[str, object]) -> dict[str, object]:
    kinds = (State, StateMap, Topic, Setting, Peer)
    return {name: each for name, each in names.items() if isinstance(each, kinds)}


def _handlers(functions: Any, *, is_method: bool) -> Iterator[Handler]:
    for function in functions:
        for mark in marks_of(function):
            if inspect.iscoroutinefunction(function):
                place = f"{function.__module__}.{function.__qualname__}"
                problem = "a handler is a plain function: a call of the host waits, others go on"
                raise DefinitionError(place, problem)
            name = mark.argument if mark.kind == "message" else None
            yield Handler(mark, function, shape_of(function, name=name, is_method=is_method))
