"""What this host lets components have: config.toml of the home.

The manifest says what a component wants, the policy what it can get at most;
the operator's approval stands between them. Every key has a default, so that
a new home needs no file. The default for memory is above the 4 MiB that a
manifest gets unasked, because a guest that carries a language runtime cannot
start in 4 MiB, and its author has to ask for more and be approved anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ._configuration import Configuration
from ._quantities import format_bytes
from .errors import LimitAbovePolicy
from .manifest import Manifest

_SIZES = ("memory", "host_memory", "storage", "mailbox_bytes")
_LIMITS = (*_SIZES, "mailbox", "timeout", "fuel")

__all__ = ("HostPolicy", "InstallPolicy", "LimitPolicy")


@dataclass(frozen=True, slots=True)
class InstallPolicy:
    """`[install]`: what may be installed.

    Attributes:
        unsigned: Take packages without a signature. For development only.
        retain: Versions kept of each component, the active one included.
    """

    unsigned: bool = False
    retain: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.retain <= 100:
            raise ValueError("retain must be from 1 to 100")


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """`[limits]`: the most that a manifest may ask for, and what it gets unasked.

    Attributes:
        memory: Bytes of linear memory.
        host_memory: Bytes that the host keeps on its behalf.
        storage: Bytes of keys and values; also the quota of a component that does not ask.
        mailbox: Messages that may wait.
        mailbox_bytes: Bytes of payload that may wait.
        timeout: Seconds for each message, waiting included.
        fuel: Fuel for each message.
        dead_letters: Bytes of dead letters that are kept; a quarter of it for one component's.
        messages: Messages that a component may send each second.
        running: Components that run at once: each takes 4 of the 65,530 mappings of a Linux
            process.
    """

    memory: int = 256 * 2**20
    host_memory: int = 256 * 2**20
    storage: int = 64 * 2**20
    mailbox: int = 100_000
    mailbox_bytes: int = 256 * 2**20
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
    """What components get at most.

    Attributes:
        install: What may be installed.
        limits: The most that a manifest may ask for.
    """

    install: InstallPolicy = field(default_factory=InstallPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)

    @classmethod
    def of(cls, configuration: Configuration) -> HostPolicy:
        """Return the policy that a home's configuration sets."""
        return cls(configuration.get(InstallPolicy), configuration.get(LimitPolicy))

    def check(self, manifest: Manifest) -> None:
        """Compares a manifest's limits with the policy.

        Raises:
            LimitAbovePolicy: for the first limit that is above.
        """
        wanted, most = manifest.limits, self.limits
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
    """A number as TOML takes it for a whole one: without an exponent."""
    return f"{int(number):_}" if number == int(number) else f"{number:g}"
