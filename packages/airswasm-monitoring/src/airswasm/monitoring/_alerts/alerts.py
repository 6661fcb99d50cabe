"""The alerts of a running host: rules are evaluated, and what changes is told.

One task evaluates all rules, every few seconds, on samples of the metrics that they name. They are
those of /metrics, so a rule sees what Prometheus would. What fires or ends has an audit line and a
line in the program's log, and receivers are told (`receivers`).

Every part may fail without the others: a store that does not write leaves the alerts in memory, a
receiver that hangs has a task of its own, and a rule can do nothing but read.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias

import anyio
from airswasm.runtime import Finding, Health
from airswasm.security import AuditEvent, AuditSink, AuditUnavailable
from airswasm.storage import KeyValueStore, StorageError

from ..errors import AlertsOff, AlertUnknown
from .book import MOST_SILENCES, AlertBook, Silence
from .checking import KnownMetrics, mistakes_in
from .history import Labels, Sample, SampleHistory, windows_of
from .receivers import NOTIFICATION_OUTCOMES, Notice, Receivers
from .reporting import AlertsReport, RuleReport, report_rules, summary_of
from .rules import AlertRule, rendered
from .settings import AlertSettings
from .states import ALERT_STATES, ActiveAlert, next_alerts
from .webhook import Sender

__all__ = ("Alerts", "StoredAlerts", "TakeSamples")

TakeSamples: TypeAlias = Callable[[Iterable[str]], Awaitable[Sequence[Sample]]]
"""Returns the present samples of some metrics."""
_log = logging.getLogger("airswasm.alerts")
_SETTLE_SECONDS = 60.0
"""After a start, before an alert that is not seen any more is over."""
_MOST_LINES = 50
"""Audit lines of one evaluation, each for one alert; a last one counts the others."""


class StoredAlerts:
    """The alerts of a home, as its store has them; `open` makes one.

    Args:
        settings: The rules.
        book: What the store has.
        store: Where silences are written.
        audit: Gets a line of each change.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        settings: AlertSettings,
        book: AlertBook,
        *,
        store: KeyValueStore | None = None,
        audit: AuditSink | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._book = book
        self._store, self._audit, self._clock = store, audit, clock

    @classmethod
    async def open(
        cls,
        settings: AlertSettings,
        store: KeyValueStore | None,
        *,
        audit: AuditSink | None = None,
        clock: Callable[[], float] = time.time,
    ) -> StoredAlerts:
        """Read the alerts of a home in which no host runs.

        Raises:
            StorageError: The store cannot be read.
        """
        return cls(settings, await AlertBook.read(store), store=store, audit=audit, clock=clock)

    @property
    def evaluated_at(self) -> float | None:
        """When the rules were last evaluated, in seconds since 1970; None before."""
        return self._book.seen / 1_000 if self._book.seen else None

    def list(self) -> tuple[RuleReport, ...]:
        """Return all rules with their alerts."""
        return report_rules(self.settings, self._book, self._clock())

    def report(self) -> AlertsReport:
        """Return all rules, and when they were last evaluated."""
        return AlertsReport(self.evaluated_at, self.settings.evaluate == "on", self.list())

    def get(self, name: str) -> RuleReport:
        """Return one rule with its alerts.

        Raises:
            AlertUnknown: There is no such rule.
        """
        self._rule(name)
        return next(each for each in self.list() if each.name == name)

    async def silence(
        self, name: str, seconds: float, *, component: str = "", reason: str = ""
    ) -> Silence:
        """Tell no receiver of a rule's alerts for some time; another silence gives way.

        Args:
            name: The rule.
            seconds: For how long, from now.
            component: Only of alerts about this component; empty for all of the rule's.
            reason: Why, for the record.

        Raises:
            AlertUnknown: There is no such rule.
            AlertsOff: There are too many silences.
            ValueError: The time is none.
            AuditUnavailable, StorageError: It cannot be recorded.
        """
        if not 0 < seconds <= 366 * 86_400:
            raise ValueError("a silence lasts from a second to a year")
        self._rule(name)
        silence = Silence(name, component, self._clock() + seconds, reason[:500])
        self._book.drop_expired(self._clock())
        if len(self._book.silences) >= MOST_SILENCES:
            raise AlertsOff(f"one more than {MOST_SILENCES} silences")
        self._record("silence", silence, f"no receiver is told for {seconds:,.0f} s")
        self._book.silences[silence.key] = silence
        await self._write()
        return silence

    async def lift(self, name: str, component: str = "") -> bool:
        """Tell receivers of a rule's alerts again; return whether they were not told.

        Raises:
            AlertUnknown: There is no such rule.
            AuditUnavailable, StorageError: It cannot be recorded.
        """
        self._rule(name)
        self._book.drop_expired(self._clock())
        silence = self._book.silences.get(Silence(name, component).key)
        if silence is None:
            return False
        self._record("silence", silence, "receivers are told again")
        del self._book.silences[silence.key]
        await self._write()
        return True

    def _rule(self, name: str) -> AlertRule:
        rules = {each.name: each for each in self.settings.all_rules}
        if name not in rules:
            near = get_close_matches(name, rules, 1)
            raise AlertUnknown(name, f"; did you mean {near[0]}?" if near else "")
        return rules[name]

    def _record(self, kind: str, silence: Silence, text: str) -> None:
        if self._audit is not None:
            detail = {"rule": silence.rule, "reason": silence.reason}
            self._audit.record(
                AuditEvent(f"alert-{kind}", silence.component, "done", reason=text, detail=detail)
            )

    async def _write(self) -> None:
        if self._store is not None:
            await self._book.write(self._store)


