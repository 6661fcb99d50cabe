"""The check of a component against the contract.

The decision is a pure function of the component's world, the contract and the names that the
host offers (`check_world`); `check_component` reads the bytes first. A problem names its rule,
the fault and its cure, and carries both signatures where they differ, so that the author of the
component needs neither the contract nor a debugger.

The report has every problem rather than the first: an author mends them all at once.
Rejected: `wasm-tools component targets`. It answers yes or no against one world, while here every
interface but one is optional, a host offers what is installed, and WASI comes on top.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from ._contract import Contract, contract
from ._problems import Problem, Rule, shorten
from ._reading import read_component
from ._signature import explain_difference
from ._tool import ToolLimits
from .errors import ContractViolation, NotAComponent, WitTooComplex
from .model import Function, Interface, World
from .names import GUEST_HANDLER, InterfaceName, are_compatible, is_of_contract

__all__ = ("ContractReport", "check_component", "check_world")

_MISSING: frozenset[Rule] = frozenset(
    {"handler-missing", "export-incomplete", "import-not-installed", "import-unknown"}
)
_DIFFERING: frozenset[Rule] = frozenset({"export-differs", "import-differs"})


@dataclass(frozen=True, slots=True)
class ContractReport:
    """The exports and imports of a component, seen from the contract.

    Attributes:
        exports: The contract's guest interfaces that it exports, as the contract names them.
        other_exports: The interfaces of its own that it exports: the host's Python code calls
            them. A component that has some needs no handler.
        imports: The interfaces that it imports and the host offers, by the component's names for
            them; without WASI.
        wasi_imports: The WASI interfaces that it imports and the host offers.
        capability_interfaces: For each host interface that it imports, the capabilities that
            its imported functions need; only interfaces that need any. It can use no others.
        problems: All reasons why it does not fit; empty when it does.
    """

    exports: tuple[str, ...] = ()
    other_exports: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    wasi_imports: tuple[str, ...] = ()
    capability_interfaces: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    problems: tuple[Problem, ...] = ()

    @property
    def missing(self) -> tuple[Problem, ...]:
        """The problems of things that are not there."""
        return tuple(item for item in self.problems if item.rule in _MISSING)

    @property
    def differing(self) -> tuple[Problem, ...]:
        """The problems of signatures that differ; each carries both."""
        return tuple(item for item in self.problems if item.rule in _DIFFERING)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Every capability that the component could make use of, sorted."""
        return tuple(sorted({c for group in self.capability_interfaces.values() for c in group}))

    @property
    def is_satisfied(self) -> bool:
        """Whether the component fits."""
        return not self.problems

    def raise_for_problems(self) -> None:
        """Raise an error unless the component fits.

        Raises:
            ContractViolation: It does not; with all problems, one line for each.
        """
        if self.problems:
            raise ContractViolation(self.problems)


def check_component(
    wasm: bytes | os.PathLike[str],
    *,
    offered: Collection[str],
    against: Contract | None = None,
    limits: ToolLimits | None = None,
) -> ContractReport:
    """Check a compiled component against the contract.

    Blocks while a child process reads the component (about 20 ms); from async code call it in a
    worker thread.

    Args:
        wasm: The component's bytes, or its file.
        offered: Full names of the interfaces that the host offers, WASI included.
        against: The contract with what installed blocks add to it (`Blocks.contract`); None for
            the contract by itself.
        limits: Bounds on reading it.

    Returns:
        The report, with every fault of the component.

    Raises:
        WasmToolsMissing: There is no executable to read it with.
        OSError: The file cannot be read.
    """
    try:
        world = read_component(wasm, limits=limits)
    except NotAComponent as error:
        return _unreadable("not-a-component", error.reason, error.advice)
    except WitTooComplex as error:
        return _unreadable(
            "too-complex", f"{error.what} exceeds {error.limit}", "make the component simpler"
        )
    return check_world(world, offered=offered, against=against)


