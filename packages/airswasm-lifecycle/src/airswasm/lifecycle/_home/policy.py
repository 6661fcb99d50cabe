"""The host's policy: the most that it lets components have, from config.toml.

The manifest says what a component wants, the policy what it can get at most; the operator's
approval stands between them. Every key has a default, so a new home needs no file. The default for
memory is above the 4 MiB that a manifest gets unasked: a guest that carries a language runtime
cannot start in 4 MiB, and its author must ask for more and get approval anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._toml.quantities import format_bytes
from ..errors import LimitAbovePolicy

if TYPE_CHECKING:  # to show settings needs no manifests
    from .._packages.manifest import Manifest
    from .configuration import Configuration

_SIZES = ("memory", "host_memory", "storage", "mailbox_bytes", "message_bytes")
_LIMITS = (*_SIZES[1:], "mailbox", "timeout", "fuel")

__all__ = ("HostPolicy", "InstallPolicy", "LimitPolicy")


@dataclass(frozen=True, slots=True)
class InstallPolicy:
    """`[install]`: rules for installing packages.

    Attributes:
        unsigned: Whether to accept packages without a signature; for development only.
        retain: Number of versions to keep of each component, the active one included.
    """

    unsigned: bool = False
    retain: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.retain <= 100:
            raise ValueError("retain must be from 1 to 100")


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """`[limits]`: the most that a manifest may ask for, and the default if it does not ask.

    Attributes:
        memory: Bytes of linear memory of a component.
        host_memory: Bytes that the host may keep on behalf of a component.
        storage: Bytes of keys and values of a component; also the quota if it does not ask.
        mailbox: Messages that may wait in a mailbox.
        mailbox_bytes: Bytes of payload that may wait in a mailbox.
        message_bytes: Bytes of one message; also where a manifest leaves it to its memory.
        timeout: Seconds for each message, waiting included.
        fuel: Fuel for each message; 10,000,000 is about 6 ms.
        dead_letters: Bytes of dead letters that are kept; a quarter of it for one component's.
        messages: Messages that a component may send each second.
        running: Components that may run at once; each takes 4 of the 65,530 memory mappings of a
            Linux process.
    """

    memory: int = 256 * 2**20
    host_memory: int = 256 * 2**20
    storage: int = 64 * 2**20
    mailbox: int = 100_000
    mailbox_bytes: int = 256 * 2**20
    message_bytes: int = 16 * 2**20
    timeout: float = 300.0
    fuel: int = 10**12
    dead_letters: int = 64 * 2**20
    messages: int = 100_000
    running: int = 15_000

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < (0 if name == "storage" else 1e-3):
                raise ValueError(f"{name} must be more than 0")


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The most that components may have.

    Attributes:
        install: Rules for installing packages.
        limits: The most that a manifest may ask for.
    """

    install: InstallPolicy = field(default_factory=InstallPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)

    @classmethod
    def of(cls, configuration: Configuration) -> HostPolicy:
        """Return the policy that a home's configuration sets."""
        return cls(configuration.get(InstallPolicy), configuration.get(LimitPolicy))

    def check(self, manifest: Manifest) -> None:
        """Compare a manifest's limits with the policy.

        Raises:
            LimitAbovePolicy: A limit is above the policy; the error names the first one.
        """
        wanted, most = manifest.limits, self.limits
        whole = wanted.memory * wanted.memories
        self._check_one(manifest.name, "memory", whole, most.memory)
        for limit in _LIMITS:
            self._check_one(manifest.name, limit, getattr(wanted, limit), getattr(most, limit))
        rate = wanted.rates.messages
        self._check_one(manifest.name, "rates.messages", rate, most.messages)

    def _check_one(self, name: str, limit: str, wanted: float | None, most: float) -> None:
        if wanted is None or wanted <= most:
            return
        is_size = limit in _SIZES
        value = f'"{format_bytes(int(wanted))}"' if is_size else _plain(wanted)
        allowed = format_bytes(int(most)) if is_size else _plain(most)
        line = f"{limit.rpartition('.')[2]} = {value}"
        raise LimitAbovePolicy(name, limit, value, allowed, line)


def _plain(number: float) -> str:
    """Write a number as a TOML integer or float that is read as the same number."""
    return f"{int(number):_}" if number == int(number) else repr(number)
