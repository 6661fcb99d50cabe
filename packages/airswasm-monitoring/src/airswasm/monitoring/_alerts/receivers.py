"""Tell receivers of alerts: the difference to what each was told before.

There is no queue. A receiver is told the difference between the alerts that fire and those of which
it was told last, so that one that cannot be reached for a day costs nothing meanwhile, and is told
once and correctly when it can. What it was told is in the book, so a restart neither repeats nor
forgets. An alert that begins and ends between two attempts is not told; the audit log has it.

A receiver that fails is tried again after a second, then after twice as long each time up to five
minutes. One that refuses a notification for good (`400`) gets the next one only when something has
changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from airswasm.runtime import Finding, Health

from ..errors import NotificationFailed, WebhookKeyUnreadable
from .settings import AlertSettings, Webhook
from .webhook import Sender, Signer, read_signer

__all__ = ("NOTIFICATION_OUTCOMES", "Notice", "Receivers")

NOTIFICATION_OUTCOMES = ("sent", "failed", "refused")

_log = logging.getLogger("airswasm.alerts")
_FIRST_SECONDS, _MOST_SECONDS = 1.0, 300.0
_AT_ONCE = 100
"""Alerts in one notification."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert that fires, as a receiver is told of it.

    Attributes:
        labels: All of its labels, those of the rule included.
        annotations: Its texts.
        severity: The rule's.
        starts_at: When it fired, in milliseconds since 1970.
        is_silent: Whether no receiver is to be told that it fires.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    severity: str
    starts_at: int
    is_silent: bool = False

    @property
    def fingerprint(self) -> str:
        """A short text for these labels."""
        text = json.dumps(dict(self.labels), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Receiver:
    """One receiver, and how it does."""

    webhook: Webhook
    failure: str = ""
    hint: str = ""
    has_no_key: bool = False
    refused: str = ""
    changed: anyio.Event = field(default_factory=anyio.Event)


class Receivers:
    """Tells receivers of alerts.

    Args:
        settings: The receivers.
        home: The folder that their files are relative to.
        told: What each was told last, by receiver and alert; it is changed in place.
        clock: Seconds since 1970.
        sender: Posts; by default as the settings say.

    Attributes:
        outcomes: How many notifications were `sent`, `failed`, and were `refused` for good.
    """

    def __init__(
        self,
        settings: AlertSettings,
        home: Path,
        told: dict[str, dict[str, Mapping[str, Any]]],
        clock: Callable[[], float],
        sender: Sender | None = None,
    ) -> None:
        self._home, self._told, self._clock = home, told, clock
        self._sender = sender or Sender(settings, home)
        self._receivers = [_Receiver(each) for each in settings.webhooks]
        for each in self._receivers:
            self._check_key(each)
        self._firing: dict[str, Notice] = {}
        self.outcomes = dict.fromkeys(NOTIFICATION_OUTCOMES, 0)
        for gone in told.keys() - {each.name for each in settings.webhooks}:
            del told[gone]

    def tell(self, notices: Iterable[Notice]) -> None:
        """Have receivers told that these alerts fire, and no others."""
        self._firing = {each.fingerprint: each for each in notices}
        for each in self._receivers:
            each.changed.set()

    def findings(self) -> Iterator[Finding]:
        """Iterate over the receivers that cannot be told."""
        for each in self._receivers:
            if each.has_no_key:  # an operator may have put it there
                self._check_key(each)
            if each.failure:
                yield Finding(
                    Health.DEGRADED, "alerts", f"a receiver cannot be told: {each.failure}",
                    each.hint,
                )  # fmt: skip

    async def run(self) -> None:
        """Tell receivers until cancelled, each in a task of its own."""
        async with anyio.create_task_group() as tasks:
            for each in self._receivers:
                if each.failure:
                    _log.warning("%s", each.failure)
                tasks.start_soon(self._serve, each)

    async def _serve(self, receiver: _Receiver) -> None:
        pause = _FIRST_SECONDS
        while True:
            await receiver.changed.wait()
            receiver.changed = anyio.Event()
            while (news := self._news(receiver)) and receiver.refused != _number(news):
                try:
                    await self._send(receiver, news)
                except (NotificationFailed, WebhookKeyUnreadable) as error:
                    self._note_failure(receiver, error, _number(news))
                    await anyio.sleep(pause)
                    pause = min(_MOST_SECONDS, pause * 2)
                else:
                    self.outcomes["sent"] += 1
                    receiver.failure = receiver.refused = ""
                    pause = _FIRST_SECONDS

    def _check_key(self, receiver: _Receiver) -> None:
        """Read the secrets of a receiver before the first alert needs them."""
        try:
            read_signer(receiver.webhook, self._home)
        except WebhookKeyUnreadable as error:
            receiver.has_no_key = True
            receiver.failure, receiver.hint = str(error), error.explanation.hint
        else:
            if receiver.has_no_key:
                receiver.has_no_key, receiver.failure = False, ""

    def _note_failure(
        self, receiver: _Receiver, error: NotificationFailed | WebhookKeyUnreadable, number: str
    ) -> None:
        is_final = isinstance(error, NotificationFailed) and error.is_final
        self.outcomes["refused" if is_final else "failed"] += 1
        if is_final:
            receiver.refused = number
        if receiver.failure != str(error):
            _log.warning("%s", error)
        receiver.failure, receiver.hint = str(error), error.explanation.hint
        receiver.has_no_key = isinstance(error, WebhookKeyUnreadable)

    def _news(self, receiver: _Receiver) -> list[dict[str, Any]]:
        """Return what a receiver does not know yet: what fires, and what does no more."""
        told = self._told.setdefault(receiver.webhook.name, {})
        wanted = receiver.webhook.severities
        firing = {
            key: each for key, each in self._firing.items() if not wanted or each.severity in wanted
        }
        fresh = [
            _alert(key, each)
            for key, each in firing.items()
            if key not in told and not each.is_silent
        ]
        over = [
            {**each, "status": "resolved", "endsAt": _time(int(self._clock() * 1_000))}
            for key, each in told.items()
            if key not in firing
        ]
        return [*fresh, *over][:_AT_ONCE]

    async def _send(self, receiver: _Receiver, news: Sequence[dict[str, Any]]) -> None:
        webhook = receiver.webhook
        # The secrets are read anew: an operator may have changed them.
        signer: Signer = read_signer(webhook, self._home)
        is_firing = any(each["status"] == "firing" for each in news)
        body: dict[str, object] = {
            "schema": "airswasm.alert-notification/1",
            "version": "4",
            "receiver": webhook.name,
            "status": "firing" if is_firing else "resolved",
            "groupKey": "airswasm",
            "truncatedAlerts": 0,
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "",
            "alerts": list(news),
        }
        content = json.dumps(body, ensure_ascii=False).encode()
        now = int(self._clock())
        await self._sender.post(webhook, content, signer=signer, number=_number(news), time=now)
        told = self._told[webhook.name]
        for each in news:
            if each["status"] == "firing":
                told[each["fingerprint"]] = each
            else:
                told.pop(each["fingerprint"], None)


def _alert(key: str, notice: Notice) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": dict(notice.labels),
        "annotations": dict(notice.annotations),
        "startsAt": _time(notice.starts_at),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": key,
    }


def _number(news: Sequence[Mapping[str, Any]]) -> str:
    """Return the id of a notification: the same for the same news."""
    parts = [[each["fingerprint"], each["status"], each["startsAt"]] for each in news]
    return f"msg_{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]}"


def _time(milliseconds: int) -> str:
    found = datetime.fromtimestamp(milliseconds / 1_000, tz=UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
