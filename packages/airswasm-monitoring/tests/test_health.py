"""When something is a finding, and how bad the whole is."""

from __future__ import annotations

import pytest
from airswasm.monitoring import (
    ComponentSample,
    MonitoringSettings,
    Snapshot,
    Thresholds,
    assess,
)
from airswasm.runtime import Finding, Health, HealthSources
from hypothesis import given
from hypothesis import strategies as st

PRESETS = ("relaxed", "default", "strict")


def running(**figures: object) -> ComponentSample:
    return ComponentSample("a/b", "running", 0.0, mailbox_capacity=100, **figures)  # type: ignore[arg-type]


def test_a_host_at_rest_is_healthy() -> None:
    """Nothing to say about a component that runs."""
    report = assess(Snapshot(100.0, (running(),)))
    assert (report.health, report.findings, report.is_ready) == (Health.HEALTHY, (), True)
    assert report.components == {Health.HEALTHY: 1}


@pytest.mark.parametrize(
    ("sample", "health", "text"),
    [
        (
            ComponentSample("a/b", "given_up", 0.0, failures=4, last_error="Trapped: x"),
            Health.UNHEALTHY,
            "given up",
        ),
        (
            running(failures=1, last_failure_at=90.0, last_error="Trapped: x"),
            Health.DEGRADED,
            "failed 1 times",
        ),
        (running(mailbox_size=3, oldest_message_age=31.0), Health.DEGRADED, "waited for 31 s"),
        (running(mailbox_size=91), Health.DEGRADED, "91 of 100 messages"),
        (
            running(mailbox_bytes=10, mailbox_capacity_bytes=11),
            Health.DEGRADED,
            "10 of 11 bytes in its mailbox",
        ),
        (
            running(storage_bytes=1000 * 2**10, storage_quota_bytes=2**20),
            Health.DEGRADED,
            "1000 KiB of 1 MiB stored",
        ),
    ],
)
def test_findings_name_component_and_remedy(
    sample: ComponentSample, health: Health, text: str
) -> None:
    """Each finding says who, what, and what to do; the host goes on."""
    report = assess(Snapshot(100.0, (sample,)))
    (finding,) = report.findings
    assert (finding.subject, finding.health) == ("a/b", health)
    assert text in finding.text
    assert finding.hint
    assert report.components == {health: 1, Health.HEALTHY: 0}
    assert report.health is Health.DEGRADED
    assert report.is_ready


@pytest.mark.parametrize(
    ("figures", "part", "health"),
    [
        ({"storage_failure": "no space left on device"}, "storage", Health.UNHEALTHY),
        ({"audit_failure": "read-only file system"}, "audit", Health.UNHEALTHY),
        ({"disk_free_bytes": 2**20}, "disk", Health.DEGRADED),
        ({"event_loop_late": 1.5}, "loop", Health.DEGRADED),
        ({"clock_jump": (90.0, -3600.0)}, "clock", Health.DEGRADED),
        ({"memory_bytes": 96, "memory_most_bytes": 100}, "memory", Health.DEGRADED),
        ({"descriptors": 96, "descriptors_most": 100}, "descriptors", Health.DEGRADED),
    ],
)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_part_of_the_host_makes_the_host_as_ill_as_itself(
    figures: dict[str, object], part: str, health: Health, preset: str
) -> None:
    """Whatever the preset does to components; a relaxed one only moves the thresholds."""
    thresholds = MonitoringSettings(preset=preset).thresholds  # type: ignore[arg-type]
    report = assess(Snapshot(100.0, (running(),), **figures), thresholds)  # type: ignore[arg-type]
    if preset == "relaxed" and part not in ("storage", "audit", "disk"):
        if part != "clock":
            assert report.total == 0
        return
    (finding,) = report.findings
    assert (finding.subject, finding.health, bool(finding.hint)) == (part, health, True)
    assert report.health is health
    assert report.parts == {part: health}
    assert report.is_ready == (health is not Health.UNHEALTHY)


