"""The capabilities that a component needs and its manifest does not ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from airswasm.lifecycle import Manifest
from airswasm.security import Grants, Kinds
from airswasm.wit import ContractReport

from ._languages.known import toolchain_of

__all__ = ("lines_to_add", "unasked_capabilities", "world_of")

_STORED = ("storage:read", "storage:write")
_ALIKE = {
    "storage:read": _STORED,
    "storage:write": _STORED,
    "messaging:request": ("messaging:request", "messaging:send"),
}
"""Capabilities of which a declaration needs one: a value may only be read, a peer only be told."""


def world_of(folder: Path) -> bytes:
    """Return the text of a project's own world; empty where it has none."""
    return b"".join(path.read_bytes() for path in folder.glob("wit/*.wit"))


def unasked_capabilities(
    manifest: Manifest, report: ContractReport, world: bytes = b""
) -> tuple[str, ...]:
    """Return the capabilities that the imports need and the manifest lacks.

    Some toolchains import all of an interface, also of one whose types another one uses. Then only
    the interfaces count that the project's world names, and one capability of an interface that is
    asked for speaks for the others.
    """
    asked = {name.replace(".", ":", 1) for name in manifest.capabilities}
    toolchain = None if manifest.build.command else toolchain_of(manifest.build.language)
    is_exact = toolchain is not None and toolchain.imports_only_calls
    found: set[str] = set()
    for interface, needed in report.capability_interfaces.items():
        is_named = not world or interface.partition("@")[0].encode() in world
        if is_exact or (is_named and not asked.intersection(needed)):
            found |= set(needed) - asked
    return tuple(sorted(found))


def lines_to_add(
    unasked: tuple[str, ...], described: Path, manifest: Manifest, kinds: Kinds
) -> Mapping[str, str]:
    """Return the line of `[capabilities]` for each capability of which the manifest lacks a part.

    Args:
        unasked: The capabilities that the imports need.
        described: The file with what a class declares, which knows more; there may be none.
        manifest: The component's manifest.
        kinds: The capabilities of the installed blocks.
    """
    if not described.is_file():
        return {each: f'{each.replace(":", ".", 1)} = ["…"]' for each in unasked}
    declared = json.loads(described.read_bytes())["capabilities"]
    lines: dict[str, str] = {}
    for name, patterns in declared.items():
        capability = name.replace(".", ":", 1)
        alike = _ALIKE.get(capability, (capability,))
        needed = [each.replace("{name}", manifest.name) for each in patterns]
        lacking = [
            pattern
            for pattern in needed
            if all(kinds.beyond(Grants({each: (pattern,)}), manifest.grants) for each in alike)
        ]
        if lacking:
            known = manifest.capabilities.get(name, ())
            (lines[capability],) = Grants({capability: (*known, *lacking)}).manifest_lines()
    return lines
