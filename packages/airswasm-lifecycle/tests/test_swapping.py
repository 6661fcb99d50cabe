"""Development builds that are swapped into a running host."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    ComponentInfo,
    HostOffline,
    LimitAbovePolicy,
    Package,
    PackageInvalid,
    RolledBackPast,
    StartFailed,
    SwapRefused,
    System,
    UpdateFailed,
    WrongPackage,
)
from airswasm.security import generate_key
from airswasm.storage import KeyValueStore
from airswasm.wit import ContractViolation

from .conftest import Workshop

pytestmark = pytest.mark.anyio

NAME = "local/hello"
CHILD = Path(__file__).parent / "crash_child.py"


@pytest.fixture
def build(workshop: Workshop) -> Callable[..., Package]:
    """An unsigned build of the counter."""

    def make(version: str = "0.1.0", **more: Any) -> Package:
        signed = workshop.package(version, sequence=1, **more)
        return Package.from_files(signed.files)

    return make


@asynccontextmanager
async def developing(folder: Path) -> AsyncIterator[System]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text('[host]\nmode = "development"\n')
    async with System(home) as system:
        yield system


def log_of(system: System) -> str:
    return "\n".join(each.message for each in system.logs.recent(NAME, 100))


async def test_a_build_takes_the_place_of_its_own_version(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """Without a signature, a new version or a question; data and messages stay."""
    async with developing(tmp_path) as system:
        first = await system.swap(build())
        assert (first.version, first.state, first.signer) == ("0.1.0", "running", None)
        assert await system.send(NAME, b"c") == b"\x01"
        ref = system._actors.broker.resolve(NAME)
        changed = build(wasm=workshop.guest("0.2.0"))
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await system.send(NAME, b"c"))

        ref.pause()
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            second = await system.swap(changed)
        assert answers == [b"\x02"]
        assert [each.version for each in second.versions] == ["0.1.0"]
        assert second.versions[0].wasm_digest == changed.wasm_digest
        assert await system.send(NAME, b"v") == b"0.2.0"
        status = system.component_status(NAME)
        assert (status.restarts, status.is_swapped, status.is_development) == (0, True, True)
        assert "DEVELOPMENT: an unsigned build of 0.1.0 was swapped in; its data stays" in log_of(
            system
        )
        assert [each.kind for each in system.audit.query()].count("swap") == 2
    async with developing(tmp_path) as system:  # the host that is started again has it too
        assert await system.send(NAME, b"v") == b"0.2.0"
        assert system.component_status(NAME).is_swapped


async def test_reset_removes_data_and_messages_and_leaves_the_log(
    tmp_path: Path, build: Callable[..., Package]
) -> None:
    """As if it had just been installed."""
    async with developing(tmp_path) as system:
        await system.swap(build(extra='[delivery]\nmode = "durable"'))
        assert await system.send(NAME, b"c") == b"\x01"
        await system.stop(NAME)
        await system.post(NAME, b"c")
        await system.start(NAME)
        await system.swap(build(extra='[delivery]\nmode = "durable"'), state="reset")
        assert await system.send(NAME, b"c") == b"\x01"
        assert "its data was emptied" in log_of(system)
        assert log_of(system).count("swapped in") == 2


@pytest.mark.parametrize("state", ["keep", "reset"])
@pytest.mark.parametrize("fault", ["no component", "no contract", "init", "limits", "loops"])
async def test_a_build_that_fails_leaves_the_earlier_one_serving(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package], fault: str, state: Any
) -> None:
    """Whatever it fails at."""
    bad: dict[str, Callable[[], Package]] = {
        "no component": lambda: build(wasm=b"\0asm\x0d\0\x01\0broken"),
        "no contract": lambda: build(wasm=b"\0asm\x0d\0\x01\0"),
        "init": lambda: build(wasm=workshop.guest("0.2.0", init=1)),
        "limits": lambda: build(limits='memory = "2 GiB"'),
        "loops": lambda: build(wasm=workshop.guest("0.2.0", init=2), fuel=100_000),
    }
    async with developing(tmp_path) as system:
        await system.swap(build())
        before = system.info(NAME).versions
        with pytest.raises((ContractViolation, UpdateFailed, LimitAbovePolicy)) as caught:
            await system.swap(bad[fault](), state=state)
        assert system.info(NAME).versions == before
        assert system.component_status(NAME).state == "running"
        assert await system.send(NAME, b"v") == b"0.1.0"
        if isinstance(caught.value, UpdateFailed):
            assert caught.value.state == "running"
            assert ("its data was emptied" in str(caught.value)) == (state == "reset")


async def test_a_first_build_that_does_not_start_is_not_installed(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """Nothing stays of it."""
    async with developing(tmp_path) as system:
        with pytest.raises(StartFailed):
            await system.swap(build(wasm=workshop.guest(init=1)))
        assert system.list() == ()


async def test_another_version_is_kept_beside_and_rollback_returns_to_the_earlier_one(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """Upwards it takes over data as an update does; versions may go down, too."""
    async with developing(tmp_path) as system:
        await system.swap(build("0.2.0"))
        with pytest.raises(RolledBackPast):
            await system.rollback(NAME)
        info = await system.swap(build("0.3.0"))
        assert [(v.version, v.is_active) for v in info.versions] == [
            ("0.2.0", False), ("0.3.0", True),
        ]  # fmt: skip
        data = system.services.get(KeyValueStore).namespace(NAME)  # type: ignore[type-abstract]
        assert await data.get("migrated") == b"0.2.0"
        await system.swap(build("0.1.0"))
        assert await system.send(NAME, b"v") == b"0.1.0"
        await system.rollback(NAME)
        assert await system.send(NAME, b"v") == b"0.3.0"


async def test_a_name_that_a_key_owns_is_not_touched(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """Installed, uninstalled or revoked; under another name the build has data of its own."""
    async with developing(tmp_path) as system:
        await system.install(workshop.package(), approve=lambda _plan: True)
        await system.send(NAME, b"c")
        for state in ("keep", "reset"):
            with pytest.raises(SwapRefused, match="a key owns the name") as caught:
                await system.swap(build("0.2.0"), state=state)  # type: ignore[arg-type]
            assert "--name dev/hello" in caught.value.hint
        await system.swap(build("0.2.0"), name="dev/hello")
        assert await system.send("dev/hello", b"c") == b"\x01"
        assert await system.send(NAME, b"c") == b"\x02"
        await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
        with pytest.raises(SwapRefused):
            await system.swap(build("0.2.0"))
        assert system.component_status(NAME).state == "quarantined"
        await system.uninstall(NAME)
        with pytest.raises(SwapRefused):
            await system.swap(build("0.2.0"))


async def test_what_an_operator_forbids_stays_forbidden(
    tmp_path: Path, build: Callable[..., Package]
) -> None:
    """Denials and the forbidden list hold for the next build, too."""
    async with developing(tmp_path) as system:
        await system.swap(build())
        await system.grants.deny(NAME, "storage.write", ("count",))
        await system.swap(build())
        report = system.access(NAME, "storage.write", "count")
        assert not report.is_allowed


async def test_a_name_that_is_none_is_refused(
    tmp_path: Path, build: Callable[..., Package]
) -> None:
    """With the form of a name, and no traceback."""
    async with developing(tmp_path) as system:
        with pytest.raises(PackageInvalid, match="'Bad Name'") as caught:
            await system.swap(build(), name="Bad Name")
        assert "namespace/name" in caught.value.hint


async def test_a_production_host_refuses(tmp_path: Path, build: Callable[..., Package]) -> None:
    """And one that holds a build of its development does not start it."""
    async with developing(tmp_path) as system:
        await system.swap(build())
    (tmp_path / "home" / "config.toml").write_text('[host]\nmode = "production"\n')
    async with System(tmp_path / "home") as system:
        with pytest.raises(SwapRefused, match="production") as caught:
            await system.swap(build())
        assert "host.mode development" in caught.value.hint
        assert system.component_status(NAME).state != "running"
    for mode in ("offline", "readonly"):
        async with System(tmp_path / "home", mode=mode) as system:  # type: ignore[arg-type]
            with pytest.raises(HostOffline):
                await system.swap(build())


async def test_what_a_build_can_be(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """A folder whose old signature is not read, a file, a component alone; nothing else."""
    folder = tmp_path / "project"
    folder.mkdir()
    for path, content in build().files.items():
        (folder / path).write_bytes(content)
    (folder / "component.sig").write_bytes(b"of older bytes")
    wasm = tmp_path / "next.wasm"
    wasm.write_bytes(workshop.guest("0.2.0"))
    archive = tmp_path / "signed.airswasm"
    workshop.package("0.3.0").write_archive(archive)
    async with developing(tmp_path) as system:
        with pytest.raises(PackageInvalid, match="nothing is installed under the name"):
            await system.swap(wasm, name=NAME)
        info = await system.swap(folder)
        assert info.versions[0].source == str(folder)
        await system.swap(wasm, name=NAME)
        assert await system.send(NAME, b"v") == b"0.2.0"
        await system.swap(wasm.read_bytes(), name=NAME)
        assert (await system.swap(archive)).signer is None
        assert await system.send(NAME, b"v") == b"0.3.0"
        for bad in (tmp_path / "none", tmp_path / "none.wasm", b"no build", b""):
            with pytest.raises(PackageInvalid):
                await system.swap(bad, name=NAME)
        with pytest.raises(WrongPackage):
            await system.swap(build(name="local/other"), name=NAME)
        assert await system.send(NAME, b"v") == b"0.3.0"


async def test_a_signed_update_follows_a_build(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package]
) -> None:
    """From then on the key owns the name."""
    async with developing(tmp_path) as system:
        await system.swap(build())
        info: ComponentInfo = await system.update(
            workshop.package("0.2.0", key=generate_key()), approve=lambda _plan: True
        )
        assert [each.is_swapped for each in info.versions] == [True, False]
        assert not system.component_status(NAME).is_swapped
        with pytest.raises(SwapRefused):
            await system.swap(build())
        await system.rollback(NAME)
        assert system.component_status(NAME).is_swapped


async def test_a_stopped_component_stays_stopped(
    tmp_path: Path, build: Callable[..., Package]
) -> None:
    """As at an update."""
    async with developing(tmp_path) as system:
        await system.swap(build())
        await system.stop(NAME)
        for state in ("keep", "reset"):
            await system.swap(build("0.2.0"), state=state)  # type: ignore[arg-type]
            assert system.component_status(NAME).state == "stopped"
        await system.start(NAME)
        assert await system.send(NAME, b"v") == b"0.2.0"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # a process for each step is enough
@pytest.mark.parametrize("state", ["keep", "reset"])
async def test_a_kill_at_any_step_leaves_one_of_the_builds(
    tmp_path: Path, workshop: Workshop, build: Callable[..., Package], state: str
) -> None:
    """With its data, or with none where that was asked for; the next swap goes on."""
    async with developing(tmp_path) as system:
        await system.swap(build())
        await system.send(NAME, b"c")
    archive = tmp_path / "next.airswasm"
    build(wasm=workshop.guest("0.2.0")).write_archive(archive)
    seen: set[bytes | None] = set()
    step, is_done = 0, False
    while not is_done:
        step += 1
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(tmp_path / "home", folder / "home")
        arguments = [str(folder / "home"), "online", str(step), state, str(archive)]
        done = await anyio.run_process([sys.executable, str(CHILD), *arguments], check=False)
        is_done = b"done after" in done.stdout
        async with developing(folder) as system:
            seen.add(await system.send(NAME, b"v"))
            count = await system.send(NAME, b"c")
            assert count in ((b"\x02",) if state == "keep" else (b"\x01", b"\x02")), step
            await system.swap(archive)
            assert await system.send(NAME, b"v") == b"0.2.0"
    assert seen == {b"0.1.0", b"0.2.0"}
    assert step > 3
