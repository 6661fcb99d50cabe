"""Why a component may or may not, and what it uses: the layers of a host, and learning."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import (
    AccessReport,
    Configuration,
    ConfigurationInvalid,
    HostOffline,
    InstallPlan,
    LearningRefused,
    NotInstalled,
    ProviderFailed,
    System,
)
from airswasm.runtime import HostSettings, Services
from airswasm.security import (
    AclEntry,
    AclSettings,
    Resource,
    Role,
    RolesInvalid,
    RolesSettings,
    SecuritySettings,
    UnknownCapability,
    Verdict,
    read_audit,
)
from airswasm.wit import Block, Blocks

Workshop = Any  # tests/conftest.py, which nothing can import
Approve = Callable[[InstallPlan], bool]
NAME = "local/hello"

pytestmark = pytest.mark.anyio

ALL = {"storage": {"read": ("everything",), "write": ("everything",)}}


def opened(home: Path, *settings: object, **options: Any) -> System:
    return System(home, configuration=Configuration.of(*settings), **options)


def answers(report: AccessReport) -> list[tuple[str, bool]]:
    return [(each.layer, each.is_allowed) for each in report.layers]


async def test_each_layer_answers(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> None:
    """In the order in which they are asked; layers without a rule are absent."""
    settings = (
        SecuritySettings(deny={"storage": {"read": ("secret/**",)}}),
        RolesSettings(enforce=True, define={"all": Role(("component:local/*",), ALL)}),
        AclSettings((AclEntry("component:local/hello", "deny", ("storage.read",), ("acl",)),)),
    )
    async with opened(tmp_path / "home", *settings) as system:
        await system.install(workshop.package(), approve=yes)
        allowed = system.access(NAME, "storage.write", "count")
        assert allowed.is_allowed
        assert answers(allowed) == [("roles", True), ("grants", True)]
        assert (allowed.line, allowed.command) == ("", "")
        missing = system.access(NAME, "storage.write", "other")
        assert answers(missing) == [("roles", True), ("grants", False)]
        assert missing.line == 'storage.write = ["count", "migrated", "other"]'
        assert missing.command == "airswasm grants add local/hello storage.write other"
        refused = system.access(NAME, "storage.read", "secret/1")
        assert answers(refused) == [("policy", False), ("roles", True), ("grants", True)]
        assert refused.command == ""
        by_list = system.access(NAME, "storage:read", "acl")
        assert answers(by_list) == [("acl", False), ("grants", True)]
        assert "entry 1" in by_list.layers[0].rule
        assert answers(system.access(NAME, "storage.read", "a/../b")) == [("spelling", False)]
        before = list(read_audit(system.home.audit_folder / "audit.jsonl"))
        system.access(NAME, "storage.write", "other")
        assert list(read_audit(system.home.audit_folder / "audit.jsonl")) == before
        with pytest.raises(NotInstalled):
            system.access("local/absent", "storage.read", "a")
        with pytest.raises(UnknownCapability, match=r"storage\.read"):
            system.access(NAME, "storage.reed", "a")


async def test_the_report_is_what_the_guest_gets(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> None:
    """A role that a component lacks stops its call, though it was granted."""
    roles = RolesSettings(enforce=True, define={"other": Role(("component:other/*",), ALL)})
    async with opened(tmp_path / "home", roles) as system:
        await system.install(workshop.package(), approve=yes)
        assert not system.access(NAME, "storage.write", "count").is_allowed
        with pytest.raises(Exception, match="no role has component:local/hello"):
            await system.send(NAME, b"c")


async def test_a_stopped_home_answers_as_a_running_one(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> None:
    """The same layers are composed for both."""
    async with opened(tmp_path / "home") as system:
        await system.install(workshop.package(), approve=yes)
        running = system.access(NAME, "storage.write", "other")
    async with opened(tmp_path / "home", mode="offline") as system:
        assert system.access(NAME, "storage.write", "other") == running
        with pytest.raises(HostOffline):
            system.learn(NAME)


async def test_roles_may_stand_in_a_file_of_their_own(tmp_path: Path, anyio_backend: str) -> None:
    """Of the same tables; a role that both define, and a missing file, are refused."""
    home = tmp_path / "home"
    async with opened(home):
        pass
    (home / "roles.toml").write_text(
        '[roles.define.reader]\nmembers = ["component:shop/*"]\nallow.storage.read = ["a/**"]\n'
        '[[acl.entries]]\nwho = "component:shop/web"\neffect = "deny"\n'
        'permissions = ["storage.read"]\nresources = ["a/b"]\n'
    )
    roles = RolesSettings(enforce=True, file="roles.toml")
    async with opened(home, roles) as system:
        layers = {each.name: each for each in system._guard.layers}
        judge = layers["roles"].judge
        assert judge("shop/web", "storage:read", Resource("a/c")).is_allowed  # type: ignore[union-attr]
        assert not judge("shop/web", "storage:read", Resource("a/b")).is_allowed  # type: ignore[union-attr]
        assert not judge("else/web", "storage:read", Resource("a/c")).is_allowed  # type: ignore[union-attr]
    twice = dataclasses.replace(roles, define={"reader": Role()})
    with pytest.raises(RolesInvalid, match="both define it"):
        async with opened(home, twice):
            pass
    with pytest.raises(RolesInvalid, match=r"no file .*gone\.toml"):
        async with opened(home, RolesSettings(file="gone.toml")):
            pass
    (home / "roles.toml").write_text("[roles]\nenforced = true\n")
    with pytest.raises(ConfigurationInvalid, match="enforce"):
        async with opened(home, roles):
            pass


async def test_roles_in_config_toml(tmp_path: Path, anyio_backend: str) -> None:
    """As docs/security.md writes them; what cannot be read opens no host."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(
        '[roles]\nenforce = true\n[roles.define.clerk]\nmembers = ["component:shop/*"]\n'
        'allow.storage.read = ["orders/**"]\nallow.storage.write = "everything"\n'
    )
    with pytest.raises(ConfigurationInvalid, match="write"):
        async with System(home):
            pass
    text = (home / "config.toml").read_text()
    (home / "config.toml").write_text(text.replace('"everything"', '["everything"]'))
    async with System(home) as system:
        assert "roles" in [each.name for each in system._guard.layers]
        assert (
            'clerk = { members = ["component:shop/*"]'
            in system.configuration.setting("roles.define").value
        )


