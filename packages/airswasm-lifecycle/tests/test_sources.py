"""Packages of a trusted place: granted at once, within all that stands above a trust level."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    ApprovalRefused,
    Configuration,
    InstallPlan,
    OwnerChanged,
    Package,
    PackageUnsigned,
    System,
)
from airswasm.lifecycle._sources import https
from airswasm.security import KeyRevoked, SecuritySettings, TrustSettings, generate_key

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
READ, WRITE = "storage:read", "storage:write"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX"),
]


def never(plan: InstallPlan) -> bool:
    raise AssertionError(plan)


def opened(home: Path, *settings: object, sources: tuple[str, ...] = ()) -> System:
    return System(home, configuration=Configuration.of(TrustSettings(sources=sources), *settings))


def packages_of(folder: Path) -> Path:
    return folder.resolve() / "packages"


def placed(package: Package, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True, mode=0o755)
    package.write_archive(path)
    path.chmod(0o644)
    return path.resolve()


async def test_a_trusted_place_needs_no_question_and_keeps_its_bounds(
    tmp_path: Path, workshop: Workshop
) -> None:
    """Forbidden list, policy, owners, revocations and signatures stand above it."""
    folder = packages_of(tmp_path)
    policy = SecuritySettings(
        deny={"storage": {"write": ("count",)}}, forbidden={"storage": {"read": ("secret",)}}
    )
    first = placed(workshop.package(), folder / "one.airswasm")
    async with opened(tmp_path / "home", policy, sources=(f"{folder}/**",)) as system:
        await system.install(first, approve=never)
        assert {each.by for each in system.grant_report(NAME).entries} == {"source"}
        decisions = {
            (READ, "mine"): True, (READ, "secret"): False, (WRITE, "migrated"): True,
            (WRITE, "count"): False,
        }  # fmt: skip
        for (capability, resource), expected in decisions.items():
            assert bool(system._guard.decide(NAME, capability, resource)) == expected
        thief = generate_key()
        other = placed(workshop.package("0.2.0", key=thief), folder / "two.airswasm")
        with pytest.raises(OwnerChanged):
            await system.update(other, approve=never)
        bare = placed(Package.from_files(workshop.package(name="local/x").files), folder / "x.zip")
        with pytest.raises(PackageUnsigned):
            await system.install(bare, approve=never)
        await system.trust.revoke(thief.public.fingerprint, "stolen")
        again = placed(workshop.package(name="local/y", key=thief), folder / "y.airswasm")
        with pytest.raises(KeyRevoked):
            await system.install(again, approve=never)


async def test_a_place_that_is_trusted_no_longer_takes_its_grants_along(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """With the next start; what an operator granted stays."""
    folder = packages_of(tmp_path)
    path = placed(workshop.package(), folder / "one.airswasm")
    async with opened(tmp_path / "home", sources=(f"{folder}/*.airswasm",)) as system:
        await system.install(path, approve=never)
        await system.grants.add(NAME, "storage.read", ["mine"])
    async with opened(tmp_path / "home") as system:
        assert system._guard.decide(NAME, READ, "mine")
        assert not system._guard.decide(NAME, READ, "other")
        assert not system._guard.decide(NAME, WRITE, "count")


@pytest.mark.parametrize("where", ["elsewhere", "a link", "others write", "in memory"])
async def test_no_other_place_passes_for_it(tmp_path: Path, workshop: Workshop, where: str) -> None:
    """Neither a link into it, nor a file that others can change."""
    folder = packages_of(tmp_path)
    source: Path | Package = placed(workshop.package(), folder / "one.airswasm")
    if where == "elsewhere":
        source = placed(workshop.package(), tmp_path / "packages2" / "one.airswasm")
    elif where == "a link":
        (tmp_path / "link.airswasm").symlink_to(folder / "one.airswasm")
        source = tmp_path / "link.airswasm"
    elif where == "others write":
        (folder / "one.airswasm").chmod(0o666)
    else:
        source = workshop.package()
    async with opened(tmp_path / "home", sources=(f"{folder}/**",)) as system:
        assert (await system.plan(source)).needs_approval


@pytest.mark.parametrize("way", ["direct", "to a trusted place", "elsewhere"])
async def test_a_server_is_trusted_with_all_that_it_sends_to(
    tmp_path: Path, workshop: Workshop, web_server: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """By the whole way of the bytes; what stood on it ends when the list changes."""
    made = workshop.package()
    made.write_archive(tmp_path / "p")
    body = (tmp_path / "p").read_bytes()
    found = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    paths = ("/p.airswasm", "/cdn/p.airswasm", "/elsewhere/p.airswasm")
    web_server.answers |= dict.fromkeys(paths, found)
    async with web_server.running():
        if way != "direct":
            folder = "cdn" if way == "to a trusted place" else "elsewhere"
            target = web_server.url(f"/{folder}/p.airswasm", "two.example")
            web_server.answers["/p.airswasm"] = (
                f"HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode()
            )
        monkeypatch.setattr(https, "Dialer", lambda _settings: web_server.dialer())
        trusted = (web_server.url("/*.airswasm"), web_server.url("/cdn/*", "two.example"))
        async with opened(tmp_path / "home", sources=trusted) as system:
            if way == "elsewhere":
                with pytest.raises(ApprovalRefused):
                    await system.install(web_server.url(), approve=lambda _plan: False)
                return
            await system.install(web_server.url(), approve=never)
            assert {each.by for each in system.grant_report(NAME).entries} == {"source"}
            assert system._guard.decide(NAME, READ, "other")
    async with opened(tmp_path / "home", sources=trusted[1:]) as system:
        assert not system._guard.decide(NAME, READ, "other")