def check_world(
    world: World, *, offered: Collection[str], against: Contract | None = None
) -> ContractReport:
    """Check a world that `read_component` gave; see `check_component`."""
    check = _Check(world, against or contract(), offered)
    problems = tuple(check.problems())
    return ContractReport(
        exports=tuple(check.contract_exports()),
        other_exports=tuple(n for n in world.exports if not is_of_contract(n)),
        imports=tuple(n for n in world.imports if check.is_offered(n) and not _is_wasi(n)),
        wasi_imports=tuple(n for n in world.imports if check.is_offered(n) and _is_wasi(n)),
        capability_interfaces=MappingProxyType(check.capability_interfaces()),
        problems=problems,
    )


def _unreadable(rule: Rule, message: str, advice: str) -> ContractReport:
    return ContractReport(problems=(Problem(rule, "", message, advice),))


@dataclass(frozen=True, slots=True)
class _Check:
    world: World
    contract: Contract
    offered: Collection[str]

    def problems(self) -> Iterator[Problem]:
        yield from self._handler()
        for name, interface in self.world.exports.items():
            if is_of_contract(name):
                yield from self._export(name, interface)
        for name, interface in self.world.imports.items():
            if not interface.is_types_only:
                yield from self._import(name, interface)
        for name in self.world.imported_functions:
            yield _imported_outside(name)

    def contract_exports(self) -> Iterator[str]:
        for name in self.world.exports:
            known = self.contract.interface(name) if is_of_contract(name) else None
            if known is not None and known.name in self.contract.guest_interfaces:
                yield known.name

    def is_offered(self, name: str) -> bool:
        return any(are_compatible(name, other) for other in self.offered)

    def capability_interfaces(self) -> dict[str, tuple[str, ...]]:
        needed: dict[str, tuple[str, ...]] = {}
        for name, interface in self.world.imports.items():
            known = self.contract.interface(name)
            found = () if known is None else _capabilities(interface, known)
            if known is not None and found:
                needed[known.name] = found
        return needed

    def _handler(self) -> Iterator[Problem]:
        if any(are_compatible(name, GUEST_HANDLER) for name in self.world.exports):
            return
        if any(_without_version(name) == _HANDLER for name in self.world.exports):
            return  # Exported in another version: said there.
        loose = self.world.exported_functions.get("handle-message")
        if loose is not None:
            yield Problem(
                "export-outside-interface",
                "handle-message",
                "it is exported by the world itself, not by the interface",
                f"write `export {GUEST_HANDLER};` in the world instead of `handle-message: func…`",
            )
            return
        exported = [*self.world.exports, *self.world.exported_functions]
        if self._has_own_exports():
            return  # A plugin: it is called by its functions.
        yield Problem(
            "handler-missing",
            GUEST_HANDLER,
            "a component must export it, or functions of its own; this one exports "
            + _few(exported),
            f"add `export {GUEST_HANDLER};` to the component's world and implement it",
        )

    def _has_own_exports(self) -> bool:
        own = (each for name, each in self.world.exports.items() if not is_of_contract(name))
        return bool(self.world.exported_functions) or any(each.functions for each in own)

    def _export(self, name: str, found: Interface) -> Iterator[Problem]:
        known = self.contract.interface(name)
        if known is None or known.name not in self.contract.guest_interfaces:
            yield self._foreign(name, "export")
            return
        for function in known.functions.values():
            theirs = found.functions.get(function.name)
            if theirs is None:
                yield _lacks(known, function)
            elif theirs != function:
                yield _differs("export-differs", known, function, theirs)

    def _import(self, name: str, found: Interface) -> Iterator[Problem]:
        known = self.contract.interface(name)
        if known is None and self.contract.has_package_of(name):
            yield self._foreign(name, "import")
        elif not self.is_offered(name):
            yield self._not_offered(name)
        if known is not None:
            yield from _compare_imports(known, found)

    def _foreign(self, name: str, way: Literal["import", "export"]) -> Problem:
        """Report a name of the contract's package that this version of the contract lacks."""
        interface = _without_version(name)
        same = next(
            (full for full in self.contract.interfaces if _without_version(full) == interface), None
        )
        rule: Rule = "import-version" if way == "import" else "export-version"
        if same is None:
            choices = (
                self.contract.host_interfaces if way == "import" else self.contract.guest_interfaces
            )
            package = interface.partition("/")[0]
            usable = [i for i in choices.values() if i.name.startswith(f"{package}/")]
            of = f"the contract {self.contract.version}" if is_of_contract(name) else package
            return Problem(
                "import-unknown" if way == "import" else "export-version",
                name,
                f"{of} has no such {_kind(way)}",
                f"use one of {', '.join(item.short_name for item in usable)}",
            )
        if same == name:
            return Problem(
                rule,
                name,
                "it is for hosts to offer, not for components",
                "remove this export from the world",
            )
        against = f"the contract {self.contract.version}"
        source = "an airswasm-wit that has this version"
        if not is_of_contract(name):
            provider = self.contract.interfaces[same].provider
            against, source = same, f"another version of {provider or 'its package'}"
        return Problem(
            rule,
            name,
            f"this host speaks {same}",
            f"build the component against {against}, or install {source}",
        )

    def _not_offered(self, name: str) -> Problem:
        provider = self.contract.provider_of(name)
        if provider is not None:
            return Problem(
                "import-not-installed",
                name,
                "no installed block offers it",
                f"pip install {provider}",
                provider=provider,
            )
        return Problem(
            "import-unknown",
            name,
            "neither the contract nor this host has it",
            _advice_for_unknown(name),
        )


