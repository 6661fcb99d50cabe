"""A hostile package, a hostile mirror, a publisher who turned: each attempt comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    Approval,
    ApprovalRefused,
    Configuration,
    InstallPlan,
    OwnerChanged,
    Package,
    PackageUnsigned,
    SequenceJumped,
    SequenceTooOld,
    System,
    VersionNotNewer,
    WrongPackage,
)
from airswasm.runtime import HostSettings
from airswasm.security import (
    ContentMismatch,
    GrantNotNarrower,
    InvalidPattern,
    PrivateKey,
    RotationRefused,
    SecurityError,
    generate_key,
    save_public_key,
    sign_rotation,
)
from airswasm.wit import AirswasmError

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
READ, WRITE = "storage:read", "storage:write"
DEVELOPMENT = HostSettings(mode="development")

pytestmark = pytest.mark.anyio


def never(plan: InstallPlan) -> bool:
    raise AssertionError(plan)


def own_key(home: Path) -> PrivateKey:
    """Make a key that is the home's own."""
    key = generate_key()
    (home / "keys").mkdir(parents=True)
    save_public_key(key.public, home / "keys" / "default.pub")
    return key


class TestEscalation:
    """An update that quietly asks for more."""

    @pytest.mark.parametrize(
        "more",
        [
            {"capabilities": 'storage.read = ["everything"]\nstorage.write = ["everything"]'},
            {"capabilities": 'storage.read = ["everything"]\nstorage.write = ["count*"]'},
            {"capabilities": 'storage.read = ["everything"]\nstorage.delete = ["count"]'},
            {"limits": 'memory = "4 MiB"'},
            {"timeout": "20 s"},
            {"fuel": 500_000_000},
            {"limits": 'memory = "1 MiB"\nstorage = "8 MiB"'},
            {"limits": 'memory = "1 MiB"\nmailbox = 5_000'},
            {"limits": 'memory = "1 MiB"\nrates.messages = 100_000'},
            {"limits": 'memory = "1 MiB"\nrates.logs = 1_000'},
            {"extra": "intensity = 50"},
            {"extra": '[environment]\nLD_PRELOAD = "/tmp/x.so"'},
            {"extra": '[config]\nmode = "open"'},
        ],
    )
    async def test_it_is_asked_about(
        self, tmp_path: Path, workshop: Workshop, yes: Approve, more: dict[str, Any]
    ) -> None:
        """Capability, limit, rate, restarts, variable or setting; a refusal leaves what was."""
        async with System(tmp_path) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(ApprovalRefused):
                await system.update(workshop.package("0.2.0", **more))
            assert system.info(NAME).version == "0.1.0"
            assert not system._guard.decide(NAME, WRITE, "other")

    async def test_two_small_steps_are_two_questions(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """To ask for less in between does not make the rest look old."""
        wide = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
        async with System(tmp_path) as system:
            await system.install(workshop.package(capabilities=wide), approve=yes)
            less = 'storage.read = ["a"]'
            await system.update(workshop.package("0.2.0", capabilities=less), approve=never)
            assert not system._guard.decide(NAME, WRITE, "x")
            with pytest.raises(ApprovalRefused):
                await system.update(workshop.package("0.3.0", capabilities=wide))


class TestMirror:
    """The one who hands packages out, and signs none of them."""

    async def test_no_old_or_far_version_comes_in(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Older sequences, re-used versions, leaps; also after the trust file was deleted."""
        async with System(tmp_path) as system:
            await system.install(workshop.package(sequence=10), approve=yes)
            await system.update(workshop.package("0.2.0", sequence=20), approve=yes)
            (system.home.trust_folder / "trust.json").unlink()
            for version, sequence, error in (
                ("0.3.0", 19, SequenceTooOld),
                ("0.3.0", 20, SequenceTooOld),
                ("0.3.0", 2**63 - 1, SequenceJumped),
                ("0.1.0", 21, VersionNotNewer),
                ("0.2.0", 21, VersionNotNewer),
            ):
                package = workshop.package(version, sequence=sequence)
                with pytest.raises(error):
                    await system.update(package, approve=never)

    async def test_no_parts_of_two_packages_make_a_third(self, workshop: Workshop) -> None:
        """The files of one with the signature, or the manifest, of the other."""
        first, second = workshop.package(), workshop.package("0.2.0")
        for files in (
            {**first.files, "component.wasm": second.files["component.wasm"]},
            {**first.files, "Component.toml": second.files["Component.toml"]},
            {**first.files, "wit/evil.wit": b""},
        ):
            with pytest.raises(ContentMismatch):
                Package.from_files(files, signature=first.signature)
        with pytest.raises(ContentMismatch):
            Package.from_files(first.files, signature=second.signature)

    async def test_a_signature_is_not_dropped(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The owner's files without it, as an update and under another name, in any mode."""
        bare = Package.from_files(workshop.package("0.2.0").files)
        for number, mode in enumerate((HostSettings(), DEVELOPMENT)):
            home = tmp_path / str(number)
            async with System(home, configuration=Configuration.of(mode)) as system:
                await system.install(workshop.package(), approve=yes)
                with pytest.raises(PackageUnsigned):
                    await system.update(bare, approve=never)
                with pytest.raises(PackageUnsigned):
                    await system.install(bare, name="local/twin", approve=never)

    async def test_another_component_is_no_update(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The publisher's other package does not take over a name, whatever it is called."""
        async with System(tmp_path) as system:
            await system.install(workshop.package(), approve=yes)
            other = workshop.package("0.2.0", name="local/other")
            with pytest.raises(WrongPackage):
                await system.update(other, name=NAME, approve=never)


class TestApproval:
    """A question that was answered for something else."""

    async def test_an_answer_is_for_one_package(self, tmp_path: Path, workshop: Workshop) -> None:
        """Plans of two packages differ in their digest, also where only the wasm differs."""
        async with System(tmp_path) as system:
            plans = [
                await system.plan(package)
                for package in (
                    workshop.package(),
                    workshop.package(wasm=workshop.guest("0.1.0", pages=2)),
                    workshop.package(sequence=99),
                    workshop.package(key=generate_key()),
                    workshop.package(more=(generate_key(),)),
                )
            ]
            assert len({plan.digest for plan in plans}) == len(plans)

    @pytest.mark.parametrize(
        "pattern", ["everything", "**", "count*", "other", "coun[t-u]", "../count", "count/**", ""]
    )
    async def test_to_narrow_never_widens(
        self, tmp_path: Path, workshop: Workshop, pattern: str
    ) -> None:
        """Whatever the pattern is that is said to be narrower."""
        answer = Approval(narrowed={"storage.write": [pattern]})
        async with System(tmp_path) as system:
            with pytest.raises((GrantNotNarrower, InvalidPattern)):
                await system.install(workshop.package(), approve=lambda _plan: answer)
            assert system.list() == ()


class TestDevelopment:
    """What is free for the home's own packages is free for no other."""

    async def test_a_stranger_is_reviewed(self, tmp_path: Path, workshop: Workshop) -> None:
        """Also one who signs beside, or behind, the home's own key."""
        own, stranger = own_key(tmp_path), generate_key()
        async with System(tmp_path, configuration=Configuration.of(DEVELOPMENT)) as system:
            for key, more in ((stranger, ()), (stranger, (own,))):
                plan = await system.plan(workshop.package(key=key, more=more))
                assert (plan.level, plan.needs_approval) == ("unknown", True)

    async def test_nothing_of_it_is_left_in_production(
        self, tmp_path: Path, workshop: Workshop
    ) -> None:
        """Neither the grants nor the answer that was not given."""
        own = own_key(tmp_path)
        async with System(tmp_path, configuration=Configuration.of(DEVELOPMENT)) as system:
            await system.install(workshop.package(key=own), approve=never)
            assert system._guard.decide(NAME, WRITE, "other")
        async with System(
            tmp_path, configuration=Configuration.of(HostSettings(mode="production"))
        ) as system:
            assert not system._guard.decide(NAME, READ, "count")
            with pytest.raises(ApprovalRefused):
                await system.update(workshop.package("0.2.0", key=own))


class TestKeys:
    """Keys that were replaced, or are known to be stolen."""

    async def test_a_former_key_is_dead(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """It signs no version, no statement, and wins nothing by signing with the new one."""
        old, new, thief = workshop.key, generate_key(), generate_key()
        async with System(tmp_path) as system:
            await system.install(workshop.package(sequence=5), approve=yes)
            statement = sign_rotation(NAME, old, new, 6)
            await system.trust.rotate(statement)
            for key, more in ((old, ()), (old, (new,)), (thief, (new, old))):
                package = workshop.package("0.2.0", sequence=7, key=key, more=more)
                with pytest.raises(OwnerChanged):
                    await system.update(package, approve=never)
            for wrong in (
                statement,
                sign_rotation(NAME, old, thief, 8),
                sign_rotation(NAME, thief, old, 8),
                sign_rotation("local/other", new, thief, 8),
            ):
                with pytest.raises(RotationRefused):
                    await system.trust.rotate(wrong)
            await system.trust.rotate(sign_rotation(NAME, new, old, 8))
            with pytest.raises(RotationRefused):
                await system.trust.rotate(statement)

    async def test_a_damaged_trust_file_opens_nothing(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Neither for a package of the owner nor for one of another."""
        async with System(tmp_path) as system:
            await system.install(workshop.package(), approve=yes)
            (system.home.trust_folder / "trust.json").write_bytes(b"{}")
            for key in (workshop.key, generate_key()):
                for name in (NAME, "local/new"):
                    package = workshop.package("0.2.0", name=name, key=key)
                    with pytest.raises(SecurityError):
                        await system.install(package, approve=never)


async def test_a_quota_holds_whatever_is_written(
    tmp_path: Path, workshop: Workshop, yes: Approve
) -> None:
    """A version that asks for a larger one is a question, and one beyond the policy an error."""
    async with System(tmp_path) as system:
        await system.install(workshop.package(), approve=yes)
        beyond = workshop.package("0.2.0", limits='memory = "1 MiB"\nstorage = "900 GiB"')
        with pytest.raises(AirswasmError, match=r"limits\.storage"):
            await system.update(beyond, approve=yes)
