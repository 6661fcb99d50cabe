"""The routing table: what each name leads to, since when, and what it led to before.

All of it is in the records: the version that was replaced last is the one before, and the time of
its replacement is since when the name leads elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from .registry import ComponentRecord

__all__ = ("RouteInfo", "route_of")


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """The version to which a name leads."""

    name: str
    version: str
    wasm_digest: str
    state: str
    """`running`, `starting`, `stopped`, `restarting`, `given up`; `offline` without a host."""
    since: float
    """When the name began to lead there, seconds since 1970."""
    led_by: str
    """`install`, `update` or `rollback`."""
    before: str
    """The version to which it led before; empty if there was none, or none is known."""
    incarnation: int | None
    """Its starts since the component was started, the present one included; None if none is."""


def route_of(record: ComponentRecord, state: str, incarnation: int | None) -> RouteInfo:
    """Return what a record's name leads to."""
    active = record.active_version
    left = [(each.replaced_at, each) for each in record.versions if each.replaced_at is not None]
    since, before, led_by = active.installed_at, "", "install"
    if left:
        since, last = max(left, key=lambda pair: pair[0])
        before = last.version
        led_by = "update" if active.installed_at >= since else "rollback"
    return RouteInfo(
        name=record.name,
        version=record.active,
        wasm_digest=active.wasm_digest,
        state=state,
        since=since,
        led_by=led_by,
        before=before,
        incarnation=incarnation,
    )
