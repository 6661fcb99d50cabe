"""Reading a home without hosting it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    Approve,
    ArtifactCorrupt,
    ConfigurationInvalid,
    HomeReader,
    NotInstalled,
    RegistryCorrupt,
    StoreMissing,
    System,
)
from airswasm.storage import EngineMismatch, open_store

Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
pytestmark = pytest.mark.anyio


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def installed(home: Path, workshop: Workshop, yes: Approve) -> Path:
    async with System(home) as system:
        await system.install(workshop.package(), approve=yes)
        await system.send(NAME, b"c")
    return home


async def test_a_reader_shows_what_a_system_shows(installed: Path) -> None:
    """There is one account of a home, whichever of the two gives it."""
    async with System(installed, mode="readonly") as system:
        with HomeReader(installed) as reader:
            assert [each.name for each in reader.list()] == [NAME]
            assert reader.list() == system.list()
            await system.read_world(NAME)
            assert reader.info(NAME) == system.info(NAME)
            assert reader.info(NAME).storage_bytes
            assert reader.component_status(NAME) == system.component_status(NAME)
            assert reader.status() == system.status()
            assert reader.logs.recent(NAME) == system.logs.recent(NAME)
            assert reader.logs.recent(NAME)


async def test_a_home_can_be_read_beside_its_host(installed: Path) -> None:
    """A reader takes no lock, and says which process has the home."""
    async with System(installed) as system:
        with HomeReader(installed) as reader:
            assert [each.version for each in reader.list()] == ["0.1.0"]
            assert reader.status().pid is not None
        assert await system.send(NAME, b"echo") == b"echo"


def test_an_empty_home_can_be_read(home: Path) -> None:
    """It holds nothing, and reading does not make it."""
    with HomeReader(home) as reader:
        assert reader.list() == ()
        assert reader.status().installed == 0
        with pytest.raises(NotInstalled):
            reader.info(NAME)
    assert not home.exists()


async def test_a_store_that_is_gone_is_no_empty_home(installed: Path) -> None:
    """Its disk may only not be mounted."""
    shutil.rmtree(installed / "store")
    with pytest.raises(StoreMissing, match="store is missing"), HomeReader(installed):
        pass


async def test_damage_is_told(installed: Path) -> None:
    """A manifest that changed on the disk is not shown, and neither is a torn record."""
    with HomeReader(installed) as reader:
        digest = reader.info(NAME)
        for file in (installed / "artifacts").glob("*/*"):
            file.chmod(0o600)
            file.write_bytes(b"")
        with pytest.raises(ArtifactCorrupt):
            assert reader.info(NAME) != digest
    async with open_store(installed / "store") as store:
        await store.namespace("airswasm-registry").set(NAME, b"{")
    with pytest.raises(RegistryCorrupt), HomeReader(installed):
        pass


async def test_a_reader_needs_the_sections_that_say_how_to_read(installed: Path) -> None:
    """[storage] and [logs] are checked when they are used; other sections are left to hosts."""
    file = installed / "config.toml"
    file.write_text("[limits]\nmemori = 1\n[unheard]\nof = 1\n")
    with HomeReader(installed) as reader:
        assert len(reader.list()) == 1
        assert reader.logs.recent(NAME, 1)
    file.write_text('[storage]\nengin = "rocksdb"\n')
    with pytest.raises(ConfigurationInvalid, match="did you mean `engine`"), HomeReader(installed):
        pass
    file.write_text("[logs]\nfiles = 0\n")
    with HomeReader(installed) as reader, pytest.raises(ConfigurationInvalid, match="files"):
        reader.logs  # noqa: B018 - it is the property that reads


async def test_a_reader_heeds_the_environment(installed: Path) -> None:
    """As a host does: the variables win over the defaults."""
    environment = {"AIRSWASM_STORAGE_ENGINE": "sqlite"}
    with pytest.raises(EngineMismatch), HomeReader(installed, environment=environment):
        pass
    environment = {"AIRSWASM_LOGS_FILES": "2"}
    with HomeReader(installed, environment=environment) as reader:
        assert reader.logs.recent(NAME)
