"""Signatures as text, and the difference between two of them in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from .model import Case, Enum, Field, Flags, Function, Record, Resource, Variant, WitType

__all__ = ("explain_difference", "named_types", "render_function")

_MOST_SHOWN = 300
_Identity: TypeAlias = tuple[str | None, str]


def render_function(function: Function, *, with_requirement: bool = True) -> str:
    """Write a function as WIT has it, with its annotation above it."""
    required = function.requirements if with_requirement else None
    if required is None:
        return function.signature
    items = required if isinstance(required, tuple) else (required,)
    return "\n".join([*(f"/// @requires {item}" for item in items), function.signature])


def explain_difference(expected: Function, found: Function) -> str:
    """Describe the first difference between two signatures, `parameter 2 (topic) is …`."""
    if expected.is_async != found.is_async:
        return "it is async, which airswasm does not run" if found.is_async else "it is not async"
    if len(expected.parameters) != len(found.parameters):
        return f"it has {len(found.parameters)} parameters, not {len(expected.parameters)}"
    pairs = zip(expected.parameters, found.parameters, strict=True)
    for index, (ours, theirs) in enumerate(pairs, 1):
        if ours.type != theirs.type:
            return f"parameter {index} ({ours.name}) is {_between(ours.type, theirs.type)}"
        if ours.name != theirs.name:
            return f"parameter {index} is named {_cut(theirs.name)}, not {ours.name}"
    return f"the result is {_between(expected.result, found.result)}"


def named_types(function: Function) -> tuple[Record | Variant | Enum | Flags | Resource, ...]:
    """List the named types that a signature mentions, directly or through others, in order."""
    seen: dict[_Identity, Record | Variant | Enum | Flags | Resource] = {}
    roots = [parameter.type for parameter in function.parameters]
    for root in [*roots, *([] if function.result is None else [function.result])]:
        _collect(root, seen)
    return tuple(seen.values())


def _collect(
    item: WitType | Field | Case, seen: dict[_Identity, Record | Variant | Enum | Flags | Resource]
) -> None:
    if isinstance(item, Record | Variant | Enum | Flags | Resource):
        if (item.owner, item.name) in seen:
            return
        seen[item.owner, item.name] = item
    for part in _parts_of(item):
        _collect(part, seen)


def _parts_of(item: WitType | Field | Case) -> Iterator[WitType]:
    """List the types that a type is made of, one level down."""
    for name in ("element", "payload", "key", "value", "ok", "error", "resource", "type"):
        part = getattr(item, name, None)
        if part is not None:
            yield part
    yield from getattr(item, "items", ())
    for member in (*getattr(item, "fields", ()), *getattr(item, "cases", ())):
        if member.type is not None:
            yield member.type


def _between(expected: WitType | None, found: WitType | None) -> str:
    ours, theirs = _spell(expected), _spell(found)
    if ours == theirs:
        # The same words stand for different definitions: show those.
        inner = _inner_difference(expected, found)
        ours, theirs = inner if inner else (ours, theirs)
    return f"`{_cut(theirs)}`, not `{_cut(ours)}`"


def _inner_difference(expected: WitType | None, found: WitType | None) -> tuple[str, str] | None:
    if expected is None or found is None or expected == found:
        return None
    for ours, theirs in zip(_parts_of(expected), _parts_of(found), strict=False):
        deeper = _inner_difference(ours, theirs)
        if deeper is not None:
            return deeper
    ours_spelled = getattr(expected, "spelled_out", None)
    theirs_spelled = getattr(found, "spelled_out", None)
    if ours_spelled is None or theirs_spelled is None:
        return str(expected), str(found)
    return ours_spelled(), theirs_spelled()


def _spell(item: WitType | None) -> str:
    return "nothing" if item is None else str(item)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
