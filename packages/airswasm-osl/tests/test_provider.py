"""The block as `lifecycle.System` finds it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import cast

import pytest
from airswasm.lifecycle import Home
from airswasm.osl import (
    BLOCK,
    FolderLimits,
    NetworkPolicy,
    OslPolicy,
    ProcessPolicy,
    folders_below,
    provide,
)
from airswasm.osl._policy import policy_of
from airswasm.osl.errors import Malformed
from airswasm.runtime import WASI_INTERFACES, ServiceMissing, Services
from airswasm.security import Guard, Kinds
from airswasm.wit import Blocks, Section, contract, load_part

KINDS = Kinds(BLOCK.capabilities)

README = Path(__file__).parent.parent / "README.md"
OSL = ("filesystem", "process", "tcp", "udp", "dns", "http")
ASKED = {"process:signal", "http:serve"}
"""Capabilities that no function of the contract requires.

A component signals what it runs, which is a resource without a name; and it is called to serve.
"""


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = Services()
    services.add(Guard, Guard(KINDS))
    services.add(Home, Home(tmp_path))
    return services


def test_the_entry_point_is_this_blocks(services: Services) -> None:
    """Installing the package is all that it takes."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-osl")
    assert found.block is BLOCK
    assert load_part(BLOCK.provide) is provide


def test_what_is_declared_is_what_is_offered(services: Services) -> None:
    """The host composes by the declaration, before it makes anything."""
    assert {interface.name for interface in provide(services)} == set(BLOCK.interfaces)
    wasi = [name for name in BLOCK.interfaces if name.startswith("wasi:")]
    assert set(wasi) < set(WASI_INTERFACES)
    Blocks.find().raise_for_problems()


def test_every_capability_of_its_functions_is_declared() -> None:
    """And none that no function needs; each has a sentence with its patterns."""
    needed = {
        need.capability
        for name in OSL
        for function in contract().interfaces[f"airswasm:component/{name}@0.1.0"].functions.values()
        for need in (function.requirements if isinstance(function.requirements, tuple) else ())
    }
    assert {each.annotation for each in BLOCK.capabilities} == needed | ASKED
    assert all("{patterns}" in each.sentence for each in BLOCK.capabilities)


@pytest.mark.parametrize("section", BLOCK.sections, ids=lambda section: section.name)
def test_its_settings_have_defaults(section: Section) -> None:
    """A host without a config.toml gets them."""
    model = load_part(section.model)
    assert isinstance(model, type)
    assert is_dataclass(model())


def test_the_settings_of_the_host_hold(services: Services, tmp_path: Path) -> None:
    """What the operator wrote into config.toml is what the policy is made of."""
    folders, network = FolderLimits(file_bytes=1), NetworkPolicy(timeout=1.5)
    processes = ProcessPolicy(output_bytes=2)
    for setting in (folders, network, processes):
        services.add(type(setting), setting)
    policy = policy_of(services)
    assert (policy.folders, policy.network, policy.processes) == (folders, network, processes)
    assert policy.folder_of("local/a") == tmp_path / "files" / "local" / "a"


@pytest.mark.anyio
async def test_a_purged_name_leaves_no_files(services: Services, tmp_path: Path) -> None:
    """Its folder goes, its neighbours stay, and asking again does no harm."""
    forget = cast("Callable[[Services, str], Awaitable[None]]", load_part(BLOCK.forget))
    mine, other = (tmp_path / "files" / "local" / name for name in ("a", "ab"))
    for folder in (mine, other):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text("text")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("text")
    (mine / "link").symlink_to(outside, target_is_directory=True)
    await forget(services, "local/a")
    assert not mine.exists()
    assert (other / "deep" / "file").read_text() == "text"
    assert (outside / "file").read_text() == "text"
    await forget(services, "local/a")
    with pytest.raises(Malformed):
        await forget(services, "local/..")


@pytest.mark.anyio
async def test_a_folder_of_the_operators_is_not_purged(services: Services, tmp_path: Path) -> None:
    """An `OslPolicy` says which folder a component has; that folder is not ours to remove."""
    forget = cast("Callable[[Services, str], Awaitable[None]]", load_part(BLOCK.forget))
    kept = tmp_path / "files" / "local" / "a"
    kept.mkdir(parents=True)
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path / "files")))
    await forget(services, "local/a")
    assert kept.exists()
    await forget(Services(), "local/a")


def test_what_is_offered_is_what_the_contract_says(services: Services) -> None:
    """Every function of the five interfaces, no other, each fit for a guard."""
    offered = {interface.name: interface for interface in provide(services)}
    for name in OSL:
        declared = contract().interface(f"airswasm:component/{name}@0.1.0")
        assert declared is not None
        assert set(offered[declared.name].functions) == set(declared.functions)
        Guard(KINDS).guarded(offered[declared.name], contract())


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
