"""Layer 2 as a whole: `System` installs, runs, updates and rolls back one stateful component."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from airswasm.actor import ActorSystem, GuestRefused
from airswasm.actor.testing import Probe
from airswasm.lifecycle import ApprovalRefused, OwnerChanged, Package, System, UpdateFailed
from airswasm.security import generate_key

NAME = "local/counter"
MakePackage = Callable[..., Package]

pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def system(
    anyio_backend: str, home: Path, make_package: MakePackage
) -> AsyncIterator[System]:
    """A host with version 0.1.0 installed and running."""
    async with System(home) as system:
        await system.install(make_package("0.1.0"), approve=lambda _plan: True)
        yield system


async def count(system: System) -> int:
    reply = await system.send(NAME, b"count", timeout=60)
    assert reply is not None
    return reply[0]


async def version(system: System) -> bytes | None:
    return await system.send(NAME, b"version", timeout=60)


async def test_state_outlives_update_and_rollback(
    system: System, make_package: MakePackage
) -> None:
    """Code changes with the version; the data belongs to the name and stays."""
    assert [await count(system), await count(system)] == [1, 2]
    await system.update(make_package("0.2.0"), approve=lambda _plan: True)
    assert await version(system) == b"0.2.0"
    assert await count(system) == 3
    await system.rollback(NAME)
    assert await version(system) == b"0.1.0"
    assert await count(system) == 4


async def test_state_outlives_the_host(
    anyio_backend: str, home: Path, make_package: MakePackage
) -> None:
    """What is installed starts again with the next host, and continues to count."""
    async with System(home) as first:
        await first.install(make_package("0.1.0"), approve=lambda _plan: True)
        assert await count(first) == 1
    async with System(home) as second:
        assert await count(second) == 2


@pytest.mark.parametrize("fault", ["is_refusing", "is_not_migrating"])
async def test_a_failed_update_changes_nothing(
    system: System, make_package: MakePackage, fault: str
) -> None:
    """A version that does not come up never answers; the old one goes on where it was."""
    assert await count(system) == 1
    with pytest.raises(UpdateFailed, match="not today"):
        await system.update(make_package("0.2.0", **{fault: True}), approve=lambda _plan: True)
    assert await version(system) == b"0.1.0"
    assert await count(system) == 2
    assert system.info(NAME).version == "0.1.0"


async def test_only_the_owner_updates(system: System, make_package: MakePackage) -> None:
    """The first install pins the key: a package of another signer is refused."""
    with pytest.raises(OwnerChanged):
        await system.update(make_package("0.2.0", key=generate_key()), approve=lambda _plan: True)
    assert await version(system) == b"0.1.0"


async def test_nothing_is_installed_unasked(
    anyio_backend: str, home: Path, make_package: MakePackage
) -> None:
    """Without an approval there is no component, and a refused one can be installed later."""
    async with System(home) as system:
        with pytest.raises(ApprovalRefused):
            await system.install(make_package("0.1.0"), approve=lambda _plan: False)
        assert system.list() == ()
        await system.install(make_package("0.1.0"), approve=lambda _plan: True)
        assert await count(system) == 1


async def test_a_denial_names_the_line_that_would_grant(system: System, home: Path) -> None:
    """The guard stops the call, the guest hears why, and the audit log has a line."""
    with pytest.raises(GuestRefused) as refused:
        await system.send(NAME, b"other", timeout=60)
    assert 'storage.write = ["count", "migrated", "other"]' in str(refused.value)
    assert await count(system) == 1
    audit = "".join(path.read_text() for path in (home / "audit").glob("*.jsonl"))
    assert '"deny"' in audit


async def test_a_guest_publishes_to_a_python_actor(system: System) -> None:
    """A component's publication reaches a subscriber under the component's own name."""
    actors = system.services.get(ActorSystem)
    probe = Probe()
    ref = actors.spawn(probe, name="test/probe")
    actors.broker.subscribe("counted", ref)
    assert [await count(system), await count(system)] == [1, 2]
    assert await ref.drain(30)
    assert probe.payloads == [b"\x01", b"\x02"]
