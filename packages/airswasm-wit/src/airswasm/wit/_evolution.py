"""The changes between two versions of a package, and the version numbers that they demand.

The two sides of a contract evolve in opposite directions. A host may offer more: a new host
function breaks no component. It may not demand more: every existing component lacks a new function
of a guest interface. A change of a signature, or of a variant that is passed, breaks both sides; so
does a new permission, though the types do not show it.

`wasm-tools component semver-check` compares two worlds within one package and does not see
annotations, names no function, and cannot hold two packages of one version at once. The tests use
it as a second opinion: a component for the released worlds must still target the current ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ._signature import explain_difference
from .model import Function, Interface, Package
from .names import InterfaceName

__all__ = ("Change", "check_version", "compare_packages")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions of a package.

    Attributes:
        subject: The interface or function, without versions.
        message: What changed.
        breaks: Whether a component that worked with the earlier version may not any more.
    """

    subject: str
    message: str
    breaks: bool

    def __str__(self) -> str:
        return f"{'breaking' if self.breaks else 'addition'}: {self.subject}: {self.message}"


def compare_packages(previous: Package, current: Package) -> tuple[Change, ...]:
    """List every change between two versions that a component could notice."""
    return tuple(_changes(previous, current))


def check_version(previous: Package, current: Package) -> tuple[str, ...]:
    """List the changes that the current version number does not announce; none if it fits.

    A breaking change needs a version that semver holds incompatible (`0.2.0` after `0.1.3`), an
    addition any later one.
    """
    changes = compare_packages(previous, current)
    if not changes:
        return ()
    before, now = _version(previous), _version(current)
    if before.version == now.version:
        return tuple(f"{change} (the version is still {now.version})" for change in changes)
    if before.track == now.track:
        return tuple(
            f"{change} ({now.version} promises to be compatible with {before.version})"
            for change in changes
            if change.breaks
        )
    return ()


def _version(package: Package) -> InterfaceName:
    return InterfaceName("", "", "", package.version)


def _changes(previous: Package, current: Package) -> Iterator[Change]:
    guest = _guest_interfaces(previous) | _guest_interfaces(current)
    for name, before in previous.interfaces.items():
        now = current.interfaces.get(name)
        if now is None:
            yield Change(name, "the interface is gone", True)
        else:
            yield from _interface_changes(before, now, name in guest)
    for name in current.interfaces:
        if name not in previous.interfaces:
            yield Change(name, "the interface is new", False)
    yield from _world_changes(previous, current)


def _guest_interfaces(package: Package) -> set[str]:
    return {item.short_name for world in package.worlds.values() for item in world.exports.values()}


def _interface_changes(before: Interface, now: Interface, is_guest: bool) -> Iterator[Change]:
    for name, function in before.functions.items():
        subject = f"{before.short_name}#{name}"
        other = now.functions.get(name)
        if other is None:
            yield Change(subject, "the function is gone", not is_guest)
        elif other != function:
            yield Change(subject, explain_difference(function, other), True)
        elif not is_guest and _demands_more(function, other):
            yield Change(subject, _requirement_change(function, other), True)
    for name in now.functions:
        if name not in before.functions:
            yield Change(f"{before.short_name}#{name}", "the function is new", is_guest)


def _demands_more(before: Function, now: Function) -> bool:
    required = now.requirements
    had = before.requirements
    if not isinstance(required, tuple):
        return False
    return not isinstance(had, tuple) or not set(required) <= set(had)


def _requirement_change(before: Function, now: Function) -> str:
    return f"it requires {_words(now)}, not {_words(before)}"


def _words(function: Function) -> str:
    required = function.requirements
    if isinstance(required, tuple):
        return " and ".join(map(str, required))
    return "nothing"


def _world_changes(previous: Package, current: Package) -> Iterator[Change]:
    for name, before in previous.worlds.items():
        now = current.worlds.get(name)
        if now is None:
            yield Change(name, "the world is gone", True)
            continue
        offered = {item.short_name for item in now.imports.values()}
        demanded = {item.short_name for item in before.exports.values()}
        for item in before.imports.values():
            if item.short_name not in offered:
                yield Change(name, f"the world does not import {item.short_name} any more", True)
        for item in now.exports.values():
            if item.short_name not in demanded:
                yield Change(name, f"the world now exports {item.short_name}", True)
