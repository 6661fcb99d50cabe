"""`limits.host_memory`: what the host keeps on a component's behalf has a key, a cap, a figure."""

from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.lifecycle import (
    Configuration,
    HostPolicy,
    LimitAbovePolicy,
    LimitPolicy,
    Manifest,
    ManifestInvalid,
    System,
    limits_of,
)
from airswasm.lifecycle._packages.differences import differences
from airswasm.runtime import HostMemory, HostSettings

HEAD = '[component]\nname = "local/a"\nversion = "1.0.0"\n[limits]\n'
MIB = 2**20


def manifest(limits: str = "") -> Manifest:
    return Manifest.parse(HEAD + limits)


@pytest.mark.parametrize(
    ("limits", "bytes_"),
    [
        ("", 4 * MIB),
        ('memory = "1 MiB"', 4 * MIB),
        ('memory = "64 MiB"', 64 * MIB),
        ('memory = "64 MiB"\nhost_memory = "1 MiB"', MIB),
    ],
)
def test_the_default_is_as_much_as_the_memory(limits: str, bytes_: int) -> None:
    """4 MiB at least; a manifest may say less or more."""
    assert limits_of(manifest(limits)).host_memory_bytes == bytes_


def test_the_policy_caps_it() -> None:
    """What an operator does not allow is refused before anything is asked."""
    policy = HostPolicy(limits=LimitPolicy(host_memory=8 * MIB))
    policy.check(manifest('host_memory = "8 MiB"'))
    with pytest.raises(LimitAbovePolicy, match="host_memory"):
        policy.check(manifest('host_memory = "9 MiB"'))


def test_too_little_is_no_limit_to_work_with() -> None:
    """Less than a few handles is a mistake in the unit."""
    with pytest.raises(ManifestInvalid, match="host_memory"):
        manifest("host_memory = 64")


def test_more_of_it_is_a_question() -> None:
    """An update that raises it asks; one that lowers it does not."""
    less, more = manifest('host_memory = "1 MiB"'), manifest('host_memory = "2 MiB"')
    (raised,) = differences(less, more)
    (lowered,) = differences(more, less)
    assert (raised.key, raised.after, raised.is_raise) == ("limits.host_memory", "2 MiB", True)
    assert not lowered.is_raise


@pytest.mark.anyio
async def test_the_hosts_budget_is_set_and_shown(tmp_path: Path) -> None:
    """`[host] memory_bytes` reaches the engine, blocks find it, and `status` tells both figures."""
    settings = Configuration.of(HostSettings(memory_bytes=123_456_789))
    async with System(tmp_path / "home", configuration=settings) as system:
        budget = system.services.get(HostMemory)
        budget.held_bytes = 42
        status = system.status()
        assert status.host_memory_most_bytes == budget.most_bytes == 123_456_789
        assert status.host_memory_bytes == 42
