"""Rules name metrics, labels and values that a scrape can have, or there is a finding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from airswasm.actor import ActorSystem
from airswasm.messaging import MessagingCounters
from airswasm.monitoring import AlertRule, AlertSettings, Monitor, TracingSettings
from airswasm.monitoring._alerts.checking import mistakes_in
from airswasm.monitoring._catalogue import known_metrics
from airswasm.runtime import Meters
from airswasm.wit import Metric
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.anyio

DECLARED = (
    Metric("component_denials_total", "Denials.", label="capability"),
    Metric("component_doors", "Doors.", "gauge"),
)
KNOWN = known_metrics(DECLARED)


def mistakes(when: str) -> list[str]:
    return [mistake for _, mistake in mistakes_in([AlertRule("Own", when)], KNOWN)]


@pytest.mark.parametrize("rule", AlertSettings().all_rules, ids=lambda rule: rule.name)
def test_rules_by_default_have_no_mistake(rule: AlertRule) -> None:
    assert list(mistakes_in([rule], KNOWN)) == []


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("airswasm_component_restart_total > 3", "did you mean airswasm_component_restarts_total?"),
        ("rate(airswasm_component_restarts[5m]) > 3", "airswasm_component_restarts_total?"),
        ('airswasm_messages_total{outcom="sent"} > 1', "no label outcom; did you mean outcome?"),
        ('airswasm_messages_total{outcome="send"} > 1', "'send'; did you mean sent?"),
        ('airswasm_dead_letters_total{reason!="stoped"} > 1', "'stoped'; did you mean stopped?"),
        ('airswasm_dead_letters_total{reason=~"cr.+|no"} > 1', ""),
        ('airswasm_dead_letters_total{reason=~"crush.*"} > 1', "no value like 'crush.*'"),
        ('airswasm_component_messages_total{outcome="trapped"} > 1', ""),
        ('airswasm_component_running{component="any/name"} > 1', ""),
        ('airswasm_component_denials_total{capability="any"} > 1', ""),
        ('airswasm_component_denials_total{capabilty="any"} > 1', "did you mean capability?"),
        ("airswasm_component_doors > 1", ""),
        ("airswasm_component_handling_seconds_count > 1", ""),
        ('airswasm_component_handling_seconds_bucket{le="0.1"} > 1', ""),
        ('airswasm_component_handling_seconds_bucket{le="0.2"} > 1', "no value '0.2'"),
        ("sum by (componen) (airswasm_component_running) > 1", "did you mean component?"),
        (
            "airswasm_component_running > 1 and on (componet) airswasm_component_doors > 1",
            "did you mean component?",
        ),
    ],
)
def test_a_misspelt_name_is_a_mistake_with_what_was_meant(when: str, said: str) -> None:
    found = mistakes(when)
    assert len(found) == bool(said)
    assert said in "".join(found)


async def test_every_sample_of_a_host_is_known() -> None:
    """The catalogue has each name, label and value that a scrape has."""
    async with ActorSystem() as system:
        meters = Meters(DECLARED)
        meters.add("component_denials_total", "local/a", label="storage")
        monitor = Monitor(
            system,
            meters=meters,
            messaging=MessagingCounters(),
            alerts=AlertSettings(),
            tracing=TracingSettings(sample=1.0),
        )
        system.receipts.listen(lambda _receipt: None)
        ref = system.spawn(lambda *_: None, name="local/a")
        await ref.send(b"")
        await ref.drain(5)
        text = monitor.metrics.render().decode()
        monitor.close()
    for name, labels in _samples(text):
        assert name in KNOWN
        assert labels.keys() <= KNOWN[name].keys() or name == "airswasm_build_info"
        for label, value in labels.items():
            values = KNOWN[name].get(label)
            assert values is None or value in values, (name, label, value)


def _samples(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample.name, sample.labels


async def test_a_mistake_is_a_finding_until_a_reload_corrects_it() -> None:
    wrong = AlertRule("Wrong", "airswasm_component_runing == 0")
    right = AlertRule("Wrong", "airswasm_component_running == 0")
    async with ActorSystem() as system:
        monitor = Monitor(system, alerts=AlertSettings(rules=(wrong,)))
        assert monitor.alerts is not None
        (finding,) = monitor.alerts.findings()
        assert "Wrong" in finding.text
        assert "did you mean airswasm_component_running?" in finding.text
        assert "airswasm reload" in finding.hint
        monitor.alerts.hold_to(AlertSettings(rules=(right,)))
        assert list(monitor.alerts.findings()) == []
        monitor.alerts.hold_to(AlertSettings(rules=(wrong,), off=("Wrong",)))
        assert list(monitor.alerts.findings()) == []
        monitor.close()
