"""Take config.toml over while the host runs: all of it, or nothing.

A reload reads the whole file, compares it with what is in force, has each part of the host check
what concerns it, writes the audit line, and then puts everything into force. Until then nothing has
changed, so a file with one mistake changes nothing. What cannot change in a running host keeps its
value, and the report says why.

Rejected: a watch on the file (an editor writes it in steps, and an operator wants to see the
answer), and a reload key by key (two keys can be valid together only).
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import anyio.to_thread
from airswasm.runtime import LiveSettings
from airswasm.security import AuditEvent, AuditUnavailable
from airswasm.storage import StorageError
from airswasm.wit import Blocks, Section, safe_text

from .._gates.settings import UpdateSettings, gate_problems
from .._home.configuration import Configuration, Setting, problems_at, read_configuration
from .._home.policy import mode_problems
from .._home.settings_lines import shown
from .._keeping.auditing import Auditing
from .._registry.history import History, HistoryEntry
from ..errors import ConfigurationInvalid

__all__ = ("ReloadReport", "Reloading", "SettingChange")

State = Literal["applied", "waiting", "overridden"]


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One key of config.toml that differs from what is in force, or that a variable overrides.

    Attributes:
        name: The full name, `limits.storage`.
        before: The value that was in force, as TOML; texts, lists and tables are not shown, for
            they may hold a secret.
        after: The value in the file.
        state: `applied`; `waiting` for the next start of the host; `overridden` by the environment.
        reason: Why it is not applied; for what is, what else is to be said, or nothing.
    """

    name: str
    before: str
    after: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """The effect of a reload.

    Attributes:
        file: The file that was read.
        changes: The keys that differ, sorted.
        is_dry_run: Whether nothing was put into force.
    """

    file: str
    changes: tuple[SettingChange, ...]
    is_dry_run: bool = False

    def in_state(self, state: State) -> tuple[SettingChange, ...]:
        """Return the changes in one state."""
        return tuple(each for each in self.changes if each.state == state)


