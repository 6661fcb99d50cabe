"""The ground of the conformance suite: how its tests open the engine."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Protocol

import pytest

from .._backends.backend import Backend, EngineFactory, EngineOptions
from .._engines import find_engine, open_store
from .._settings import Durability, StoreLimits
from .._store import Store

LOOPS = [name for name in ("asyncio", "trio") if find_spec(name)]

HOSTILE = [
    "a", "a:", "a:b", ":", ":b", "a/b", "\0", "a\0", "a\0b", "\x7f", "\xff", "ÿÿ", "\U0010ffff",
    "local/hello", "component:local/hello:", "d", "m", "n", "😀", "x" * 255,
]  # fmt: skip
"""Names and keys of which one begins with another, or with what separates things elsewhere."""


class OpenStore(Protocol):
    """Opens the one store of a test; again after it was closed."""

    def __call__(
        self,
        *,
        durability: Durability = "os",
        limits: StoreLimits | None = None,
        read_only: bool = False,
        clock: Callable[[], float] = ...,
        timer: Callable[[], float] | None = None,
    ) -> Store:
        """Return the store, not open yet."""
        ...


class OpenBackend(Protocol):
    """Opens the one backend of a test; again after it was closed."""

    def __call__(self, *, read_only: bool = False, is_new: bool = True) -> Backend:
        """Return the open backend."""
        ...


class Clock:
    """A clock that a test sets, and the time that passes beside it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self._set = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def set_by(self, seconds: float) -> None:
        """Set the clock; no time passes."""
        self.now += seconds
        self._set += seconds

    def timer(self) -> float:
        """Return the time that passed."""
        return self.now - self._set


class Suite:
    """Opens the engine under test."""

    engine: str | EngineFactory
    """The name of the engine's entry point. The tests with a second process need the name."""
    examples: ClassVar[int] = 25
    """The number of generated inputs for each property."""

    def make_engine(self) -> str | EngineFactory:
        """Return the engine for one test."""
        return self.engine

    @pytest.fixture(params=LOOPS)
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        """Run each asynchronous test on each event loop."""
        return str(request.param)

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        """Open the same store again and again."""
        engine = self.make_engine()

        def open_it(**options: object) -> Store:
            settings = {"durability": "os", **options}
            return open_store(tmp_path / "store", engine, **settings)  # type: ignore[arg-type]

        return open_it

    @pytest.fixture
    def open_backend(self, tmp_path: Path) -> OpenBackend:
        """Open the same backend again and again."""
        engine = self.make_engine()
        factory = find_engine(engine) if isinstance(engine, str) else engine

        def open_it(*, read_only: bool = False, is_new: bool = True) -> Backend:
            return factory(tmp_path / "backend", EngineOptions(read_only, is_new))

        return open_it

    @pytest.fixture
    def durable(self, open_backend: OpenBackend) -> str:
        """Return the name of the engine, for tests of what outlives a process."""
        backend = open_backend()
        is_persistent = backend.is_persistent
        backend.close()
        if not is_persistent:
            pytest.skip("the engine keeps nothing beyond its process")
        if not isinstance(self.engine, str):
            pytest.skip("the engine was not given by the name of its entry point")
        return self.engine


async def cut(content: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield bytes in pieces."""
    for start in itertools.count(0, size):
        if start >= len(content):
            return
        yield content[start : start + size]
