"""The changes between what two versions of one component offer, and whom each change breaks.

One side of an interface changes, and the other one stays as it is: a caller whose calls a new
version answers, or a callee that a new version calls. A value that flows to the changed side may
become more general, and one that flows from it more special. So a new case of a variant is harmless
in a parameter and breaks in a result, for a caller that stays; for a callee it is the other way.

A caller is one that finds functions, parameters, fields and cases by name, as Python code does. A
component that is linked to another one needs equal types: for it, every change breaks but those
that add a function or an interface (`Alteration.is_addition`).

`_evolution` compares two versions of a package of WIT and demands version numbers; this compares
two compiled components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .model import (
    Borrow,
    Case,
    Enum,
    Flags,
    Function,
    Interface,
    ListOf,
    MapOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
    World,
)
from .names import are_compatible

__all__ = ("Alteration", "AlterationCode", "Side", "compare_exports", "compare_imports")

Side: TypeAlias = Literal["caller", "callee"]
AlterationCode: TypeAlias = Literal[
    "interface-removed",
    "interface-added",
    "function-removed",
    "function-added",
    "function-async",
    "parameter-removed",
    "parameter-added",
    "parameter-moved",
    "type-changed",
    "number-widened",
    "number-narrowed",
    "made-optional",
    "made-required",
    "field-removed",
    "field-added",
    "case-removed",
    "case-added",
]
_MOST_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Alteration:
    """One difference between two versions.

    Attributes:
        code: The kind of change.
        interface: The full name of the interface; empty for functions outside of any.
        function: The function; empty where all of the interface is concerned.
        place: Within the signature: `parameter text`, `result`, `result, field name`; empty where
            all of the function is concerned.
        text: The change, for people.
        breaks: Whether the side that stays as it is may fail.
    """

    code: AlterationCode
    interface: str
    function: str
    place: str
    text: str
    breaks: bool

    @property
    def is_addition(self) -> bool:
        """Whether something is there that nothing of before could have used."""
        return self.code in ("interface-added", "function-added")

    @property
    def subject(self) -> str:
        """The interface or function: `acme:text/words@1.0.0#count`."""
        return f"{self.interface}#{self.function}" if self.function else self.interface

    def __str__(self) -> str:
        where = f"{self.subject}, {self.place}" if self.place else self.subject
        return f"{where}: {self.text}"


def compare_exports(before: World, now: World) -> tuple[Alteration, ...]:
    """List the changes that a caller of the exports could notice, with whether they break it."""
    return tuple(_Comparison("caller").worlds(before.exports, now.exports, _functions(before, now)))


def compare_imports(before: World, now: World) -> tuple[Alteration, ...]:
    """List the changes that a provider of the imports could notice, with whether they break it."""
    functions = before.imported_functions, now.imported_functions
    return tuple(_Comparison("callee").worlds(before.imports, now.imports, functions))


_Functions: TypeAlias = tuple[Mapping[str, Function], Mapping[str, Function]]
_Found: TypeAlias = tuple[AlterationCode, str, str, bool]
"""Code, place, text, and whether it breaks."""


def _functions(before: World, now: World) -> _Functions:
    return before.exported_functions, now.exported_functions


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Compares, with one side staying as it is."""

    stays: Side

    @property
    def _keeps_all(self) -> bool:
        """Whether what is there no more breaks; else what is new does."""
        return self.stays == "caller"

    def worlds(
        self,
        before: Mapping[str, Interface],
        now: Mapping[str, Interface],
        functions: _Functions,
    ) -> Iterator[Alteration]:
        matched: set[str] = set()
        for name, interface in before.items():
            other = _same(name, now)
            if other is None:
                gone = "the interface is gone"
                yield Alteration("interface-removed", name, "", "", gone, self._keeps_all)
                continue
            matched.add(other)
            yield from self._interface(name, interface.functions, now[other].functions)
        for name in now:
            if name not in matched:
                new = "the interface is new"
                yield Alteration("interface-added", name, "", "", new, not self._keeps_all)
        yield from self._interface("", *functions)

    def _interface(
        self, name: str, before: Mapping[str, Function], now: Mapping[str, Function]
    ) -> Iterator[Alteration]:
        for each, function in before.items():
            other = now.get(each)
            if other is None:
                gone = "the function is gone"
                yield Alteration("function-removed", name, each, "", gone, self._keeps_all)
            elif other != function:
                for code, place, text, breaks in self._function(function, other):
                    yield Alteration(code, name, each, place, text, breaks)
        for each in now:
            if each not in before:
                new = "the function is new"
                yield Alteration("function-added", name, each, "", new, not self._keeps_all)

    def _function(self, before: Function, now: Function) -> Iterator[_Found]:
        if before.is_async != now.is_async:
            yield "function-async", "", f"it is {'' if now.is_async else 'not '}async now", True
        had = {each.name: each.type for each in before.parameters}
        has = {each.name: each.type for each in now.parameters}
        for name in had:
            if name not in has:
                yield "parameter-removed", f"parameter {name}", "it is gone", True
        for name, kind in has.items():
            if name not in had:
                yield "parameter-added", f"parameter {name}", f"it is new: {_cut(kind)}", True
        if had.keys() == has.keys() and list(had) != list(has):
            yield "parameter-moved", "", f"the parameters are in another order: {_list(has)}", True
        flows = _to_changed if self.stays == "caller" else _from_changed
        for name in had.keys() & has.keys():
            yield from _in_place(f"parameter {name}", flows(had[name], has[name]))
        flows = _from_changed if self.stays == "caller" else _to_changed
        yield from _in_place("result", _maybe(before.result, now.result, flows))


