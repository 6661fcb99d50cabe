"""A new version answers recorded messages as the version before it did, or the difference shows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.actor import ActorError
from airswasm.lifecycle import Configuration, InstallPlan, Package, ReplayReport, System
from airswasm.lifecycle._trial.replaying import Tried
from airswasm.storage import Store
from airswasm.wit import Blocks

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
Books = Callable[..., Package]
NAME = "local/hello"

pytestmark = pytest.mark.anyio


@pytest.fixture
def books(workshop: Workshop) -> Books:
    """Packages of the guest that keeps books."""
    return workshop.books_package  # type: ignore[no-any-return]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Any]:
    """Opens a host that records."""

    @asynccontextmanager
    async def opening(replay: str = 'record = ["**"]') -> AsyncGenerator[System]:
        configuration = Configuration.parse(f"[replay]\n{replay}\n", Blocks.find())
        async with System(tmp_path / "home", configuration=configuration) as system:
            yield system

    return opening


async def tell(system: System, *payloads: bytes) -> None:
    """Send messages to the component, whatever comes of them."""
    for payload in payloads:
        with anyio.fail_after(30):
            try:
                await system.send(NAME, payload)
            except ActorError:
                while not system._hosting.is_running(NAME):  # noqa: ASYNC110
                    await anyio.sleep(0.001)


async def replayed(system: System, package: Package) -> ReplayReport:
    """Replay the recording to a package that is not installed."""
    record = system._registry.get(NAME)
    await system._loader.check(package)
    running = Tried(
        record.active, record.active_version.wasm_digest, system._stored.manifest(record)
    )
    candidate = Tried(package.version, package.wasm_digest, package.manifest)
    return await system._replaying.replay(NAME, running, candidate)


ALL = (b"a", b"a", b"p", b"t", b"m", b"r", b"shello", b"cv", b"qv", b"l", b"n", b"e1", b"?", b"d")


async def test_a_version_does_as_it_did(
    opened: Any, books: Books, workshop: Workshop, yes: Approve
) -> None:
    """Nothing differs, whatever it used: data, time, chance, others."""
    async with opened() as system:
        await system.install(workshop.package(name="local/other"), approve=yes)
        await system.install(books(), approve=yes)
        await tell(system, *ALL, b"x", b"a", b"t")
        report = await replayed(system, books(version="0.2.0"))
        assert report.divergences == ()
        assert report.differences == ()
        assert report.incomparable == {}
        assert report.verdict == "passed"
        assert report.compared == report.messages == len(ALL) + 4  # and one callback


@pytest.mark.parametrize(
    ("defect", "kinds"),
    [
        ("DEFECT_ANSWER", {"reply"}),
        ("DEFECT_SEND", {"calls"}),
        ("DEFECT_FUEL", {"fuel"}),
        ("DEFECT_CRASH", {"ending"}),
        ("DEFECT_WRITE", set()),
        ("OTHER_ORDER", set()),
    ],
)
async def test_a_planted_difference_shows(
    opened: Any, books: Books, yes: Approve, defect: str, kinds: set[str]
) -> None:
    """Wrong answers, other writes, a further send, too much fuel, a crash; but no other order."""
    async with opened() as system:
        await system.install(books(), approve=yes)
        await tell(system, b"a", b"p", b"a", b"t", b"r", b"ehello")
        before = {
            name: system.services.get(Store).namespace(name).read_page()
            for name in system.services.get(Store).namespaces()
        }
        report = await replayed(system, books(defect, version="0.2.0"))
        print(report)
        assert {each.kind for each in report.divergences} == kinds
        if defect == "OTHER_ORDER":
            assert report.verdict == "passed"
        else:
            assert report.verdict == "blocked"
        if defect == "DEFECT_WRITE":
            (difference,) = report.differences
            assert (difference.key, difference.running) == ("stray", None)
            assert difference.candidate == b"!"
        after = {
            name: system.services.get(Store).namespace(name).read_page()
            for name in system.services.get(Store).namespaces()
        }
        assert {name: page for name, page in after.items() if "/" in name} == {
            name: page for name, page in before.items() if "/" in name
        }
