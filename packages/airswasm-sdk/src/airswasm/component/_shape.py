"""The shape of a message: which values a function takes, and how a payload has them.

A payload that names its handler is an object with `type`; its other members are the parameters, or
the fields of the one dataclass that the function takes. Handlers and clients derive it from the
same signature, so that they agree.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ._codec import Codec
from ._host import Message
from ._values import is_map
from .errors import DefinitionError, PayloadError

__all__ = ("Shape", "shape_of")

TAG = "type"


@dataclass(frozen=True)
class Shape:
    """The message of one function.

    Attributes:
        name: The `type` of payloads that name it.
        function: The function's name.
        parameters: The annotation of each parameter that the payload has.
        optional: Those of them that have a default.
        message: The parameter that takes the `Message`, if one does.
        reply: The annotation of what it returns.
    """

    name: str
    function: str
    parameters: Mapping[str, object]
    optional: frozenset[str] = frozenset()
    message: str | None = None
    reply: object = None

    @property
    def record(self) -> str | None:
        """The one parameter, if it is a dataclass: then its fields are the message's."""
        if len(self.parameters) != 1:
            return None
        ((name, annotation),) = self.parameters.items()
        return name if _is_record(annotation) else None

    def arguments(self, codec: Codec, plain: Mapping[str, object]) -> dict[str, object]:
        """Return the arguments that an object has.

        Raises:
            PayloadError: One is missing, unknown, or of another type.
        """
        record = self.record
        members = {key: value for key, value in plain.items() if key != TAG or self._has_tag()}
        if record is not None:
            return {record: codec.convert(members, self.parameters[record])}
        found: dict[str, object] = {}
        for name, annotation in self.parameters.items():
            if name in members:
                try:
                    found[name] = codec.convert(members[name], annotation)
                except PayloadError as error:
                    raise PayloadError(f"{name}: {error}") from None
            elif name not in self.optional:
                raise PayloadError(f"{self.name} needs {name}")
        unknown = [name for name in members if name not in self.parameters]
        if unknown:
            raise PayloadError(f"{self.name} has no {unknown[0]}")
        return found

    def whole(self, codec: Codec, payload: bytes) -> dict[str, object]:
        """Return the arguments of a payload that does not name its handler.

        Raises:
            PayloadError: It does not fit.
        """
        if not self.parameters:
            return {}
        if len(self.parameters) == 1:
            ((name, annotation),) = self.parameters.items()
            return {name: codec.decode(payload, annotation)}
        plain = codec.read(payload)
        if not is_map(plain):
            raise PayloadError(f"{self.name} needs an object with {', '.join(self.parameters)}")
        return self.arguments(codec, plain)

    def bind(
        self, codec: Codec, arguments: tuple[object, ...], named: Mapping[str, object]
    ) -> dict[str, object]:
        """Return the plain object with the arguments of a call, naming this shape.

        Raises:
            TypeError: There are too many, too few, or unknown ones.
        """
        if len(arguments) > len(self.parameters):
            raise TypeError(f"{self.function} takes {len(self.parameters)} arguments")
        values = dict(zip(self.parameters, arguments, strict=False))
        twice = values.keys() & named.keys()
        unknown = named.keys() - self.parameters.keys()
        if twice or unknown:
            raise TypeError(f"{self.function}: {min(twice or unknown)} is given twice or unknown")
        values.update(named)
        missing = self.parameters.keys() - self.optional - values.keys()
        if missing:
            raise TypeError(f"{self.function} needs {min(missing)}")
        record = self.record
        content = values[record] if record is not None else values
        plain = codec.plain(content)
        if not is_map(plain):
            raise TypeError(f"{self.function} needs a record, not {type(content).__name__}")
        return {TAG: self.name, **plain}

    def _has_tag(self) -> bool:
        """Whether `type` is a member of its own."""
        record = self.record
        if record is None:
            return TAG in self.parameters
        kind = typing.cast("type", self.parameters[record])
        return TAG in {each.name for each in dataclasses.fields(kind)}


def shape_of(function: Callable[..., object], *, name: str | None = None, is_method: bool) -> Shape:
    """Return the shape of a function's messages.

    Args:
        function: A handler, or a method of a client's class.
        name: Its `type`; by default the name of the dataclass that it takes, or of the function.
        is_method: Whether its first parameter is the component.

    Raises:
        DefinitionError: A parameter lacks an annotation, or takes any number of arguments.
    """
    place = f"{function.__module__}.{function.__qualname__}"
    try:
        annotations = typing.get_type_hints(function)
    except NameError as error:
        raise DefinitionError(place, f"an annotation is unknown: {error}") from error
    parameters = list(inspect.signature(function).parameters.values())[1 if is_method else 0 :]
    payload: dict[str, object] = {}
    message = None
    for each in parameters:
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            raise DefinitionError(place, f"*{each.name} has no place in a message")
        if each.name not in annotations:
            raise DefinitionError(place, f"the parameter {each.name} needs an annotation")
        if annotations[each.name] is Message:
            message = each.name
        else:
            payload[each.name] = annotations[each.name]
    only = next(iter(payload.values())) if len(payload) == 1 else None
    of_type = typing.cast("type", only).__name__ if _is_record(only) else function.__name__
    return Shape(
        name=name or of_type,
        function=function.__name__,
        parameters=payload,
        optional=frozenset(e.name for e in parameters if e.default is not inspect.Parameter.empty),
        message=message,
        reply=annotations.get("return"),
    )


def _is_record(annotation: object) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)
