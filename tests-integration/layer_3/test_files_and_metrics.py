"""Layer 3 as a whole: a guest reaches files through a host, and the host's figures show it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from airswasm.actor import GuestRefused
from airswasm.lifecycle import Package, System
from airswasm.monitoring import Monitor
from airswasm.runtime import Health
from airswasm.security import generate_key
from prometheus_client.parser import text_string_to_metric_families
from wasmtime import wat2wasm

GRANTED, UNGRANTED = "local/notebook", "local/stranger"
MANIFEST = """
[component]
name = "{name}"
version = "0.1.0"
[capabilities]
{capabilities}
"""
FILES = 'filesystem.read = ["/note"]\nfilesystem.write = ["/note"]'

pytestmark = pytest.mark.anyio


@pytest.fixture
async def system(anyio_backend: str, tmp_path: Path) -> AsyncIterator[System]:
    """A host of all that is installed, with one guest that was granted a file and one that not."""
    async with System(tmp_path / "home") as system:
        ours = [name for name in system.interfaces if name.startswith("airswasm:")]
        (filesystem,) = (name for name in ours if "/filesystem@" in name)
        text = (Path(__file__).parent / "notebook.wat").read_text()
        wasm = bytes(wat2wasm(text.replace("@FILESYSTEM@", filesystem)))
        key = generate_key()
        for name, capabilities in ((GRANTED, FILES), (UNGRANTED, "")):
            manifest = MANIFEST.format(name=name, capabilities=capabilities)
            files = {"Component.toml": manifest.encode(), "component.wasm": wasm}
            package = Package.from_files(files).sign(key, sequence=1)
            await system.install(package, approve=lambda _plan: True)
        yield system


def monitor_of(system: System) -> Monitor:
    (monitor,) = (each for each in system.observers.values() if isinstance(each, Monitor))
    return monitor


def figure(system: System, metric: str, component: str) -> float:
    """Read one figure of a component as Prometheus would, over all of its series."""
    text = monitor_of(system).metrics.render().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric and component in sample.labels.values()
    )


async def test_a_granted_file_is_written_and_read(system: System, tmp_path: Path) -> None:
    """What a guest writes lies in its own folder, and it reads it back."""
    assert await system.send(GRANTED, b"written", timeout=60) is None
    assert await system.send(GRANTED, b"read", timeout=60) == b"written"
    (file,) = (tmp_path / "home").rglob("note")
    assert file.read_bytes() == b"written"
    assert GRANTED in file.as_posix()


async def test_an_ungranted_file_is_denied(system: System, tmp_path: Path) -> None:
    """Installed is not granted: the guest hears which line of its manifest is missing."""
    with pytest.raises(GuestRefused) as refused:
        await system.send(UNGRANTED, b"written", timeout=60)
    assert 'filesystem.write = ["/note"]' in str(refused.value)
    assert list((tmp_path / "home").rglob("note")) == []


async def test_the_figures_follow_the_messages(system: System) -> None:
    """Each component has its own counters of messages and fuel, and the host is healthy."""
    for number in range(1, 4):
        await system.send(GRANTED, b"written", timeout=60)
        assert figure(system, "airswasm_component_messages_total", GRANTED) == number
    assert figure(system, "airswasm_component_messages_total", UNGRANTED) == 0
    assert figure(system, "airswasm_component_fuel_total", GRANTED) > 0
    assert figure(system, "airswasm_component_running", UNGRANTED) == 1
    assert monitor_of(system).health().health is Health.HEALTHY
