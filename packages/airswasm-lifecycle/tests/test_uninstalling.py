"""An uninstall or a purge that the disk refuses: the component stays, or the purge is resumed."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.actor import NoRoute
from airswasm.lifecycle import InstallPlan, PurgeIncomplete, System
from airswasm.lifecycle._hosting.running import Running
from airswasm.messaging import DurableDelivery, Schedule
from airswasm.security import TrustFileInvalid, TrustStore, generate_key
from airswasm.storage import Namespace, StorageUnavailable

Approve = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
DURABLE = '[delivery]\nmode = "durable"'

pytestmark = pytest.mark.anyio


def refuse(*_arguments: object, **_options: object) -> None:
    raise StorageUnavailable("the store", "no space left on device")


def refuse_trust(*_arguments: object) -> None:
    raise TrustFileInvalid("trust.json", "it cannot be written")


async def refuse_later(*_arguments: object, **_options: object) -> None:
    refuse()


@pytest.fixture
async def installed(
    anyio_backend: str, tmp_path: Path, workshop: Workshop, yes: Approve
) -> AsyncIterator[System]:
    del anyio_backend
    async with System(tmp_path) as system:
        await system.install(workshop.package(extra=DURABLE), approve=yes)
        yield system


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("wanted", ["running", "stopped"])
async def test_what_stays_installed_goes_on(
    installed: System, monkeypatch: pytest.MonkeyPatch, purge: bool, wanted: str
) -> None:
    """What runs is what the registry says, also after an uninstall that failed."""
    if wanted == "stopped":
        await installed.stop(NAME)
    with monkeypatch.context() as patch:
        patch.setattr(installed._registry, "remove", refuse_later)
        with pytest.raises(StorageUnavailable):
            await installed.uninstall(NAME, purge=purge)
    assert installed.component_status(NAME).state == wanted
    if wanted == "running":
        assert await installed.send(NAME, b"v") == b"0.1.0"
    await installed.uninstall(NAME, purge=purge)
    assert installed.list() == ()


@pytest.mark.parametrize(
    ("owner", "method", "refusal"),
    [
        (TrustStore, "unpin", refuse_trust),
        (DurableDelivery, "withdraw", refuse),
        (Namespace, "delete", refuse_later),
    ],
)
async def test_a_purge_that_the_disk_refuses_is_resumed(
    installed: System,
    monkeypatch: pytest.MonkeyPatch,
    workshop: Workshop,
    yes: Approve,
    owner: type,
    method: str,
    refusal: Callable[..., object],
) -> None:
    """Each step says so with one error, keeps no host from opening, and is taken again."""
    await installed.send(NAME, b"c")
    home = installed.home.folder
    with monkeypatch.context() as patch:
        patch.setattr(owner, method, refusal)
        with pytest.raises(PurgeIncomplete):
            await installed.uninstall(NAME, purge=True)
        assert installed.list() == ()
        await installed._stack.aclose()
        async with System(home):
            pass  # it opens, and has tried again
    async with System(home) as system:
        await system.install(workshop.package(key=generate_key(), extra=DURABLE), approve=yes)
        assert await system.send(NAME, b"c") == b"\x01"


async def test_a_name_whose_uninstall_was_cut_short_takes_no_messages(
    installed: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the write that removes the record and what comes after it."""
    home = installed.home.folder
    installed.services.get(Schedule).add(NAME, NAME, b"c", 3600, is_durable=True)
    with monkeypatch.context() as patch:
        patch.setattr(Running, "forget", refuse)
        with pytest.raises(StorageUnavailable):
            await installed.uninstall(NAME)
    await installed._stack.aclose()
    async with System(home) as system:
        assert not system._actors.broker.is_carried(NAME)
        assert system.services.get(Schedule).of(NAME) == ()
        with pytest.raises(NoRoute):
            system._actors.broker.tell(NAME, b"c")
