"""A threshold of signers in a host: at each way in, with each trust level, before any question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    Configuration,
    InstallPlan,
    InstallPolicy,
    Package,
    StartFailed,
    System,
)
from airswasm.runtime import HostSettings
from airswasm.security import (
    CosignerRefused,
    InvalidStatement,
    KeyRevoked,
    SignaturesMissing,
    SignersMissing,
    TrustSettings,
    generate_key,
    read_audit,
    sign_rotation,
)

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
WIDER = 'storage.read = ["everything"]\nstorage.write = ["everything"]'

pytestmark = pytest.mark.anyio


def never(plan: InstallPlan) -> bool:
    raise AssertionError(plan)


def opened(home: Path, *settings: object, threshold: int = 2) -> System:
    return System(
        home, configuration=Configuration.of(TrustSettings(threshold=threshold), *settings)
    )


async def test_each_way_in_needs_so_many_signers(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """Install, install under many names, update; and none of them asks before it refuses."""
    reviewer, stranger = generate_key(), generate_key()
    async with opened(tmp_path) as system:
        alone = workshop.package()
        for attempt in (
            system.install(alone, approve=never),
            system.install(alone, name="local/twin", approve=never),
            system.install_many(alone, ["local/a", "local/b"], approve=never),
            system.plan(alone),
        ):
            with pytest.raises(SignersMissing, match="1 of 2"):
                await attempt
        seen: list[InstallPlan] = []

        def approve(plan: InstallPlan) -> bool:
            seen.append(plan)
            return True

        await system.install(workshop.package(more=(reviewer,)), approve=approve)
        assert seen[0].cosigners == (reviewer.public.fingerprint,)
        (pin,) = system.trust.components()
        assert pin.keys == (workshop.key.public, reviewer.public)
        for keys in ((), (stranger,)):
            with pytest.raises(SignersMissing):
                await system.update(workshop.package("0.2.0", more=keys), approve=never)
        await system.update(workshop.package("0.2.0", more=(reviewer,)), approve=yes)
        assert await system.send(NAME, b"v") == b"0.2.0"


async def test_a_level_is_no_way_around_it(tmp_path: Path, workshop: Workshop) -> None:
    """Neither an unsigned package in development mode, nor one trusted key with another beside."""
    development = HostSettings(mode="development")
    async with opened(tmp_path / "a", development) as system:
        with pytest.raises(SignersMissing, match="0 of 2"):
            await system.install(Package.from_files(workshop.package().files), approve=never)
    async with opened(tmp_path / "b", InstallPolicy(unsigned=True)) as system:
        with pytest.raises(SignersMissing, match="0 of 2"):
            await system.install(Package.from_files(workshop.package().files), approve=never)
    async with opened(tmp_path / "c") as system:
        await system.trust.allow(workshop.key.public.fingerprint)
        thief = generate_key()
        plan = await system.plan(workshop.package(more=(thief,)))
        assert plan.needs_approval, "the answer would pin the second key"
        await system.trust.allow(thief.public.fingerprint)
        assert not (await system.plan(workshop.package(more=(thief,)))).needs_approval


async def test_what_is_installed_goes_on_and_comes_back(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """A number that was raised is asked of what comes next."""
    async with opened(tmp_path, threshold=1) as system:
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"), approve=yes)
        assert await system.trust.set_threshold(NAME, 2) == 2
        await system.restart(NAME)
        await system.rollback(NAME)
        assert await system.send(NAME, b"v") == b"0.1.0"
        with pytest.raises(SignersMissing):
            await system.update(workshop.package("0.3.0"), approve=never)
    async with opened(tmp_path) as system:
        assert await system.send(NAME, b"v") == b"0.1.0"


async def test_to_remove_and_to_install_again_lowers_nothing(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """Not the removal of the pin, nor an uninstall that purges."""
    async with opened(tmp_path, threshold=1) as system:
        await system.install(workshop.package(), approve=yes)
        await system.trust.set_threshold(NAME, 2)
        await system.trust.remove(NAME)
        with pytest.raises(SignersMissing):
            await system.update(workshop.package("0.2.0"), approve=never)
        await system.uninstall(NAME, purge=True)
        with pytest.raises(SignersMissing):
            await system.install(workshop.package(), approve=never)


async def test_keys_come_and_go(tmp_path: Path, workshop: Workshop, yes: Approve) -> None:
    """A revoked co-signer counts no longer; another takes its place; each change has a line."""
    reviewer, second, new = generate_key(), generate_key(), generate_key()
    async with opened(tmp_path) as system:
        await system.install(workshop.package(sequence=5, more=(reviewer,)), approve=yes)
        report = await system.trust.revoke(reviewer.public.fingerprint, "left")
        assert report.quarantined == (NAME,)
        with pytest.raises(KeyRevoked):
            await system.update(workshop.package("0.2.0", more=(reviewer,)), approve=never)
        await system.trust.add_cosigner(NAME, second.public)
        await system.trust.remove_cosigner(NAME, reviewer.public.fingerprint[:16])
        with pytest.raises(CosignerRefused):
            await system.trust.remove_cosigner(NAME, new.public.fingerprint)
        both = workshop.package("0.2.0", sequence=6, more=(second,))
        await system.update(both, approve=yes)
        with pytest.raises(SignersMissing):
            await system.trust.rotate(sign_rotation(NAME, workshop.key, new, 7))
        await system.trust.rotate(sign_rotation(NAME, workshop.key, new, 7, cosigners=[second]))
        assert system.trust.components()[0].keys == (new.public, second.public)
        await system.trust.transfer(NAME, second.public)
        assert system.trust.components()[0].keys == (second.public,), "no key counts twice"
        acts = [
            line["detail"]["act"]  # type: ignore[index]
            for line in read_audit(system.home.audit_folder / "audit.jsonl")
            if line["kind"] == "trust" and line["outcome"] == "done"
        ]
    assert acts == [
        "revoke", "add-cosigner", "remove-cosigner", "rotate", "transfer",
    ]  # fmt: skip


async def test_a_package_that_waits_for_signers_is_not_installed(
    tmp_path: Path, workshop: Workshop
) -> None:
    """Not from its bytes, and not as an object, whatever the host accepts."""
    reviewer = generate_key()
    waiting = workshop.package().sign(workshop.key, cosigners=[reviewer.public])
    path = tmp_path / "waiting.airswasm"
    waiting.write_archive(path)
    lenient = (InstallPolicy(unsigned=True), HostSettings(mode="development"))
    for number, setting in enumerate(lenient):
        async with opened(tmp_path / str(number), setting, threshold=1) as system:
            for source in (path, waiting):
                with pytest.raises(SignaturesMissing):
                    await system.install(source, approve=never)
    with pytest.raises(InvalidStatement, match="does not name"):
        waiting.cosign(generate_key())
    whole = Package.read(path, signature="unfinished").cosign(reviewer)
    assert whole.is_signed
    assert whole.cosigners == (reviewer.public,)
    whole.write_archive(path)
    assert Package.read(path).digest == whole.digest


async def test_a_race_with_the_approval_is_lost_by_the_package(
    tmp_path: Path, workshop: Workshop
) -> None:
    """The number is raised while a person reads the question."""
    async with opened(tmp_path, threshold=1) as system:

        async def approve(_plan: InstallPlan) -> bool:
            await system.trust.set_threshold(NAME, 2)
            return True

        with pytest.raises((SignersMissing, StartFailed)):
            await system.install(workshop.package(), approve=approve)
        assert system.list() == ()