class Engine:
    """A policy engine of a stranger's, which allows nothing that has an odd length."""

    name = "engine"

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        del component, capability
        is_even = len(resource.text) % 2 == 0
        return Verdict(self.name, is_even, "its length is even" if is_even else "it is odd")

    def effort(self, component: str, capability: str) -> int:
        del component, capability
        return 1


async def test_a_block_can_bring_a_layer(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> None:
    """It is asked beside grants and roles; what is no layer is an error of the block."""

    def decide(_services: Services) -> object:
        return Engine()

    blocks = Blocks.find().joined(Block(name="engine", summary="A policy engine.", decide=decide))
    async with opened(tmp_path / "home", blocks=blocks) as system:
        await system.install(workshop.package(), approve=yes)
        assert answers(system.access(NAME, "storage.read", "ab")) == [
            ("engine", True), ("grants", True),
        ]  # fmt: skip
        assert not system.access(NAME, "storage.read", "abc").is_allowed
    broken = Block(name="engine", summary="No engine.", decide=lambda _services: object())
    with pytest.raises(ProviderFailed, match="judge"):
        async with opened(tmp_path / "other", blocks=Blocks.find().joined(broken)):
            pass


@pytest.fixture
async def learner(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> AsyncIterator[System]:
    settings = HostSettings(mode="development")
    async with opened(tmp_path / "home", settings) as system:
        package = workshop.package(capabilities='storage.read = ["nothing"]')
        await system.install(package, approve=yes)
        yield system


async def test_a_component_learns_until_the_iterator_is_closed(learner: System) -> None:
    """Then it is held to its grants; both ends are in the audit log."""
    with pytest.raises(Exception, match="denied"):
        await learner.send(NAME, b"c")
    used = []
    async with aclosing(learner.learn(NAME)) as uses:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_sending, learner)
                async for use in uses:
                    used.append((use.capability, use.pattern))
                    if len(used) == 2:
                        break
        with pytest.raises(LearningRefused, match="another client"):
            learner.learn(NAME)
    assert set(used) == {("storage.read", "count"), ("storage.write", "count")}
    with pytest.raises(Exception, match="denied"):
        await learner.send(NAME, b"c")
    lines = read_audit(learner.home.audit_folder / "audit.jsonl")
    reasons = [str(each["reason"]) for each in lines if "learn" in str(each.get("reason"))]
    assert [each.split(":")[0] for each in reasons] == ["begins to learn", "has learned"]


async def _sending(system: System) -> None:
    while not system._guard.is_learning(NAME):
        await anyio.lowlevel.checkpoint()
    await system.send(NAME, b"c")


async def test_learning_is_for_development(
    tmp_path: Path, workshop: Workshop, yes: Approve, anyio_backend: str
) -> None:
    """A host in production, and one without a mode, refuse it."""
    for number, mode in enumerate(("production", "")):
        settings = HostSettings(mode=mode)  # type: ignore[arg-type]
        async with opened(tmp_path / str(number), settings) as system:
            await system.install(workshop.package(), approve=yes)
            with pytest.raises(LearningRefused, match="development mode"):
                system.learn(NAME)
