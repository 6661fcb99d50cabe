"""Show the terms on which a component runs: its limits and its supervision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from .._control.document import Document, mapping, number, text

__all__ = ("shown_codecs", "shown_delivery", "shown_limits", "shown_supervision")

_SIZES = ("memory", "host_call", "host_memory", "storage", "bytes")


def shown_limits(limits: Document, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Return each limit: its key in the manifest, and the value that holds."""
    from ._times import amount, size

    for key, value in limits.items():
        rates = mapping(value)
        if rates:
            for name, shown in shown_limits(rates, f"{prefix}{key}."):
                yield name, f"{shown} each second"
        elif value is None:
            yield f"{prefix}{key}", "as the host's setting"
        elif key in _SIZES or key.endswith("_bytes"):
            yield f"{prefix}{key}", size(value)
        elif key == "timeout":
            yield f"{prefix}{key}", f"{number(value):g} s"
        elif isinstance(value, float):
            yield f"{prefix}{key}", f"{value:g}"
        elif isinstance(value, int):
            yield f"{prefix}{key}", amount(value)
        else:
            yield f"{prefix}{key}", text(value)


def shown_codecs(settings: Document) -> str:
    """Return the codecs that a component reads, in words."""
    accepted = settings.get("accepts")
    names = [text(each) for each in cast("list[object]", accepted or [])]
    if not names or "any" in names:
        return "any payload"
    return f"{', '.join(names)}; prefers {text(settings.get('prefers') or names[0])}"


def shown_delivery(terms: Document) -> str:
    """Return how messages come to a component, in words."""
    from ._times import amount, lasted, size

    if terms.get("mode") != "durable":
        return "in memory, at most once"
    age = terms.get("age")
    expires = "no message expires" if age is None else f"a message expires after {lasted(age)}"
    whose = "its manifest" if terms.get("by") == "manifest" else "[durable] of config.toml"
    return (
        f"durable, by {whose}; {amount(terms.get('attempts'))} attempts; "
        f"{amount(terms.get('messages'))} messages and {size(terms.get('size_bytes'))} may wait; "
        f"{expires}"
    )


def shown_supervision(settings: Document) -> str:
    """Return the reactions to a crash, in words."""
    revive = settings.get("revive")
    after = "it stays down" if revive is None else f"it rests for {number(revive):g} s"
    return (
        f"{text(settings.get('restart'))}, at most {text(settings.get('intensity'))} restarts in "
        f"{number(settings.get('period')):g} s, then {after}"
    )