_HANDLER = GUEST_HANDLER.partition("@")[0]


def _is_wasi(name: str) -> bool:
    return name.startswith("wasi:")


def _without_version(name: str) -> str:
    return name.partition("@")[0]


def _kind(way: Literal["import", "export"]) -> str:
    return "host interface" if way == "import" else "guest interface"


def _capabilities(imported: Interface, known: Interface) -> tuple[str, ...]:
    """Collect the capabilities that the imported functions need, by the contract's annotations."""
    names: set[str] = set()
    for name in imported.functions:
        function = known.functions.get(name)
        required = None if function is None else function.requirements
        if isinstance(required, tuple):
            names.update(item.capability for item in required)
    return tuple(sorted(names))


def _compare_imports(known: Interface, found: Interface) -> Iterator[Problem]:
    for function in found.functions.values():
        ours = known.functions.get(function.name)
        if ours is None:
            yield Problem(
                "import-function-unknown",
                f"{known.name}#{function.name}",
                f"{known.name} has no such function here",
                f"it has {_few(known.functions)}; a component built for a later version needs a "
                f"later {known.provider or 'airswasm-wit'}",
            )
        elif ours != function:
            yield _differs("import-differs", known, ours, function)


def _lacks(known: Interface, function: Function) -> Problem:
    return Problem(
        "export-incomplete",
        f"{known.name}#{function.name}",
        "the interface is exported without this function",
        f"implement `{function.signature}`",
    )


def _differs(rule: Rule, known: Interface, ours: Function, theirs: Function) -> Problem:
    side = "implement" if rule == "export-differs" else "call"
    source = "`airswasm.wit.wit_folder()`" if is_of_contract(known.name) else known.provider
    return Problem(
        rule,
        f"{known.name}#{ours.name}",
        explain_difference(ours, theirs),
        f"{side} it as the contract has it (copy the WIT from {source or 'the package'})",
        expected=ours.signature,
        found=theirs.signature,
    )


def _imported_outside(name: str) -> Problem:
    return Problem(
        "import-outside-interface",
        name,
        "the world imports it outside any interface, and a host offers interfaces only",
        "remove it from the world, or put it into an interface that a block offers",
    )


def _advice_for_unknown(name: str) -> str:
    parsed = InterfaceName.parse(name)
    if parsed is not None and parsed.namespace == "wasi":
        return "airswasm offers WASI 0.2; build the component for wasip2 and without this proposal"
    return "remove the import, or install the package that offers it"


def _few(names: Collection[str]) -> str:
    """Show the first names and count the rest: a component can have any number."""
    if not names:
        return "nothing"
    shown = [shorten(name) for name in list(names)[:5]]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shown) + more
