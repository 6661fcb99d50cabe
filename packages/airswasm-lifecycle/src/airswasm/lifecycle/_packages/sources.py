"""A component that is sources: its index, which a package has in the place of wasm.

The index names the interpreter's ABI, the source to start with, what the component imports and
exports, and each file with its SHA-256. So its own digest stands for all of the code, as that of
wasm does, and whatever keeps, signs, compares or restores an artifact needs to know nothing more.
There is no bytecode in a package: what a host runs, it has compiled from these sources.

Rejected: all sources in one archive. Nothing could be shared between versions, and a reviewer who
opens the package would see one blob.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from airswasm.security import judge_path
from airswasm.wit import Contract, ContractReport, World, check_component, check_world
from airswasm.wit import read_component as read_wasm
from airswasm.wit.model import Interface

from ..errors import SourceIndexInvalid

__all__ = ("SourceFile", "SourceIndex", "check_artifact", "read_world")

_FORMAT = "airswasm-sources/1"
_MARK = f'{{"format":"{_FORMAT}"'.encode()
_MOST_BYTES = 2**20
_MOST_FILES = 4_000
_ABI = re.compile(r"[a-z][a-z0-9.-]{0,63}", re.ASCII)
_NAME = re.compile(r"[a-z0-9:/@.-]{1,200}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the sources."""

    path: str
    """Its path in the package."""
    sha256: str


@dataclass(frozen=True, slots=True)
class SourceIndex:
    """The index of a component that is sources.

    Attributes:
        abi: The ABI of the interpreter that runs it.
        entry: The source to start with, one of `files`.
        exports: The interfaces that it exports.
        imports: The interfaces of the contract that it imports.
        files: Its files by the path under which the interpreter asks for them.
    """

    MOST_SOURCE_BYTES: ClassVar[int] = 4 * 2**20
    """Of one source: parsing it takes a hundred times its size. Data files may be larger."""

    abi: str
    entry: str
    exports: tuple[str, ...]
    imports: tuple[str, ...]
    files: Mapping[str, SourceFile]

    @staticmethod
    def is_index(artifact: bytes) -> bool:
        """Return whether an artifact is an index, by its first bytes."""
        return artifact.startswith(_MARK)

    def to_bytes(self) -> bytes:
        """Return the index as a package has it; equal sources give equal bytes."""
        document = {
            "format": _FORMAT,
            "abi": self.abi,
            "entry": self.entry,
            "exports": sorted(self.exports),
            "imports": sorted(self.imports),
            "files": {name: [each.path, each.sha256] for name, each in sorted(self.files.items())},
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes, where: str) -> SourceIndex:
        """Read an index.

        Args:
            content: The bytes.
            where: Their name in messages.

        Raises:
            SourceIndexInvalid: It is none, or one that no build writes.
        """
        if len(content) > _MOST_BYTES:
            raise SourceIndexInvalid(where, f"longer than {_MOST_BYTES:,} bytes")
        try:
            document = json.loads(content)
            index = cls(
                _matching(_ABI, document["abi"]),
                str(document["entry"]),
                tuple(_matching(_NAME, each) for each in document["exports"]),
                tuple(_matching(_NAME, each) for each in document["imports"]),
                {str(name): _read_file(each) for name, each in document["files"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = f"it is no index of sources ({type(error).__name__}: {error})"
            raise SourceIndexInvalid(where, reason) from error
        if len(index.files) > _MOST_FILES:
            raise SourceIndexInvalid(where, f"more than {_MOST_FILES:,} files")
        for name in index.files:
            problem = judge_path(name)
            if problem is not None:
                raise SourceIndexInvalid(where, f"{name[:140]!a}: {problem}")
        if index.entry not in index.files:
            raise SourceIndexInvalid(
                where, f"its entry {index.entry[:140]!a} is not among its files"
            )
        return index

    def check(self, digests: Mapping[str, str], where: str) -> None:
        """Check that a package has each file as the index says.

        Args:
            digests: The SHA-256 of the package's files, by path.
            where: The index's name in messages.

        Raises:
            SourceIndexInvalid: A file is missing, or another one.
        """
        for each in self.files.values():
            if digests.get(each.path) != each.sha256:
                state = "differs from what was built" if each.path in digests else "is missing"
                raise SourceIndexInvalid(where, f"{each.path} {state}; build it again")

    @property
    def digest(self) -> str:
        """The SHA-256 of the index, which stands for all of the code."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def world(self, contract: Contract) -> World:
        """Return its imports and exports, as those of wasm."""
        return World(
            "root", "", _of_contract(self.imports, contract), _of_contract(self.exports, contract),
            {}, {},
        )  # fmt: skip


def check_artifact(
    artifact: bytes, *, offered: Collection[str], against: Contract
) -> ContractReport:
    """Check an artifact, wasm or an index, against the contract; see `check_component`.

    Raises:
        SourceIndexInvalid: It is an index that no build writes.
        WasmToolsMissing: There is no executable to read wasm with.
    """
    if not SourceIndex.is_index(artifact):
        return check_component(artifact, offered=offered, against=against)
    world = SourceIndex.parse(artifact, "the artifact").world(against)
    return check_world(world, offered=offered, against=against)


def read_world(artifact: bytes, contract: Contract) -> World:
    """Return the imports and exports of an artifact, wasm or an index.

    Raises:
        SourceIndexInvalid: It is an index that no build writes.
        WitError: It is no component, or nothing here can read it.
    """
    if not SourceIndex.is_index(artifact):
        return read_wasm(artifact)
    return SourceIndex.parse(artifact, "the artifact").world(contract)


def _of_contract(names: Collection[str], contract: Contract) -> dict[str, Interface]:
    known = {name: contract.interface(name) for name in names}
    return {name: each or Interface(name, {}, {}) for name, each in known.items()}


def _matching(form: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError(f"{str(value)[:140]!a} is no name")
    return value


def _read_file(value: object) -> SourceFile:
    path, digest = cast("list[object]", value)
    if not isinstance(path, str):
        raise TypeError("a path is a text")
    return SourceFile(path, _matching(_DIGEST, digest))
