"""The WASI that every component is offered: complete, and closed where it must be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airswasm.runtime._host import HostInterface
from airswasm.runtime._values import Err
from airswasm.runtime.wasi._builtin import WASI_VERSION, interfaces, wit_files
from airswasm.wit import read_wit

IMPORTS = (Path(__file__).parent / "wasi_imports.txt").read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def offered() -> dict[str, HostInterface]:
    return {interface.name.partition("@")[0]: interface for interface in interfaces()}


def test_all_of_wasi_is_offered(offered: dict[str, HostInterface]) -> None:
    """Every function and resource of the published WIT of WASI 0.2 is there, and no other."""
    names = {
        f"{name}#{item}"
        for name, interface in offered.items()
        for item in (*interface.functions, *interface.resources)
    }
    assert names == set(IMPORTS)


def test_it_is_offered_at_the_newest_version() -> None:
    """Imports of 0.2.0 to 0.2.12 all match one offer."""
    assert {interface.name.partition("@")[2] for interface in interfaces()} == {WASI_VERSION}


def test_two_offers_share_nothing() -> None:
    """Each engine gets tables of its own, so that none can change another's."""
    assert all(one is not other for one, other in zip(interfaces(), interfaces(), strict=True))


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("wasi:sockets/tcp-create-socket#create-tcp-socket", "access-denied"),
        ("wasi:sockets/udp-create-socket#create-udp-socket", "access-denied"),
        ("wasi:sockets/ip-name-lookup#resolve-addresses", "access-denied"),
        ("wasi:filesystem/types#[method]descriptor.open-at", "not-permitted"),
        ("wasi:filesystem/types#[method]descriptor.write", "not-permitted"),
    ],
)
def test_what_reaches_out_is_denied(
    offered: dict[str, HostInterface], function: str, code: str
) -> None:
    """Files and sockets answer with WASI's own code, as a value that a guest can handle."""
    interface, _, name = function.partition("#")
    assert offered[interface].functions[name](None, None, None) == Err(code)


def test_the_wit_declares_what_is_offered(tmp_path: Path) -> None:
    """The attack on host functions is made from it: a function that it lacks is not attacked."""
    (tmp_path / "deps").mkdir()
    (tmp_path / "main.wit").write_text("package test:all;\nworld all {}\n")
    for path in wit_files():
        shutil.copy(path, tmp_path / "deps")
    declared = {
        interface.name: set(interface.functions)
        for package in read_wit(tmp_path).packages.values()
        for interface in package.interfaces.values()
    }
    for interface in interfaces():
        assert declared[interface.name] == set(interface.functions), interface.name
