"""A component as typed async Python: its exports are methods with real signatures.

`instance.exports.handler.handle_message(...)` reads like a Python object because
for its caller it is one. The methods are made once for each component from its
own types, carry annotations and a docstring, and are shown by `help()`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

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
)

from ._shape import FunctionShape, ValueType, python_name
from ._values import Case, GuestResource

if TYPE_CHECKING:
    from ._instance import Instance

_PRIMITIVES: dict[str, type] = {
    "bool": bool,
    "string": str,
    "char": str,
    "f32": float,
    "f64": float,
}


class Exports:
    """The exports of one instance, by their Python names.

    Interfaces are attributes by their last name (`handler` for
    `airswasm:component/handler@0.1.0`), functions of the world itself are
    methods right here.
    """

    def __init__(self, instance: Instance) -> None:
        component = instance._linked.component
        for name, interface in component.exports.items():
            target: object = self
            if name:
                target = InterfaceExports(name)
                setattr(self, python_name(_last_name(name)), target)
            for function, shape in interface.functions.items():
                method = _method(instance, f"{name}#{function}", shape)
                object.__setattr__(target, python_name(_plain_name(function)), method)

    def __dir__(self) -> list[str]:
        return sorted(vars(self))


class InterfaceExports:
    """The functions of one exported interface, as methods."""

    def __init__(self, name: str) -> None:
        self.__doc__ = f"The exported interface {name}."

    def __dir__(self) -> list[str]:
        return sorted(vars(self))


def _last_name(interface: str) -> str:
    return interface.partition("@")[0].rpartition("/")[2]


def _plain_name(function: str) -> str:
    """`[method]blob.read` is `blob_read`."""
    return function.rpartition("]")[2].replace(".", "-")


def _method(
    instance: Instance, path: str, shape: FunctionShape
) -> Callable[..., Awaitable[object]]:
    signature = signature_of(shape)

    async def method(*positional: object, **named: object) -> object:
        bound = signature.bind(*positional, **named)
        return await instance.call(path, *bound.args)

    method.__name__ = python_name(_plain_name(shape.name))
    method.__qualname__ = method.__name__
    method.__doc__ = f"{shape}\n\nA call into {instance.component_name}; see `Instance.call`."
    method.__signature__ = signature  # type: ignore[attr-defined]
    return method


def signature_of(shape: FunctionShape) -> inspect.Signature:
    """The Python signature of a function, with annotations for `help()` and editors."""
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


def annotation_of(type_: ValueType) -> Any:
    """The Python type that values of a WIT type have."""
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
