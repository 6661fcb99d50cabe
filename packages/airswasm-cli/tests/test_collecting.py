"""A host looks for garbage among what can become garbage, and finds it."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Mapping

from airswasm.cli.commands import run

PROBE = """
import gc
import airswasm.cli._entry as entry
from airswasm.cli.commands import run

async def look(*_arguments):
    print(gc.get_freeze_count(), len(gc.get_objects()), gc.isenabled())

run._start_and_stay = look
entry.sys.argv = ["airswasm", "run"]
entry.main()
"""


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.own = self


def test_what_a_host_opens_is_not_looked_at_again(environment: Mapping[str, str]) -> None:
    """Modules are most of a host's objects, and a full collection would walk over all of them."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE], env=dict(environment), capture_output=True, check=True
    )
    frozen, others, is_enabled = done.stdout.split()
    assert int(frozen) > 20 * int(others)
    assert is_enabled == b"True"


def test_a_start_leaves_no_garbage_and_thaws_nothing() -> None:
    """What the start dropped is gone at its end; what was frozen before it stays so."""
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with run._collecting_later():
            assert not gc.isenabled()
            knot = weakref.ref(Knot())
            assert knot() is not None
        assert gc.isenabled()
        assert knot() is None
        assert frozen - gc.get_freeze_count() < frozen / 2
    finally:
        gc.unfreeze()
