"""Which versions stay: newest, recent, pinned, active; and what the clean-up makes of it."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, nextafter
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import (
    ComponentRecord,
    Configuration,
    InstallPlan,
    InstallPolicy,
    System,
    VersionNotRetained,
    VersionRecord,
)
from airswasm.lifecycle._registry.retention import kept_versions, without_expired
from hypothesis import given
from hypothesis import strategies as st

Approve = Callable[[InstallPlan], bool]
Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"
DAY = 86_400.0


def version(number: int, now: float = 0.0, **more: Any) -> VersionRecord:
    return VersionRecord(
        version=f"0.{number}.0",
        sequence=number,
        wasm_digest=f"{number:064x}",
        files={"hello.wasm": f"{number:064x}"},
        asked={},
        signer=None,
        installed_at=now,
        **more,
    )


def history(*times: float) -> ComponentRecord:
    """A record of versions that were installed at these times, one over the other."""
    first, *others = times
    record = ComponentRecord(NAME, NAME, None, 1, "0.1.0", (version(1, first),))
    for number, time in enumerate(others, 2):
        record = record.with_version(version(number, time))
    return record


@pytest.mark.parametrize(
    ("rules", "now", "kept"),
    [
        (InstallPolicy(retain=2, retain_for=0), 10.0, "34"),
        (InstallPolicy(retain=1, retain_for=0), 10.0, "4"),
        (InstallPolicy(retain=1, retain_for=DAY), 10.0, "1234"),
        (InstallPolicy(retain=1, retain_for=DAY), 2.5 + DAY, "34"),
        (InstallPolicy(retain=1, retain_for=DAY), 3.5 + DAY, "4"),
        (InstallPolicy(retain=1, retain_for=float("inf")), 1e12, "1234"),
        (InstallPolicy(retain=1, retain_most=2), 10.0, "34"),
        (InstallPolicy(retain=1, retain_most=1), 10.0, "4"),
        (InstallPolicy(retain=1, retain_bytes=200), 10.0, "234"),
        (InstallPolicy(retain=3, retain_most=1), 10.0, "234"),
        (InstallPolicy(retain=1, retain_for=DAY), -1e9, "1234"),
    ],
)
def test_each_rule(rules: InstallPolicy, now: float, kept: str) -> None:
    """The newest, those replaced within the window, and no more than the bounds allow."""
    found = without_expired(history(0.0, 1.0, 2.0, 3.0), rules, now, size_of=lambda _version: 100)
    assert "".join(each.version[2] for each in found) == kept


def test_a_version_says_what_keeps_it_and_until_when() -> None:
    """For `info`."""
    record = history(0.0, 1.0, 2.0, 3.0, 4.0).with_pin("0.1.0", is_pinned=True)
    found = kept_versions(record, InstallPolicy(retain=2, retain_for=10.0), 12.5)
    assert [(each.by, each.until) for each in found] == [
        ("pinned", None), ("", None), ("recent", 13.0), ("newest", None), ("active", None),
    ]  # fmt: skip


steps = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.floats(-2e5, 2e5)),
        st.tuples(st.just("rollback"), st.integers(0, 9)),
        st.tuples(st.just("pin"), st.integers(0, 9)),
        st.tuples(st.just("unpin"), st.integers(0, 9)),
        st.tuples(st.just("clean"), st.floats(-2e5, 2e5)),
    ),
    max_size=40,
)


@given(
    steps,
    st.builds(
        InstallPolicy,
        retain=st.integers(1, 6),
        retain_for=st.sampled_from([0.0, 60.0, DAY, float("inf")]),
        retain_most=st.integers(1, 8),
        retain_bytes=st.sampled_from([0, 100, 250, 2**30]),
    ),
)
def test_against_a_model_with_a_clock_that_jumps(
    plan: list[tuple[str, Any]], rules: InstallPolicy
) -> None:
    """The model has when each version was left: later than all before, whatever the clock says.

    Whatever the clock does, the active version, the pinned ones and the newest stay; what goes was
    beyond a bound or out of its window at that time.
    """
    now, number, latest = 0.0, 1, float("-inf")
    record = history(0.0)
    left: dict[str, float] = {}
    pinned: set[str] = set()
    for act, value in plan:
        names = [each.version for each in record.versions]
        chosen = names[value % len(names)] if act in ("rollback", "pin", "unpin") else ""
        match act:
            case "update":
                now, number = now + value, number + 1
                left[record.active] = latest = max(now, nextafter(latest, inf))
                record = record.with_version(version(number, now))
            case "rollback" if chosen != record.active:
                left[record.active] = latest = max(now, nextafter(latest, inf))
                left.pop(chosen)
                record = record.with_active(chosen, now)
            case "pin" | "unpin":
                record = record.with_pin(chosen, is_pinned=act == "pin")
                (pinned.add if act == "pin" else pinned.discard)(chosen)
            case "clean":
                now += value
                before = set(names)
                kept = without_expired(record, rules, now, size_of=lambda _version: 100)
                record = replace(record, versions=kept)
                after = {each.version for each in kept}
                others = sorted(before - pinned - {record.active}, key=lambda each: -left[each])
                newest = set(others[: rules.retain - 1])
                assert {record.active, *(before & pinned), *newest} <= after
                bound = max(rules.retain_most, rules.retain)
                assert len(after - pinned - {record.active}) <= bound - 1
                for gone in before - after:
                    is_late = now >= left[gone] + rules.retain_for
                    place = others.index(gone) + 1
                    bytes_before = 100 * (place - len(newest))
                    assert (
                        is_late or place >= rules.retain_most or bytes_before > rules.retain_bytes
                    )
                for each in after - newest - pinned - {record.active}:
                    assert now < left[each] + rules.retain_for
        assert record.has_version(record.active)


@pytest.mark.anyio
async def test_versions_leave_as_time_passes(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """In a host: the window holds, then the newest stay, and the files of the others are gone."""
    now = [1_000_000.0]
    rules = InstallPolicy(retain=2, retain_for=DAY)
    async with System(
        tmp_path, configuration=Configuration.of(rules), clock=lambda: now[0]
    ) as system:
        await system.install(workshop.package(), approve=yes)
        for number in (2, 3, 4):
            now[0] += 1.0
            await system.update(workshop.package(f"0.{number}.0"))
        assert [each.version for each in system.info(NAME).versions] == [
            "0.1.0", "0.2.0", "0.3.0", "0.4.0",
        ]  # fmt: skip
        await system.artifacts.pin(NAME, "0.1.0")
        now[0] += DAY
        done = await system.artifacts.gc()
        assert done.versions == (f"{NAME} 0.2.0",)
        assert done.files > 0
        info = system.info(NAME)
        assert [(each.version, each.kept_by) for each in info.versions] == [
            ("0.1.0", "pinned"), ("0.3.0", "newest"), ("0.4.0", "active"),
        ]  # fmt: skip
        await system.artifacts.unpin(NAME, "0.1.0")
        assert system.info(NAME).versions[0].kept_by == ""
        with pytest.raises(VersionNotRetained, match=r"0\.2\.0"):
            await system.artifacts.pin(NAME, "0.2.0")
        await system.artifacts.gc()
        assert [each.version for each in system.info(NAME).versions] == ["0.3.0", "0.4.0"]
        told = await system.history.read(NAME)
        acts = [each.act for each in told if each.act != "checkpoint"]
        assert acts == ["install", *["update"] * 3, "pin", "clean-up", "unpin", "clean-up"]
        await system.rollback(NAME)
        assert await system.send(NAME, b"v") == b"0.3.0"


@pytest.mark.anyio
async def test_one_version_is_kept_where_one_is_asked_for(
    workshop: Workshop, tmp_path: Path, yes: Approve
) -> None:
    """`retain = 1` without a window keeps no way back, after the successor has taken over."""
    rules = InstallPolicy(retain=1, retain_for=0.0)
    async with System(tmp_path, configuration=Configuration.of(rules)) as system:
        await system.install(workshop.package(), approve=yes)
        await system.update(workshop.package("0.2.0"))
        assert [each.version for each in system.info(NAME).versions] == ["0.2.0"]
        files = {each.kind for each in await system.artifacts.list()}
        assert "unneeded" not in files
        assert len(await system.artifacts.list()) == 3
