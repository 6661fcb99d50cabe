"""What a trusted key brought ends with its trust, whatever has become of the component since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from airswasm.lifecycle import Configuration, InstallPlan, System
from airswasm.security import PrivateKey, TrustSettings, generate_key, sign_rotation

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
WRITE = "storage:write"

pytestmark = pytest.mark.anyio


def opened(home: Path, *keys: str, threshold: int = 1) -> System:
    settings = TrustSettings(keys=keys, threshold=threshold)
    return System(home, configuration=Configuration.of(settings))


def may(system: System) -> bool:
    return bool(system._guard.decide(NAME, WRITE, "count"))


async def withdraw(system: System, way: str, key: PrivateKey) -> None:
    if way == "disallow":
        await system.trust.disallow(key.public.fingerprint)
    else:
        await system.trust.revoke(key.public.fingerprint, "stolen")


@pytest.mark.parametrize("way", ["disallow", "revoke"])
@pytest.mark.parametrize("change", ["transfer", "rotate", "remove", "another key's update"])
async def test_a_grant_ends_with_its_key_though_another_key_owns_the_name(
    tmp_path: Path, workshop: Workshop, yes: Approve, way: str, change: str
) -> None:
    key, heir = workshop.key, generate_key()
    async with opened(tmp_path) as system:
        await system.trust.allow(key.public.fingerprint)
        await system.install(workshop.package())
        if change == "rotate":
            statement = sign_rotation(NAME, key, heir, 10**6)
            await system.trust.rotate(statement)
        elif change == "remove":
            await system.trust.remove(NAME)
        else:
            await system.trust.transfer(NAME, heir.public)
        if change == "another key's update":
            await system.update(workshop.package("0.2.0", key=heir), approve=yes)
        assert may(system)
        await withdraw(system, way, key)
        assert not may(system)
        assert not [each for each in system.grant_report(NAME).entries if each.by == "key"]


@pytest.mark.parametrize("way", ["disallow", "revoke"])
async def test_a_grant_for_two_keys_ends_with_either(
    tmp_path: Path, workshop: Workshop, way: Literal["disallow", "revoke"]
) -> None:
    for number, is_owner in enumerate((True, False)):
        reviewer = generate_key()
        async with opened(tmp_path / str(number), threshold=2) as system:
            for each in (workshop.key, reviewer):
                await system.trust.allow(each.public.fingerprint)
            await system.install(workshop.package(more=(reviewer,)))
            assert may(system)
            await withdraw(system, way, workshop.key if is_owner else reviewer)
            assert not may(system)


async def test_a_grant_ends_with_the_setting_that_lists_its_key(
    tmp_path: Path, workshop: Workshop
) -> None:
    """At the next start, for a host reads its settings then."""
    key = workshop.key.public.fingerprint
    async with opened(tmp_path, key) as system:
        await system.install(workshop.package())
        assert may(system)
    async with opened(tmp_path, key) as system:
        assert may(system)
    async with opened(tmp_path) as system:
        assert system.component_status(NAME).state == "running"
        assert not may(system)


async def test_a_key_that_is_withdrawn_within_an_install_grants_nothing(
    tmp_path: Path, workshop: Workshop
) -> None:
    """Between the decision and the record; a later trust is the operator's decision again."""
    key = workshop.key.public.fingerprint
    async with opened(tmp_path) as system:
        await system.trust.allow(key)
        await system.install(workshop.package())
        ledger = system._ledger
        put = ledger.put_package

        async def late(*arguments: Any) -> None:
            await system.trust.disallow(key)
            await put(*arguments)

        ledger.put_package = late  # type: ignore[method-assign]
        wider = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
        await system.update(workshop.package("0.2.0", capabilities=wider))
        assert not may(system)
