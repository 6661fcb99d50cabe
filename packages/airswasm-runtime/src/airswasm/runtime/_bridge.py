"""Composes a bridge around a component, so that its bytes cross in bulk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

BRIDGE_VERSION = 1
"""Changes whenever what this module composes does: compiled components are cached."""


@dataclass(frozen=True, slots=True)
class Bridging:
    """What composing a bridge around a component has changed.

    Attributes:
        positions: for each bridged function, by `interface#function` (imports
            and exports alike; `#function` at the level of the world), where a
            `string` carries bytes: paths such as `2`, `1.some` or `result.ok.some`.
        extra_memories: memories of the bridge, which the guest's limit must not count.
        extra_memory_bytes: what one of them may need beyond the bytes of one call.
        extra_instances: core instances of the bridge.
        extra_tables: tables of the bridge.
    """

    positions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra_memories: int = 0
    extra_memory_bytes: int = 0
    extra_instances: int = 0
    extra_tables: int = 0

    @property
    def is_bridged(self) -> bool:
        """Whether there is a bridge at all."""
        return bool(self.positions)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Bridging:
        """Reads what `to_json` wrote."""
        read = json.loads(text)
        positions = {path: tuple(where) for path, where in read.pop("positions").items()}
        return cls(positions=positions, **read)


@dataclass(frozen=True, slots=True)
class BridgedComponent:
    """A component with a bridge composed around it.

    Attributes:
        wasm: the outer component.
        bridging: what it changed.
    """

    wasm: bytes
    bridging: Bridging


def bridge_component(wasm: bytes) -> BridgedComponent | None:
    """Composes a bridge around a component.

    Returns:
        None when nothing in it needs a bridge or its shape is beyond ours.
    """
    return None
