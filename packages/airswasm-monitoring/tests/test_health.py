"""When something is a finding, and how bad the whole is."""

from __future__ import annotations

import pytest
from airswasm.monitoring import ComponentSample, Severity, Snapshot, Thresholds, assess
from hypothesis import given
from hypothesis import strategies as st


def running(**figures: object) -> ComponentSample:
    return ComponentSample("a/b", "running", 0.0, mailbox_capacity=100, **figures)  # type: ignore[arg-type]


def test_a_host_at_rest_is_ok() -> None:
    """Nothing to say about a component that runs."""
    report = assess(Snapshot(100.0, (running(),)))
    assert (report.severity, report.findings) == (Severity.OK, ())


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (ComponentSample("a/b", "given_up", 0.0, failures=4, last_error="Trapped: x"), "given up"),
        (running(failures=1, last_failure_at=90.0, last_error="Trapped: x"), "failed 1 times"),
        (running(mailbox_size=3, oldest_message_age=31.0), "waited for 31 s"),
        (running(mailbox_size=91), "91 of 100 messages"),
        (running(mailbox_bytes=10, mailbox_capacity_bytes=11), "10 of 11 bytes in its mailbox"),
    ],
)
def test_findings_name_component_and_remedy(sample: ComponentSample, text: str) -> None:
    """Each finding says who, what, and what to do; the host goes on."""
    report = assess(Snapshot(100.0, (sample,)))
    (finding,) = report.findings
    assert finding.subject == "a/b"
    assert text in finding.text
    assert finding.hint
    assert report.severity is Severity.DEGRADED


def test_an_old_failure_is_no_news() -> None:
    """A failure stops being a finding after `recent_failure` seconds."""
    sample = running(failures=1, last_failure_at=90.0)
    assert assess(Snapshot(149.0, (sample,))).total == 1
    assert assess(Snapshot(150.0, (sample,))).total == 0
    assert assess(Snapshot(91.0, (sample,)), Thresholds(recent_failure=0.5)).total == 0


def test_a_store_that_cannot_write_fails_the_host() -> None:
    """Without storage nothing is acknowledged, so the host is failing, and that comes first."""
    full = Snapshot(1.0, (running(mailbox_size=99),), storage_failure="no space left on device")
    report = assess(full)
    assert report.severity is Severity.FAILING
    assert [finding.subject for finding in report.findings] == ["storage", "a/b"]


@given(st.lists(st.integers(0, 100), max_size=300))
def test_the_report_is_bounded(sizes: list[int]) -> None:
    """However many findings there are, a hundred are shown and all are counted."""
    samples = tuple(running(mailbox_size=size) for size in sizes)
    report = assess(Snapshot(1.0, samples))
    assert report.total == sum(size > 90 for size in sizes)
    assert len(report.findings) == min(100, report.total)
