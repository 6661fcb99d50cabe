"""Trust levels: what a package's origin decides, and that development ends where it must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    Approval,
    ApprovalRefused,
    Configuration,
    ConfigurationInvalid,
    InstallPlan,
    InstallPolicy,
    KeyNotTrusted,
    OwnerChanged,
    Package,
    PackageUnsigned,
    StartFailed,
    System,
)
from airswasm.runtime import HostSettings
from airswasm.security import (
    KeyRevoked,
    PrivateKey,
    SecuritySettings,
    TrustSettings,
    generate_key,
    save_public_key,
)

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"
READ, WRITE = "storage:read", "storage:write"
DEVELOPMENT = HostSettings(mode="development")

pytestmark = pytest.mark.anyio


def opened(home: Path, *settings: object) -> System:
    return System(home, configuration=Configuration.of(*settings))


def own(home: Path, key: PrivateKey) -> PrivateKey:
    """Make a key one of the home's own."""
    (home / "keys").mkdir(parents=True, exist_ok=True)
    save_public_key(key.public, home / "keys" / "default.pub")
    return key


def unsigned(package: Package) -> Package:
    return Package.from_files(package.files)


def may(system: System, capability: str, resource: str) -> bool:
    return bool(system._guard.decide(NAME, capability, resource))


