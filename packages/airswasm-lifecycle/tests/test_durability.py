"""Durability and quotas of a component's storage: its manifest, within the host's policy."""

from pathlib import Path

import pytest
from airswasm.lifecycle import HostPolicy, LimitAbovePolicy, LimitPolicy, Manifest, System
from airswasm.lifecycle._registry.tables import ComponentPolicies
from airswasm.runtime import Services
from airswasm.storage import DurabilityPolicy

MANIFEST = '[component]\nname = "local/a"\nversion = "0.1.0"\n[limits]\ndurability = "{}"\n'


def policy(durability: str) -> HostPolicy:
    return HostPolicy(limits=LimitPolicy(durability=durability))  # type: ignore[arg-type]


def test_the_policy_refuses_a_weaker_one_and_names_its_line() -> None:
    """A stronger one is always granted."""
    for asked in ("sync", "os"):
        policy("os").check(Manifest.parse(MANIFEST.format(asked)))
    policy("sync").check(Manifest.parse(MANIFEST.format("sync")))
    with pytest.raises(LimitAbovePolicy) as refused:
        policy("sync").check(Manifest.parse(MANIFEST.format("os")))
    assert 'write `durability = "os"` under [limits]' in str(refused.value)


@pytest.mark.parametrize(
    ("least", "asked", "given"),
    [("os", "os", "os"), ("os", "sync", "sync"), ("sync", "os", "sync")],
)
def test_a_policy_that_became_stricter_holds_for_what_is_installed(
    least: str, asked: str, given: str
) -> None:
    """A component that asked for nothing has the store's rule."""
    policies = ComponentPolicies(policy(least))
    assert policies.durability("local/a") is None
    policies.set("local/a", Manifest.parse(MANIFEST.format(asked)))
    assert policies.durability("local/a") == given


@pytest.mark.anyio
async def test_a_host_has_it_for_its_storage(tmp_path: Path) -> None:
    """The service that `airswasm.storage.provide` looks for."""
    async with System(tmp_path / "home", mode="offline") as system:
        services: Services = system.services
        assert services.has(DurabilityPolicy)


def test_no_other_word_is_one() -> None:
    """In the manifest and in config.toml."""
    with pytest.raises(ValueError, match="durability"):
        policy("never")


def test_a_component_has_the_quotas_that_it_asks_for_and_else_the_hosts() -> None:
    """In bytes and in keys; an install has compared what it asks for with the policy."""
    host = HostPolicy(limits=LimitPolicy(storage=1_000, storage_keys=10))
    policies = ComponentPolicies(host)
    assert (policies.quota_bytes("local/a"), policies.quota_keys("local/a")) == (1_000, 10)
    text = MANIFEST.replace('durability = "{}"', "storage = {}\nstorage_keys = {}")
    policies.set("local/a", Manifest.parse(text.format(900, 9)))
    assert (policies.quota_bytes("local/a"), policies.quota_keys("local/a")) == (900, 9)
    with pytest.raises(LimitAbovePolicy, match="storage_keys"):
        host.check(Manifest.parse(text.format(900, 11)))
