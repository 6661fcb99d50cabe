"""Develop a project: watch it, build it, swap the build in, and talk to it.

The component runs in the harness of `airswasm.sdk.testing`: the real engine, limits and guard, a
store in memory, and stand-ins for other components. So nothing has to be installed or signed, no
host has to run, and what is stored survives a swap. A build, a manifest or a start that fails
leaves the earlier one running.

watchfiles tells of changes: it has the system's own notification on each platform, and is tested
there; polling would cost time in each second, and notice late.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from airswasm.component.testing import Reply
from airswasm.lifecycle import MANIFEST_NAME, Manifest, ManifestInvalid
from airswasm.wit import AirswasmError
from anyio.abc import TaskGroup, TaskStatus
from watchfiles import Change, DefaultFilter, awatch

from ._build import BuildProgress, build_project
from .errors import ArtifactMissing, BuildFailed, ComponentRefused, NotAProject
from .testing import ComponentHarness

__all__ = ("DevEvent", "develop")

_TICK = 0.05
_STEP_MILLISECONDS = 10
_HELP = (
    "a line is sent as a message; :publish TOPIC TEXT, :time SECONDS, :restart, :build, "
    ":stored KEY, :quit"
)


@dataclass(frozen=True, slots=True)
class DevEvent:
    """One event of a session.

    Attributes:
        kind: `building`, `built`, `failed`, `swapped`, `log`, `denied`, `published`, `sent`,
            `reply`, `refused`, `note`.
        text: One line or more, for people.
        detail: Fields, for programs.
    """

    kind: str
    text: str
    detail: Mapping[str, object] = field(default_factory=dict[str, object])


async def develop(
    folder: Path,
    report: Callable[[DevEvent], None],
    lines: AsyncIterable[str] | None = None,
    *,
    replies: Mapping[str, Reply] | None = None,
    timeout: float = 600.0,
) -> None:
    """Build a project, run it, and swap in each change; ends with the lines, or cancelled.

    Args:
        folder: The project.
        report: Called with each event.
        lines: What the user types: messages, and commands that begin with a colon.
        replies: Answers of other components, by their names.
        timeout: Seconds that one step of a build may take.

    Raises:
        NotAProject: The folder lacks a manifest.
        ManifestInvalid: It was wrong from the start.
    """
    if not await anyio.Path(folder, MANIFEST_NAME).is_file():
        raise NotAProject(folder, MANIFEST_NAME)
    Manifest.load(folder / MANIFEST_NAME)
    async with anyio.create_task_group() as group:
        session = _Session(folder, report, dict(replies or {}), timeout, group)
        group.start_soon(session.watch)
        try:
            await session.rebuild()
            group.start_soon(session.let_time_pass)
            if lines is None:
                await anyio.sleep_forever()
            else:
                await session.obey_all(lines)
        finally:
            session.end()
        group.cancel_scope.cancel()


class _Session:
    def __init__(
        self,
        folder: Path,
        report: Callable[[DevEvent], None],
        replies: Mapping[str, Reply],
        timeout: float,
        group: TaskGroup,
    ) -> None:
        self._folder, self._report, self._timeout = folder.absolute(), report, timeout
        self._replies, self._group = replies, group
        self._harness: ComponentHarness | None = None
        self._seen: dict[str, int] = dict.fromkeys(("logs", "denials", "published", "sent"), 0)
        self._builds = anyio.Lock()
        self._lock = anyio.Lock()  # one thing at a time happens to the component
        self._is_stopped = False
        self._ends = anyio.Event()

    async def watch(self) -> None:
        """Rebuild after each change, until cancelled."""
        async for changes in awatch(
            self._folder,
            watch_filter=_Sources(self._folder),
            step=_STEP_MILLISECONDS,
            stop_event=self._ends,
        ):
            names = sorted({str(Path(path).relative_to(self._folder)) for _, path in changes})
            await self.rebuild(", ".join(names))

    async def let_time_pass(self) -> None:
        """Let the component's timers follow the clock, until cancelled."""
        last = time.monotonic()
        while True:
            await anyio.sleep(_TICK)
            now = time.monotonic()
            if self._harness is not None and self._harness.timers:
                await self._do(partial(self._harness.advance, now - last))
            last = now

    async def rebuild(self, why: str = "") -> None:
        """Build, and swap the build in."""
        async with self._builds:
            await self._build_and_swap(why)

    async def _build_and_swap(self, why: str) -> None:
        started = time.monotonic()
        self._say("building", why or str(self._folder.name), changed=why)
        build = partial(build_project, self._folder, self._go_on, timeout=self._timeout)
        try:
            artifact = await anyio.to_thread.run_sync(build, abandon_on_cancel=True)
        except (AirswasmError, OSError) as error:
            self._say_failure(error)
            return
        except BaseException:
            self._is_stopped = True  # ends the tool that is running
            raise
        size = f"{artifact.size_bytes:,} bytes"
        self._say("built", f"{size} in {artifact.seconds:.2f} s", seconds=artifact.seconds,
                  size_bytes=artifact.size_bytes)  # fmt: skip
        async with self._lock:
            await self._swap(started)

    def end(self) -> None:
        """Let the watching end, and the component stop."""
        self._is_stopped = True
        self._ends.set()

    async def obey_all(self, lines: AsyncIterable[str]) -> None:
        """Obey each line, up to `:quit` or the last."""
        async for line in lines:
            if line.strip() == ":quit":
                return
            await self.obey(line)

    async def obey(self, line: str) -> None:
        """Send a line as a message, or do what it commands."""
        command, _, rest = line.rstrip("\n").partition(" ")
        harness = self._harness
        if harness is None:
            self._say("note", "there is no build that runs yet")
        elif not command.startswith(":"):
            await self._do(partial(self._send, harness, line.rstrip("\n")))
        elif command == ":publish":
            topic, _, payload = rest.partition(" ")
            await self._do(partial(self._send, harness, payload, topic))
        elif command == ":time" and rest.replace(".", "", 1).isdigit():
            await self._do(partial(harness.advance, float(rest)))
        elif command == ":restart":
            await self._do(harness.restart)
        elif command == ":build":
            await self.rebuild()
        elif command == ":stored":
            value = await harness.storage.get(rest)
            self._say("note", "nothing" if value is None else value.decode(errors="replace"))
        else:
            self._say("note", _HELP)

    async def _swap(self, started: float) -> None:
        try:
            if self._harness is None:
                harness = ComponentHarness(self._folder, replies=self._replies)
                await self._group.start(self._keep, harness)
                self._harness = harness
            else:
                await self._harness.swap()
        except (AirswasmError, OSError) as error:
            self._tell_what_happened()
            self._say_failure(error)
            return
        seconds = time.monotonic() - started
        name = f"{self._harness.manifest.name} {self._harness.manifest.version}"
        self._say("swapped", f"{name} runs, {seconds:.2f} s after the change", seconds=seconds)
        self._tell_what_happened()

    async def _keep(self, harness: ComponentHarness, *, task_status: TaskStatus[None]) -> None:
        """Run the harness in a task of its own, which outlives the build that started it."""
        with anyio.CancelScope(shield=True):  # it ends in order, also after Ctrl-C
            async with harness:
                task_status.started()
                await self._ends.wait()
        self._tell_what_happened()

    async def _do(self, work: Callable[[], Any]) -> None:
        async with self._lock:
            try:
                await work()
            except AirswasmError as error:
                self._tell_what_happened()
                kind = "refused" if isinstance(error, ComponentRefused) else "failed"
                text = error.text if isinstance(error, ComponentRefused) else str(error)
                self._say(kind, text, error=type(error).__name__)
            self._tell_what_happened()

    async def _send(self, harness: ComponentHarness, text: str, topic: str | None = None) -> None:
        answer = await harness.send(text, topic=topic)
        self._tell_what_happened()
        reply = "handled" if answer.payload is None else answer.payload.decode(errors="replace")
        self._say("reply", f"{reply}  ({answer.fuel:,} fuel)", fuel=answer.fuel, reply=reply)

    def _tell_what_happened(self) -> None:
        """Report what the component did since the last time."""
        harness = self._harness
        if harness is None:
            return
        for line in self._new("logs", harness.logs):
            self._say("log", f"{line.level}: {line.message}", level=line.level)
        for event in self._new("denials", harness.denials):
            capability = event.capability.replace(":", ".")
            asked = (*harness.manifest.capabilities.get(capability, ()), event.resource)
            to_add = f"{capability} = {json.dumps(asked, ensure_ascii=False)}"
            text = f"{capability} on {event.resource!r}; in [capabilities]: {to_add}"
            self._say("denied", text, capability=capability, resource=event.resource, line=to_add)
        for each in self._new("published", harness.published):
            self._say("published", f"{each.topic}: {each.payload.decode(errors='replace')}",
                      topic=each.topic)  # fmt: skip
        for each in self._new("sent", harness.sent):
            text = f"{each.kind} to {each.target}: {each.payload.decode(errors='replace')}"
            self._say("sent", text, target=each.target)

    def _new(self, name: str, found: list[Any]) -> list[Any]:
        seen, self._seen[name] = self._seen[name], len(found)
        return found[seen:]

    def _go_on(self, _progress: BuildProgress) -> None:
        if self._is_stopped:
            raise KeyboardInterrupt

    def _say_failure(self, error: Exception) -> None:
        texts = [str(error)]
        if isinstance(error, BuildFailed):
            texts = [str(each) for each in error.diagnostics] or texts
        elif isinstance(error, ManifestInvalid):
            texts = [str(each) for each in error.problems] or texts
        if self._harness is not None and not isinstance(error, ArtifactMissing):
            texts.append("the earlier build goes on")
        self._say("failed", "\n".join(texts), error=type(error).__name__)

    def _say(self, kind: str, text: str, **detail: object) -> None:
        self._report(DevEvent(kind, text, detail))


class _Sources(DefaultFilter):
    """The files that a build reads, without those that it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        artifact = Manifest.load(folder / MANIFEST_NAME).build.artifact
        written = {Path(artifact).parts[0], "bindings", "tests", "component.sig"}
        self._written = {str(folder / each) for each in written}

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether a change is one of the sources."""
        is_written = any(path == each or path.startswith(f"{each}/") for each in self._written)
        is_hidden = Path(path).name.startswith(".")
        return not is_written and not is_hidden and super().__call__(change, path)
