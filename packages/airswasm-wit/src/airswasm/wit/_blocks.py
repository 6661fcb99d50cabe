"""The blocks that are installed here, put together.

`Blocks.find()` reads the declarations and imports none of their parts. What cannot be read, and
what two blocks both claim, is a `BlockProblem` and is left out of every table: a verb or a
capability that two packages define has no owner, and an order of loading must not decide. Who
opens a host refuses to go on with problems (`raise_for_problems`); `airswasm --help` and `doctor`
go on without the parts concerned and say so.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, TypeVar

from ._block import Block, Capability, Gate, Interpreter, Metric, Section, Verb
from ._fault import AirswasmError, ErrorCode, safe_text
from ._problems import BlockProblem
from .errors import AnnotationError, BlocksInvalid

if TYPE_CHECKING:  # what reads WIT is imported where WIT is read: most callers want a table
    from ._contract import Contract
    from .model import Function, Package

__all__ = ("BLOCK_GROUP", "Blocks", "InstalledBlock")

BLOCK_GROUP = "airswasm.blocks"
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class InstalledBlock:
    """A block and the package that it comes from.

    Attributes:
        block: Its declaration.
        distribution: `airswasm-storage`.
        version: Of the distribution; empty where there is none.
    """

    block: Block
    distribution: str
    version: str = ""


class Blocks:
    """A set of blocks, as one whole.

    Args:
        installed: The blocks.
        problems: What is known to be wrong already.
    """

    def __init__(
        self, installed: Iterable[InstalledBlock], problems: Iterable[BlockProblem] = ()
    ) -> None:
        self._installed = tuple(installed)
        self._problems = list(problems)

    @classmethod
    def find(cls) -> Blocks:
        """Read the declarations of all packages that are installed in this environment."""
        found: list[InstalledBlock] = []
        problems: list[BlockProblem] = []
        entries = [(*_distribution_of(each), each) for each in entry_points(group=BLOCK_GROUP)]
        for distribution, version, entry in sorted(entries, key=itemgetter(0)):
            try:
                found.append(InstalledBlock(_declared(entry), distribution, version))
            except (Exception, SystemExit) as error:  # the code of any package that is installed
                reason = f"its declaration {entry.value} fails: {type(error).__name__}: "
                problems.append(BlockProblem(distribution, reason + safe_text(error)))
        return cls(found, problems)

    @classmethod
    def of(cls, *blocks: Block) -> Blocks:
        """Put blocks together that are given instead of found, for tests and embedders."""
        return cls(InstalledBlock(block, block.name) for block in blocks)

    def joined(self, *blocks: Block) -> Blocks:
        """Return these and some more, which an embedder brings."""
        more = (InstalledBlock(block, block.name) for block in blocks)
        return Blocks((*self._installed, *more), self._problems)

    def __iter__(self) -> Iterator[InstalledBlock]:
        return iter(self._installed)

    @property
    def problems(self) -> tuple[BlockProblem, ...]:
        """All that is wrong, with the declarations and between the blocks."""
        for table in (
            self.capabilities, self.sections, self.verbs, self.metrics, self.interfaces, self.gates,
            self.interpreters,
        ):  # fmt: skip
            len(table)
        self._table("block", lambda block: [(block.name, block)])
        return tuple(self._problems)

    def raise_for_problems(self) -> None:
        """Do nothing when the blocks fit together.

        Raises:
            BlocksInvalid: With every problem, each naming its package.
        """
        from .annotations import find_annotation_problems

        for each, package in self._packages.items():
            for problem in find_annotation_problems(package):
                self._note(self._installed[each].distribution, str(problem))
        for installed in self._installed:
            if installed.block.provide:
                self._note_unguarded(installed)
        if self.problems:
            raise BlocksInvalid(self.problems)

    # What they declare, by name

    @cached_property
    def capabilities(self) -> Mapping[str, Capability]:
        """Every kind of capability, by `domain.verb`."""
        return _parts(self._table("capability", lambda b: [(c.name, c) for c in b.capabilities]))

    @cached_property
    def sections(self) -> Mapping[str, Section]:
        """The tables of config.toml."""
        return _parts(self._table("section", lambda b: [(s.name, s) for s in b.sections]))

    @cached_property
    def verbs(self) -> Mapping[str, Verb]:
        """The sub-commands of `airswasm`."""
        return _parts(self._verbs)

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """The metric families."""
        return _parts(self._table("metric", lambda b: [(m.name, m) for m in b.metrics]))

    @cached_property
    def gates(self) -> Mapping[str, Gate]:
        """The gates that an update has to pass."""
        return _parts(self._table("gate", lambda b: [(g.name, g) for g in b.gates]))

    @cached_property
    def interpreters(self) -> Mapping[str, Interpreter]:
        """The components that run components which are sources, by their ABI."""
        return _parts(self._table("interpreter", lambda b: [(i.abi, i) for i in b.interpreters]))

    @cached_property
    def interfaces(self) -> Mapping[str, str]:
        """Each host interface that components may import, with the distribution that offers it.

        WASI interfaces that a block answers in place of the engine stand under that block.
        """
        offered = {
            name: each.distribution
            for each in self._installed
            if not each.block.provide
            for name in each.block.interfaces
        }
        table = self._table(
            "interface", lambda b: [(name, b) for name in b.interfaces if b.provide]
        )
        return offered | {name: each.distribution for name, (each, _) in table.items()}

    def owner(self, verb: str) -> str | None:
        """Return the distribution that brings a verb; None if none does."""
        found = self._verbs.get(verb)
        return None if found is None else found[0].distribution

    # What they bring

    @property
    def wit_folders(self) -> Mapping[str, Path]:
        """The folder of each WIT package that a block brings, by the distribution's name.

        Raises:
            FileNotFoundError: A block names a folder that does not exist.
        """
        return {each.distribution: _folder(each.block.wit) for each in self if each.block.wit}

    @property
    def operations(self) -> tuple[str, ...]:
        """The paths of the blocks' operations of the control API."""
        return tuple(each.block.operations for each in self if each.block.operations)

    @property
    def contract(self) -> Contract:
        """The contract, with the WIT packages that blocks bring of their own.

        A package that cannot be read, or that is another one's by name, is left out and becomes
        one of the `problems`.
        """
        from ._contract import Contract, contract

        return Contract(contract().package, tuple(self._packages.values()))

    def error_codes(self) -> Mapping[str, ErrorCode]:
        """Every error code, sorted. Imports the modules that define the errors.

        A code has one owner: the class that declares it. Other classes refer to it
        (`explanation = MessageTooLarge.explanation`). A code that is declared twice, even with the
        same words, is left out and becomes one of the `problems`, as does a module that cannot be
        imported.
        """
        ours = AirswasmError.explanation
        claims: dict[str, dict[int, tuple[str, ErrorCode]]] = {}
        claims[ours.code] = {id(ours): ("airswasm-wit", ours)}
        for each in self._installed:
            for code in self._codes(each):
                claims.setdefault(code.code, {}).setdefault(id(code), (each.distribution, code))
        for name, declared in claims.items():
            owners = sorted({distribution for distribution, _ in declared.values()})
            for distribution in owners if len(declared) > 1 else ():
                reason = f"the error code {name} is declared more than once, in "
                self._note(distribution, reason + " and ".join(owners))
        known = {
            name: code
            for name, declared in claims.items()
            if len(declared) == 1
            for _, code in declared.values()
        }
        return dict(sorted(({ours.code: ours} | known).items()))

    def _codes(self, each: InstalledBlock) -> Iterator[ErrorCode]:
        for module in each.block.errors:
            try:
                yield from _codes_in(importlib.import_module(module))
            except Exception as error:  # the code of any package that is installed
                self._note(
                    each.distribution, f"its errors {module} cannot be read: {safe_text(error)}"
                )

    @cached_property
    def _packages(self) -> Mapping[int, Package]:
        """The WIT packages that blocks bring, by the place of the block; only usable ones."""
        from ._contract import contract
        from ._reading import read_wit

        read: dict[int, Package] = {}
        for index, each in enumerate(self._installed):
            if each.block.wit:
                try:
                    read[index] = read_wit(_folder(each.block.wit)).main
                except (AirswasmError, OSError, ImportError, ValueError) as error:
                    self._note(each.distribution, f"its WIT cannot be read: {safe_text(error)}")
        counts = Counter(_unversioned(package) for package in read.values())
        counts[_unversioned(contract().package)] += 1
        for index, package in list(read.items()):
            if counts[_unversioned(package)] > 1:
                del read[index]
                reason = f"its WIT package {package.name} is the contract's or another block's"
                self._note(self._installed[index].distribution, reason)
        return read

    def _note_unguarded(self, each: InstalledBlock) -> None:
        """Note what keeps the guard from checking the calls of what a block offers."""
        composed = self.contract
        known = {capability.annotation for capability in self.capabilities.values()}
        for name in each.block.interfaces:
            declared = composed.interface(name)
            if declared is None and not name.startswith("wasi:"):
                self._note(each.distribution, f"it offers {name}, which no WIT of a block declares")
            for function in declared.functions.values() if declared else ():
                for needed in sorted(_capabilities_of(function) - known):
                    reason = f"requires {needed}, a capability that no installed block declares"
                    self._note(each.distribution, f"{name}#{function.name} {reason}")

    @cached_property
    def _verbs(self) -> Mapping[str, tuple[InstalledBlock, Verb]]:
        return self._table("verb", lambda block: [(verb.name, verb) for verb in block.verbs])

    def _table(
        self, kind: str, named: Callable[[Block], Sequence[tuple[str, _Part]]]
    ) -> Mapping[str, tuple[InstalledBlock, _Part]]:
        claims = [
            (name, each, part) for each in self._installed for name, part in named(each.block)
        ]
        counts = Counter(name for name, _, _ in claims)
        table: dict[str, tuple[InstalledBlock, _Part]] = {}
        for name, each, part in claims:
            if counts[name] == 1:
                table[name] = each, part
            else:
                others = sorted({e.distribution for n, e, _ in claims if n == name})
                self._note(
                    each.distribution,
                    f"the {kind} {name} comes from {' and '.join(others)}: remove one",
                )
        return table

    def _note(self, distribution: str, reason: str) -> None:
        problem = BlockProblem(distribution, reason)
        if problem not in self._problems:
            self._problems.append(problem)


