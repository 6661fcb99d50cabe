"""Run a component's class under plain pytest: no WebAssembly, no build, milliseconds.

    from airswasm.component.testing import run

    def test_it_greets_and_counts():
        with run(Counter) as component:
            assert component.send("world").text == "Hello, world! You are number 1."
            assert component.published[-1].topic == "greetings"

The grants, the settings and the name are those of the Component.toml beside the class, so a
capability that it lacks is denied here, too. `airswasm.sdk.testing.run_component` runs the built
component the same way: a suite can run against both.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ._definition import Definition, definition_of
from ._host import Envelope
from ._logging import logging_to_host
from ._memory_host import FUNCTIONS, MemoryHost
from ._records import (
    LogLine,
    Published,
    Refusal,
    Reply,
    ScheduledSend,
    SentMessage,
    check_function,
)
from ._service import Refused, Service
from .errors import HostError

__all__ = (
    "Answer",
    "LogLine",
    "MemoryHost",
    "Published",
    "Refusal",
    "Reply",
    "RunningClass",
    "ScheduledSend",
    "SentMessage",
    "check_function",
    "run",
)

_MANIFEST = "Component.toml"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one message.

    Attributes:
        payload: The reply; None for an acknowledgement without one.
    """

    payload: bytes | None

    @property
    def text(self) -> str:
        """The reply as UTF-8 text; empty when there is none."""
        return (self.payload or b"").decode()


class RunningClass:
    """A component's class that runs over a `MemoryHost`; made by `run`.

    Attributes:
        host: The double of the host.
        published: Messages that it published, oldest first.
        sent: Messages that it sent, requested and called, oldest first.
        logs: Lines that it logged, oldest first.
        subscriptions: The patterns of its subscriptions.
        timers: Timers that wait, oldest first.
        denials: The denials that it got.
    """

    def __init__(self, definition: Definition, host: MemoryHost, config: str) -> None:
        self.host = host
        self._definition, self._config = definition, config
        self._service: Service | None = None
        self._count = 0
        self.published, self.sent, self.logs = host.published, host.sent, host.logs
        self.subscriptions, self.timers, self.denials = (
            host.subscriptions, host.timers, host.denials,
        )  # fmt: skip

    @property
    def instance(self) -> object:
        """The object of the component's class."""
        return self._running.instance

    def start(self) -> None:
        """Start an incarnation.

        Raises:
            Refusal: `init` refused.
        """
        self.host.end_incarnation()
        service = Service(self._definition, self.host)
        with _refusals():
            service.init(self._config)
        self._service = service

    def stop(self) -> None:
        """End the incarnation; what is stored stays."""
        service, self._service = self._service, None
        if service is not None:
            service.shutdown()

    def restart(self) -> None:
        """Stop and start it."""
        self.stop()
        self.start()

    def migrate(self, from_version: str) -> None:
        """Call its migration, as at the first start of a new version.

        Raises:
            Refusal: It refused.
        """
        with _refusals():
            self._running.migrate(from_version)

    def check(self) -> None:
        """Check its health.

        Raises:
            Refusal: It is unhealthy.
        """
        with _refusals():
            self._running.check()

    def send(
        self, payload: bytes | str = b"", *, sender: str = "host", topic: str | None = None
    ) -> Answer:
        """Deliver one message and return the answer.

        Raises:
            Refusal: It refused the message.
        """
        content = payload.encode() if isinstance(payload, str) else payload
        self._count += 1
        name = f"message-{self._count}"
        self.host.in_hand = Envelope(name, name)
        try:
            with _refusals():
                return Answer(self._running.handle(sender, topic, content))
        finally:
            self._deliver_outcomes()
            self.host.in_hand = None

    def publish(
        self, topic: str, payload: bytes | str = b"", *, sender: str = "test/publisher"
    ) -> Answer:
        """Deliver one published message."""
        return self.send(payload, sender=sender, topic=topic)

    def advance(self, seconds: float) -> None:
        """Let time pass: keys expire, and timers send what is due, in their order.

        A message to another component is recorded in `sent`. What the component refuses of its own
        timers is in its log.
        """
        end = self.host.now + round(seconds * 1000)
        while True:
            waiting = [(self.host.due[each.id], each.id, each) for each in self.timers]
            due, _, timer = min(waiting, default=(end + 1, 0, None), key=lambda each: each[:2])
            if timer is None or due > end:
                break
            self.host.now = due
            if timer.repeats:
                self.host.due[timer.id] = due + max(1, timer.milliseconds)
            else:
                self.host.cancel_timer(timer.id)
            self._fire(timer)
        self.host.now = end

    def fail(self, function: str, error: HostError | None) -> None:
        """Let a function of the host fail until it is called with None: `storage.set`.

        Raises:
            ValueError: The host has no such function.
        """
        check_function(function, FUNCTIONS)
        if error is None:
            self.host.faults.pop(function, None)
        else:
            self.host.faults[function] = error

    def stored(self, key: str) -> bytes | None:
        """Return the value that it stored under a key."""
        value, until = self.host.data.get(key, (None, None))
        return value if until is None or until > self.host.now else None

    def store(self, key: str, value: bytes) -> None:
        """Put a value into its storage, as preparation."""
        self.host.data[key] = (value, None)

    @property
    def _running(self) -> Service:
        assert self._service is not None, "the component was stopped: call start()"
        return self._service

    def _fire(self, timer: ScheduledSend) -> None:
        if timer.target != self.host.name:
            self.sent.append(SentMessage("send", timer.target, timer.payload))
            return
        try:
            self.send(timer.payload, sender=self.host.name)
        except Refusal as refused:
            self.logs.append(LogLine("error", f"a timer's message was refused: {refused.text}"))

    def _deliver_outcomes(self) -> None:
        while self.host.outcomes and self._service is not None:
            request_id = next(iter(self.host.outcomes))
            outcome = self.host.outcomes.pop(request_id)
            error = outcome if isinstance(outcome, HostError) else None
            payload = None if isinstance(outcome, HostError) else outcome
            self._service.callback(request_id, payload, error)


