"""A value that does not fit is refused by the fast way, and the slow one says where and why."""

from __future__ import annotations

import array
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from airswasm.runtime import Case, Err, Ok, Some, ValueMismatch, ValueType
from airswasm.runtime._calls.crossing import UNFIT
from airswasm.runtime._calls.mismatch import LONGEST_SHOWN, argument_mismatch, mismatch
from airswasm.runtime._calls.plan import Planner
from airswasm.runtime._shape import FunctionShape
from airswasm.wit import Case as TypeCase
from airswasm.wit import (
    Enum,
    Field,
    Flags,
    ListOf,
    OptionOf,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)
from hypothesis import given
from hypothesis import strategies as st

from .test_plan import types, values_of

U8, U32, STRING = Primitive("u8"), Primitive("u32"), Primitive("string")
POINT = Record("point", (Field("x-at", U32), Field("y-at", U32)))
SHAPE = Variant("shape", (TypeCase("dot"), TypeCase("named", STRING)))
COLOUR = Enum("colour", (TypeCase("red"), TypeCase("green")))
RIGHTS = Flags("rights", (TypeCase("read"), TypeCase("write")))
STRANGE = object()
"""It fits no type."""


def is_lowered(type_: ValueType, value: object) -> bool:
    """Whether the fast way takes a value."""
    handles = SimpleNamespace(allowance=10**9)
    try:
        Planner().encoder(type_)(value, [], handles)  # type: ignore[arg-type]
    except UNFIT:
        return False
    return True


def culprit(type_: ValueType, value: object) -> str | None:
    """Where the slow way finds what does not fit; None when it finds nothing."""
    found = argument_mismatch(FunctionShape("f", (("v", type_),), None), (value,), KeyError())
    assert isinstance(found, ValueMismatch)
    return None if found.got == "KeyError()" else found.where


@st.composite
def spoilt(draw: st.DrawFn, type_: ValueType, where: str) -> tuple[object, str]:
    """A value of a type in which one part is strange, and the path to that part."""
    inner: list[Callable[[], tuple[object, str]]] = []

    def within(part: ValueType, step: str) -> tuple[object, str]:
        return draw(spoilt(part, where + step))

    match type_:
        case ListOf(Primitive("u8")):
            pass
        case ListOf(element):
            at = draw(st.integers(0, 3))
            others = draw(st.lists(values_of(element), min_size=at, max_size=at + 1))

            def in_list() -> tuple[object, str]:
                value, place = within(element, f"[{at}]")
                return [*others[:at], value, *others[at:]], place

            inner.append(in_list)
        case TupleOf(elements):
            at = draw(st.integers(0, len(elements) - 1))

            def in_tuple() -> tuple[object, str]:
                value, place = within(elements[at], f"[{at}]")
                fitting = [draw(values_of(each)) for each in elements]
                return (*fitting[:at], value, *fitting[at + 1 :]), place

            inner.append(in_tuple)
        case OptionOf(OptionOf() as some):

            def in_some() -> tuple[object, str]:
                value, place = within(some, ".value")
                return Some(value), place

            inner.append(in_some)
        case OptionOf(some):
            return within(some, "")
        case ResultOf(ok, err):
            kind, part = draw(st.sampled_from([(Ok, ok), (Err, err)]))
            if part is None:
                return kind(STRANGE), where

            def in_result() -> tuple[object, str]:
                value, place = within(part, f".{kind.__name__}")
                return kind(value), place

            inner.append(in_result)
        case Record(_, fields):
            field = draw(st.sampled_from(fields))
            name = field.name.replace("-", "_")

            def in_record() -> tuple[object, str]:
                value, place = within(field.type, f".{name}")
                fitting = {
                    each.name.replace("-", "_"): draw(values_of(each.type)) for each in fields
                }
                fitting[name] = value
                return draw(st.sampled_from([fitting, SimpleNamespace(**fitting)])), place

            inner.append(in_record)
        case Variant(_, cases):
            case_ = draw(st.sampled_from(cases))
            payload = case_.type
            if payload is None:
                return Case(case_.name, STRANGE), where

            def in_variant() -> tuple[object, str]:
                value, place = within(payload, f".{case_.name}")
                return Case(case_.name, value), place

            inner.append(in_variant)
    if inner and draw(st.integers(0, 3)):
        return inner[0]()
    return STRANGE, where


@given(data=st.data())
def test_the_innermost_strange_part_is_named(data: st.DataObject) -> None:
    """Wherever it is, with all around it fitting."""
    type_ = data.draw(types).shape
    value, place = data.draw(spoilt(type_, "f.v"))
    assert not is_lowered(type_, value)
    assert culprit(type_, value) == place


@given(data=st.data())
def test_both_ways_agree_on_what_fits(data: st.DataObject) -> None:
    """A value of one type, tried as one of another."""
    type_, other = data.draw(types).shape, data.draw(types).shape
    value = data.draw(values_of(type_))
    assert is_lowered(type_, value)
    assert culprit(type_, value) is None
    assert is_lowered(other, value) == (culprit(other, value) is None)


