"""What `status` says of a host that runs short of something."""

from __future__ import annotations

import pytest
from airswasm.cli.commands.status import _host_fields

MIB = 2**20
CALM = {
    "is_online": True, "pid": 7, "uptime": 5.0, "home": "/srv/home", "installed": 2, "running": 2,
    "host_memory_bytes": 10 * MIB, "guest_memory_bytes": 10 * MIB,
    "host_memory_most_bytes": 100 * MIB, "descriptors": 3, "most_descriptors": 100,
    "ended_for_memory": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({}, None),
        ({"guest_memory_bytes": 40 * MIB}, ("memory", "50.0 MiB of 100.0 MiB taken by components")),
        ({"descriptors": 26}, ("files and sockets", "26 of 100 open for components")),
        ({"ended_for_memory": 2}, ("ended for memory", "2")),
    ],
)
def test_what_is_scarce_is_shown(changed: dict[str, object], field: tuple[str, str] | None) -> None:
    """A calm host says nothing of it; from a quarter on it is worth a line."""
    extra = _host_fields({**CALM, **changed})[3:]
    assert extra == ([field] if field else [])


@pytest.mark.parametrize(
    ("health", "reasons", "total", "shown"),
    [
        ("healthy", [], 0, [("health", "healthy")]),
        ("degraded", ["disk: low"], 1, [("health", "degraded"), ("because", "disk: low")]),
        (
            "unhealthy", ["a/b: 1", "a/b: 2", "a/b: 3", "a/b: 4"], 9,
            [("health", "unhealthy"), ("because", "a/b: 1"), ("because", "a/b: 2"),
             ("because", "a/b: 3"), ("", "and 6 more: airswasm status --json")],
        ),
    ],
)  # fmt: skip
def test_health_has_a_line_and_its_reasons(
    health: str, reasons: list[str], total: int, shown: list[tuple[str, str]]
) -> None:
    found = {**CALM, "health": health, "health_reasons": reasons, "health_findings": total}
    assert _host_fields(found)[3:] == shown
