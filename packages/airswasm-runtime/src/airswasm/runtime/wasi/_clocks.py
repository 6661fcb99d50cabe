"""wasi:clocks: a monotonic clock that starts with the instance, wall time, always UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .._host import Caller, Effect, HostInterface
from ._io import Deadline

U64_MAX = 2**64 - 1


def _monotonic_now(caller: Caller) -> int:
    return caller.wasi.now_ns()


def _monotonic_resolution(_caller: Caller) -> int:
    return 1


def _subscribe_instant(caller: Caller, at_ns: int) -> Deadline:
    return caller.wasi.deadline(at_ns)


def _subscribe_duration(caller: Caller, duration_ns: int) -> Deadline:
    return caller.wasi.deadline(min(caller.wasi.now_ns() + duration_ns, U64_MAX))


def as_datetime(ns: int) -> Mapping[str, int]:
    """Return nanoseconds since 1970 as wasi:clocks' `datetime`; earlier is 1970."""
    seconds, nanoseconds = divmod(max(0, ns), 1_000_000_000)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


def _wall_now(caller: Caller) -> Mapping[str, int]:
    return as_datetime(caller.wasi.config.wall_ns())


def _wall_resolution(_caller: Caller) -> Mapping[str, int]:
    return as_datetime(1)


def _timezone(_caller: Caller, _when: object) -> Mapping[str, object]:
    return {"utc_offset": 0, "name": "UTC", "in_daylight_saving_time": False}


def _utc_offset(_caller: Caller, _when: object) -> int:
    return 0


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:clocks."""
    return (
        HostInterface(
            f"wasi:clocks/monotonic-clock@{version}",
            {
                "now": _monotonic_now,
                "resolution": _monotonic_resolution,
                "subscribe-instant": _subscribe_instant,
                "subscribe-duration": _subscribe_duration,
            },
            effects={
                "now": Effect.READS,
                "subscribe-instant": Effect.WAITS,
                "subscribe-duration": Effect.WAITS,
            },
        ),
        HostInterface(
            f"wasi:clocks/wall-clock@{version}",
            {"now": _wall_now, "resolution": _wall_resolution},
            effects={"now": Effect.READS},
        ),
        HostInterface(
            f"wasi:clocks/timezone@{version}",
            {"display": _timezone, "utc-offset": _utc_offset},
        ),
    )
