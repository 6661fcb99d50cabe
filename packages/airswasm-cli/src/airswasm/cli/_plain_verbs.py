"""The verbs of this package that are functions, by name.

Apart from the declaration of the block, which takes longer to import than such a verb has time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

__all__ = ("PLAIN_VERBS", "load_plain_verb")

PLAIN_VERBS: Mapping[str, str] = {
    "explain": "explain",
    "info": "info",
    "list": "list_components",
    "logs": "logs",
    "routes": "routes",
    "status": "status",
}
"""Each name with that of its function, in the module of `commands` that is named as the verb."""


def load_plain_verb(name: str) -> Callable[..., None] | None:
    """Import the function of a verb; None for a verb that is an application of typer's."""
    if name not in PLAIN_VERBS:
        return None
    module = import_module(f".commands.{name}", __package__)
    return cast("Callable[..., None]", getattr(module, PLAIN_VERBS[name]))
