"""Tools for tests: stores without a disk, and the suite that every storage engine passes.

    from airswasm.storage.testing import EngineConformance

    class TestMyEngine(EngineConformance):
        engine = "mine"  # the name of the entry point

The suite needs pytest and hypothesis; `MemoryStore` and `MemoryDisk` need nothing.

`_conformance` puts the suite together from one module for each thing that an engine carries:
`_backend_tests`, `_batch_tests`, `_disk_tests`, `_expiry_tests`, `_format_tests`,
`_isolation_tests`, `_log_tests`, `_namespace_tests`, `_snapshot_tests` and `_succession_tests`.
`_suite` is what they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._backends.memory import MemoryDisk, MemoryStore

if TYPE_CHECKING:
    from ._conformance import EngineConformance

__all__ = ("EngineConformance", "MemoryDisk", "MemoryStore")


def __getattr__(name: str) -> object:
    """Import the suite, and pytest with it, only where it is used."""
    if name != "EngineConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._conformance import EngineConformance

    return EngineConformance