class Alerts(StoredAlerts):
    """The alerts of a running host, among its services as `Alerts`.

    Args:
        settings: The rules and the receivers.
        take: Takes the samples that rules are evaluated on.
        home: The folder that the files of receivers are relative to.
        store: Keeps the alerts over a restart; None for none.
        audit: Gets a line of what fires and ends.
        clock: Seconds since 1970.
        monotonic: Seconds that only grow, by which rules are evaluated.
        sender: Posts to receivers; by default as the settings say.
        known: The metrics that rules may read; None checks no names.

    Attributes:
        evaluations: How many times this host has evaluated its rules.
    """

    def __init__(
        self,
        settings: AlertSettings,
        take: TakeSamples,
        *,
        home: Path,
        store: KeyValueStore | None = None,
        audit: AuditSink | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sender: Sender | None = None,
        known: KnownMetrics | None = None,
    ) -> None:
        super().__init__(settings, AlertBook(), store=store, audit=audit, clock=clock)
        self._take, self._home, self._sender = take, home, sender
        self._monotonic, self._began = monotonic, monotonic()
        self._offset = clock() - self._began
        self._history = SampleHistory(windows_of(each.condition for each in settings.all_rules))
        self._unseen: dict[str, set[Labels]] = {}
        self._known = known
        self._mistakes = self._find_mistakes()
        self.evaluations = 0
        self._failure = ""
        self._outcomes = dict.fromkeys(NOTIFICATION_OUTCOMES, 0)
        self._receivers = self._make_receivers()
        self._changed = anyio.Event()

    def hold_to(self, settings: AlertSettings) -> None:
        """Evaluate other rules, and tell other receivers, from now on."""
        self.settings = settings
        names = {each.name for each in settings.rules_in_force}
        for gone in self._book.alerts.keys() - names:
            del self._book.alerts[gone]
        self._history.look_back(windows_of(each.condition for each in settings.all_rules))
        self._receivers = self._make_receivers()
        self._mistakes = self._find_mistakes()
        self._changed.set()

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return the numbers of alerts of each rule in force, by state."""
        found: dict[str, dict[str, int]] = {}
        for rule in self.settings.rules_in_force:
            states = [each.state for each in self._book.alerts.get(rule.name, {}).values()]
            found[rule.name] = {state: states.count(state) for state in ALERT_STATES}
        return found

    def outcomes(self) -> Mapping[str, int]:
        """Return the numbers of notifications, by outcome."""
        return {**self._outcomes}

    def findings(self) -> Iterator[Finding]:
        """Iterate over what keeps operators from being told."""
        for rule, mistake in self._mistakes:
            yield Finding(
                Health.DEGRADED, "alerts", f"the rule {rule} cannot hold as it is meant: {mistake}",
                "correct [[alerts.rules]] in config.toml, then: airswasm reload; docs/metrics.md "
                "has the metrics and labels",
            )  # fmt: skip
        if self._failure:
            yield Finding(
                Health.DEGRADED, "alerts", f"rules cannot be evaluated: {self._failure}",
                "restart the host; if it stays, report it",
            )  # fmt: skip
        yield from self._receivers.findings()

    async def run(self) -> None:
        """Evaluate rules and tell receivers until cancelled."""
        with suppress(StorageError):  # it is judged anew
            self._book = await AlertBook.read(self._store)
            self._receivers = self._make_receivers()
        self._book.resume(self._now())
        self._unseen = {name: set(alerts) for name, alerts in self._book.alerts.items()}
        while True:
            self._changed = anyio.Event()
            for rule, mistake in self._mistakes:
                _log.warning("the rule %s cannot hold as it is meant: %s", rule, mistake)
            async with anyio.create_task_group() as tasks:
                if self.settings.evaluate == "on":
                    tasks.start_soon(self._receivers.run)
                    tasks.start_soon(self._evaluate_on)
                await self._changed.wait()
                tasks.cancel_scope.cancel()

    async def evaluate(self) -> None:
        """Evaluate all rules once, and tell of what has changed.

        Raises:
            Exception: What the samples, the store or the audit log raised. The next evaluation
                goes on from there.
        """
        samples = await self._take(self._history.metrics)
        now = max(self._now(), self._history.now + 1)
        self._history.add(now, samples)
        changes: list[tuple[AlertRule, ActiveAlert, bool]] = []
        for rule in self.settings.rules_in_force:
            changes += self._advance(rule)
        self._book.seen = now
        self._tell(changes)
        self._receivers.tell(self._notices())
        self.evaluations += 1
        self._record_changes(changes)
        await self._write()

    async def _evaluate_on(self) -> None:
        while True:
            try:
                await self.evaluate()
            except (StorageError, AuditUnavailable):
                pass  # the health report has both
            except Exception as error:  # a rule must not end the host
                if not self._failure:
                    _log.exception("alert rules cannot be evaluated")
                self._failure = f"{type(error).__name__}: {error}"
            else:
                self._failure = ""
            await anyio.sleep(self.settings.interval_seconds)

    def _find_mistakes(self) -> tuple[tuple[str, str], ...]:
        """Return what the operator's own rules in force name that no metric has."""
        own = {each.name for each in self.settings.rules}
        rules = [each for each in self.settings.rules_in_force if each.name in own]
        return () if self._known is None else tuple(mistakes_in(rules, self._known))

    def _advance(self, rule: AlertRule) -> list[tuple[AlertRule, ActiveAlert, bool]]:
        """Evaluate one rule; return which alerts fire now, and which do no more."""
        before = self._book.alerts.get(rule.name, {})
        settle = max(_SETTLE_SECONDS, rule.condition.window / 1_000)
        is_settled = self._monotonic() - self._began > settle
        unseen = set[Labels]() if is_settled else self._unseen.get(rule.name, set())
        after = next_alerts(rule, self._history, before, unseen=unseen)
        self._unseen[rule.name] = {each for each in unseen if after.get(each) is before.get(each)}
        self._book.alerts[rule.name] = after
        fired = [
            (rule, alert, True)
            for labels, alert in after.items()
            if alert.state == "firing" and _state(before, labels) != "firing"
        ]
        ended = [
            (rule, alert, False)
            for labels, alert in before.items()
            if alert.state == "firing" and labels not in after
        ]
        return fired + ended

    def _tell(self, changes: Iterable[tuple[AlertRule, ActiveAlert, bool]]) -> None:
        now = self._clock()
        for rule, alert, is_firing in changes if self.settings.log else ():
            if not self._book.is_silent(rule.name, dict(alert.labels), now):
                level = logging.WARNING if is_firing else logging.INFO
                _log.log(level, "alert %s", _change(rule, alert, is_firing=is_firing))

    def _record_changes(self, changes: Sequence[tuple[AlertRule, ActiveAlert, bool]]) -> None:
        if self._audit is None:
            return
        for rule, alert, is_firing in changes[:_MOST_LINES]:
            labels = dict(alert.labels)
            detail = {
                "rule": rule.name,
                "state": "firing" if is_firing else "inactive",
                "severity": rule.severity,
                **{key: text for key, text in labels.items() if key != "component"},
            }
            text = _change(rule, alert, is_firing=is_firing)
            component = labels.get("component", "")
            self._audit.record(AuditEvent("alert", component, "done", reason=text, detail=detail))
        more = len(changes) - _MOST_LINES
        if more > 0:
            text = f"{more:,} more alerts fired or ended at the same time"
            self._audit.record(AuditEvent("alert", "", "done", reason=text))

    def _notices(self) -> Iterator[Notice]:
        now = self._clock()
        for rule in self.settings.rules_in_force:
            for alert in self._book.alerts.get(rule.name, {}).values():
                if alert.fired_at is None:
                    continue
                labels = dict(alert.labels)
                yield Notice(
                    {**labels, **rule.labels, "alertname": rule.name, "severity": rule.severity},
                    {key: rendered(text, labels, alert.value)
                     for key, text in rule.annotations.items()},
                    rule.severity,
                    alert.fired_at,
                    self._book.is_silent(rule.name, labels, now),
                )  # fmt: skip

    def _make_receivers(self) -> Receivers:
        made = Receivers(
            self.settings, self._home, self._book.told, self._clock, sender=self._sender
        )
        made.outcomes = self._outcomes
        return made

    def _now(self) -> int:
        """Return the time of an evaluation, which does not go back with the clock."""
        return math.floor((self._offset + self._monotonic()) * 1_000)


def _state(alerts: Mapping[Labels, ActiveAlert], labels: Labels) -> str:
    return alerts[labels].state if labels in alerts else "inactive"


def _change(rule: AlertRule, alert: ActiveAlert, *, is_firing: bool) -> str:
    return f"{rule.name} {'fires' if is_firing else 'ended'}: {summary_of(rule, alert)}"
