"""A C project, started and built once: the sdk's own way, with the real tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from airswasm.sdk import build_project, init_project
from airswasm.security import PrivateKey
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.from_seed(bytes(range(32)))


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built counter. Tests that change a project copy it."""
    folder = tmp_path_factory.mktemp("projects") / "hello"
    init_project(folder, "hello", "c")
    build_project(folder)
    return folder


@pytest.fixture(scope="session")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / "listener"
    init_project(folder, "listener", "c", "listener")
    build_project(folder)
    return folder


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projects") / "job"
    init_project(folder, "job", "c", "job")
    build_project(folder)
    return folder
