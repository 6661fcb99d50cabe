"""The names of what a component exports: the interfaces and functions that a host calls.

They are written out rather than computed so that a search for a full name finds its place, and
so that importing them costs nothing. `tests/test_names.py` holds them against the contract. A
host interface is named by the block that offers it.
"""

import re
from dataclasses import dataclass

__all__ = (
    "CONTRACT_PACKAGE",
    "CONTRACT_VERSION",
    "GUEST_CALLBACKS",
    "GUEST_HANDLER",
    "GUEST_HEALTH",
    "GUEST_INTERFACES",
    "GUEST_LIFECYCLE",
    "GUEST_MIGRATION",
    "HANDLE_CALLBACK",
    "HANDLE_MESSAGE",
    "HEALTH_CHECK",
    "INIT",
    "INTERPRETER_COMPILE",
    "INTERPRETER_RUN",
    "INTERPRETER_SOURCES",
    "MIGRATE",
    "SHUTDOWN",
    "InterfaceName",
    "are_compatible",
    "is_of_contract",
)

CONTRACT_VERSION = "0.1.0"
CONTRACT_PACKAGE = "airswasm:component"

GUEST_HANDLER = "airswasm:component/handler@0.1.0"
GUEST_LIFECYCLE = "airswasm:component/lifecycle@0.1.0"
GUEST_CALLBACKS = "airswasm:component/callbacks@0.1.0"
GUEST_HEALTH = "airswasm:component/health@0.1.0"
GUEST_MIGRATION = "airswasm:component/migration@0.1.0"
GUEST_INTERFACES = (
    GUEST_HANDLER,
    GUEST_LIFECYCLE,
    GUEST_CALLBACKS,
    GUEST_HEALTH,
    GUEST_MIGRATION,
)

HANDLE_MESSAGE = "airswasm:component/handler@0.1.0#handle-message"
INIT = "airswasm:component/lifecycle@0.1.0#init"
SHUTDOWN = "airswasm:component/lifecycle@0.1.0#shutdown"
HANDLE_CALLBACK = "airswasm:component/callbacks@0.1.0#handle-callback"
HEALTH_CHECK = "airswasm:component/health@0.1.0#check"
MIGRATE = "airswasm:component/migration@0.1.0#migrate"

# An interpreter's, with which a host runs components that are sources; no component has them.
INTERPRETER_SOURCES = "airswasm:interpreter/sources@0.1.0"
INTERPRETER_COMPILE = "airswasm:interpreter/compiler@0.1.0#compile"
INTERPRETER_RUN = "airswasm:interpreter/snippets@0.1.0#run"

# Neither pattern can backtrack further than one character: names may come from a component.
_NAME = re.compile(r"([^:/@#\s]+):([^:/@#\s]+)/([^/@#\s]+)(?:@([^/@#\s]+))?")
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-[^+]+)?(\+.*)?")


@dataclass(frozen=True, slots=True)
class InterfaceName:
    """The parts of `namespace:package/interface@version`."""

    namespace: str
    package: str
    interface: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "InterfaceName | None":
        """Parse a full interface name; return None for any other text."""
        match = _NAME.fullmatch(text)
        return None if match is None else cls(match[1], match[2], match[3], match[4])

    @property
    def track(self) -> str:
        """The part that compatible versions share: `1`, `0.3` or `0.0.7`, as in semver.

        A pre-release or a malformed version is compatible with nothing but itself.
        """
        if self.version is None:
            return ""
        match = _VERSION.fullmatch(self.version)
        if match is None or match[4]:
            return self.version
        major, minor, patch = int(match[1]), int(match[2]), int(match[3])
        if major:
            return str(major)
        return f"0.{minor}" if minor else f"0.0.{patch}"

    def __str__(self) -> str:
        version = "" if self.version is None else f"@{self.version}"
        return f"{self.namespace}:{self.package}/{self.interface}{version}"


def is_of_contract(name: str) -> bool:
    """Whether an interface belongs to the contract: what a component exports of it, hosts call."""
    return name.startswith(f"{CONTRACT_PACKAGE}/")


def are_compatible(one: str, other: str) -> bool:
    """Whether two interface names stand for one interface in compatible versions."""
    if one == other:
        return True
    if one.partition("@")[0] != other.partition("@")[0]:
        return False
    first, second = InterfaceName.parse(one), InterfaceName.parse(other)
    if first is None or second is None:
        return False
    return first.track == second.track
