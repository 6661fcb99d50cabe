"""Tells the host what composing code of ours around a component has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from .added_exports import AddedExports

BRIDGE_VERSION = 8
"""Changes whenever what the bridge composes does: compiled components are cached."""


class Side(StrEnum):
    """The place of a bridge, which has a memory of its own."""

    IMPORTS = "imports"
    INSIDE = "inside"
    BEHIND = "behind"
    REBOUND = "rebound"


@dataclass(frozen=True, slots=True)
class Bridging:
    """The changes that a bridge composed around a component has made.

    Attributes:
        imports: for each bridged import, by `interface#function` (`#function` at
            the level of the world), where a `string` carries bytes: paths such as
            `2`, `1.some` or `result.ok.some`.
        exports: the same for exports.
        behind: those exports that go through the bridge behind the guest.
        rebound: of the bridged imports those that are bound again inside the guest's component;
            by path, the import that was added for each. Under its own name it takes bytes.
        nonces: for the bridges whose memory the host is to find, what it begins with, in hex.
        extra_memories: memories of the bridge, which the guest's limit must not count.
        extra_memory_bytes: what one of them may need beyond the bytes of one call.
        extra_instances: core instances of the bridge.
        extra_tables: tables of the bridge.
        added: functions of ours that the component got besides.
    """

    imports: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    behind: tuple[str, ...] = ()
    rebound: Mapping[str, str] = field(default_factory=dict[str, str])
    nonces: Mapping[str, str] = field(default_factory=dict[str, str])
    extra_memories: int = 0
    extra_memory_bytes: int = 0
    extra_instances: int = 0
    extra_tables: int = 0
    added: AddedExports = field(default_factory=AddedExports)

    @property
    def is_bridged(self) -> bool:
        """Whether there is a bridge at all."""
        return bool(self.imports or self.exports)

    @property
    def text_imports(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the bridged imports that take text under their own name."""
        return {path: where for path, where in self.imports.items() if path not in self.rebound}

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Bridging:
        """Read what `to_json` wrote."""
        read = json.loads(text)
        for side in ("imports", "exports"):
            read[side] = {path: tuple(where) for path, where in read[side].items()}
        read["behind"] = tuple(read["behind"])
        read["added"] = AddedExports(**read["added"])
        return cls(**read)

    def side_of(self, export: str) -> Side:
        """Return the bridge that an export goes through."""
        return Side.BEHIND if export in self.behind else Side.INSIDE

    def with_added(self, added: AddedExports) -> Bridging:
        """Return the same for a component that also got functions of ours."""
        extra = self.extra_instances + bool(added.gauge)
        return replace(self, added=added, extra_instances=extra)
