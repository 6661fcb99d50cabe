"""The alerts of a running host: states, what outlives a restart, silences, what is told where."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

import anyio
import pytest
from airswasm.actor import ActorSystem, Backoff, ChildSpec, SupervisorNode, SupervisorSpec
from airswasm.actor.errors import ActorFailed
from airswasm.monitoring import AlertRule, Alerts, AlertSettings, Monitor, StoredAlerts, Webhook
from airswasm.monitoring._alerts.history import Sample
from airswasm.monitoring.errors import AlertUnknown
from airswasm.security import AuditEvent, AuditUnavailable
from airswasm.storage import StorageError
from airswasm.storage.testing import MemoryStore
from anyio.lowlevel import checkpoint

pytestmark = pytest.mark.anyio

RULE = AlertRule(
    "Full", "used > 10", for_seconds=3600.0, clear=5.0, severity="critical",
    labels={"team": "shop"}, annotations={"summary": "{{ $labels.component }} has {{ $value }}"},
)  # fmt: skip
OFF = tuple(each.name for each in AlertSettings().all_rules)


class Clock:
    """The time of a host, and of the host after it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Figures:
    """The present samples of one metric, by component."""

    def __init__(self, **values: float) -> None:
        self.values = values

    async def take(self, names: Iterable[str]) -> Sequence[Sample]:
        assert "used" in names
        return [("used", (("component", name),), value) for name, value in self.values.items()]


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    async with MemoryStore() as opened:
        yield opened


class Lines:
    """An audit log in memory, which can fail."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.is_failing = False

    def record(self, event: AuditEvent) -> None:
        if self.is_failing:
            raise AuditUnavailable(Path("audit"), "no space left")
        self.events.append(event)


def alerts_of(
    figures: Figures,
    clock: Clock,
    *,
    rules: tuple[AlertRule, ...] = (RULE,),
    store: MemoryStore | None = None,
    lines: Lines | None = None,
) -> Alerts:
    settings = AlertSettings(off=OFF, rules=rules)
    return Alerts(
        settings, figures.take, home=Path(), store=store, audit=lines, clock=clock, monotonic=clock
    )  # fmt: skip


def states(alerts: StoredAlerts, name: str = "Full") -> dict[str, str]:
    return {each.labels["component"]: each.state for each in alerts.get(name).alerts}


async def test_an_alert_is_pending_fires_and_ends() -> None:
    """It fires after the rule's time, ends below the number to clear, and begins anew then."""
    figures, clock, lines = Figures(a=11.0, b=1.0), Clock(), Lines()
    alerts = alerts_of(figures, clock, lines=lines)
    await alerts.evaluate()
    assert states(alerts) == {"a": "pending"}
    assert alerts.get("Full").state == "pending"
    clock.now += 3599
    await alerts.evaluate()
    assert states(alerts) == {"a": "pending"}
    assert lines.events == []
    clock.now += 1
    await alerts.evaluate()
    (report,) = alerts.get("Full").alerts
    assert (report.state, report.since, report.fired_at) == ("firing", 1_000_000.0, 1_003_600.0)
    assert report.summary == "a has 11"
    (line,) = lines.events
    assert (line.kind, line.component, line.outcome) == ("alert", "a", "done")
    assert line.reason == "Full fires: a has 11"
    assert line.detail == {"rule": "Full", "state": "firing", "severity": "critical"}
    figures.values["a"] = 6.0
    clock.now += 15
    await alerts.evaluate()
    assert states(alerts) == {"a": "firing"}
    figures.values["a"] = 5.0
    clock.now += 15
    await alerts.evaluate()
    assert states(alerts) == {}
    assert lines.events[-1].detail["state"] == "inactive"
    figures.values["a"] = 6.0
    await alerts.evaluate()
    assert states(alerts) == {}


async def test_a_pending_alert_begins_anew_when_the_condition_did_not_hold() -> None:
    """One evaluation without it ends the time, also above the number to clear."""
    figures, clock = Figures(a=11.0), Clock()
    alerts = alerts_of(figures, clock)
    await alerts.evaluate()
    clock.now += 3000
    figures.values["a"] = 7.0
    await alerts.evaluate()
    figures.values["a"] = 11.0
    clock.now += 1000
    await alerts.evaluate()
    assert states(alerts) == {"a": "pending"}