ODD = [
    STRANGE, None, True, 0, -1, 2**40, 1.5, "", "x", "xy", "\ud800", b"", b"x", bytearray(b"x"),
    memoryview(b"xy"), memoryview(b"abcdefgh").cast("I"), memoryview(b"abcd")[::2],
    array.array("B", [1]), array.array("I", [1]), [], [1], [300], ["x"], (), (1, 2), {}, {1: 2},
    {"x_at": 1, "y_at": 2}, {"x_at": 1, "y_at": 2, "z": 3}, {"x_at": 1}, {"x-at": 1, "y-at": 2},
    SimpleNamespace(x_at=1, y_at=2), SimpleNamespace(x_at=1), set(), {"read"}, frozenset({"write"}),
    {"read", "x"}, {1}, "red", "blue", Ok(), Ok(1), Err("x"), Err(), Some(None), Some(1),
    Case("dot"), Case("dot", 1), Case("named", "x"), Case("named"), Case("x"), Case(["dot"]),
    Case(None), type("OwnCase", (Case,), {})("dot"), type("OwnOk", (Ok,), {})(1),
]  # fmt: skip
SOME_TYPES = [
    *map(Primitive, ("u8", "s16", "u32", "f32", "f64", "bool", "char", "string")),
    ListOf(U8), ListOf(U32), TupleOf((U32, U32)), OptionOf(U32), OptionOf(OptionOf(U32)),
    ResultOf(U32, STRING), ResultOf(None, None), POINT, SHAPE, COLOUR, RIGHTS, ListOf(ListOf(U8)),
]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=[f"{n} {type(v).__name__}" for n, v in enumerate(ODD)])
def test_both_ways_agree_on_odd_values(value: object) -> None:
    """Of Python's types and of our own, alone and in a list: nothing but a mismatch comes of it."""
    for type_ in SOME_TYPES:
        assert is_lowered(type_, value) == (culprit(type_, value) is None), str(type_)
        whole, item = ListOf(type_), [value]
        if type_ != U8:
            assert is_lowered(whole, item) == (culprit(whole, item) is None), str(whole)


@pytest.mark.parametrize(
    ("type_", "value", "where", "expected", "got"),
    [
        (U32, "x", "v", "u32", "str 'x'"),
        (ListOf(U8), [1], "v", "bytes (list<u8>)", "list [1]"),
        (ListOf(U32), [1, -1], "v[1]", "u32", "int -1"),
        (TupleOf((U32, STRING)), (1,), "v", "tuple<u32, string>", "tuple (1,)"),
        (TupleOf((U32, STRING)), (1, 2), "v[1]", "string", "int 2"),
        (OptionOf(OptionOf(U32)), 1, "v", "option<option<u32>> (None or Some(...))", "int 1"),
        (OptionOf(OptionOf(U32)), Some("x"), "v.value", "u32", "str 'x'"),
        (ResultOf(U32, None), 1, "v", "result<u32> (Ok(...) or Err(...))", "int 1"),
        (ResultOf(U32, None), Err(1), "v", "Err without a payload", "int 1"),
        (ResultOf(U32, None), Ok("x"), "v.Ok", "u32", "str 'x'"),
        (POINT, {"x_at": 1, "y_at": 2, "z": 3}, "v", "the fields x_at, y_at", "str 'z'"),
        (POINT, {"x_at": 1}, "v", "point with a field `y_at`", "dict {'x_at': 1}"),
        (POINT, {"x_at": 1, "y_at": "x"}, "v.y_at", "u32", "str 'x'"),
        (SHAPE, Case("round"), "v", "a Case of dot, named", "Case Case(name='round', value=None)"),
        (SHAPE, Case("dot", 1), "v", "dot without a payload", "int 1"),
        (SHAPE, Case("named", 1), "v.named", "string", "int 1"),
        (COLOUR, "blue", "v", "one of red, green", "str 'blue'"),
        (RIGHTS, ["read"], "v", "a set of read, write", "list ['read']"),
        (RIGHTS, {"fly"}, "v", "a set of read, write", "set {'fly'}"),
    ],
)
def test_the_message_says_what_was_expected_and_what_came(
    type_: ValueType, value: object, where: str, expected: str, got: str
) -> None:
    """In the terms of WIT, and of Python."""
    found = mismatch("v", type_, value)
    assert (found.where, found.expected, found.got) == (where, expected, got)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_a_value_is_shown_briefly_or_not_at_all() -> None:
    """A megabyte does not come into a log, and a `repr` that fails hides nothing."""
    long = mismatch("v", U32, "x" * 1_000_000)
    assert len(long.got) <= len("str ") + LONGEST_SHOWN + 1
    assert long.got.endswith("…")
    assert mismatch("v", U32, Unshowable()).got == "Unshowable that has no repr"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_arguments_is_said_as_such(count: int) -> None:
    """Before any of them is looked at."""
    shape = FunctionShape("f", (("a", U32), ("b", U32)), None)
    found = argument_mismatch(shape, (STRANGE,) * count, TypeError())
    assert str(found) == f"f: expected 2 arguments, got {count} arguments"
