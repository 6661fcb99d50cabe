"""Values of WIT types as JSON: every type there and back, and what does not fit."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import make_dataclass
from typing import Any

import pytest
from airswasm.lifecycle import ArgumentUnfit
from airswasm.lifecycle._hosting.json_values import (
    holds_resource,
    read_arguments,
    value_document,
)
from airswasm.runtime import Case, Err, FunctionShape, Ok, ResourceIdentity, Some
from airswasm.wit import (
    Borrow,
    Enum,
    Field,
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
from airswasm.wit import Case as WitCase
from hypothesis import given
from hypothesis import strategies as st

U8, TEXT = Primitive("u8"), Primitive("string")
NAMES = st.sampled_from(["a", "first-name", "type", "of-x", "b2"])
BITS = (8, 16, 32, 64)
INTEGERS = {
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in BITS},
    **{f"s{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in BITS},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def shape(*types: Any) -> FunctionShape:
    return FunctionShape("f", tuple((f"p{at}", type_) for at, type_ in enumerate(types)), None)


def read(type_: Any, value: object) -> object:
    (found,) = read_arguments(shape(type_), [value])
    return found


def variant(cases: dict[str, Any]) -> Variant[Any]:
    return Variant("v", tuple(WitCase(name, type_) for name, type_ in cases.items()))


def record(types: dict[str, Any]) -> Record[Any]:
    return Record("r", tuple(Field(name, type_) for name, type_ in types.items()))


def types() -> st.SearchStrategy[Any]:
    names = [*INTEGERS, "bool", "string", "char", "f64"]
    plain = st.sampled_from(names).map(Primitive) | st.just(ListOf(U8))
    named = st.lists(NAMES, min_size=1, max_size=4, unique=True).map(
        lambda each: Enum("e", tuple(WitCase(name, None) for name in each))
    ) | st.lists(NAMES, min_size=1, max_size=4, unique=True).map(
        lambda each: Flags("f", tuple(WitCase(name, None) for name in each))
    )

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        maybe = st.none() | inner
        return (
            inner.map(ListOf)
            | inner.map(OptionOf)
            | st.lists(inner, min_size=1, max_size=3).map(lambda each: TupleOf(tuple(each)))
            | st.builds(ResultOf, maybe, maybe)
            | st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(record)
            | st.dictionaries(NAMES, maybe, min_size=1, max_size=3).map(variant)
        )

    return st.recursive(plain | named, larger, max_leaves=8)


def values(type_: Any) -> st.SearchStrategy[Any]:
    """Values as a guest would give them."""
    match type_:
        case Primitive("bool"):
            return st.booleans()
        case Primitive("string"):
            return st.text()
        case Primitive("char"):
            return st.characters(exclude_categories=("Cs",))
        case Primitive("f64"):
            return st.floats()
        case Primitive(name):
            return st.integers(*INTEGERS[name])
        case ListOf(Primitive("u8")):
            return st.binary(max_size=20)
        case ListOf(inner):
            return st.lists(values(inner), max_size=3)
        case TupleOf(inner):
            return st.tuples(*map(values, inner))
        case OptionOf(OptionOf() as inner):
            return st.none() | values(inner).map(Some)
        case OptionOf(inner):
            return st.none() | values(inner)
        case ResultOf(ok, err):
            return payload(ok).map(Ok) | payload(err).map(Err)
        case Record():
            python = [each.name.replace("-", "_").replace("type", "type") for each in type_.fields]
            made = make_dataclass("R", python)
            return st.builds(made, *[values(each.type) for each in type_.fields])
        case Variant():
            return st.one_of(
                payload(each.type).map(lambda value, each=each: Case(each.name, value))
                for each in type_.cases
            )
        case Enum():
            return st.sampled_from([each.name for each in type_.cases])
        case Flags():
            return st.frozensets(st.sampled_from([each.name for each in type_.cases]))
    raise AssertionError(type_)


def payload(type_: Any) -> st.SearchStrategy[Any]:
    return st.none() if type_ is None else values(type_)


@given(st.data())
def test_every_value_survives_json(data: st.DataObject) -> None:
    """What a guest gave, written, sent as text and read again, says the same."""
    type_ = data.draw(types())
    value = data.draw(values(type_))
    document = value_document(type_, value)
    text = json.dumps(document, allow_nan=False)
    again = read(type_, json.loads(text))
    assert json.dumps(value_document(type_, _as_given(type_, again))) == json.dumps(document)


def _as_given(type_: Any, value: Any) -> Any:
    """Return read values with records as a guest gives them: objects instead of mappings."""
    match type_:
        case Record():
            made = make_dataclass("R", list(value))
            pairs = zip(type_.fields, value.items(), strict=True)
            return made(**{name: _as_given(each.type, one) for each, (name, one) in pairs})
        case ListOf(Primitive("u8")):
            return value
        case ListOf(inner):
            return [_as_given(inner, each) for each in value]
        case TupleOf(inner):
            return tuple(_as_given(*pair) for pair in zip(inner, value, strict=True))
        case OptionOf(inner) if value is not None:
            if isinstance(value, Some):
                return Some(_as_given(inner, value.value))
            return _as_given(inner, value)
        case ResultOf(ok, err):
            inner = ok if isinstance(value, Ok) else err
            return type(value)(None if inner is None else _as_given(inner, value.value))
        case Variant():
            inner = next(each.type for each in type_.cases if each.name == value.name)
            return Case(value.name, None if inner is None else _as_given(inner, value.value))
        case _:
            return value


@given(types(), JSON)
def test_whatever_json_says_is_read_or_refused(type_: Any, value: object) -> None:
    """There is no third way, and the refusal names the place."""
    try:
        read(type_, value)
    except ArgumentUnfit as refused:
        error: ArgumentUnfit | None = refused
    else:
        error = None
    assert error is None or (error.where.startswith("f.p0") and len(str(error)) < 3000)


@pytest.mark.parametrize(
    ("type_", "value", "found"),
    [
        (ListOf(U8), "grüß", "grüß".encode()),
        (ListOf(U8), {"base64": base64.b64encode(b"\0\xff").decode()}, b"\0\xff"),
        (Primitive("f32"), "inf", math.inf),
        (Primitive("f64"), 3, 3.0),
        (OptionOf(OptionOf(TEXT)), {"some": None}, Some(None)),
        (OptionOf(OptionOf(TEXT)), None, None),
        (ResultOf(None, TEXT), {"ok": None}, Ok(None)),
        (record({"first-name": TEXT, "age": OptionOf(U8)}), {"first-name": "a"},
         {"first_name": "a", "age": None}),
        (variant({"dot": None, "line": U8}), "dot", Case("dot")),
        (variant({"dot": None, "line": U8}), {"dot": None}, Case("dot")),
        (variant({"dot": None, "line": U8}), {"line": 3}, Case("line", 3)),
    ],
)  # fmt: skip
def test_forms_that_people_write(type_: Any, value: object, found: object) -> None:
    """The short ones, too."""
    assert read(type_, value) == found


@pytest.mark.parametrize(
    ("type_", "value", "said"),
    [
        (U8, 256, "f.p0: expected u8, got 256"),
        (U8, True, "expected u8, got True"),
        (U8, 1.0, "expected u8, got 1.0"),
        (Primitive("s8"), -129, "expected s8"),
        (Primitive("bool"), 1, "expected bool, got 1"),
        (TEXT, 42, "expected string, got 42"),
        (TEXT, "\ud800", "expected string"),
        (Primitive("char"), "ab", "expected char, got 'ab'"),
        (Primitive("f64"), 10**400, "expected f64"),
        (ListOf(TEXT), ["a", 1], r"f.p0\[1\]: expected string, got 1"),
        (ListOf(U8), {"base64": "?"}, "expected base64"),
        (TupleOf((U8, U8)), [1], "tuple<u8, u8>"),
        (record({"a": U8}), {}, "expected a field a"),
        (record({"a": U8}), {"a": 1, "b": 2}, "expected the fields a, got 'b'"),
        (variant({"dot": None, "line": U8}), "line", '{"dot": …} or {"line": …}'),
        (variant({"dot": None}), {"dot": 1}, "f.p0.dot: expected null, got 1"),
        (ResultOf(U8, None), {"ok": 1, "err": None}, '{"ok": …} or {"err": …}'),
        (Own(ResourceIdentity(0, "a:b/c", "file", False)), 1, "a resource, which JSON cannot name"),
    ],
)
def test_what_does_not_fit_is_named(type_: Any, value: object, said: str) -> None:
    """By its place, its type and itself."""
    with pytest.raises(ArgumentUnfit, match=said):
        read(type_, value)


def test_the_number_of_arguments_is_checked() -> None:
    """Before any of them is looked at."""
    with pytest.raises(ArgumentUnfit, match=r"expected 2 for .*, got 1 argument"):
        read_arguments(shape(U8, U8), [1])


def test_a_resource_anywhere_in_a_type_is_found() -> None:
    """A function with one is refused before it is called."""
    handle = Borrow(ResourceIdentity(0, "a:b/c", "file", False))
    for type_ in (
        handle, ListOf(handle), OptionOf(handle), TupleOf((U8, handle)), ResultOf(None, handle),
        ResultOf(handle, None), record({"a": handle}), variant({"a": None, "b": handle}),
    ):  # fmt: skip
        assert holds_resource(type_)
    assert not holds_resource(record({"a": ListOf(U8)}))
    assert not holds_resource(None)
    with pytest.raises(ArgumentUnfit, match="only Python code can hold"):
        value_document(handle, object())
