"""Install, run, update, roll back and remove: the whole of it, with real components."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.actor import GuestRefused
from airswasm.lifecycle import InstallPlan, System

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


async def test_what_is_installed_answers(tmp_path: Path, workshop: Workshop, yes: Approve) -> None:
    """The shortest way from a package to a reply."""
    async with System(tmp_path) as system:
        info = await system.install(workshop.package(), approve=yes)
        assert (info.name, info.version, info.state) == (NAME, "0.1.0", "running")
        assert await system.send(NAME, b"echo") == b"echo"
        assert await system.send(NAME, b"none") is None
        with pytest.raises(GuestRefused, match="refused"):
            await system.send(NAME, b"refuse")
        assert await system.send(NAME, b"c") == b"\x01"
        print(system.status())
        print(system.logs.recent(NAME))
        print(system.interfaces)
