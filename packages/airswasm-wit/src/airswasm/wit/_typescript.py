"""The contract as declarations in TypeScript, for editors and compilers of component authors.

The names and types are those that componentize-js gives a component: a result is its value or an
exception whose `payload` is the error, an option is `undefined` where it is none, an integer of 64
bits is a `bigint`. Rejected: jco's `guest-types`, which does the same for any world, but needs
Node.js at each change of the contract, and does not read files under all of its versions.
"""

from __future__ import annotations

from collections.abc import Iterator

from ._contract import Contract
from .model import (
    Alias,
    Borrow,
    Case,
    Definition,
    Enum,
    Flags,
    Function,
    Interface,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    Resource,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
)

__all__ = ("typescript_declarations",)

_HEAD = """\
// Made by `python -m airswasm.wit.update`; do not edit.
// The contract's interfaces, as componentize-js shows them to a component.
"""
_PRIMITIVES = {
    "bool": "boolean", "string": "string", "char": "string", "u64": "bigint", "s64": "bigint",
}  # fmt: skip
_NUMBERS = {"u8": "Uint8Array", "u16": "Uint16Array", "u32": "Uint32Array", "u64": "BigUint64Array"}
_RESERVED = frozenset({"delete", "export", "import", "new", "switch", "this", "with"})


def typescript_declarations(contract: Contract) -> str:
    """Write the text of `contract.d.ts`."""
    modules = (_module(each) for each in contract.interfaces.values())
    return "\n".join([_HEAD, *modules])


def _module(interface: Interface) -> str:
    lines = [f'declare module "{interface.name}" {{']
    for each in interface.types.values():
        lines += [f"  {line}" for line in _definition(each, interface)]
    for function in interface.functions.values():
        if function.resource_name is None:
            lines += [f"  {line}" for line in _exported(function)]
    return "\n".join([*lines, "}", ""])


def _definition(each: Definition, interface: Interface) -> Iterator[str]:
    if isinstance(each, Resource):
        yield f"export class {_type_name(each.name)} {{"
        for function in interface.functions.values():
            if function.resource_name == each.name:
                yield from (f"  {line}" for line in _function(function, ""))
        yield "}"
        return
    yield from _documented(each.docs)
    if isinstance(each, Alias):
        owner = getattr(each.target, "owner", None)
        written = f'import("{owner}").{_type_name(each.name)}' if owner else _type(each.target)
    elif isinstance(each, Record):
        yield f"export interface {_type_name(each.name)} {{"
        for field in each.fields:
            yield f"  {_label(field.name, field.type)}: {_type(field.type)};"
        yield "}"
        return
    elif isinstance(each, Variant):
        written = " | ".join(map(_case, each.cases))
    elif isinstance(each, Flags):
        written = f"{{ {' '.join(f'{_camel(case.name)}?: boolean;' for case in each.cases)} }}"
    else:
        written = " | ".join(f'"{case.name}"' for case in each.cases)
    yield f"export type {_type_name(each.name)} = {written};"


def _case(case: Case[WitType]) -> str:
    value = "" if case.type is None else f"; val: {_type(case.type)}"
    return f'{{ tag: "{case.name}"{value} }}'


def _exported(function: Function) -> Iterator[str]:
    name = _camel(function.plain_name)
    if name in _RESERVED:
        yield from _function(function, "function _")
        yield f"export {{ _{name} as {name} }};"
    else:
        yield from _function(function, "export function ")


def _function(function: Function, keyword: str) -> Iterator[str]:
    yield from _documented(function.docs)
    own = function.parameters[1:] if function.is_method else function.parameters
    parameters = ", ".join(f"{_camel(each.name)}: {_type(each.type)}" for each in own)
    result = function.result
    if isinstance(result, ResultOf):
        result = result.ok
    yield f"{keyword}{_camel(function.plain_name)}({parameters}): {_type(result)};"


def _documented(docs: str) -> Iterator[str]:
    lines = docs.strip().splitlines()
    if lines:
        yield "/**"
        yield from (f" * {line}".rstrip() for line in lines)
        yield " */"


def _type(of: WitType | None) -> str:
    if of is None:
        return "void"
    if isinstance(of, Primitive):
        return _PRIMITIVES.get(of.name, "number")
    if isinstance(of, ListOf):
        numbers = _NUMBERS.get(of.element.name) if isinstance(of.element, Primitive) else None
        return numbers or f"Array<{_type(of.element)}>"
    if isinstance(of, OptionOf):
        return f"{_type(of.payload)} | undefined"
    if isinstance(of, TupleOf):
        return f"[{', '.join(map(_type, of.items))}]"
    if isinstance(of, ResultOf):
        error = "undefined" if of.error is None else _type(of.error)
        done = "undefined" if of.ok is None else _type(of.ok)
        return f'{{ tag: "ok"; val: {done} }} | {{ tag: "err"; val: {error} }}'
    if isinstance(of, (Own, Borrow)):
        return _type_name(of.resource.name)
    if isinstance(of, (Record, Variant, Enum, Flags, Resource)):
        return _type_name(of.name)
    raise TypeError(f"the contract has no {of}")


def _label(name: str, of: WitType) -> str:
    return f"{_camel(name)}{'?' if isinstance(of, OptionOf) else ''}"


def _camel(name: str) -> str:
    first, *others = name.split("-")
    return first + "".join(map(str.capitalize, others))


def _type_name(name: str) -> str:
    return "".join(map(str.capitalize, name.split("-")))
