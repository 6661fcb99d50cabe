"""What this host lets components have: config.toml of the home.

The manifest says what a component wants, the policy what it can get at most;
the operator's approval stands between them. Every key has a default, so that
a new home needs no file. The default for memory is above the 4 MiB that a
manifest gets unasked, because a guest that carries a language runtime cannot
start in 4 MiB, and its author has to ask for more and be approved anyway.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import tomlkit
from pydantic import ConfigDict, Field, StrictBool, StrictInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from tomlkit.exceptions import TOMLKitError

from ._explain import explain_problems
from ._positions import scan_positions
from ._quantities import format_bytes
from .errors import HostPolicyInvalid, LimitAbovePolicy, ManifestProblem
from .manifest import Count, Duration, Manifest, Size

__all__ = ("EnginePolicy", "HostPolicy", "InstallPolicy", "LimitPolicy")

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_STRICT)
class InstallPolicy:
    """`[install]`: what may be installed."""

    unsigned: StrictBool = False
    """Take packages without a signature. For development only."""
    retain: Annotated[StrictInt, Field(ge=1, le=100)] = 5
    """Versions kept of each component, the active one included."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class LimitPolicy:
    """`[limits]`: the most that a manifest may ask for, and what it gets unasked."""

    memory: Size = 256 * 2**20
    storage: Size = 64 * 2**20
    """Also the quota of a component that does not ask."""
    mailbox: Count = 100_000
    mailbox_bytes: Size = 256 * 2**20
    timeout: Duration = 300.0
    fuel: Count = 10**12
    messages: Count = 100_000
    """Messages that a component may send each second."""
    running: Count = 15_000
    """Components that run at once: each takes 4 of the 65,530 mappings of a Linux process."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class EnginePolicy:
    """`[engine]`: what the engine is set up for."""

    guests: Literal["many", "few"] = "many"
    """`many`: 15,000 run at once, and guests check the bounds of their memory in code.
    `few`: 6,000, and the hardware checks; a large guest compiles a quarter faster."""


@dataclass(frozen=True, slots=True, config=_STRICT)
class HostPolicy:
    """All of config.toml, checked, with every default filled in."""

    install: InstallPolicy = field(default_factory=InstallPolicy)
    limits: LimitPolicy = field(default_factory=LimitPolicy)
    engine: EnginePolicy = field(default_factory=EnginePolicy)
    cli: dict[str, object] = field(default_factory=dict[str, object])
    """For the `airswasm` command; not looked at here."""

    @classmethod
    def load(cls, path: Path) -> HostPolicy:
        """Reads a policy; a missing file is the default.

        Raises:
            HostPolicyInvalid: the file is unreadable or wrong; it has every problem.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise _single(path, f"cannot be read: {error}") from error
        return cls.parse(text, file=str(path))

    @classmethod
    def parse(cls, text: str, *, file: str = "config.toml") -> HostPolicy:
        """Reads a policy from text; see `load`."""
        try:
            tables = dict(tomlkit.parse(text).unwrap())
        except TOMLKitError as error:
            raise _single(Path(file), f"not TOML: {error}") from error
        try:
            return TypeAdapter(cls).validate_python(tables)
        except ValidationError as error:
            problems = explain_problems(error, cls, scan_positions(text), file)
            raise HostPolicyInvalid(file, problems) from error

    def check(self, manifest: Manifest) -> None:
        """Compares a manifest's limits with the policy.

        Raises:
            LimitAbovePolicy: for the first limit that is above.
        """
        wanted, most = manifest.limits, self.limits
        for limit in ("memory", "storage", "mailbox", "mailbox_bytes", "timeout", "fuel"):
            self._check_one(manifest.name, limit, getattr(wanted, limit), getattr(most, limit))
        rate = wanted.rates.messages
        self._check_one(manifest.name, "rates.messages", rate, most.messages)

    def _check_one(self, name: str, limit: str, wanted: float | None, most: float) -> None:
        if wanted is None or wanted <= most:
            return
        is_size = limit in ("memory", "storage", "mailbox_bytes")
        value = f'"{format_bytes(int(wanted))}"' if is_size else _plain(wanted)
        allowed = format_bytes(int(most)) if is_size else _plain(most)
        line = f"{limit.rpartition('.')[2]} = {value}"
        raise LimitAbovePolicy(name, limit, value, allowed, line)


def _single(path: Path, text: str) -> HostPolicyInvalid:
    return HostPolicyInvalid(str(path), [ManifestProblem(str(path), 1, "file", text)])


def _plain(number: float) -> str:
    """A number as TOML takes it for a whole one: without an exponent."""
    return f"{int(number):_}" if number == int(number) else f"{number:g}"
