"""Which changes of an interface break a caller that stays as it is, and which a callee.

The table is that of docs/updates.md, a row for each kind of change; types nest, so the property
below holds for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from airswasm.wit import Alteration, compare_exports, compare_imports, read_wit_text
from airswasm.wit._compatibility import AlterationCode
from airswasm.wit.model import (
    Case,
    Enum,
    Field,
    Flags,
    Function,
    Interface,
    ListOf,
    MapOf,
    OptionOf,
    Parameter,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
    World,
)
from hypothesis import example, given
from hypothesis import strategies as st

NAME = "acme:text/words@1.0.0"
TYPES = """
    record point { x: u32 }
    variant shape { dot, line(u32) }
    enum color { red, blue }
    flags marks { bold }
    resource pen;
    resource ink;
"""


def worlds(old: str, new: str, types: tuple[str, str] = ("", "")) -> tuple[World, World]:
    """Two worlds with one interface each, imported and exported, of one function."""

    def read(function: str, change: tuple[str, str]) -> World:
        text = TYPES.replace(*types) if change == types and types[0] else TYPES
        source = f"package acme:text@1.0.0; interface words {{ {text} {function} }}"
        interface = read_wit_text(source).main.interfaces["words"]
        each = {interface.name: interface}
        return World("root", "root:component", each, each, {}, {})

    return read(old, ("", "")), read(new, types)


ROWS: list[tuple[AlterationCode, str, str, tuple[str, str], str]] = [
    # code, function before, function now, change of a type, who breaks
    ("function-removed", "f: func(); g: func();", "f: func();", ("", ""), "caller"),
    ("function-added", "f: func();", "f: func(); g: func();", ("", ""), "callee"),
    ("parameter-removed", "f: func(a: u8);", "f: func();", ("", ""), "both"),
    ("parameter-added", "f: func();", "f: func(a: u8);", ("", ""), "both"),
    ("parameter-moved", "f: func(a: u8, b: u8);", "f: func(b: u8, a: u8);", ("", ""), "both"),
    ("type-changed", "f: func(a: u8);", "f: func(a: string);", ("", ""), "both"),
    ("type-changed", "f: func() -> u8;", "f: func();", ("", ""), "both"),
    ("type-changed", "f: func(a: borrow<pen>);", "f: func(a: borrow<ink>);", ("", ""), "both"),
    ("type-changed", "f: func(a: tuple<u8>);", "f: func(a: tuple<u8, u8>);", ("", ""), "both"),
    ("type-changed", "f: func() -> result<u8>;", "f: func() -> result;", ("", ""), "both"),
    ("number-widened", "f: func(a: u8);", "f: func(a: s32);", ("", ""), "callee"),
    ("number-widened", "f: func() -> u8;", "f: func() -> u16;", ("", ""), "caller"),
    ("number-narrowed", "f: func(a: u16);", "f: func(a: u8);", ("", ""), "caller"),
    ("number-narrowed", "f: func() -> s64;", "f: func() -> u32;", ("", ""), "callee"),
    ("made-optional", "f: func(a: u8);", "f: func(a: option<u8>);", ("", ""), "callee"),
    ("made-optional", "f: func() -> u8;", "f: func() -> option<u8>;", ("", ""), "caller"),
    ("made-required", "f: func(a: option<u8>);", "f: func(a: u8);", ("", ""), "caller"),
    ("made-required", "f: func() -> option<u8>;", "f: func() -> u8;", ("", ""), "callee"),
    ("field-added", "f: func(a: point);", "f: func(a: point);", ("x: u32", "x: u32, y: u32"),
     "caller"),
    ("field-added", "f: func() -> point;", "f: func() -> point;", ("x: u32", "x: u32, y: u32"),
     "callee"),
    ("field-removed", "f: func(a: point);", "f: func(a: point);", ("x: u32", "y: u32"), "both"),
    ("field-removed", "f: func() -> point;", "f: func() -> point;", ("x: u32", "y: u32"), "both"),
    ("case-added", "f: func(a: shape);", "f: func(a: shape);", ("dot,", "dot, arc,"), "callee"),
    ("case-added", "f: func() -> shape;", "f: func() -> shape;", ("dot,", "dot, arc,"), "caller"),
    ("case-removed", "f: func(a: shape);", "f: func(a: shape);", ("dot,", ""), "caller"),
    ("case-removed", "f: func() -> shape;", "f: func() -> shape;", ("dot,", ""), "callee"),
    ("case-added", "f: func(a: color);", "f: func(a: color);", ("red,", "red, tan,"), "callee"),
    ("case-removed", "f: func(a: color);", "f: func(a: color);", ("red,", ""), "caller"),
    ("case-added", "f: func() -> marks;", "f: func() -> marks;", ("bold", "bold, thin"), "caller"),
    ("case-removed", "f: func(a: marks);", "f: func(a: marks);", ("bold", "thin"), "caller"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "old", "new", "types", "breaks"), ROWS)
def test_each_kind_of_change_breaks_whom_it_should(
    code: AlterationCode, old: str, new: str, types: tuple[str, str], breaks: str
) -> None:
    """A value given to the changed side may become more general, one got from it more special."""
    before, now = worlds(old, new, types)
    for side, found in (
        ("caller", compare_exports(before, now)),
        ("callee", compare_imports(before, now)),
    ):
        alike = [each for each in found if each.code == code]
        assert alike, found
        assert any(each.breaks for each in alike) == (breaks in (side, "both")), (side, alike)
        assert all(each.interface == NAME for each in found)
        assert all(each.function and str(each).startswith(NAME) for each in found)


def test_interfaces_that_come_and_go() -> None:
    """A compatible version is the same interface; another one is not."""
    before, now = worlds("f: func();", "f: func();")

    def named(name: str) -> World:
        interface = replace(now.exports[NAME], name=name)
        return replace(now, exports={name: interface}, imports={name: interface})

    later, other = named(NAME.replace("1.0.0", "1.2.0")), named(NAME.replace("1.0.0", "2.0.0"))
    assert compare_exports(before, later) == compare_imports(before, later) == ()
    assert [(each.code, each.breaks) for each in compare_exports(before, other)] == [
        ("interface-removed", True), ("interface-added", False),
    ]  # fmt: skip
    assert [(each.code, each.breaks) for each in compare_imports(before, other)] == [
        ("interface-removed", False), ("interface-added", True),
    ]  # fmt: skip
    assert [each.is_addition for each in compare_exports(before, other)] == [False, True]


def test_functions_outside_of_interfaces_count_too() -> None:
    """And the place of a change within nested types is named."""
    error = Variant("e", (Case("late"), Case("lost", Primitive("u8"))))

    def world(kind: WitType) -> World:
        functions = {"run": Function("run", (), ListOf(ResultOf(None, kind)))}
        return World("root", "root:component", {}, {}, functions, functions)

    other = Variant("e", (Case("late"), Case("lost", Primitive("u16"))))
    (found,) = compare_exports(world(error), world(other))
    assert str(found) == "#run, result, element, error, case lost: it is u16, not u8"
    assert (found.code, found.breaks) == ("number-widened", True)


# -- for all types ---------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c"])
MEMBERS = st.lists(NAMES, unique=True, min_size=1, max_size=3)
PLAIN: st.SearchStrategy[WitType] = st.sampled_from(
    [Primitive(name) for name in ("u8", "s16", "u32", "s64", "f32", "string", "bool")]
)


def compound(inner: st.SearchStrategy[WitType]) -> st.SearchStrategy[WitType]:
    maybe = st.none() | inner
    fields = st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    cases = st.dictionaries(NAMES, maybe, min_size=1, max_size=3)
    return st.one_of(
        inner.map(ListOf),
        inner.map(OptionOf),
        st.builds(ResultOf, maybe, maybe),
        st.lists(inner, min_size=1, max_size=2).map(lambda items: TupleOf(tuple(items))),
        st.builds(MapOf, PLAIN, inner),
        fields.map(lambda made: Record("r", tuple(Field(*each) for each in made.items()))),
        cases.map(lambda made: Variant("v", tuple(Case(*each) for each in made.items()))),
        MEMBERS.map(lambda made: Enum("e", tuple(map(Case, made)))),
        MEMBERS.map(lambda made: Flags("m", tuple(map(Case, made)))),
    )


KINDS = st.recursive(PLAIN, compound, max_leaves=6)


def world_of(parameter: WitType, result: WitType) -> World:
    function = Function("f", (Parameter("p", parameter),), result)
    exports = {NAME: Interface(NAME, {"f": function}, {})}
    return World("root", "root:component", exports, exports, {}, {})


@given(KINDS, KINDS)
def test_a_version_fits_itself_and_a_change_is_always_said(one: WitType, other: WitType) -> None:
    """No difference is silent, whether or not it breaks."""
    assert compare_exports(world_of(one, other), world_of(one, other)) == ()
    found = compare_exports(world_of(one, one), world_of(other, other))
    orderless = _sorted(one) == _sorted(other)
    assert bool(found) == (not orderless)


@given(KINDS, KINDS)
@example(
    OptionOf(Record("r", (Field("a", Primitive("u8")),))),
    OptionOf(Record("r", (Field("a", Primitive("u8")), Field("b", Primitive("u8"))))),
)
def test_caller_and_callee_are_opposite(one: WitType, other: WitType) -> None:
    """What breaks a caller one way breaks a callee the other way.

    Fields are no part of it: a further one that one gets is passed over, and one that one gives
    and that is gone is refused.
    """
    forth = compare_exports(world_of(one, one), world_of(other, other))
    back = compare_imports(world_of(other, other), world_of(one, one))
    assert _breaks(forth) == _breaks(back)


def _breaks(found: Sequence[Alteration]) -> set[str]:
    codes = ("field-added", "field-removed")
    return {each.place for each in found if each.breaks and each.code not in codes}


def _sorted(kind: object) -> object:
    """A type without the order of its members, which callers by name do not see."""
    if isinstance(kind, Record):
        return ("record", frozenset((each.name, _sorted(each.type)) for each in kind.fields))
    if isinstance(kind, Variant):
        return ("variant", frozenset((each.name, _sorted(each.type)) for each in kind.cases))
    if isinstance(kind, Enum | Flags):
        return (type(kind).__name__, frozenset(each.name for each in kind.cases))
    if isinstance(kind, ListOf | OptionOf):
        inner = kind.element if isinstance(kind, ListOf) else kind.payload
        return (type(kind).__name__, _sorted(inner))
    if isinstance(kind, ResultOf):
        return ("result", _sorted(kind.ok), _sorted(kind.error))
    if isinstance(kind, TupleOf):
        return ("tuple", *map(_sorted, kind.items))
    if isinstance(kind, MapOf):
        return ("map", _sorted(kind.key), _sorted(kind.value))
    return kind
