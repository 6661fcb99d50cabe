"""The capabilities that a manifest asks for, as the guard understands them.

Apart from the manifest, because a reader of the registry needs no pydantic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airswasm.security import Grants

__all__ = ("read_grants",)


def read_grants(capabilities: Mapping[str, Iterable[str]]) -> Grants:
    """Return the grants for dotted capabilities; those under `deny.` become denials.

    Raises:
        SecurityError: A capability or pattern is malformed.
    """
    allow: dict[str, tuple[str, ...]] = {}
    deny: dict[str, tuple[str, ...]] = {}
    for name, patterns in capabilities.items():
        plain_name = name.removeprefix("deny.")
        table = allow if plain_name == name else deny
        table[plain_name.replace(".", ":")] = tuple(patterns)
    return Grants(allow, deny)
