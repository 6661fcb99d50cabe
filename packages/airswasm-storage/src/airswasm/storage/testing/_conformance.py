"""The suite that every storage engine passes, put together from its parts."""

import pytest

pytest.register_assert_rewrite(
    *(f"{__package__}._{part}_tests" for part in ("backend", "namespace", "log", "disk"))
)

from ._backend_tests import BackendTests  # noqa: E402 - rewritten, so that a failure shows why
from ._disk_tests import DiskTests  # noqa: E402
from ._log_tests import LogTests  # noqa: E402
from ._namespace_tests import NamespaceTests  # noqa: E402

__all__ = ("EngineConformance",)


class EngineConformance(BackendTests, NamespaceTests, LogTests, DiskTests):
    """Tests of one storage engine; subclass it in a test module and say which.

        class TestMyEngine(EngineConformance):
            engine = "mine"

    It needs pytest, and trio if that loop is to be tried as well. Tests that need a small file
    system of their own run for root on Linux, and are skipped elsewhere.

    Attributes:
        engine: The name of the engine's entry point.
        kills: How often a writing process is killed.
    """