@contextmanager
def run(
    component: object,
    *,
    name: str | None = None,
    config: Mapping[str, object] | None = None,
    capabilities: Mapping[str, Sequence[str]] | None = None,
    replies: Mapping[str, Reply] | None = None,
) -> Generator[RunningClass]:
    """Run a component's class, function or module over a double of the host.

    Args:
        component: The class under `@component`, or the module.
        name: Its name; by default that of the Component.toml beside the class.
        config: Its settings; by default `[config]` of that file.
        capabilities: What it may do; by default `[capabilities]` of that file. Everything where
            there is no such file.
        replies: The answers of other components, by their names.

    Raises:
        DefinitionError: It is no component.
        Refusal: Its start failed.
    """
    manifest = _manifest_beside(component)
    granted = _granted(manifest) if capabilities is None else capabilities
    chosen = name or str(manifest.get("component", {}).get("name", "local/component"))
    host = MemoryHost(chosen, granted, replies)
    settings = manifest.get("config", {}) if config is None else config
    running = RunningClass(definition_of(component), host, json.dumps(settings, default=str))
    with logging_to_host():
        running.start()
        yield running
        running.stop()


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except Refused as refused:
        refusal = Refusal(f"the component answered with an error: {refused}")
        refusal.text = str(refused)
        raise refusal from refused.__cause__


def _manifest_beside(component: object) -> dict[str, dict[str, object]]:
    try:
        file = Path(inspect.getfile(component)).parent / _MANIFEST  # type: ignore[arg-type]
    except (TypeError, OSError):
        return {}
    import tomllib  # every command imports this module, for the base of an error

    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _granted(manifest: Mapping[str, Mapping[str, object]]) -> dict[str, Sequence[str]] | None:
    if not manifest:
        return None
    granted: dict[str, Sequence[str]] = {}
    for domain, verbs in manifest.get("capabilities", {}).items():
        named = cast("Mapping[str, Sequence[str]]", verbs)
        granted |= {f"{domain}.{verb}": patterns for verb, patterns in named.items()}
    return granted