def _same(name: str, among: Mapping[str, Interface]) -> str | None:
    """Return the name under which an interface is there, in this or a compatible version."""
    if name in among:
        return name
    return next((each for each in among if are_compatible(name, each)), None)


def _in_place(place: str, found: Iterator[_Found]) -> Iterator[_Found]:
    for code, inner, text, breaks in found:
        yield code, f"{place}, {inner}" if inner else place, text, breaks


# -- types ---------------------------------------------------------------------------------

_Compare: TypeAlias = Callable[[WitType, WitType], Iterator[_Found]]
_BITS = {f"{sign}{bits}": (sign, bits) for sign in "us" for bits in (8, 16, 32, 64)}


def _to_changed(before: WitType, now: WitType) -> Iterator[_Found]:
    """Compare the types of a value that the side that stays gives: it may become more general."""
    return _types(before, now, _to_changed, is_given=True)


def _from_changed(before: WitType, now: WitType) -> Iterator[_Found]:
    """Compare the types of a value that the side that stays gets: it may become more special."""
    return _types(before, now, _from_changed, is_given=False)


def _maybe(before: WitType | None, now: WitType | None, flows: _Compare) -> Iterator[_Found]:
    if before is not None and now is not None:
        yield from flows(before, now)
    elif before is not now:
        yield "type-changed", "", f"it is {_cut(now)}, not {_cut(before)}", True


def _types(before: WitType, now: WitType, flows: _Compare, *, is_given: bool) -> Iterator[_Found]:
    if before == now:
        return
    match before, now:
        case Primitive(old), Primitive(new) if old in _BITS and new in _BITS:
            yield _numbers(old, new, is_given=is_given)
        case OptionOf(old), OptionOf(new):
            yield from flows(old, new)
        case _, OptionOf(new) if before == new:
            yield "made-optional", "", f"it is {_cut(now)}, not {_cut(before)}", not is_given
        case OptionOf(old), _ if old == now:
            yield "made-required", "", f"it is {_cut(now)}, not {_cut(before)}", is_given
        case ListOf(old, length), ListOf(new, other) if length == other:
            yield from _in_place("element", flows(old, new))
        case ResultOf(ok, error), ResultOf(other_ok, other_error):
            yield from _in_place("ok", _maybe(ok, other_ok, flows))
            yield from _in_place("error", _maybe(error, other_error, flows))
        case TupleOf(items), TupleOf(others) if len(items) == len(others):
            for number, (old, new) in enumerate(zip(items, others, strict=True)):
                yield from _in_place(f"item {number}", flows(old, new))
        case MapOf(key, value), MapOf(other_key, other_value):
            yield from _in_place("key", flows(key, other_key))
            yield from _in_place("value", flows(value, other_value))
        case Record(), Record():
            yield from _fields(before, now, flows, is_given=is_given)
        case (
            (Variant(cases=old), Variant(cases=new))
            | (Enum(cases=old), Enum(cases=new))
            | (Flags(cases=old), Flags(cases=new))
        ):
            yield from _cases(old, new, flows, is_given=is_given)
        case (Own(), Own()) | (Borrow(), Borrow()):
            yield "type-changed", "", f"it is a handle of {now}, not of {before}", True
        case _:
            yield "type-changed", "", f"it is {_cut(now)}, not {_cut(before)}", True


def _numbers(old: str, new: str, *, is_given: bool) -> _Found:
    text = f"it is {new}, not {old}"
    if _holds(new, old):
        return "number-widened", "", text, not is_given
    if _holds(old, new):
        return "number-narrowed", "", text, is_given
    return "type-changed", "", text, True


def _holds(wide: str, narrow: str) -> bool:
    """Return whether each number of one type is one of the other, too."""
    (sign, bits), (other_sign, other_bits) = _BITS[wide], _BITS[narrow]
    if sign == other_sign:
        return bits >= other_bits
    return sign == "s" and bits > other_bits


def _fields(before: Record, now: Record, flows: _Compare, *, is_given: bool) -> Iterator[_Found]:
    had = {each.name: each.type for each in before.fields}
    has = {each.name: each.type for each in now.fields}
    for name, kind in had.items():
        if name not in has:
            yield "field-removed", f"field {name}", "it is gone", True
        else:
            yield from _in_place(f"field {name}", flows(kind, has[name]))
    for name, kind in has.items():
        if name not in had:
            yield "field-added", f"field {name}", f"it is new: {_cut(kind)}", is_given


def _cases(
    before: tuple[Case, ...], now: tuple[Case, ...], flows: _Compare, *, is_given: bool
) -> Iterator[_Found]:
    had = {each.name: each.type for each in before}
    has = {each.name: each.type for each in now}
    for name, payload in had.items():
        if name not in has:
            yield "case-removed", f"case {name}", "it is gone", is_given
        else:
            yield from _in_place(f"case {name}", _maybe(payload, has[name], flows))
    for name in has:
        if name not in had:
            yield "case-added", f"case {name}", "it is new", not is_given


def _cut(kind: WitType | None) -> str:
    text = "nothing" if kind is None else f"`{kind}`"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…`"


def _list(names: Mapping[str, WitType]) -> str:
    text = ", ".join(names)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