class TestTrusted:
    """A listed key is granted what it asks for, and no more."""

    @pytest.mark.parametrize("where", ["store", "config.toml"])
    async def test_it_installs_and_widens_without_a_question(
        self, tmp_path: Path, workshop: Workshop, where: str
    ) -> None:
        key = workshop.key.public.fingerprint
        listed = TrustSettings((key,) if where == "config.toml" else ())
        async with opened(tmp_path, listed) as system:
            if where == "store":
                await system.trust.allow(key)
            await system.install(workshop.package())
            assert {each.by for each in system.grant_report(NAME).entries} == {"key"}
            assert not may(system, WRITE, "other")
            wider = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
            await system.update(workshop.package("0.2.0", capabilities=wider))
            assert may(system, WRITE, "other")

    async def test_denials_policy_owners_and_revocations_stand_above_it(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        policy = SecuritySettings(deny={"storage": {"write": ("locked",)}})
        async with opened(tmp_path, policy) as system:
            await system.install(workshop.package(), approve=yes)
            await system.grants.deny(NAME, "storage.read", ["secret"])
            other = generate_key()
            await system.trust.allow(other.public.fingerprint)
            with pytest.raises(OwnerChanged):
                await system.update(workshop.package("0.2.0", key=other))
            await system.trust.allow(workshop.key.public.fingerprint)
            wider = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
            await system.update(workshop.package("0.2.0", capabilities=wider))
            assert not may(system, READ, "secret")
            assert not may(system, WRITE, "locked")
            await system.trust.revoke(workshop.key.public.fingerprint, "stolen")
            with pytest.raises(KeyRevoked):
                await system.update(workshop.package("0.3.0"))
            with pytest.raises(KeyRevoked):
                await system.trust.allow(workshop.key.public.fingerprint)

    async def test_what_stood_on_the_key_ends_with_its_trust(
        self, tmp_path: Path, workshop: Workshop
    ) -> None:
        """What an operator granted stays; and the next update asks."""
        key = workshop.key.public.fingerprint
        async with opened(tmp_path) as system:
            await system.trust.allow(key, label="us")
            await system.install(workshop.package())
            await system.grants.add(NAME, "storage.read", ["mine"])
            assert await system.trust.disallow(key[:16]) == (NAME,)
            assert system.component_status(NAME).state == "running"
            assert may(system, READ, "mine")
            assert not may(system, READ, "other")
            assert not may(system, WRITE, "count")
            assert system.trust.trusted_keys() == ()
            with pytest.raises(KeyNotTrusted):
                await system.trust.disallow(key)
            wider = 'storage.read = ["everything"]\nstorage.write = ["everything"]'
            with pytest.raises(ApprovalRefused):
                await system.update(workshop.package("0.2.0", capabilities=wider))


class TestDevelopment:
    """Everything but the forbidden list, for one's own packages, on a host that says so."""

    @pytest.mark.parametrize("is_signed", [True, False])
    async def test_own_and_unsigned_packages_may_use_everything_but_what_is_forbidden(
        self, tmp_path: Path, workshop: Workshop, is_signed: bool
    ) -> None:
        own(tmp_path, workshop.key)
        package = workshop.package() if is_signed else unsigned(workshop.package())
        forbidden = SecuritySettings(forbidden={"storage": {"write": ("forbidden/**",)}})
        async with opened(tmp_path, DEVELOPMENT, forbidden) as system:
            await system.install(package)
            assert system.status().mode == "development"
            assert system.component_status(NAME).is_development
            said = [line.message for line in system.logs.recent(NAME)]
            assert any("development mode" in line for line in said)
            assert may(system, WRITE, "anything")
            decision = system._guard.decide(NAME, WRITE, "forbidden/x")
            assert "the forbidden list has forbidden/** (config.toml)" in decision.text
            await system.grants.add(NAME, "storage.write", ["forbidden/x"])
            assert not may(system, WRITE, "forbidden/x"), "no grant makes up for the list"

    async def test_a_stranger_s_package_is_reviewed_there_too(
        self, tmp_path: Path, workshop: Workshop
    ) -> None:
        """A developer who tries one gives it nothing by accident."""
        own(tmp_path, generate_key())
        async with opened(tmp_path, DEVELOPMENT) as system:
            with pytest.raises(ApprovalRefused):
                await system.install(workshop.package())

    @pytest.mark.parametrize("mode", ["production", ""])
    async def test_production_grants_nothing_of_it_and_starts_nothing_unsigned(
        self, tmp_path: Path, workshop: Workshop, mode: Any
    ) -> None:
        """A home that moves into production takes no grant of its development along."""
        own(tmp_path, workshop.key)
        async with opened(tmp_path, DEVELOPMENT) as system:
            await system.install(workshop.package())
            await system.install(unsigned(workshop.package(name="local/unsigned")))
        async with opened(tmp_path, HostSettings(mode=mode)) as system:
            assert not may(system, READ, "count")
            assert system.grant_report(NAME).in_force == ()
            assert not system.component_status(NAME).is_development
            assert system.component_status("local/unsigned").state != "running"
            with pytest.raises((PackageUnsigned, StartFailed)):
                await system.start("local/unsigned")
            with pytest.raises(PackageUnsigned):
                await system.install(unsigned(workshop.package(name="local/third")))
            plan = await system.plan(workshop.package("0.2.0"), update=True)
            assert plan.needs_approval
            assert plan.added_capabilities == plan.capabilities, "all of it is asked about again"
            await system.update(
                workshop.package("0.2.0"), approve=lambda _plan: Approval(denied={
                    "storage.write": ["migrated"],
                }),
            )  # fmt: skip
            assert may(system, WRITE, "count")
            assert not may(system, WRITE, "anything")
            assert {each.by for each in system.grant_report(NAME).entries} == {"operator"}

    async def test_production_refuses_the_setting_for_unsigned_packages(
        self, tmp_path: Path
    ) -> None:
        settings = HostSettings(mode="production"), InstallPolicy(unsigned=True)
        with pytest.raises(ConfigurationInvalid, match="production mode"):
            async with opened(tmp_path, *settings):
                pass


class TestHostile:
    """What a package tries in order to get more than it was given."""

    async def test_no_unsigned_package_takes_over_a_signed_one_in_development(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """The mode of the host changes no owner."""
        async with opened(tmp_path, DEVELOPMENT) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(PackageUnsigned):
                await system.update(unsigned(workshop.package("0.2.0")), approve=yes)
            assert {each.by for each in system.grant_report(NAME).entries} == {"operator"}

    async def test_an_approval_of_one_level_is_none_of_another(
        self, tmp_path: Path, workshop: Workshop
    ) -> None:
        """A digest that was shown while the key was trusted approves nothing once it is not."""
        async with opened(tmp_path) as system:
            fingerprint = workshop.key.public.fingerprint
            await system.trust.allow(fingerprint)
            trusted = await system.plan(workshop.package())
            await system.trust.disallow(fingerprint)
            unknown = await system.plan(workshop.package())
            assert (trusted.level, unknown.level) == ("trusted", "unknown")
            assert trusted.digest != unknown.digest
            assert (trusted.needs_approval, unknown.needs_approval) == (False, True)

    async def test_an_update_escalates_in_no_way_without_a_question(
        self, tmp_path: Path, workshop: Workshop, yes: Approve
    ) -> None:
        """Capabilities, limits, rates, variables and dropped denials: each is refused unasked."""
        before = 'storage.read = ["a/**"]\ndeny.storage.read = ["a/secret/**"]'
        async with opened(tmp_path) as system:
            await system.install(workshop.package(capabilities=before), approve=yes)
            for change in (
                {"capabilities": before.replace("a/**", 'a/**", "b', 1)},
                {"capabilities": before.partition("\n")[0]},
                {"capabilities": before, "limits": 'memory = "2 MiB"'},
                {"capabilities": before, "limits": 'memory = "1 MiB"\nrates.messages = 90_000'},
                {"capabilities": before, "extra": '[environment]\nLD_PRELOAD = "x"'},
            ):
                with pytest.raises(ApprovalRefused):
                    await system.update(workshop.package("0.2.0", **change))
                with pytest.raises(ApprovalRefused):
                    await system.update(
                        workshop.package("0.2.0", **change), approve=lambda _plan: False
                    )
            assert system.info(NAME).version == "0.1.0"
            assert not may(system, READ, "a/secret/x")
