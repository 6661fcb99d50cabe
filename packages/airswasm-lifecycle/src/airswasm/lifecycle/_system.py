"""The operations on one open home.

A home has three modes:

- `online` hosts the components;
- `offline` changes what is installed and runs nothing: an install without a host;
- `readonly` takes no lock, changes nothing, and works beside a running host.

`System` is a facade: it says which operations a mode allows, serialises the changes of one name,
and delegates the rest to `installing`, `updating`, `trusting`, `running` and `_reporting`. The
messages to components are in `_talking`, and the reports on them in `_looking`. Nothing here is
global: two `System`s in one process, with two homes, do not know of each other.

Every change follows one order: decide (`plan`), check that it can run, ask for approval, write the
audit line, stage the files, and then write atomically to the registry: that write is the change.
Before it, only files exist to which no record refers; after it, every further step can be repeated.
So there is no journal of intents.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
from airswasm.runtime import (
    ProgressSink,
)
from airswasm.security import (
    AuditEvent,
    AuditUnavailable,
    SecuritySettings,
)
from airswasm.storage import (
    Store,
)
from airswasm.wit import AirswasmError, Forbidden, safe_text

from ._changes.editing import edit_configuration
from ._changes.granting import Granting
from ._changes.installing import read_source, target_name
from ._changes.reloading import ReloadReport
from ._changes.swapping import SwapState, read_build
from ._changes.trusting import Trusting
from ._composition import Mode
from ._home.configuration import Setting
from ._hosting.component_timers import ComponentTimers
from ._hosting.dead_letter_queue import DeadLetterQueue
from ._keeping.artifacts import ArtifactChanges, Artifacts
from ._keeping.audit_trail import AuditTrail
from ._keeping.backup import backup_home
from ._looking import Looking
from ._packages.package import Package
from ._reader import HomeReader
from ._registry.approval import Approve
from ._registry.data_plan import DataChoice
from ._registry.history import History, Outcome, reason_without
from ._registry.info import ComponentInfo
from ._registry.origins import HOST, acting
from ._registry.plan import InstallPlan
from ._talking import Talking
from ._trial.desk import RecordedMessages
from .errors import (
    ApprovalRefused,
    SettingsGiven,
)

__all__ = ("Mode", "System")


class System(Talking, Looking):
    """One open home; an async context manager.

    Leaving the block stops every component in order, each within its shutdown time. A cancel ends
    them at once, as a crash would: acknowledged changes survive.

    Attributes:
        home: The layout of the home.
        blocks: The installed blocks.
        configuration: The settings of all blocks.
        policy: The most that components may have.
        sources: Where packages may come from.
        logs: The logs of all components.
        services: The objects that installed blocks receive.
        observers: The observers of installed blocks, by entry point.

    Args:
        home: The home, or its folder.
        mode: `online`, `offline` or `readonly`; see the module.
        configuration: Replaces the home's config.toml and the environment.
        blocks: Replaces the installed ones; `Blocks.find().joined(…)` adds to them.
        engine: Sizes and slices, instead of the policy's; the cache is always the home's.
        starts: Whether an online system starts its components as it opens; otherwise the caller
            does so with `start_all`, after its own preparations.
        clock: Returns the seconds since 1970.
        checkpoint: Called with the name of each step that a crash may separate from the next;
            fault-injection tests stop the process there.
    """

    # -- opening and closing -----------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            if self.mode == "readonly":
                await self._open_readonly(self._stack)
            else:
                await self._open(self._stack)
            if self.mode == "online":
                self._running.expect_all()
                if self._starts:
                    await self.start_all()
        except BaseException:
            await self._stack.aclose()
            raise
        self._started_at = time.monotonic()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Leave in order even after the body failed, and let its error pass unchanged: the task
        # groups inside would wrap it.
        await self._stack.aclose()

    def _add_services(self, store: Store) -> None:
        self.services.add(System, self)
        super()._add_services(store)

    # -- changing what is installed ------------------------------------------------------------

    async def install(
        self,
        source: Package | os.PathLike[str] | str,
        *,
        name: str | None = None,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
        start: bool = True,
    ) -> ComponentInfo:
        """Install a component, and start it if the system is online.

        Args:
            source: The package, its path, or the text of another source (docs/sources.md).
            name: A name other than the package's own, to run it twice.
            approve: Called with the plan; without it, nothing is approved.
            progress: Called during the compilation.
            start: False installs the component as stopped.

        Returns:
            The installed component.

        Raises:
            LifecycleError, SecurityError, ContractViolation, EngineError: The install failed;
                nothing changed.
        """
        self._need_writable("install")
        package = await read_source(source, self.policy, self.kinds, self.sources)
        target = target_name(name, package)
        async with self._alone(target), self._recorded("install", target, package):
            await self._forgetting.finish(target)
            await self._installing.install(package, target, approve, progress, start=start)
            self._granting.note_change()
        return self.info(target)

    async def install_many(
        self,
        source: Package | os.PathLike[str] | str,
        names: Iterable[str],
        *,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
        start: bool = True,
    ) -> int:
        """Install one package under many names, in one atomic write.

        The host asks for approval once, and reads, compiles and loads the package once.

        Returns:
            The number of names installed.

        Raises:
            AlreadyInstalled: One of the names is taken; nothing was installed.
            LifecycleError, SecurityError, ContractViolation, EngineError: As for `install`.
        """
        self._need_writable("install")
        package = await read_source(source, self.policy, self.kinds, self.sources)
        targets = sorted({target_name(name, package) for name in names})
        async with AsyncExitStack() as stack:
            for target in targets:  # in one order, or two calls would wait for each other
                await stack.enter_async_context(self._alone(target))
            await stack.enter_async_context(self._recorded("install", package.name, package))
            await self._forgetting.finish_among(frozenset(targets))
            return await self._installing.install_many(
                package, targets, approve, progress, start=start
            )

    async def plan(
        self,
        source: Package | os.PathLike[str] | str,
        *,
        update: bool = False,
        name: str | None = None,
        progress: ProgressSink | None = None,
        dry_run: bool = False,
    ) -> InstallPlan:
        """Decide the effect of `install`, or `update`, and change nothing.

        This executes nothing of the package. The digest identifies the plan: an approver that
        compares it later approves exactly what was decided here.

        Args:
            source: As for `install`.
            update: Whether to plan an update.
            name: As for `install`.
            progress: As for `install`.
            dry_run: Whether the change itself is not meant to follow. Else a plan that is refused
                counts as a change that failed, in the audit log and in the history.

        Raises:
            LifecycleError, SecurityError, ContractViolation, EngineError: The change is impossible.
        """
        self._need_writable("plan")
        package = await read_source(source, self.policy, self.kinds, self.sources)
        target = target_name(name, package)
        planner = self._updating.preview if update else self._installing.plan
        verb = "update" if update else "install"
        async with self._alone(target), self._recorded(verb, target, package, dry_run=dry_run):
            return await planner(package, target, progress)

    async def update(
        self,
        source: Package | os.PathLike[str] | str,
        *,
        name: str | None = None,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> ComponentInfo:
        """Replace a component by a newer version of the same owner.

        If it runs, the new version starts beside the old one, passes the gates, and takes over its
        messages; one of the two answers a message sent meanwhile. The host calls `approve` only if
        the new version may do more than the old one.

        Args:
            source: The package, its path, or the text of another source (docs/sources.md).
            name: The name that it is installed under, if that is not the package's own.
            approve: Called with the plan; without it, nothing is approved.
            progress: Called during the compilation.
            overrides: Gates that must not stop it, each with the reason.

        Returns:
            The updated component, with the gates' `verdicts`.

        Raises:
            UpdateBlocked: A gate does not let the new version take over; the error has the
                verdicts of all.
            UpdateFailed: The new version did not come up; the error says what runs.
            GateUnknown, OverrideUnexplained: A gate cannot be overridden like this.
            LifecycleError, SecurityError, ContractViolation, EngineError: The update failed;
                nothing changed.
        """
        self._need_writable("update")
        package = await read_source(source, self.policy, self.kinds, self.sources)
        target = name or package.name
        async with self._alone(target), self._recorded("update", target, package):
            verdicts = await self._updating.update(
                package, target, approve, progress, overrides or {}
            )
            self._granting.note_change()
            await self._retaining.tidy(target)
        return replace(self.info(target), verdicts=verdicts)

    async def swap(
        self,
        source: Package | os.PathLike[str] | str | bytes,
        *,
        name: str | None = None,
        state: SwapState = "keep",
        progress: ProgressSink | None = None,
    ) -> ComponentInfo:
        """Swap a development build in: without a signature, a new version or a question.

        The host must be in development mode, and no key may own the name. The build may use
        everything but the forbidden list. One of the two builds answers a message sent meanwhile;
        if the new one does not come up, the old one goes on. A build of the active version takes
        its place in the registry, another version is added beside it, and `rollback` returns to
        that. A name that is not installed is installed. A signature in the folder is not read.

        Args:
            source: A project's folder, a `.airswasm` file, or a component alone (bytes, or a
                `.wasm` file), which replaces that of the version installed under `name`.
            name: The name; by default the manifest's.
            state: `keep` leaves data and messages as they are. `reset` stops the old build and
                removes them first; its log stays.
            progress: Called during the compilation.

        Raises:
            HostOffline, SwapRefused: No running host in development mode, or a key owns the name.
            UpdateFailed, StartFailed: It did not come up; the old build continues. After `reset`,
                with empty data.
            LifecycleError, ContractViolation, EngineError: The build failed; nothing changed.
        """
        self._need_online("swap")
        package = await self.read_build(source, name=name)
        target = target_name(name, package)
        async with self._alone(target), self._recorded("swap", target, package):
            await self._forgetting.finish(target)
            await self._swapping.swap(package, target, state, progress)
            self._granting.note_change()
            await self._retaining.tidy(target)
        return self.info(target)

    async def read_build(
        self, source: Package | os.PathLike[str] | str | bytes, *, name: str | None = None
    ) -> Package:
        """Return a development build as an unsigned package; see `swap`.

        Raises:
            LifecycleError: It is no build.
        """
        installed = None if name is None else self._registry.find(name)
        return await anyio.to_thread.run_sync(
            read_build, source, installed, self._stored, self.kinds
        )

    async def rollback(
        self,
        name: str,
        to: str | None = None,
        *,
        data: DataChoice | None = "keep",
        overrides: Mapping[str, str] | None = None,
    ) -> ComponentInfo:
        """Go back to a retained version: `to`, or the one that the active one replaced.

        The sequence floor stays: a version that was rolled back cannot return as an update. Nothing
        is asked, because that version was approved before, and `migrate` is not called, except for
        a version that was replaced before its first start. It gets
        what is granted now: what was withdrawn since stays withdrawn. The gates judge it, too; of
        them, only those that `updates.rollback_block` names stop it.

        Args:
            name: The component.
            to: The version. It may be the active one, where that has data to go back to.
            data: `keep` leaves the data as it is now. `restore` makes it what it was when that
                version was replaced, and keeps the data of now for a rollback to the version that
                runs now. None keeps it unless a later version has migrated it.
            overrides: As for `update`.

        Raises:
            NotInstalled, VersionNotRetained: There is no such version.
            NoCheckpoint: The data of that version is to be restored, and there is no copy of it.
            DataUndecided: `data` is None, and a later version has migrated the data.
            TrustError: Its key was revoked, or belongs to no owner of the name.
            UpdateBlocked: A gate does not let that version take over.
            UpdateFailed: That version did not come up; the error says what runs.
            GateUnknown, OverrideUnexplained: A gate cannot be overridden like this.
        """
        self._need_writable("rollback")
        async with self._alone(name), self._recorded("rollback", name, to):
            verdicts = await self._updating.rollback(name, to, overrides or {}, data)
            await self._retaining.tidy(name)
        self._granting.note_change()
        return replace(self.info(name), verdicts=verdicts)

    async def plan_rollback(
        self, name: str, to: str | None = None, *, dry_run: bool = False
    ) -> InstallPlan:
        """Decide the effect of `rollback`, also on the data, and change nothing.

        Args:
            name: The component.
            to: The version, as for `rollback`.
            dry_run: As for `plan`.

        Raises:
            NotInstalled, VersionNotRetained: There is no such version.
            ArtifactCorrupt, SecurityError: Its files or its signature are damaged.
        """
        self._need_writable("plan")
        async with self._alone(name), self._recorded("rollback", name, to, dry_run=dry_run):
            return await self._updating.preview_rollback(name, to)

    async def uninstall(self, name: str, *, purge: bool = False) -> None:
        """Stop and remove a component.

        Its stored data, its log, and its owner's claim to the name stay for another install;
        `purge` removes them too, also of a name that was uninstalled before.

        Raises:
            NotInstalled: No such component is installed.
            PurgeIncomplete: A block could not forget the name; the next start goes on with it.
        """
        self._need_writable("uninstall")
        async with self._alone(name), self._recorded("uninstall", name):
            await self._installing.uninstall(name, purge=purge)

    # -- running -------------------------------------------------------------------------------

    async def start(self, name: str) -> None:
        """Start a stopped component, now and whenever the host starts.

        Raises:
            NotInstalled: No such component is installed.
            StartFailed: It does not come up. The host will try again when it starts.
        """
        self._need_writable("start")
        async with self._alone(name):
            await self._running.start(name)

    async def start_all(self) -> None:
        """Start the components that should run; for a system opened with `starts=False`.

        A component stays `starting` until its turn comes, and messages from outside wait for it.
        """
        self._need_online("start")
        with acting(HOST):
            await self._running.start_all(self._alone)

    async def stop(self, name: str, *, kill: bool = False) -> None:
        """Stop a component, now and until an operator starts it again.

        It finishes the message in hand and runs `shutdown`, within its shutdown time.

        Args:
            name: The component.
            kill: End it at once instead, together with a running start, stop or update of it; the
                message in hand goes to the dead letters.

        Raises:
            NotInstalled: No such component is installed.
        """
        self._need_writable("stop")
        async with AsyncExitStack() as stack:
            if kill:
                self._registry.get(name)
                await stack.enter_async_context(self._hosting.killing(name))
            await stack.enter_async_context(self._alone(name))
            await self._running.stop(name)

    async def restart(self, name: str) -> None:
        """Stop and start a component. Its mailbox is emptied into the dead letters.

        Raises:
            NotInstalled: No such component is installed.
            HostOffline: This system runs no components.
            StartFailed: It does not come up again.
        """
        self._need_online("restart")
        async with self._alone(name):
            await self._running.restart(name)

    def backup(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole home as one archive, as it is now; components go on.

        Close it with `contextlib.aclosing` unless it is read to its end. It needs room for what
        changes while it is read; what the home holds is linked, where its disk has links.

        Raises:
            HomeUnusable, StorageError: The home cannot be copied.
        """
        self._need_writable("backup")
        return backup_home(self.home, self._store)

    def announce(self, socket: Path | None) -> None:
        """Record this host's control socket for clients that read the home's lock."""
        self._need_online("serving")
        self._lock.announce(socket)

    def forbid(self, name: str, capability: str, patterns: Sequence[str]) -> None:
        """Add to the forbidden list until this system closes.

        Args:
            name: What denials call it.
            capability: The capability, or its domain.
            patterns: The patterns.

        Raises:
            InvalidPattern: A pattern cannot be read.
        """
        self._need_writable("forbidding")
        self._further_forbidden += (Forbidden(name, capability, tuple(patterns)),)
        self._guard.add_layer(self._forbid(self.configuration.get(SecuritySettings)))

    def note(self, reason: str) -> None:
        """Record an event of the host itself in the audit log.

        A log that is not writable does not keep the host from starting or stopping.
        """
        self._need_writable("noting")
        with suppress(AuditUnavailable):
            self._audit.record(AuditEvent(kind="host", outcome="done", reason=reason))
            self._audit.sync()

    @property
    def audit(self) -> AuditTrail:
        """The audit log, to verify, query and follow."""
        if self.mode == "readonly":
            with HomeReader(self.home) as reader:
                return reader.audit
        return self._auditing.trail()

    @property
    def audited_messages(self) -> AuditTrail:
        """The lines of messages, where `[audit] messages` keeps them."""
        if self.mode == "readonly":
            with HomeReader(self.home) as reader:
                return reader.audited_messages
        return self._auditing.message_trail()

    async def configure(self, name: str, value: str | None) -> Setting | None:
        """Set or remove one setting in the home's config.toml; it holds from the next start on.

        The audit log has it before the file does. See `edit_configuration`.

        Raises:
            NoSuchSetting, ConfigurationInvalid, HomeUnusable: The file is unchanged.
            AuditUnavailable: The change could not be recorded.
        """
        self._need_writable("config")
        return await anyio.to_thread.run_sync(
            lambda: edit_configuration(
                self.home.folder, name, value, blocks=self.blocks, audit=self._audit
            )
        )

    async def reload(self, *, dry_run: bool = False) -> ReloadReport:
        """Take config.toml over while the components run: all of it, or nothing.

        Args:
            dry_run: Check the file, and say what would change.

        Returns:
            Each key that differs: applied, waiting for the next start, or overridden by a variable.

        Raises:
            HostOffline: This system runs no components.
            ConfigurationInvalid: The file is wrong; nothing changed. The error lists the problems.
            SettingsGiven: The program that opened this system gave it its settings.
            AuditUnavailable, StorageError: The change could not be recorded.
        """
        self._need_online("reload")
        if self._given_configuration is not None:
            raise SettingsGiven(str(self.home.config_file))
        return await self._reloading.reload(dry_run=dry_run)

    def on_reload(self, listener: Callable[[ReloadReport], None]) -> Callable[[], None]:
        """Show the report of each reload that changes something; return what ends that."""
        self._need_online("reload")
        return self._reloading.listen(listener)

    @property
    def dead_letters(self) -> DeadLetterQueue:
        """The messages that were not handled, with the evidence: to read, replay and drop."""
        if self.mode == "readonly":
            return DeadLetterQueue(self._read_letters)
        if self.mode == "offline":
            return DeadLetterQueue(self._dead_letters, self._audit)
        return DeadLetterQueue(
            self._dead_letters, self._audit, self._running, self._actors, self._loader
        )

    @property
    def timers(self) -> ComponentTimers:
        """The messages that components and actors in Python send later: to look at and to end."""
        if self.mode == "readonly":
            return ComponentTimers(stored=self._read_timers)
        return ComponentTimers(self._schedule, self._audit)

    @property
    def recordings(self) -> RecordedMessages:
        """The recorded messages: to read, to replay to another version, and to forget."""
        if self.mode == "readonly":
            return RecordedMessages(self._kept_recordings, self._installed_names)
        return RecordedMessages(
            self._kept_recordings,
            self._installed_names,
            self._audit,
            self._running,
            self._replaying,
        )

    @property
    def trust(self) -> Trusting:
        """The trusted keys, and how to change them.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("trust")
        return self._trusting

    @property
    def artifacts(self) -> Artifacts:
        """The stored files of what is installed: to list, verify, clean up and pin."""
        if self.mode == "readonly":
            return Artifacts(self._registry, self._stored.artifacts)
        changes = ArtifactChanges(
            self._registry, self._stored.artifacts, self._ledger, self._retaining, self._engine,
            self._interpreters, self._alone,
        )  # fmt: skip
        return Artifacts(self._registry, self._stored.artifacts, changes)

    @property
    def history(self) -> History:
        """The history of each name: `read` it."""
        return self._history

    @property
    def grants(self) -> Granting:
        """The grants of components, and how to change them.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("grants")
        return self._granting

    def _installed_names(self) -> tuple[str, ...]:
        return tuple(each.name for each in self._registry)

    # -- before any of it ------------------------------------------------------------------------

    @asynccontextmanager
    async def _recorded(
        self, verb: str, name: str, to: Package | str | None = None, *, dry_run: bool = False
    ) -> AsyncGenerator[None]:
        """Record a change that the host refuses or that fails; a refused approval has its line."""
        try:
            yield
        except AirswasmError as error:
            if dry_run:
                raise
            is_answer = isinstance(error, ApprovalRefused)
            if not is_answer:
                short = reason_without(safe_text(error), name)  # gates have lines of their own
                with suppress(AuditUnavailable):
                    self._audit.record(AuditEvent(verb, name, "failed", reason=short))
            reason = reason_without(str(getattr(error, "account", "")) or safe_text(error), name)
            outcome: Outcome = "refused" if is_answer else "failed"
            wanted = to or str(getattr(error, "new", ""))  # the default of a rollback
            await self._ledger.note_failure(verb, name, outcome, reason, wanted)
            raise