class Reloading:
    """Reloads the settings of one running host.

    Attributes:
        now: The settings that are in force.
        upcoming: Those that a reload is about to put into force; `now` in between.

    Args:
        file: config.toml.
        now: See above.
        blocks: The blocks whose sections are known.
        live: The parts that take changes over.
        auditing: Records them.
        history: Tells people of them.
        put: Called with the settings that hold from now on.
    """

    def __init__(
        self,
        file: Path,
        now: Configuration,
        blocks: Blocks,
        live: LiveSettings,
        auditing: Auditing,
        history: History,
        put: Callable[[Configuration], None],
    ) -> None:
        self.now = self.upcoming = now
        self._file, self._blocks, self._live = file, blocks, live
        self._auditing, self._history, self._put = auditing, history, put
        self._listeners: tuple[Callable[[ReloadReport], None], ...] = ()
        self._turn = anyio.Lock()

    def listen(self, listener: Callable[[ReloadReport], None]) -> Callable[[], None]:
        """Show the report of each reload that changed something; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(each for each in self._listeners if each is not listener)

        return end

    async def reload(self, *, dry_run: bool = False) -> ReloadReport:
        """Take the file over, or say what that would do.

        Raises:
            ConfigurationInvalid: The file is wrong, or a part of the host refuses it.
            AuditUnavailable, StorageError: The change could not be recorded.
        """
        async with self._turn:
            try:
                report = await self._reload(dry_run=dry_run)
            except Exception as error:
                if not dry_run:
                    await self._note_failure(error)
                raise
            finally:
                self.upcoming = self.now
            if report.in_state("applied") and not dry_run:
                for listener in self._listeners:
                    listener(report)
            return report

    async def _reload(self, *, dry_run: bool) -> ReloadReport:
        text, wanted, in_file = await anyio.to_thread.run_sync(self._read)
        values = dict(self._reachable(wanted))
        self.upcoming = self.now.replaced(values.values())
        apply = self._prepared(text, values)
        report = ReloadReport(str(self._file), tuple(self._changes(wanted, in_file)), dry_run)
        if not dry_run and values:
            await self._auditing.note_reload(self.upcoming.settings())
            await self._tell(report.in_state("applied"))
            self.now = self.upcoming
            self._put(self.now)
            waits = [done for each in apply if inspect.isawaitable(done := each())]
            for each in waits:
                await cast("Awaitable[object]", each)
        return report

    def _read(self) -> tuple[str, Configuration, Mapping[str, Setting]]:
        """Read and check the file, as a host that starts now would; it may change meanwhile.

        Returns:
            Its text, what it would have in force, and the keys that it sets itself.
        """
        text, file = read_configuration(self._file), str(self._file)
        wanted = Configuration.parse(text, self._blocks, file=file, environment=os.environ)
        problems = [
            *mode_problems(wanted, file),
            *gate_problems(wanted.get(UpdateSettings), self._blocks.gates, file),
        ]
        findings = [((*each.key.split("."),), each.text) for each in problems]
        if findings:
            raise ConfigurationInvalid(file, problems_at(file, text, findings))
        return text, wanted, self._set_in(text)

    def _reachable(self, wanted: Configuration) -> Iterator[tuple[Section, object]]:
        """Iterate over the sections that change now, with the keys that must wait as they are.

        Raises:
            ConfigurationInvalid: The new values are invalid beside those that must wait.
        """
        present = dict(self.now.models())
        by_name = {section.name: value for section, value in present.items()}
        for section, value in wanted.models():
            before = by_name.get(section.name)
            if before is None or not self._takes(section, type(value)):
                continue
            kept = {key: getattr(before, key) for key in section.at_start}
            try:
                value = dataclasses.replace(cast("Any", value), **kept)
            except ValueError as error:
                text = f"{safe_text(error)}: {', '.join(kept)} holds until the next start"
                problems = problems_at(str(self._file), "", [((section.name,), text)])
                raise ConfigurationInvalid(str(self._file), problems) from error
            if value != before or self._has_file(value):
                yield section, value

    def _has_file(self, value: object) -> bool:
        """Return whether settings name a file of their own, which may have changed."""
        return bool(getattr(value, "file", ""))

    def _takes(self, section: Section, model: type) -> bool:
        return section.reads == "use" or (section.reads == "reload" and self._live.takes(model))

    def _prepared(self, text: str, values: Mapping[Section, object]) -> list[Callable[[], object]]:
        found: list[Callable[[], object]] = []
        for section, value in values.items():
            try:
                found += self._live.prepared([value])
            except ConfigurationInvalid:
                raise
            except Exception as error:  # the code of any package
                finding = ((section.name,), f"refused by a running host: {safe_text(error)}")
                problems = problems_at(str(self._file), text, [finding])
                raise ConfigurationInvalid(str(self._file), problems) from error
        return found

    def _changes(
        self, wanted: Configuration, in_file: Mapping[str, Setting]
    ) -> Iterator[SettingChange]:
        before = {each.name: each for each in self.now.settings()}
        sections = {section.name: section for section, _ in wanted.models()}
        models = {section.name: type(value) for section, value in wanted.models()}
        for after in wanted.settings():
            known, section = before.get(after.name), sections[after.section]
            variable = section.variable(after.key)
            written = in_file.get(after.name)
            if after.origin == variable and written is not None and written.value != after.value:
                wins = f"the variable {variable} of the host wins over the file"
                yield SettingChange(after.name, shown(after), shown(written), "overridden", wins)
            elif known is None:
                continue
            elif known.value == after.value and after.key == "file" and after.value != '""':
                read_again = "its file was read again"
                yield SettingChange(after.name, shown(known), shown(after), "applied", read_again)
            elif known.value != after.value:
                reason = self._reason_to_wait(section, after.key, models[after.section])
                state: State = "applied" if reason is None else "waiting"
                yield SettingChange(after.name, shown(known), shown(after), state, reason or "")

    def _reason_to_wait(self, section: Section, key: str, model: type) -> str | None:
        reason = section.reason_to_wait(key)
        if reason is None and section.reads == "reload" and not self._live.takes(model):
            return f"no part of this host takes [{section.name}] over while it runs"
        return reason

    def _set_in(self, text: str) -> Mapping[str, Setting]:
        """Return the keys that the file sets, whatever the environment says."""
        with suppress(ConfigurationInvalid):  # a variable makes up for a wrong value
            read = Configuration.parse(text, self._blocks)
            return {each.name: each for each in read.settings() if each.origin != "default"}
        return {}

    async def _tell(self, applied: Sequence[SettingChange]) -> None:
        if applied:
            detail = {each.name: f"{each.before} -> {each.after}" for each in applied}
            await self._history.add(HistoryEntry("", "reload", detail=detail))

    async def _note_failure(self, error: Exception) -> None:
        reason = f"not reloaded: {type(error).__name__}: {error}"[:500]
        with suppress(AuditUnavailable):
            self._auditing.log.record(AuditEvent("config", outcome="failed", reason=reason))
        with suppress(StorageError):
            await self._history.add(HistoryEntry("", "reload", "failed", reason=reason))
