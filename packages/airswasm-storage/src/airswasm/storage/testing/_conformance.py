"""The suite that every storage engine passes, put together from its parts."""

import pytest

_PARTS = (
    "backend",
    "namespace",
    "snapshot",
    "batch",
    "expiry",
    "isolation",
    "format",
    "log",
    "succession",
    "disk",
)
pytest.register_assert_rewrite(*(f"{__package__}._{part}_tests" for part in _PARTS))

from ._backend_tests import BackendTests  # noqa: E402 - rewritten, so that a failure shows why
from ._batch_tests import BatchTests  # noqa: E402
from ._disk_tests import DiskTests  # noqa: E402
from ._expiry_tests import ExpiryTests  # noqa: E402
from ._format_tests import FormatTests  # noqa: E402
from ._isolation_tests import IsolationTests  # noqa: E402
from ._log_tests import LogTests  # noqa: E402
from ._namespace_tests import NamespaceTests  # noqa: E402
from ._snapshot_tests import SnapshotTests  # noqa: E402
from ._succession_tests import SuccessionTests  # noqa: E402

__all__ = ("EngineConformance",)


class EngineConformance(
    BackendTests,
    NamespaceTests,
    SnapshotTests,
    BatchTests,
    ExpiryTests,
    IsolationTests,
    FormatTests,
    LogTests,
    SuccessionTests,
    DiskTests,
):
    """Tests of one storage engine; subclass it in a test module and say which.

        class TestMyEngine(EngineConformance):
            engine = "mine"

    It needs pytest and hypothesis, and trio if that loop is to be tried as well. Tests that need a
    small file system of their own run for root on Linux, and are skipped elsewhere.

    Attributes:
        engine: The name of the engine's entry point.
        examples: How many generated inputs each property is tried with.
        kills: How often a writing process is killed.
    """
