"""Call plans: how one function's values are laid out, derived once from its type.

The engine exchanges 32-byte slots: a kind byte, then up to three words. A plan
is a tree of small closures, one for each type, that build such slots as Python
`bytes` (`lowering`) and read them back (`lifting`). That made reusable buffers,
allocators and ctypes structures unnecessary, and is faster than all three.

On any complaint of `struct` about a value a second, slow walk (`mismatch`) finds
out where and why; the fast one never pays for messages.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, make_dataclass
from functools import partial
from typing import NamedTuple

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

from .._compose.bridging import Side
from .._shape import FunctionShape, ValueType, python_name
from . import charges, lifting, lowering
from .bytes_as_text import BytesAsText
from .lifting import Decode
from .lowering import Encode, EncodeAll
from .staging import SIDES


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """The way to call a guest's function.

    Attributes:
        shape: what it was derived from.
        arguments: builds the slots of all arguments, one after the other.
        result: None when there is no result.
    """

    shape: FunctionShape
    arguments: EncodeAll
    result: Decode | None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """The way to be called by a guest.

    Attributes:
        shape: what it was derived from.
        parameters: one decoder for each parameter.
        result: None when there is no result.
    """

    shape: FunctionShape
    parameters: tuple[Decode, ...]
    result: Encode | None


class Carried(NamedTuple):
    """The bytes of one function that go through a bridge: where they are, and which one."""

    paths: Collection[str]
    side: int


class Planner:
    """Derives plans; one for each component, so that what they share is made once.

    A CPython guest imports a hundred functions, half of which return the same
    enum of errors, and most of which it never calls.

    Args:
        codec: what turns bytes into a bridge's text and back.
    """

    def __init__(self, codec: BytesAsText | None = None) -> None:
        self._codec = codec or BytesAsText()
        self._records: dict[tuple[str, tuple[str, ...]], type] = {}
        # by identity: a component's types are shared, and comparing them by structure would
        # lift a record to the class of another with the same fields
        self._encoders: dict[int, tuple[ValueType, Encode]] = {}
        self._decoders: dict[int, tuple[ValueType, Decode]] = {}

    def plan_export(
        self, shape: FunctionShape, text: Collection[str] = (), side: Side = Side.INSIDE
    ) -> ExportPlan:
        """Return the plan of one function of the guest's.

        Args:
            shape: its type as its author wrote it.
            text: positions at which a bridge carries `list<u8>` as a string (see
                `_compose.text_bridge`): a parameter's number or `result`, then the
                way in, such as `1.some` or `result.ok.some`.
            side: that bridge.
        """
        carried = Carried(text, SIDES.index(side)) if text else None
        types = enumerate(type_ for _, type_ in shape.parameters)
        parameters = tuple(self.encoder(type_, str(at), carried) for at, type_ in types)
        result = None if shape.result is None else self.decoder(shape.result, "result", carried)
        return ExportPlan(shape, lowering.arguments_encoder(parameters), result)

    def plan_import(
        self, shape: FunctionShape, text: Collection[str] = (), side: Side = Side.IMPORTS
    ) -> ImportPlan:
        """Return the plan of one function of the host's; the arguments are as in `plan_export`."""
        carried = Carried(text, SIDES.index(side)) if text else None
        types = enumerate(type_ for _, type_ in shape.parameters)
        parameters = tuple(self.decoder(type_, str(at), carried) for at, type_ in types)
        result = None if shape.result is None else self.encoder(shape.result, "result", carried)
        return ImportPlan(shape, parameters, result)

    def encoder(self, type_: ValueType, where: str = "", carried: Carried | None = None) -> Encode:
        """Return the closure that builds the slot of one value."""
        if carried:
            return self._encoder(type_, where, carried)
        found = self._encoders.get(id(type_))
        if found is None:
            found = self._encoders[id(type_)] = type_, self._encoder(type_, where, carried)
        return found[1]

    def decoder(self, type_: ValueType, where: str = "", carried: Carried | None = None) -> Decode:
        """Return the closure that reads the slot of one value."""
        if carried:
            return self._decoder(type_, where, carried)
        found = self._decoders.get(id(type_))
        if found is None:
            found = self._decoders[id(type_)] = type_, self._decoder(type_, where, carried)
        return found[1]

    def _encoder(self, type_: ValueType, where: str, carried: Carried | None) -> Encode:
        def into(inner: ValueType, step: str) -> Encode:
            return self.encoder(inner, f"{where}.{step}", carried)

        def maybe(inner: ValueType | None, step: str) -> Encode | None:
            return None if inner is None else into(inner, step)

        match type_:
            case Primitive(name):
                return lowering.PRIMITIVE_ENCODERS[name]
            case ListOf(Primitive("u8")):
                if carried and where in carried.paths:
                    return lowering.text_encoder(self._codec, carried.side)
                return lowering.encode_bytes
            case ListOf(element):
                return lowering.list_encoder(into(element, "item"))
            case TupleOf(elements):
                return lowering.tuple_encoder([into(e, str(i)) for i, e in enumerate(elements)])
            case OptionOf(OptionOf() as some):
                return lowering.nested_option_encoder(into(some, "some"))
            case OptionOf(some):
                return lowering.option_encoder(into(some, "some"))
            case ResultOf(ok, err):
                return lowering.result_encoder(maybe(ok, "ok"), maybe(err, "err"))
            case Record(_, fields):
                return lowering.record_encoder([(f.name, into(f.type, f.name)) for f in fields])
            case Variant(_, cases):
                return lowering.variant_encoder({c.name: maybe(c.type, c.name) for c in cases})
            case Enum(_, cases):
                return lowering.enum_encoder([case.name for case in cases])
            case Flags(_, cases):
                return lowering.flags_encoder([case.name for case in cases])
            case Own() | Borrow():
                return lowering.handle_encoder(type_)

    def _decoder(self, type_: ValueType, where: str, carried: Carried | None) -> Decode:
        def into(inner: ValueType, step: str) -> Decode:
            return self.decoder(inner, f"{where}.{step}", carried)

        def maybe(inner: ValueType | None, step: str) -> Decode | None:
            return None if inner is None else into(inner, step)

        match type_:
            case Primitive(name):
                return lifting.PRIMITIVE_DECODERS[name]
            case ListOf(Primitive("u8")):
                if carried and where in carried.paths:
                    return lifting.text_decoder(self._codec, carried.side)
                return lifting.decode_bytes
            case ListOf(element):
                return lifting.list_decoder(into(element, "item"), _weight(element))
            case TupleOf(elements):
                return lifting.tuple_decoder([into(e, str(i)) for i, e in enumerate(elements)])
            case OptionOf(OptionOf() as some):
                return lifting.nested_option_decoder(into(some, "some"))
            case OptionOf(some):
                return lifting.option_decoder(into(some, "some"))
            case ResultOf(ok, err):
                return lifting.result_decoder(maybe(ok, "ok"), maybe(err, "err"))
            case Record(_, fields):
                decoders = [into(field.type, field.name) for field in fields]
                return lifting.record_decoder(partial(self.record_class, type_), decoders)
            case Variant(_, cases):
                return lifting.variant_decoder({c.name: maybe(c.type, c.name) for c in cases})
            case Enum(_, cases):
                return lifting.enum_decoder([case.name for case in cases])
            case Flags(_, cases):
                return lifting.flags_decoder([case.name for case in cases])
            case Own() | Borrow():
                return lifting.handle_decoder(type_)

    def record_class(self, type_: Record[ValueType]) -> type:
        """Return the frozen dataclass that values of a record are lifted to."""
        fields = tuple(python_name(field.name) for field in type_.fields)
        found = self._records.get((type_.name, fields))
        if found is None:
            name = "".join(part.capitalize() for part in type_.name.split("-")) or "Record"
            found = make_dataclass(name, fields, frozen=True, slots=True)
            self._records[type_.name, fields] = found
        return found


def _weight(item: ValueType) -> int:
    """Return what an item of a list takes of a call's allowance, beside what is in it."""
    match item:
        case Own() | Borrow():
            return charges.HANDLE_WEIGHT
        case Primitive(name) if name != "string":
            return charges.NUMBER_WEIGHT
        case Record(_, fields):
            return charges.ITEM_WEIGHT + sum(_weight(each.type) for each in fields)
        case TupleOf(items):
            return charges.ITEM_WEIGHT + sum(map(_weight, items))
        case OptionOf(inner):
            return charges.ITEM_WEIGHT + _weight(inner)
        case ResultOf(ok, error):
            return charges.ITEM_WEIGHT + max(
                (_weight(each) for each in (ok, error) if each), default=0
            )
        case Variant(_, cases):
            return charges.ITEM_WEIGHT + max(
                (_weight(each.type) for each in cases if each.type), default=0
            )
        case _:
            return charges.ITEM_WEIGHT
