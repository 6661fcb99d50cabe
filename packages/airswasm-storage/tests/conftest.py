from collections.abc import Callable
from pathlib import Path

import pytest
from airswasm.storage import RocksStore, SqliteStore, Store
from airswasm.storage.testing import MemoryDisk, MemoryStore

OpenStore = Callable[..., Store]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both loops."""
    return str(request.param)


@pytest.fixture(params=["rocks", "sqlite", "memory"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the same store of one backend again and again; every backend passes every test."""
    disk = MemoryDisk()
    backends: dict[str, OpenStore] = {
        "rocks": lambda **options: RocksStore(tmp_path / "rocks", **options),
        "sqlite": lambda **options: SqliteStore(tmp_path / "sqlite", **options),
        "memory": lambda **options: MemoryStore(disk, **options),
    }
    return backends[request.param]
