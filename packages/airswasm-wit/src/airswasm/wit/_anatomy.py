"""The anatomy of a compiled component: its WIT, its sections, and the tools that made it."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ._reading import read_component
from ._tool import ToolLimits, run_wasm_tools, stored
from .errors import NotAComponent

__all__ = ("Anatomy", "Producer", "read_anatomy")

_ROW = re.compile(r"^ *(?P<name>\S[^|]*?) *\| .*\| *(?P<bytes>\d+) bytes \|")
_CONTAINERS = frozenset({"module", "component"})


@dataclass(frozen=True, slots=True, order=True)
class Producer:
    """One tool or language that made a part of a component.

    Attributes:
        role: `language`, `processed-by` or `sdk`.
        name: Its name.
        version: Its version, possibly empty.
    """

    role: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a compiled component.

    Attributes:
        wit: Its world, as WIT.
        sections: Bytes of each kind of section, in the component and in the modules and
            components within it; the largest first.
        producers: The tools that say of themselves that they made it.
    """

    wit: str
    sections: Mapping[str, int]
    producers: tuple[Producer, ...]


def read_anatomy(wasm: bytes | os.PathLike[str], *, limits: ToolLimits | None = None) -> Anatomy:
    """Read what a component is made of.

    Blocks while wasm-tools runs, three times; from async code call it in a worker thread.

    Raises:
        NotAComponent: It is something else, incomplete, or damaged.
        WitTooComplex: It is too large, or reading it exceeds the limits.
        ScratchUnusable: The folder for temporary files cannot be written.
        OSError: The file cannot be read.
    """
    content = wasm if isinstance(wasm, bytes) else Path(wasm).read_bytes()
    read_component(content, limits=limits)  # with the errors for what is none
    with stored(content, "component.wasm") as path:
        return Anatomy(
            wit=_said(["component", "wit", str(path)], limits),
            sections=MappingProxyType(_sections(_said(["objdump", str(path)], limits))),
            producers=tuple(sorted(set(_producers(_said(
                ["metadata", "show", "--json", str(path)], limits
            ))))),
        )  # fmt: skip


def _said(arguments: list[str], limits: ToolLimits | None) -> str:
    output = run_wasm_tools(arguments, limits=limits)
    if output.exit_code:
        reason = output.stderr.splitlines()[0] if output.stderr else "no reason given"
        raise NotAComponent(reason, "build it again with a current toolchain")
    return output.stdout.decode("utf-8", "replace")


def _sections(listing: str) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for match in filter(None, map(_ROW.match, listing.splitlines())):
        if match["name"] not in _CONTAINERS:
            sizes[match["name"].replace('"', "")] += int(match["bytes"])
    return dict(sizes.most_common())


def _producers(described: str) -> Iterator[Producer]:
    waiting: list[object] = [json.loads(described)]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += cast("list[object]", found)
        elif isinstance(found, dict):
            known = cast("dict[str, object]", found)
            for role, tools in cast(
                "list[tuple[str, dict[str, str]]]", known.get("producers") or ()
            ):
                yield from (Producer(role, name, version) for name, version in tools.items())
            waiting += [each for name, each in known.items() if name != "producers"]