def _parts(table: Mapping[str, tuple[InstalledBlock, _Part]]) -> Mapping[str, _Part]:
    return MappingProxyType({name: part for name, (_, part) in table.items()})


def _declared(entry: EntryPoint) -> Block:
    block = entry.load()
    if not isinstance(block, Block):
        raise TypeError(f"expected a Block, not {type(block).__name__}")
    return block


def _distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Name and version as the distribution says them.

    Where an uninstall left half of it behind, the name is the entry point's.
    """
    try:
        metadata = entry.dist.metadata if entry.dist else None
        said = (metadata["Name"], metadata["Version"]) if metadata else (None, None)
    except Exception:  # which error it is differs between the versions of Python
        said = (None, None)
    return said[0] or entry.name, said[1] or ""


def _folder(path: str) -> Path:
    """Return the folder that `package:folder` names, without importing the package itself."""
    package, _, folder = path.partition(":")
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise FileNotFoundError(f"{path}: there is no package {package}")
    return Path(places[0], *folder.split("."))


def _unversioned(package: Package) -> str:
    return package.name.partition("@")[0]


def _capabilities_of(function: Function) -> set[str]:
    try:
        required = function.requirements
    except AnnotationError:
        return set()  # said where annotations are checked
    return {need.capability for need in required} if isinstance(required, tuple) else set()


def _codes_in(module: ModuleType) -> Iterator[ErrorCode]:
    for value in vars(module).values():
        if isinstance(value, ErrorCode):
            yield value
        elif isinstance(value, type) and issubclass(value, AirswasmError):
            own = value.__dict__.get("explanation")
            if isinstance(own, ErrorCode) and value.__module__ == module.__name__:
                yield own
