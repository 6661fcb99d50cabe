"""Run a built component for tests that are not async."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path

from airswasm.component import HostError
from airswasm.component.testing import Reply
from anyio.from_thread import BlockingPortal, start_blocking_portal

from ._harness import Answer, ComponentHarness

__all__ = ("RunningComponent", "run_component")


class RunningComponent:
    """A harness for tests that are not async; made by `run_component`."""

    def __init__(self, harness: ComponentHarness, portal: BlockingPortal) -> None:
        self._harness = harness
        self._portal = portal
        self.manifest = harness.manifest
        self.published = harness.published
        self.timers = harness.timers
        self.sent = harness.sent
        self.logs = harness.logs
        self.subscriptions = harness.subscriptions
        self.denials = harness.denials

    def send(
        self, payload: bytes | str = b"", *, sender: str = "host", topic: str | None = None
    ) -> Answer:
        """Deliver one message; see `ComponentHarness.send`."""
        return self._portal.call(partial(self._harness.send, payload, sender=sender, topic=topic))

    def publish(self, topic: str, payload: bytes | str = b"") -> Answer:
        """Deliver one published message."""
        return self._portal.call(self._harness.publish, topic, payload)

    def restart(self) -> None:
        """Stop and start it; its stored data stays."""
        self._portal.call(self._harness.restart)

    def call(self, path: str, *arguments: object) -> object:
        """Call a function that the component exports of its own; see `ComponentHarness.call`."""
        return self._portal.call(self._harness.call, path, *arguments)

    def check(self) -> None:
        """Check its health; see `ComponentHarness.check`."""
        self._portal.call(self._harness.check)

    def advance(self, seconds: float) -> None:
        """Let time pass; see `ComponentHarness.advance`."""
        self._portal.call(self._harness.advance, seconds)

    def fail(self, function: str, error: HostError | None) -> None:
        """Let a function of the host fail; see `ComponentHarness.fail`."""
        self._harness.fail(function, error)

    def migrate(self, from_version: str) -> None:
        """Call `migrate`, as at the first start of a new version."""
        self._portal.call(self._harness.migrate, from_version)

    def stored(self, key: str) -> bytes | None:
        """Return the value that it stored under a key."""
        return self._portal.call(self._harness.storage.get, key)

    def store(self, key: str, value: bytes) -> None:
        """Put a value into its storage, as preparation."""
        self._portal.call(self._harness.storage.set, key, value)


@contextmanager
def run_component(
    project: str | PathLike[str],
    *,
    replies: Mapping[str, Reply] | None = None,
    config: str | None = None,
    cache_folder: Path | None = None,
) -> Generator[RunningComponent]:
    """Run a built component for tests that are not async; see `ComponentHarness`."""
    harness = ComponentHarness(project, replies=replies, config=config, cache_folder=cache_folder)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(harness):
        yield RunningComponent(harness, portal)