async def test_an_hour_outlives_a_restart(store: MemoryStore) -> None:
    """What was pending goes on where it was; the time without a host does not count."""
    figures, clock = Figures(a=11.0), Clock()
    alerts = alerts_of(figures, clock, store=store)
    await alerts.evaluate()
    clock.now += 3000
    await alerts.evaluate()
    clock.now += 86_400  # a day without a host
    again = alerts_of(figures, clock, store=store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(again.run)
        await evaluated(again)
        assert states(again) == {"a": "pending"}
        clock.now += 599
        await again.evaluate()
        assert states(again) == {"a": "pending"}
        clock.now += 1
        await again.evaluate()
        assert states(again) == {"a": "firing"}
        tasks.cancel_scope.cancel()


async def evaluated(alerts: Alerts) -> None:
    """Wait until a host that has begun has evaluated its rules once."""
    with anyio.fail_after(10):
        while not alerts.evaluations:
            await checkpoint()


async def test_an_alert_does_not_end_because_the_host_began(store: MemoryStore) -> None:
    """Without the component yet, a firing alert stays for a minute; a new one is judged at once."""
    figures, clock = Figures(a=11.0), Clock()
    rule = AlertRule("Full", "used > 10")
    first = alerts_of(figures, clock, rules=(rule,), store=store)
    await first.evaluate()
    figures.values = {"b": 11.0}
    again = alerts_of(figures, clock, rules=(rule,), store=store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(again.run)
        await evaluated(again)
        assert states(again) == {"a": "firing", "b": "firing"}
        figures.values = {}
        clock.now += 15
        await again.evaluate()
        assert states(again) == {"a": "firing"}
        clock.now += 60
        await again.evaluate()
        assert states(again) == {}
        tasks.cancel_scope.cancel()


async def test_a_silence_hides_an_alert_from_the_log_and_not_from_the_list(
    caplog: pytest.LogCaptureFixture, store: MemoryStore
) -> None:
    """It is about one component or all, ends by itself, and has audit lines; so does its end."""
    figures, clock, lines = Figures(a=11.0, b=11.0), Clock(), Lines()
    rule = AlertRule("Full", "used > 10", annotations={"summary": "{{ $labels.component }} is it"})
    alerts = alerts_of(figures, clock, rules=(rule,), store=store, lines=lines)
    await alerts.silence("Full", 60, component="a", reason="known")
    caplog.set_level(logging.INFO, "airswasm.alerts")
    await alerts.evaluate()
    assert [each.getMessage() for each in caplog.records] == ["alert Full fires: b is it"]
    found = {each.labels["component"]: each.is_silenced for each in alerts.get("Full").alerts}
    assert found == {"a": True, "b": False}
    stored = await StoredAlerts.open(alerts.settings, store, clock=clock)
    assert stored.get("Full").silences == alerts.get("Full").silences
    assert (await stored.lift("Full", "b"), await stored.lift("Full", "a")) == (False, True)
    clock.now += 61
    assert alerts.get("Full").silences == ()
    assert not alerts.get("Full").alerts[0].is_silenced
    assert [each.kind for each in lines.events] == ["alert-silence", "alert", "alert"]


async def test_a_rule_that_is_unknown_is_refused_with_the_nearest() -> None:
    """A typing mistake does not silence nothing."""
    alerts = alerts_of(Figures(), Clock())
    with pytest.raises(AlertUnknown, match="did you mean Full"):
        alerts.get("Ful")
    with pytest.raises(AlertUnknown):
        await alerts.silence("Ful", 60)
    for seconds in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(ValueError, match="a silence lasts"):
            await alerts.silence("Full", seconds)


async def test_rules_change_while_the_host_runs() -> None:
    """The alerts of a rule that is gone are gone, and a new one is evaluated."""
    figures, clock = Figures(a=11.0), Clock()
    alerts = alerts_of(figures, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alerts.run)
        await evaluated(alerts)
        assert alerts.counts() == {"Full": {"pending": 1, "firing": 0}}
        other = AlertRule("Other", "used > 1")
        alerts.hold_to(AlertSettings(off=OFF, rules=(other,)))
        while alerts.counts() != {"Other": {"pending": 0, "firing": 1}}:
            await checkpoint()
        alerts.hold_to(AlertSettings(evaluate="off", rules=(other,)))
        assert {each.is_on for each in alerts.list()} == {False}
        tasks.cancel_scope.cancel()


async def test_a_store_or_a_log_that_fails_ends_nothing(store: MemoryStore) -> None:
    """The alerts stay in memory, the rules are evaluated, and the next write has all."""
    figures, clock, lines = Figures(a=11.0), Clock(), Lines()
    rule = AlertRule("Full", "used > 10")
    alerts = alerts_of(figures, clock, rules=(rule,), store=store, lines=lines)
    lines.is_failing = True
    with pytest.raises(AuditUnavailable):
        await alerts.evaluate()
    assert states(alerts) == {"a": "firing"}
    lines.is_failing = False
    clock.now += 15
    await alerts.evaluate()
    stored = await StoredAlerts.open(alerts.settings, store, clock=clock)
    assert states(stored) == {"a": "firing"}


async def test_rows_that_cannot_be_read_are_passed_over(store: MemoryStore) -> None:
    """Rather judge anew than not at all."""
    clock = Clock()
    space = store.namespace("airswasm-alerts", quota_bytes=2**20)
    rows = {"rule/Full": b"no json", "rule/Other": b'[{"labels": 1}]', "silence/x/": b"{}",
            "receiver/x": b"[1]", "seen": b"[]", "of/later": b"{}"}  # fmt: skip
    for key, value in rows.items():
        await space.set(key, value)
    stored = await StoredAlerts.open(AlertSettings(rules=(RULE,)), store, clock=clock)
    assert states(stored) == {}
    await store.aclose()
    with pytest.raises(StorageError):
        await StoredAlerts.open(AlertSettings(), store)


async def test_many_alerts_are_few_lines() -> None:
    """An evaluation in which all components fire has fifty lines, and one that counts the rest."""
    figures, lines = Figures(**{f"c{number}": 11.0 for number in range(1_200)}), Lines()
    alerts = alerts_of(figures, Clock(), rules=(AlertRule("Full", "used > 10"),), lines=lines)
    await alerts.evaluate()
    assert alerts.counts()["Full"]["firing"] == 1_000
    assert len(lines.events) == 51
    assert lines.events[-1].reason.startswith("950 more alerts")


class Failing:
    """An actor that fails at every message."""

    def __call__(self, message: object, context: object) -> None:
        raise ValueError("no")


async def test_the_default_rules_see_a_real_host() -> None:
    """A component that fails too often is an alert; its figures come from the metrics."""
    async with ActorSystem() as system:
        monitor = Monitor(system, alerts=AlertSettings())
        assert monitor.alerts is not None
        children = (ChildSpec("local/bad", Failing),)
        spec = SupervisorSpec(children=children, intensity=9, backoff=Backoff("immediate"))
        await SupervisorNode(system, spec).start()
        await monitor.alerts.evaluate()
        assert all(each.state == "inactive" for each in monitor.alerts.list())
        for _ in range(5):
            with pytest.raises(ActorFailed):
                await system.broker.ask("local/bad", b"x", timeout=5)
        await monitor.alerts.evaluate()
        assert states(monitor.alerts, "CrashLoop") == {"local/bad": "firing"}
        page = monitor.metrics.render().decode()
        assert 'airswasm_alerts{rule="CrashLoop",state="firing"} 1.0' in page
        monitor.close()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "no name"}, "no name of a rule"),
        ({"when": "used >"}, "character 7"),
        ({"for_seconds": -1.0}, "for_seconds"),
        ({"clear": 11.0}, "does not hold longer"),
        ({"when": "used == 1", "clear": 1.0}, "does not hold longer"),
        ({"labels": {"severity": "x"}}, "cannot be a label"),
        ({"labels": {"a": "{{ $value }}"}}, "fixed texts"),
        ({"annotations": {"summary": "{{ $labels }}"}}, "are replaced"),
        ({"annotations": {"summary": "{{ $value x"}}, "summary: a {{ is not closed"),
        ({"annotations": {"summary": "{{ $value }} of {{ $labels.a }"}}, "is not closed"),
        ({"annotations": {"summary": "x" * 501}}, "500 characters"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_work_says_why(change: dict[str, object], text: str) -> None:
    """The error names the key, or the place in the condition."""
    given = {"name": "Full", "when": "used > 10", **change}
    with pytest.raises(ValueError, match=text):
        AlertRule(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"interval_seconds": 0.5}, "interval_seconds"),
        ({"off": ("CrashLop",)}, "did you mean CrashLoop"),
        ({"rules": (RULE, RULE)}, "two rules"),
        ({"internal_networks": ("10.0.0.1/8",)}, "internal_networks"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_say_why(change: dict[str, object], text: str) -> None:
    """The error names the key."""
    with pytest.raises(ValueError, match=text):
        AlertSettings(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    ["http://a.example/", "https://", "https://u:p@a.example/", "https://a b/", "ftp://a/",
     "https://a.example:99999/", "https://ⓛocalhost/", "https://a\\@b/", "https://a%2e/",
     "file:///etc/passwd", "https://a.example:0/", "https:///x"],
)  # fmt: skip
def test_a_receiver_has_a_plain_https_address(url: str) -> None:
    """Everything that two readers might read differently is refused."""
    with pytest.raises(ValueError, match="url"):
        Webhook("hook", url)


def test_a_rule_of_the_same_name_takes_the_place_of_a_default() -> None:
    """An operator who wants another number writes one rule."""
    mine = AlertRule("CrashLoop", "increase(airswasm_component_restarts_total[10m]) > 30")
    settings = AlertSettings(rules=(mine,), off=("DiskFull",))
    names = [each.name for each in settings.all_rules]
    assert len(names) == len(set(names)) == len(AlertSettings().all_rules)
    assert mine in settings.rules_in_force
    assert "DiskFull" not in {each.name for each in settings.rules_in_force}
