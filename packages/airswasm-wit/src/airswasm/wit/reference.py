"""The reference of a contract as Markdown, made from its WIT.

    python -m airswasm.wit.reference > docs/wit/reference.md

The doc comments of the WIT hold the promises. The page repeats them and adds what follows from the
model: the distribution that provides an interface, the capability that a call needs and its line
of Component.toml, the types that a signature mentions.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence

from ._contract import Contract, contract
from ._requirement import Nothing, Requirement
from ._signature import named_types
from .model import Alias, Case, Definition, Enum, Field, Flags, Function, Interface, Record, Variant

__all__ = ("main", "render_reference")

_ANNOTATION_LINES = re.compile(r'^[ \t]*@(?:requires|offered-by)(?:[^\n"]|"[^"]*")*$', re.MULTILINE)


def render_reference(described: Contract | None = None) -> str:
    """Write the whole page, for the shipped contract unless another is given."""
    known = described or contract()
    return "\n".join(_page(known)).rstrip() + "\n"


def _page(known: Contract) -> Iterator[str]:
    yield "<!-- Made by `python -m airswasm.wit.reference`; change the WIT instead. -->"
    yield f"# The contract `{known.package.name}`"
    yield _prose(known.package.docs)
    yield ""
    yield "## Worlds"
    for world in known.package.worlds.values():
        imports = _links(item for item in world.imports.values() if not item.is_types_only)
        yield f"**`{world.name}`**: {_prose(world.docs)}"
        yield f"<br>imports {imports}; exports {_links(world.exports.values())}"
        yield ""
    yield from _capability_table(known)
    yield "## What a component exports"
    for interface in known.guest_interfaces.values():
        yield from _interface(known, interface)
    yield "## What a host offers"
    for interface in known.interfaces.values():
        if interface.name not in known.guest_interfaces:
            yield from _interface(known, interface)


def _capability_table(known: Contract) -> Iterator[str]:
    uses: dict[str, list[str]] = {}
    for interface in known.host_interfaces.values():
        for function in interface.functions.values():
            required = function.requirements
            for item in required if isinstance(required, tuple) else ():
                uses.setdefault(item.capability, []).append(_call(interface, function, item))
    yield "## Capabilities"
    yield (
        "A function in this table is refused, as `denied`, unless Component.toml grants its "
        "capability for the argument that is named. All other functions need no grant."
    )
    yield ""
    yield "| in `[capabilities]` | lets the component call |"
    yield "|---|---|"
    for capability, functions in sorted(uses.items()):
        yield f"| `{capability.replace(':', '.')}` | {', '.join(functions)} |"
    yield ""


def _call(interface: Interface, function: Function, item: Requirement) -> str:
    argument = f" by its {_named(item)}" if item.arguments else ""
    return f"`{interface.short_name}.{function.plain_name}`{argument}"


def _interface(known: Contract, interface: Interface) -> Iterator[str]:
    yield f"### `{interface.short_name}`"
    provider = known.provider_of(interface.name)
    offered = f", offered by `{provider}`" if provider else ""
    needed = " (required)" if interface.short_name == "handler" else ""
    yield f"`{interface.name}`{needed}{offered}"
    yield ""
    yield _prose(interface.docs)
    yield ""
    for function in interface.functions.values():
        yield from _function(function)
    for definition in interface.types.values():
        yield from _type(definition)


def _function(function: Function) -> Iterator[str]:
    of = f"{function.resource_name}." if function.resource_name else ""
    yield f"#### `{of}{function.plain_name}`"
    yield f"```wit\n{function.signature}\n```"
    yield _prose(function.docs)
    yield ""
    yield from _requirement(function.requirements)
    types = [item for item in named_types(function) if item.name != function.resource_name]
    if types:
        shown = ", ".join(_type_link(item.owner, item.name) for item in types)
        yield f"Types: {shown}."
        yield ""


def _requirement(required: tuple[Requirement, ...] | Nothing | None) -> Iterator[str]:
    if isinstance(required, Nothing):
        yield f"Needs no capability: {required.reason}."
        yield ""
    for item in required if isinstance(required, tuple) else ():
        toml = f'{item.capability.replace(":", ".")} = ["…"]'
        matched = f", matched against {_named(item)}" if item.arguments else ""
        yield f"Needs `{toml}`{matched}."
        yield ""


def _named(item: Requirement) -> str:
    return " and ".join(f"`{name}`" for name in item.arguments)


def _type(definition: Definition) -> Iterator[str]:
    if isinstance(definition, Alias):
        return
    kind = type(definition).__name__.lower()
    yield f"#### {kind} `{definition.name}`"
    if definition.docs:
        yield _prose(definition.docs)
    yield ""
    if isinstance(definition, Record):
        yield from _members(definition.fields)
    elif isinstance(definition, Variant | Enum | Flags):
        yield from _members(definition.cases)


def _members(members: Iterable[Field | Case]) -> Iterator[str]:
    for member in members:
        text = " ".join(member.docs.split())
        yield f"- `{member}`{': ' if text else ''}{text}"
    yield ""


def _links(interfaces: Iterable[Interface]) -> str:
    return ", ".join(f"[`{item.short_name}`](#{item.short_name})" for item in interfaces)


def _type_link(owner: str | None, name: str) -> str:
    interface = "" if owner is None else owner.rpartition("/")[2].partition("@")[0]
    return f"`{interface}.{name}`" if interface else f"`{name}`"


def _prose(docs: str) -> str:
    """Return a doc comment without its annotations, which the page puts into words."""
    return _ANNOTATION_LINES.sub("", docs).strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the page, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m airswasm.wit.reference",
        description="Print the reference of the contract as Markdown.",
    )
    parser.parse_args(arguments)
    sys.stdout.write(render_reference())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
