"""The contract, from the copy of `wit/` that is in this package.

The package ships it parsed, as wasm-tools' JSON, because a host reads it at every start and should
need no child process for that. `python -m airswasm.wit.update` writes that file again, and a test
compares it with the WIT, so that the two cannot drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from ._decode import decode
from .model import Interface, Package
from .names import CONTRACT_VERSION, GUEST_INTERFACES, are_compatible

__all__ = (
    "Contract",
    "c_header_folder",
    "contract",
    "guest_folder",
    "rust_crate_folder",
    "wit_folder",
)

_HERE = Path(__file__).parent
PARSED = _HERE / "contract.json"


@dataclass(frozen=True, slots=True)
class Contract:
    """The interfaces between a component and its host.

    Attributes:
        package: The contract's own package, `airswasm:component`.
        others: The packages that installed blocks bring beside it.
    """

    package: Package
    others: tuple[Package, ...] = ()

    @property
    def version(self) -> str:
        """The version of the contract's package."""
        return self.package.version or CONTRACT_VERSION

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """Every interface by its full name, `airswasm:component/storage@0.1.0`."""
        return MappingProxyType(
            {
                item.name: item
                for package in (self.package, *self.others)
                for item in package.interfaces.values()
            }
        )

    @property
    def guest_interfaces(self) -> Mapping[str, Interface]:
        """The interfaces that a component exports; only `handler` is required."""
        interfaces = self.interfaces
        return MappingProxyType({name: interfaces[name] for name in GUEST_INTERFACES})

    @property
    def host_interfaces(self) -> Mapping[str, Interface]:
        """The interfaces that a component may import, where a block offers them."""
        return MappingProxyType(
            {
                name: item
                for name, item in self.interfaces.items()
                if name not in GUEST_INTERFACES and not item.is_types_only
            }
        )

    def interface(self, name: str) -> Interface | None:
        """Find an interface by its short name, or by its name in this or a compatible version."""
        by_short_name = self.package.interfaces.get(name)
        if by_short_name is not None:
            return by_short_name
        return next(
            (item for full, item in self.interfaces.items() if are_compatible(full, name)), None
        )

    def has_package_of(self, name: str) -> bool:
        """Whether an interface's name is of a package of the contract, in whatever version."""
        package = _package_of(name)
        return any(_package_of(each.name) == package for each in (self.package, *self.others))

    def provider_of(self, name: str) -> str | None:
        """Find the distribution that offers a host interface, by its `@offered-by`; else None.

        Args:
            name: A full interface name; the version does not matter.
        """
        wanted = name.partition("@")[0]
        return next(
            (i.provider for full, i in self.interfaces.items() if full.partition("@")[0] == wanted),
            None,
        )


def _package_of(name: str) -> str:
    return name.partition("@")[0].partition("/")[0]


# The file is part of the code and what is built from it is immutable: keeping it is not state.
@cache
def contract() -> Contract:
    """Return the contract that this version of airswasm-wit was built with."""
    return Contract(decode(PARSED.read_bytes()).main)


def wit_folder() -> Path:
    """Return the folder of the contract's `.wit` files, to read or to copy into a project."""
    return _HERE / "contract"


def c_header_folder() -> Path:
    """Return the folder of `airswasm.h` and `airswasm.c`, to compile with a C component."""
    return _HERE / "bindings" / "c"


def rust_crate_folder() -> Path:
    """Return the folder of the crate `airswasm-component`, to depend on with `path = …`."""
    return _HERE / "bindings" / "rust"


def guest_folder(language: Literal["go", "javascript", "python"]) -> Path:
    """Return the folder of modules for components in a language, to bundle or to copy.

    `python` has `airswasm_codec`, `javascript` has `airswasm.js` and `airswasm-codec.js`, `go` has
    the package `airswasm`.
    """
    return _HERE / "bindings" / language
