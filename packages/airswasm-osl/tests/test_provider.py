"""The block as `lifecycle.System` finds it."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from airswasm.lifecycle import Home
from airswasm.osl import OslPolicy, folders_below, provide
from airswasm.osl.errors import Malformed
from airswasm.runtime import ServiceMissing, Services
from airswasm.security import Guard
from airswasm.wit import contract

README = Path(__file__).parent.parent / "README.md"
OSL = ("filesystem", "process", "tcp", "udp", "http")


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = Services()
    services.add(Guard, Guard())
    services.add(Home, Home(tmp_path))
    return services


def test_the_entry_point_is_this_blocks(services: Services) -> None:
    """Installing the package is all that it takes."""
    (found,) = entry_points(group="airswasm.host_interfaces", name="osl")
    assert found.load() is provide


def test_what_is_offered_is_what_the_contract_says(services: Services) -> None:
    """Every function of the five interfaces, no other, each fit for a guard."""
    offered = {interface.name: interface for interface in provide(services)}
    for name in OSL:
        declared = contract().interface(f"airswasm:component/{name}@0.1.0")
        assert declared is not None
        assert set(offered[declared.name].functions) == set(declared.functions)
        Guard().guarded(offered[declared.name], contract())


def test_folders_lie_in_the_home(services: Services, tmp_path: Path) -> None:
    """Without a policy of its own each component has `files/<namespace>/<name>`."""
    assert folders_below(tmp_path / "files")("local/a") == tmp_path / "files" / "local" / "a"
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path / "elsewhere")))
    assert provide(services)


@pytest.mark.parametrize("name", ["a", "local/..", "../a", "local/a/b", "Local/a", "local/", "/a"])
def test_odd_names_have_no_folder(name: str, tmp_path: Path) -> None:
    """A name that is no component's cannot become a path."""
    with pytest.raises(Malformed):
        folders_below(tmp_path)(name)


def test_what_is_missing_is_named(services: Services) -> None:
    """A host without a guard gets no operating system."""
    with pytest.raises(ServiceMissing, match="Guard"):
        provide(Services())


def test_the_readmes_example_works(capsys: pytest.CaptureFixture[str]) -> None:
    """What the README shows can be typed."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    printed = capsys.readouterr().out
    for name in (*(f"airswasm:component/{name}" for name in OSL), "wasi:filesystem/types"):
        assert name in printed
