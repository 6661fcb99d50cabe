"""A component as typed async Python: its exports are methods with real signatures.

`instance.exports.handler.handle_message(...)` reads like a Python object because
for its caller it is one. The methods are made once for each component from its
own types, carry annotations and a docstring, and are shown by `help()`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

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
    name_exports,
    name_functions,
)

from ._shape import FunctionShape, ValueType, python_name
from ._single import Single
from ._values import Case, GuestResource

if TYPE_CHECKING:
    from ._component import Component

_PRIMITIVES: dict[str, type] = {
    "bool": bool,
    "string": str,
    "char": str,
    "f32": float,
    "f64": float,
}


class CallTarget(Protocol):
    """Anything that exports are called on: an instance, a pool of them, one behind a thread."""

    def call(self, function: str, /, *arguments: object) -> object:
        """Call an exported function by its path."""


class Exports(Single):
    """The exports of a component, by their Python names, called on one target.

    Interfaces are attributes by their last name (`handler` for
    `airswasm:component/handler@0.1.0`), functions of the world itself are
    methods right here. Names that meet are told apart as airswasm.wit has it, so
    that a proxy from `airswasm.wit.proxy` has the same. A method returns what
    `call` of the target returns: something to be awaited for an `Instance`, the
    value for a `BlockingInstance`.

    The class is derived for each component, once; the methods are its own.
    """

    _interfaces: Mapping[str, type[Exports]] = MappingProxyType({})

    def __init__(self, target: CallTarget) -> None:
        self._target = target
        for name, interface in self._interfaces.items():
            setattr(self, name, interface(target))

    def __dir__(self) -> list[str]:
        names = {*vars(self), *vars(type(self))}
        return sorted(name for name in names if not name.startswith("_"))

    def __getattr__(self, name: str) -> Any:  # for type checkers: `airswasm.wit.proxy` has types
        known = ", ".join(dir(self)) or "no functions"
        raise AttributeError(
            f"the component exports no {name!r}; it has {known}", name=name, obj=self
        )


def exports_of(
    component: Component, hides: Callable[[str], bool] = lambda _interface: False
) -> type[Exports]:
    """Return the class of a component's exports, to be called with what has its `call`.

    Args:
        component: the component.
        hides: whether an interface is left out; the names of the others are the same without it.
    """
    exports = component.exports
    own: Mapping[str, FunctionShape] = exports[""].functions if "" in exports else {}
    names = name_exports([name for name in exports if name], own)
    interfaces: dict[str, type[Exports]] = {}
    for name, attribute in names.interfaces.items():
        if hides(name):
            continue
        functions = exports[name].functions
        members = _methods(name, name_functions(functions), functions)
        members["__doc__"] = f"The exported interface {name}."
        interfaces[attribute] = type("Exports", (Exports,), members)
    members = _methods("", names.functions, own)
    return type("Exports", (Exports,), {"_interfaces": interfaces, **members})


def _methods(
    interface: str, names: Mapping[str, str], functions: Mapping[str, FunctionShape]
) -> dict[str, object]:
    return {
        name: _method(f"{interface}#{function}", name, functions[function])
        for function, name in names.items()
    }


def _method(path: str, name: str, shape: FunctionShape) -> Callable[..., object]:
    signature, count = signature_of(shape), len(shape.parameters)

    def method(exports: Exports, /, *positional: object, **named: object) -> object:
        if named or len(positional) != count:  # binding takes longer than a call
            positional = signature.bind(*positional, **named).args
        return exports._target.call(path, *positional)

    # no name from WIT begins with an underscore
    me = inspect.Parameter("_exports", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"{shape}\n\nA call into the guest; see `Instance.call`."
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]  # `inspect` looks for it
        parameters=[me, *signature.parameters.values()]
    )
    return method


def signature_of(shape: FunctionShape) -> inspect.Signature:
    """Return the Python signature of a function, with annotations for `help()` and editors."""
    parameters = [
        inspect.Parameter(
            python_name(name),
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=annotation_of(type_),
        )
        for name, type_ in shape.parameters
    ]
    result = None if shape.result is None else annotation_of(shape.result)
    return inspect.Signature(parameters, return_annotation=result)


def annotation_of(type_: ValueType) -> type | str:
    """Return the Python type that values of a WIT type have."""
    match type_:
        case Primitive(name):
            return _PRIMITIVES.get(name, int)
        case ListOf(Primitive("u8")):
            return bytes
        case ListOf(element):
            return f"list[{_text(element)}]"
        case TupleOf(elements):
            return f"tuple[{', '.join(map(_text, elements))}]"
        case OptionOf(OptionOf() as some):
            return f"Some[{_text(some)}] | None"
        case OptionOf(some):
            return f"{_text(some)} | None"
        case ResultOf(ok, err):
            return f"Ok[{_text(ok)}] | Err[{_text(err)}]"
        case Record(name, _):
            return "".join(part.capitalize() for part in name.split("-")) or "Record"
        case Variant():
            return Case
        case Enum(_, cases):
            return f"Literal[{', '.join(repr(case.name) for case in cases)}]"
        case Flags():
            return "frozenset[str]"
        case Own(resource) | Borrow(resource):
            return "object" if resource.is_imported else GuestResource


def _text(type_: ValueType | None) -> str:
    if type_ is None:
        return "None"
    annotation = annotation_of(type_)
    return annotation if isinstance(annotation, str) else annotation.__name__
