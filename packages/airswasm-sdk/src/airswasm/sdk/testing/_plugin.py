"""Fixtures that pytest finds by itself where airswasm-sdk is installed.

    @pytest.mark.airswasm(replies={"shop/stock": b"7"})
    def test_it_asks_the_stock(airswasm_component):
        assert airswasm_component.send("reserve").text == "7"

Nothing of airswasm is imported before a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ._running import RunningComponent

__all__ = ("airswasm_component", "airswasm_project", "pytest_configure")

_MANIFEST = "Component.toml"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line(
        "markers",
        "airswasm(project=…, replies=…, config=…): arguments of the fixture airswasm_component",
    )


@pytest.fixture
def airswasm_project(request: pytest.FixtureRequest) -> Path:
    """Return the project of a test: the nearest folder above it with a Component.toml."""
    mark = request.node.get_closest_marker("airswasm")
    given = None if mark is None else mark.kwargs.get("project")
    if given is not None:
        return Path(request.path.parent, given)
    for folder in request.path.parents:
        if (folder / _MANIFEST).is_file():
            return folder
    raise pytest.UsageError(
        f"{request.path}: no folder above it has a {_MANIFEST}; name the project: "
        '@pytest.mark.airswasm(project="…")'
    )


@pytest.fixture
def airswasm_component(
    request: pytest.FixtureRequest, airswasm_project: Path
) -> Iterator[RunningComponent]:
    """Run the project's built component for a test; see `airswasm.sdk.testing.run_component`."""
    from . import run_component

    mark = request.node.get_closest_marker("airswasm")
    options = dict({} if mark is None else mark.kwargs)
    options.pop("project", None)
    with run_component(airswasm_project, **options) as component:
        yield component