@pytest.mark.parametrize(
    ("preset", "health"),
    [
        ("relaxed", Health.HEALTHY),
        ("default", Health.DEGRADED),
        ("strict", Health.UNHEALTHY),
    ],
)
def test_the_preset_says_how_far_the_health_of_a_component_goes_up(
    preset: str, health: Health
) -> None:
    """One bad plugin must not take a host of many out of service, unless the operator says so."""
    thresholds = MonitoringSettings(preset=preset).thresholds  # type: ignore[arg-type]
    report = assess(Snapshot(100.0, (ComponentSample("a/b", "given_up", 0.0),)), thresholds)
    assert report.health is health
    assert report.is_ready == (preset != "strict")
    assert report.components[Health.UNHEALTHY] == 1


def test_what_is_set_wins_over_the_preset() -> None:
    """And a threshold of 0 is the preset's."""
    settings = MonitoringSettings(preset="strict", oldest_message=7.0)
    assert settings.thresholds.oldest_message == 7.0
    assert settings.thresholds.mailbox_fill == 0.7


@pytest.mark.parametrize(
    "wrong",
    [
        {"mailbox_fill": 1.1},
        {"quota_fill": -0.1},
        {"oldest_message": -1.0},
        {"event_loop_lag": float("nan")},
        {"series": 0},
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """By name."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MonitoringSettings(**wrong)  # type: ignore[arg-type]


def test_an_old_failure_is_no_news() -> None:
    """A failure stops being a finding after `recent_failure` seconds."""
    sample = running(failures=1, last_failure_at=90.0)
    assert assess(Snapshot(149.0, (sample,))).total == 1
    assert assess(Snapshot(150.0, (sample,))).total == 0
    assert assess(Snapshot(91.0, (sample,)), Thresholds(recent_failure=0.5)).total == 0


def test_the_host_comes_before_its_components() -> None:
    """Of two findings that are as bad; and the worse one before both."""
    full = Snapshot(1.0, (running(mailbox_size=99),), storage_failure="full", event_loop_late=9.0)
    subjects = [finding.subject for finding in assess(full).findings]
    assert subjects == ["storage", "loop", "a/b"]


def test_a_host_that_starts_is_not_ready() -> None:
    """A block says so, and the reason is a finding."""
    starts = Finding(Health.UNKNOWN, "host", "2 components have not started yet", is_unready=True)
    report = assess(Snapshot(1.0, (running(),)), findings=[starts])
    assert (report.health, report.is_ready) == (Health.UNKNOWN, False)


def test_a_source_that_fails_is_a_finding() -> None:
    """It must not take the report of all others with it."""

    class Nameless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def broken() -> list[Finding]:
        raise Nameless

    sources = HealthSources()
    sources.add("bell", broken)
    sources.add("rope", lambda: [Finding(Health.DEGRADED, "rope", "frays", "replace it")])
    report = assess(Snapshot(1.0), findings=sources.findings())
    assert report.parts == {"bell": Health.UNKNOWN, "rope": Health.DEGRADED}
    assert report.health is Health.DEGRADED


@given(st.lists(st.integers(0, 100), max_size=300))
def test_the_report_is_bounded(sizes: list[int]) -> None:
    """However many findings there are, a hundred are shown and all are counted."""
    samples = tuple(running(mailbox_size=size) for size in sizes)
    report = assess(Snapshot(1.0, samples))
    assert report.total == sum(size > 90 for size in sizes)
    assert len(report.findings) == min(100, report.total)


_PARTS = st.sampled_from(["storage", "bell", "a/b", "c/d"])
_FINDINGS = st.lists(st.builds(Finding, st.sampled_from(Health), _PARTS, st.just("x")), max_size=8)


@given(_FINDINGS, _FINDINGS, st.sampled_from(PRESETS))
def test_a_further_finding_never_makes_a_host_healthier(
    some: list[Finding], more: list[Finding], preset: str
) -> None:
    """The worst wins on each way up."""
    thresholds = MonitoringSettings(preset=preset).thresholds  # type: ignore[arg-type]
    snapshot = Snapshot(1.0, (running(),))
    fewer, all_ = (assess(snapshot, thresholds, found) for found in (some, some + more))
    assert all_.health >= fewer.health
    assert all_.is_ready <= fewer.is_ready
