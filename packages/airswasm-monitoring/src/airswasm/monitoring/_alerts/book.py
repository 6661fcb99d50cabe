"""The alerts and silences of all rules, in the host's store.

They lie in a namespace of the host's own, so that a backup has them, and an alert that has to hold
for an hour goes on where it was after a restart. The time in which no host ran does not count: what
no rule has looked at cannot be said to have held.

A row for each rule that has alerts, and one for each silence. A row that cannot be read is passed
over: it is better to judge anew than not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airswasm.storage import KeyValueStore, Namespace

from .history import Labels
from .states import ALERT_STATES, ActiveAlert, AlertState

__all__ = ("ALERTS_NAMESPACE", "MOST_SILENCES", "AlertBook", "Silence")

ALERTS_NAMESPACE = "airswasm-alerts"
"""Of the host's store. No slash: no component has this name."""
_QUOTA = 64 * 2**20
_RULE, _SILENCE, _RECEIVER = "rule/", "silence/", "receiver/"
_SEEN = "seen"
MOST_SILENCES = 1_000


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which no receiver is told of a rule's alerts.

    Attributes:
        rule: The rule.
        component: Only alerts about this component; empty for all of the rule's.
        until: Until when, in seconds since 1970.
        reason: Why, for others.
    """

    rule: str
    component: str = ""
    until: float = 0.0
    reason: str = ""

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{_SILENCE}{self.rule}/{self.component}"

    def covers(self, rule: str, labels: Mapping[str, str], now: float) -> bool:
        """Return whether no receiver is to be told of an alert."""
        is_about = not self.component or labels.get("component") == self.component
        return self.rule == rule and is_about and now < self.until


@dataclass(slots=True)
class AlertBook:
    """The alerts, silences and told receivers of one home, between two evaluations.

    Attributes:
        alerts: Those that are pending or firing, by rule.
        silences: By the keys of their rows.
        told: What each receiver was told last, by receiver and alert.
        seen: When the rules were last evaluated, in milliseconds since 1970; 0 before.
    """

    alerts: dict[str, dict[Labels, ActiveAlert]] = field(
        default_factory=dict[str, dict[Labels, ActiveAlert]]
    )
    silences: dict[str, Silence] = field(default_factory=dict[str, Silence])
    told: dict[str, dict[str, Mapping[str, Any]]] = field(
        default_factory=dict[str, dict[str, Mapping[str, Any]]]
    )
    seen: int = 0
    _written: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @classmethod
    async def read(cls, store: KeyValueStore | None) -> AlertBook:
        """Return what a store has.

        Raises:
            StorageError: It cannot be read.
        """
        book = cls()
        if store is None:
            return book
        async for entry in _space(store).entries():
            try:
                book._take(entry.key, json.loads(entry.value))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            book._written[entry.key] = entry.value
        return book

    def resume(self, now: int) -> None:
        """Let the time pass for which no rule was evaluated: what is pending waits as long anew."""
        away = max(0, now - self.seen)
        if self.seen:
            for alerts in self.alerts.values():
                for labels, alert in alerts.items():
                    if alert.state == "pending":
                        alerts[labels] = replace(alert, since=alert.since + away)

    async def write(self, store: KeyValueStore) -> None:
        """Write the rows that have changed.

        Raises:
            StorageError: They cannot be written.
        """
        rows = {
            **{f"{_RULE}{name}": _alert_rows(each.values())
               for name, each in self.alerts.items() if each},
            **{key: _bytes(asdict(each)) for key, each in self.silences.items()},
            **{f"{_RECEIVER}{name}": _bytes(each) for name, each in self.told.items()},
            _SEEN: _bytes({"at": self.seen}),
        }  # fmt: skip
        changes: dict[str, bytes | None] = {
            key: value for key, value in rows.items() if self._written.get(key) != value
        }
        changes.update(dict.fromkeys(self._written.keys() - rows.keys()))
        if changes:
            await _space(store).batch(changes)
            self._written = rows

    def is_silent(self, rule: str, labels: Mapping[str, str], now: float) -> bool:
        """Return whether no receiver is to be told of an alert at the moment."""
        return any(each.covers(rule, labels, now) for each in self.silences.values())

    def drop_expired(self, now: float) -> None:
        """Forget silences that have ended."""
        self.silences = {key: each for key, each in self.silences.items() if each.until > now}

    def _take(self, key: str, document: Any) -> None:
        if key.startswith(_RULE):
            alerts = [_alert(each) for each in document]
            self.alerts[key.removeprefix(_RULE)] = {each.labels: each for each in alerts}
        elif key.startswith(_SILENCE):
            self.silences[key] = Silence(**document)
        elif key.startswith(_RECEIVER):
            self.told[key.removeprefix(_RECEIVER)] = {**document}
        elif key == _SEEN:
            self.seen = int(document["at"])


def _space(store: KeyValueStore) -> Namespace:
    return store.namespace(ALERTS_NAMESPACE, quota_bytes=_QUOTA, has_batch_bounds=False)


def _bytes(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


def _alert_rows(alerts: Iterable[ActiveAlert]) -> bytes:
    # The value is not in it: it changes with each evaluation, and the state seldom does.
    return _bytes(
        [
            {"labels": dict(each.labels), "state": each.state, "since": each.since,
             "fired_at": each.fired_at}
            for each in alerts
        ]
    )  # fmt: skip


def _alert(document: Mapping[str, Any]) -> ActiveAlert:
    labels = tuple(sorted((str(key), str(text)) for key, text in document["labels"].items()))
    if document["state"] not in ALERT_STATES:
        raise ValueError(document["state"])
    state: AlertState = document["state"]
    return ActiveAlert(labels, state, int(document["since"]), document["fired_at"], float("nan"))
