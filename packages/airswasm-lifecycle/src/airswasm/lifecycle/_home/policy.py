"""The host's policy: the most that it lets components have, from config.toml.

The manifest says what a component wants, the policy what it can get at most; the operator's
approval stands between them. Every key has a default, so a new home needs no file. The default for
memory is above the 4 MiB that a manifest gets unasked: a guest that carries a language runtime
cannot start in 4 MiB, and its author must ask for more and get approval anyway.

`caps` says which number of a manifest each key bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

from airswasm.runtime import HostSettings

from .._packages.component_name import is_component_name
from .._toml.quantities import LEAST_INTERVAL
from ..errors import LimitAbovePolicy, ManifestProblem
from .caps import Excess, excesses, hold

if TYPE_CHECKING:  # to show settings needs no manifests
    from .._packages.manifest import Manifest
    from .configuration import Configuration

__all__ = (
    "HealthPolicy",
    "HostPolicy",
    "InstallPolicy",
    "LimitPolicy",
    "NameQuota",
    "SupervisionPolicy",
    "mode_problems",
)

_LEAST = {"storage": 0.0, "memory": 512 * 2**10, "host_memory": 64 * 2**10, "table_elements": 256}
"""The least that each component needs: a tighter policy could hold it to nothing valid."""


@dataclass(frozen=True, slots=True)
class InstallPolicy:
    """`[install]`: rules for installing packages.

    Attributes:
        unsigned: Whether to accept packages without a signature outside of development mode, too,
            where an operator reviews them; refused in production mode.
        retain: Number of versions to keep of each component, the active one included; 1 keeps no
            way back after `retain_for`. Pinned versions are kept beside them.
        retain_for: Seconds that a replaced version stays at least, beside the newest ones; `inf`
            for ever.
        retain_most: The most versions of a component, pinned ones aside: the oldest go, also
            before `retain_for` has passed.
        retain_bytes: The most bytes of the versions of a component that only `retain_for` keeps.
    """

    unsigned: bool = False
    retain: int = 5
    retain_for: float = 86_400.0
    retain_most: int = 50
    retain_bytes: int = 2**30

    def __post_init__(self) -> None:
        if not 1 <= self.retain <= 100:
            raise ValueError("retain must be from 1 to 100")
        if not self.retain_for >= 0:
            raise ValueError("retain_for must be at least 0")
        if not 1 <= self.retain_most <= 1_000:
            raise ValueError("retain_most must be from 1 to 1000")
        if self.retain_bytes < 0:
            raise ValueError("retain_bytes must be at least 0")


@dataclass(frozen=True, slots=True)
class NameQuota:
    """An operator's quota for what one name stores, whatever its manifest asks for.

    Attributes:
        storage: Bytes of keys and values; None for the manifest's within the policy.
        storage_keys: Keys; None for the same.
    """

    storage: int | None = None
    storage_keys: int | None = None

    def __post_init__(self) -> None:
        if min(self.storage or 0, self.storage_keys or 0) < 0:
            raise ValueError("quotas must be at least 0")


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """`[limits]`: the most that a manifest may ask for, and the default if it does not ask.

    Attributes:
        memory: Bytes of linear memory of a component.
        host_memory: Bytes that the host may keep on behalf of a component.
        storage: Bytes of keys and values of a component; also the quota if it does not ask.
        storage_keys: Keys that a component may store; also the bound if it does not ask.
        mailbox: Messages that may wait in a mailbox.
        mailbox_bytes: Bytes of payload that may wait in a mailbox.
        message_bytes: Bytes of one message; also where a manifest leaves it to its memory.
        host_call: Bytes that one call may carry between a component and its host.
        table_elements: Elements of all function tables of a component together, each a pointer.
        timeout: Seconds for each message, waiting included.
        fuel: Fuel for each message; 10,000,000 is about 6 ms.
        weight: Weight of a component's share of processor time; 1 if it does not ask.
        durability: The weakest durability of stored values that a manifest may ask for: `os`
            allows both, `sync` refuses `os`.
        messages: Messages that a component may send each second.
        sent_bytes: Bytes of payload that a component may send each second; also the bound if it
            does not ask.
        logs: Log lines that a component may write each second.
        running: Components that may run at once; each takes 4 of the 65,530 memory mappings of a
            Linux process.
        quotas: What single names may store, whatever their manifests ask for:
            `{ "shop/orders" = { storage = 268435456 } }`. `airswasm storage quota` changes it.
    """

    memory: int = 256 * 2**20
    host_memory: int = 256 * 2**20
    storage: int = 64 * 2**20
    storage_keys: int = 10_000_000
    mailbox: int = 100_000
    mailbox_bytes: int = 256 * 2**20
    message_bytes: int = 16 * 2**20
    host_call: int = 64 * 2**20
    table_elements: int = 4_000_000
    timeout: float = 300.0
    fuel: int = 10**12
    weight: float = 10.0
    durability: Literal["sync", "os"] = "os"
    messages: int = 100_000
    sent_bytes: int = 64 * 2**20
    logs: int = 1000
    running: int = 15_000
    quotas: dict[str, NameQuota] = field(default_factory=dict[str, NameQuota])

    def __post_init__(self) -> None:
        if self.durability not in ("sync", "os"):
            raise ValueError("durability must be 'sync' or 'os'")
        for name in self.quotas:
            if not is_component_name(name):
                raise ValueError(f"quotas: {name!a} is no component's name")
        for name in set(self.__slots__) - {"durability", "quotas"}:
            least = _LEAST.get(name, 1e-2)
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be {_at_least(least)}")


@dataclass(frozen=True, slots=True)
class SupervisionPolicy:
    """`[supervision]`: bounds for what a manifest says of restarts and of its end.

    Attributes:
        intensity: Restarts within a period that a manifest may allow, at most.
        period: Seconds of the shortest period.
        backoff: Seconds of the shortest first delay before a restart; above 0, the growth
            `immediate` is refused.
        longest_backoff: Seconds of the longest delay; messages wait meanwhile.
        shutdown: Seconds that a component may have for its end; `inf` also allows "infinity".
        revive: Seconds of the shortest cool-down before a component that was given up is started
            again.
    """

    intensity: int = 100
    period: float = 1.0
    backoff: float = 0.0
    longest_backoff: float = 3600.0
    shutdown: float = 60.0
    revive: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            least = LEAST_INTERVAL if name in ("period", "revive", "longest_backoff") else 0.0
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least:g}")


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """`[health]`: bounds for what a manifest says of health checks.

    Attributes:
        interval: Seconds of the shortest interval between two checks.
        timeout: Seconds that a component may have for the answer.
    """

    interval: float = 1.0
    timeout: float = 60.0

    def __post_init__(self) -> None:
        if not self.interval >= LEAST_INTERVAL:
            raise ValueError("interval must be at least 0.001")
        if not self.timeout >= LEAST_INTERVAL:
            raise ValueError("timeout must be at least 0.001")


@dataclass(slots=True)
class HostPolicy:
    """The most that components may have; the parts of a host share one, which a reload changes.

    Attributes:
        install: Rules for installing packages.
        limits: The most that a manifest may ask for.
        supervision: Bounds for restarts.
        health: Bounds for health checks.
        is_development: Whether the host is in development mode.
    """

    install: InstallPolicy = field(default_factory=InstallPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    supervision: SupervisionPolicy = field(default_factory=SupervisionPolicy)
    health: HealthPolicy = field(default_factory=HealthPolicy)
    is_development: bool = False

    @classmethod
    def of(cls, configuration: Configuration) -> HostPolicy:
        """Return the policy that a home's configuration sets."""
        return cls(
            configuration.get(InstallPolicy),
            configuration.get(LimitPolicy),
            configuration.get(SupervisionPolicy),
            configuration.get(HealthPolicy),
            configuration.get(HostSettings).mode == "development",
        )

    def hold_to(self, other: HostPolicy) -> None:
        """Take over all numbers of another policy."""
        for each in fields(self):
            setattr(self, each.name, getattr(other, each.name))

    @property
    def accepts_unsigned(self) -> bool:
        """Whether packages without a signature are accepted."""
        return self.install.unsigned or self.is_development

    def check(self, manifest: Manifest) -> None:
        """Compare every number of a manifest with the policy.

        Raises:
            LimitAbovePolicy: One is beyond the policy; the error names the first one.
        """
        if manifest.limits.durability == "os" and self.limits.durability == "sync":
            key = "limits.durability"
            raise LimitAbovePolicy(manifest.name, key, '"os"', '"sync"', key, is_least=True)
        found = next(iter(excesses(manifest, self)), None)
        if found is not None:
            raise LimitAbovePolicy(
                manifest.name, found.key, found.wanted, found.allowed, found.setting,
                is_least=found.is_least,
            )  # fmt: skip

    def hold(self, manifest: Manifest) -> tuple[Manifest, tuple[Excess, ...]]:
        """Return a manifest within the policy, and the numbers that this changed.

        For a component that was installed under another policy.
        """
        return hold(manifest, self)


def _at_least(least: float) -> str:
    return f"at least {least:_}" if least >= 1 else "more than 0" if least else "at least 0"


def mode_problems(configuration: Configuration, file: str) -> Sequence[ManifestProblem]:
    """Return what the host's mode forbids of its settings; a host with such a file does not start.

    Args:
        configuration: The settings.
        file: The file that they came from.
    """
    is_production = configuration.get(HostSettings).mode == "production"
    if not (is_production and configuration.get(InstallPolicy).unsigned):
        return ()
    text = (
        "unsigned packages are refused in production mode (host.mode); `airswasm config unset "
        "install.unsigned` takes the setting away"
    )
    return (ManifestProblem(file, 0, "install.unsigned", text),)
