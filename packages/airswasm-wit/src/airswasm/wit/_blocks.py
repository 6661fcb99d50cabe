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
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from ._block import Block, Capability, Metric, Section, Verb
from ._contract import Contract, contract
from ._fault import AirswasmError, ErrorCode, safe_text
from ._reading import read_wit
from .annotations import find_annotation_problems
from .errors import BlocksInvalid
from .model import Package

__all__ = ("BLOCK_GROUP", "BlockProblem", "Blocks", "InstalledBlock")

BLOCK_GROUP = "airswasm.blocks"
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class BlockProblem:
    """One reason why a block, or a part of it, cannot be used.

    Attributes:
        distribution: The package to update or to remove.
        reason: What is wrong.
    """

    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"{self.distribution}: {self.reason}"


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
        self._tables: dict[str, Mapping[str, tuple[InstalledBlock, object]]] = {}

    @classmethod
    def find(cls) -> Blocks:
        """Read the declarations of all packages that are installed in this environment."""
        found: list[InstalledBlock] = []
        problems: list[BlockProblem] = []
        for entry in sorted(entry_points(group=BLOCK_GROUP), key=_distribution_of):
            try:
                found.append(_declared(entry))
            except Exception as error:  # the code of any package that is installed
                reason = f"its declaration {entry.value} fails: {type(error).__name__}: "
                problems.append(BlockProblem(_distribution_of(entry), reason + safe_text(error)))
        return cls(found, problems)

    @classmethod
    def of(cls, *blocks: Block) -> Blocks:
        """Put blocks together that are given instead of found, for tests and embedders."""
        return cls(InstalledBlock(block, block.name) for block in blocks)

    def __iter__(self) -> Iterator[InstalledBlock]:
        return iter(self._installed)

    @property
    def problems(self) -> tuple[BlockProblem, ...]:
        """All that is wrong, with the declarations and between the blocks."""
        for table in (self.capabilities, self.sections, self.verbs, self.metrics, self.interfaces):
            len(table)
        self._table("block", lambda block: [(block.name, block)])
        return tuple(self._problems)

    def raise_for_problems(self) -> None:
        """Do nothing when the blocks fit together.

        Raises:
            BlocksInvalid: With every problem, each naming its package.
        """
        problems = (*self.problems, *self._wit_problems())
        if problems:
            raise BlocksInvalid(problems)

    # What they declare, by name

    @property
    def capabilities(self) -> Mapping[str, Capability]:
        """Every kind of capability, by `domain.verb`."""
        return _parts(self._table("capability", lambda b: [(c.name, c) for c in b.capabilities]))

    @property
    def sections(self) -> Mapping[str, Section]:
        """The tables of config.toml."""
        return _parts(self._table("section", lambda b: [(s.name, s) for s in b.sections]))

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The sub-commands of `airswasm`."""
        return _parts(self._table("verb", lambda b: [(v.name, v) for v in b.verbs]))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metric families."""
        return _parts(self._table("metric", lambda b: [(m.name, m) for m in b.metrics]))

    @property
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
        """The distribution that brings a verb; None when none does."""
        found = self._table("verb", lambda b: [(v.name, v) for v in b.verbs]).get(verb)
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
        """Where the blocks declare operations of the control API, as paths."""
        return tuple(each.block.operations for each in self if each.block.operations)

    @cached_property
    def contract(self) -> Contract:
        """The contract, with the WIT packages that blocks bring of their own.

        Raises:
            WitError: One of them cannot be read.
        """
        packages = tuple(self._package(each) for each in self._installed if each.block.wit)
        return Contract(contract().package, packages)

    def error_codes(self) -> Mapping[str, ErrorCode]:
        """Every error code, sorted. Imports the modules that define the errors."""
        found: dict[str, tuple[ErrorCode, InstalledBlock]] = {}
        for each in self._installed:
            for code in _codes_of(each.block):
                other = found.setdefault(code.code, (code, each))
                if other[0] != code:
                    self._note(
                        each, f"its error code {code.code} is also {other[1].distribution}'s"
                    )
        ours = AirswasmError.explanation
        listed = {ours.code: ours} | {code: found[code][0] for code in found}
        return dict(sorted(listed.items()))

    def _package(self, each: InstalledBlock) -> Package:
        return read_wit(_folder(each.block.wit)).main

    def _wit_problems(self) -> Iterator[BlockProblem]:
        """What keeps a function of a block from being guarded."""
        for each in self._installed:
            if each.block.wit:
                try:
                    package = self._package(each)
                except (AirswasmError, OSError) as error:
                    yield BlockProblem(each.distribution, f"its WIT cannot be read: {error}")
                    continue
                for problem in find_annotation_problems(package):
                    yield BlockProblem(each.distribution, str(problem))
        for each in self._installed:
            if each.block.provide:
                yield from self._undeclared(each)

    def _undeclared(self, each: InstalledBlock) -> Iterator[BlockProblem]:
        try:
            composed = self.contract
        except (AirswasmError, OSError):
            return  # said already
        known = {capability.annotation for capability in self.capabilities.values()}
        for name in each.block.interfaces:
            declared = composed.interface(name)
            for function in declared.functions.values() if declared else ():
                required = function.requirements
                for need in required if isinstance(required, tuple) else ():
                    if need.capability not in known:
                        yield BlockProblem(
                            each.distribution,
                            f"{name}#{function.name} requires {need.capability}, a capability that "
                            "no installed block declares",
                        )

    def _table(
        self, kind: str, named: Callable[[Block], Sequence[tuple[str, _Part]]]
    ) -> Mapping[str, tuple[InstalledBlock, object]]:
        known = self._tables.get(kind)
        if known is not None:
            return known
        claims = [
            (name, each, part) for each in self._installed for name, part in named(each.block)
        ]
        counts = Counter(name for name, _, _ in claims)
        table: dict[str, tuple[InstalledBlock, object]] = {}
        for name, each, part in claims:
            if counts[name] == 1:
                table[name] = each, part
            else:
                others = sorted({e.distribution for n, e, _ in claims if n == name})
                self._note(each, f"the {kind} {name} comes from {' and '.join(others)}: remove one")
        self._tables[kind] = table
        return table

    def _note(self, each: InstalledBlock, reason: str) -> None:
        problem = BlockProblem(each.distribution, reason)
        if problem not in self._problems:
            self._problems.append(problem)


def _parts(table: Mapping[str, tuple[InstalledBlock, object]]) -> Mapping[str, _Part]:
    return MappingProxyType({name: part for name, (_, part) in table.items()})  # type: ignore[misc]


def _declared(entry: EntryPoint) -> InstalledBlock:
    block = entry.load()
    if not isinstance(block, Block):
        raise TypeError(f"expected a Block, not {type(block).__name__}")
    version = entry.dist.version if entry.dist else ""
    return InstalledBlock(block, _distribution_of(entry), version)


def _distribution_of(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.name


def _folder(path: str) -> Path:
    """The folder that `package:folder` names, without importing the package itself."""
    package, _, folder = path.partition(":")
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise FileNotFoundError(f"{path}: there is no package {package}")
    return Path(places[0], *folder.split("."))


def _codes_of(block: Block) -> Iterator[ErrorCode]:
    for module in block.errors:
        names = vars(importlib.import_module(module))
        for value in names.values():
            if isinstance(value, ErrorCode):
                yield value
            elif isinstance(value, type) and issubclass(value, AirswasmError):
                own = value.__dict__.get("explanation")
                if isinstance(own, ErrorCode) and value.__module__ == module:
                    yield own
