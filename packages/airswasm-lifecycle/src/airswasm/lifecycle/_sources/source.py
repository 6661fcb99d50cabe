"""The promises of a source of packages.

A source gives bytes, and judges none of them: the one reader of packages verifies the signature
before it parses anything. A source executes nothing of what it fetches. It says where the bytes
came from in a canonical text without secrets, which is recorded, shown and matched, and pins what
it gave: a commit, a digest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = ("Arrived", "Fetched", "PackageSource")

Arrived: TypeAlias = Callable[[int], object]
"""Told how many bytes have arrived so far."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bytes of one package, as they came.

    Attributes:
        content: A `.airswasm` file.
        source: Where it came from, in canonical form and without secrets.
        pin: The source's name for exactly this content: a commit, a digest; empty for a path.
        place: The place as `[trust] sources` names it, `airswasm.security.file_source` or
            `network_source`; several with a space between them where it was redirected. Empty if it
            can be trusted by no place: others can change it, or it has no single spelling.
    """

    content: bytes
    source: str
    pin: str = ""
    place: str = ""


class PackageSource(Protocol):
    """One kind of source, such as `git`; named by an entry point of the group `airswasm.sources`.

    The entry point's name is the kind: the texts of the kind `git` begin with `git:` or
    `git+anything:`. The entry point is called with the `SourceSettings`.
    """

    def canonical(self, text: str) -> str:
        """Return the one spelling of a source, without credentials or other secrets.

        Raises:
            SourceUnknown: The text has not the form of this kind.
        """
        ...

    def pinned(self, text: str, pin: str) -> str:
        """Return the source that gives what was pinned, and nothing else.

        Raises:
            SourceUnknown: The text has not the form of this kind.
        """
        ...

    async def fetch(self, text: str, arrived: Arrived) -> Fetched:
        """Return the package. A cancel leaves nothing behind.

        Raises:
            LifecycleError: It cannot be had; no text of the error holds a secret.
        """
        ...
