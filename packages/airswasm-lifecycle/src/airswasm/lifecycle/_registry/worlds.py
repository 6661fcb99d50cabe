"""The functions that a component imports and exports, with what each import needs.

Read from the component itself, not from its manifest. That takes a process of its own, as the
parser reads a stranger's bytes; so it is done once for each digest, and never on the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airswasm.wit import Contract, Function, Interface

__all__ = ("ComponentWorld", "FunctionInfo", "InterfaceInfo", "Worlds", "read_world")


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """One function."""

    name: str
    """`get`, or `connection.send` for a method."""
    needs: tuple[str, ...] = ()
    """The capabilities that a call of it needs, as in Component.toml; none for an export."""


@dataclass(frozen=True, slots=True)
class InterfaceInfo:
    """One imported or exported interface."""

    name: str
    """In full, `airswasm:component/storage@0.1.0`; empty for functions outside an interface."""
    functions: tuple[FunctionInfo, ...]


@dataclass(frozen=True, slots=True)
class ComponentWorld:
    """The imports and exports of a component."""

    imports: tuple[InterfaceInfo, ...] = ()
    exports: tuple[InterfaceInfo, ...] = ()


class Worlds:
    """The worlds of components, by their digest."""

    def __init__(self) -> None:
        self._known: dict[str, ComponentWorld] = {}

    def known(self, digest: str) -> ComponentWorld:
        """Return a world that was read before; one without imports and exports otherwise."""
        return self._known.get(digest) or ComponentWorld()

    def read(self, digest: str, path: Path, contract: Contract) -> None:
        """Read a world, unless it was read before; leave out one that cannot be read."""
        from airswasm.wit import AirswasmError

        if digest not in self._known:
            try:
                self._known[digest] = read_world(path, contract)
            except (AirswasmError, OSError):
                return


def read_world(path: Path, contract: Contract) -> ComponentWorld:
    """Read the world of a component.

    Args:
        path: The component's file, wasm or an index of sources.
        contract: Says what each import needs.

    Raises:
        SourceIndexInvalid: It is an index that no build writes.
        WitError: It is no component, or nothing here can read it.
        OSError: The file cannot be read.
    """
    from .._packages.sources import read_world as read_artifact

    world = read_artifact(path.read_bytes(), contract)
    return ComponentWorld(
        tuple(_interfaces(world.imports, world.imported_functions, contract)),
        tuple(_interfaces(world.exports, world.exported_functions, None)),
    )


def _interfaces(
    interfaces: Mapping[str, Interface], loose: Mapping[str, Function], contract: Contract | None
) -> Iterator[InterfaceInfo]:
    for name, interface in sorted(interfaces.items()):
        if interface.functions:
            known = contract.interface(name) if contract is not None else None
            stated: Mapping[str, Function] = known.functions if known is not None else {}
            yield InterfaceInfo(
                name, tuple(_function(each, stated) for each in interface.functions.values())
            )
    if loose:
        yield InterfaceInfo("", tuple(_function(each, {}) for each in loose.values()))


def _function(function: Function, stated: Mapping[str, Function]) -> FunctionInfo:
    from airswasm.wit import AnnotationError

    resource = function.resource_name
    needs: tuple[str, ...] = ()
    name = f"{resource}.{function.plain_name}" if resource else function.plain_name
    if function.name in stated:
        try:
            found = stated[function.name].requirements
        except AnnotationError:  # the guard refuses to serve such a function
            found = None
        if isinstance(found, tuple):
            needs = tuple(each.capability.replace(":", ".", 1) for each in found)
    return FunctionInfo(name, needs)
