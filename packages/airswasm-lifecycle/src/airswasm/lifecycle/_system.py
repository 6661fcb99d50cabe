"""The composition root: one open home with all its parts.

Nothing here is global: two `System`s in one process, with two homes, do not know of each other. To
open one composes, from the bottom up, store, registry, audit log, trust, guard, log book, engine,
the installed blocks' interfaces and, online, the actors. A home has three modes:

- `online` hosts the components;
- `offline` changes what is installed and runs nothing: an install without a host;
- `readonly` takes no lock, changes nothing, and works beside a running host.

`System` is also the facade: it says which operations a mode allows, serialises the changes of one
name, and delegates the rest to `installing`, `updating`, `running` and `_reporting`.

Every change follows one order: decide (`plan`), check that it can run, ask for approval, write the
audit line, stage the files, and then write atomically to the registry: that write is the change.
Before it, only files exist to which no record refers; after it, every further step can be repeated.
So there is no journal of intents.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import anyio
import anyio.to_thread
from airswasm.actor import (
    ActorError,
    ActorSystem,
    DispatcherConfig,
    EventStream,
    MessageBroker,
    Receipts,
)
from airswasm.messaging import MessagingLimits, MessagingPolicy
from airswasm.runtime import (
    Engine,
    EngineConfig,
    EngineSettings,
    HostInterface,
    HostMemory,
    HostSettings,
    Meters,
    ProgressSink,
    Services,
)
from airswasm.security import (
    AuditEvent,
    AuditLog,
    AuditSink,
    AuditUnavailable,
    Guard,
    Kinds,
    SecuritySettings,
    TrustStore,
)
from airswasm.storage import (
    DurabilityPolicy,
    KeyValueStore,
    StorageQuotas,
    StorageSettings,
    Store,
    open_store,
)
from airswasm.wit import AirswasmError, Blocks, Contract

from ._changes.installing import Installing, read_source, target_name
from ._changes.trusting import Trusting
from ._changes.updating import Updating
from ._home.artifacts import ArtifactStore
from ._home.configuration import Configuration
from ._home.forgetting import Forgetting
from ._home.home import Home
from ._home.logbook import LogBook
from ._home.logfiles import LogLimits
from ._home.policy import HostPolicy
from ._hosting.hosting import Hosting
from ._hosting.loading import Loader
from ._hosting.pressure import Pressure
from ._hosting.profile import Delivered, Profile, profile_of
from ._hosting.providers import Observer, Offer, find_observers, find_offers
from ._hosting.running import Running
from ._hosting.status import ComponentStatus, SystemStatus
from ._hosting.tenants import HostTenants
from ._keeping.backup import backup_home, remove_leftovers
from ._packages.package import Package
from ._reader import find_store
from ._registry.info import ComponentInfo
from ._registry.ledger import Ledger
from ._registry.plan import Approve, InstallPlan
from ._registry.registry import Registry
from ._registry.stored_packages import StoredPackages
from ._registry.summary import ComponentSummary
from ._registry.tables import ComponentPolicies, StoredTable
from ._reporting import Reporting
from .errors import ApprovalRefused, HostOffline, NotMeasured, NotRunning

__all__ = ("Mode", "System")

Mode = Literal["online", "offline", "readonly"]
DEFAULT_SEND_TIMEOUT = 30.0
_AUDIT_PAUSE = 1.0
_REST = 10.0
"""Seconds between two searches for components that were idle meanwhile."""
_FEW = 6_000
"""Without it, each component takes 10 of the 65,530 mappings that Linux gives a process."""


class System:
    """One open home; an async context manager.

    Leaving the block stops every component in order, each within its shutdown time. A cancel ends
    them at once, as a crash would: acknowledged changes survive.

    Attributes:
        home: The layout of the home.
        blocks: The installed blocks.
        configuration: The settings of all blocks.
        policy: The most that components may have.
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

    def __init__(
        self,
        home: Home | os.PathLike[str],
        *,
        mode: Mode = "online",
        configuration: Configuration | None = None,
        blocks: Blocks | None = None,
        engine: EngineConfig | None = None,
        starts: bool = True,
        clock: Callable[[], float] = time.time,
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self.home = home if isinstance(home, Home) else Home(Path(home))
        self.mode: Mode = mode
        self.blocks = blocks or Blocks.find()
        self.configuration = configuration or Configuration()
        self.policy = HostPolicy.of(self.configuration)
        self.services = Services()
        self._given_configuration = configuration
        self.observers: Mapping[str, object] = {}
        self._given_engine = engine
        self._starts = starts
        self._clock = clock
        self._checkpoint = checkpoint
        self._stack = AsyncExitStack()
        self._stored = StoredPackages(ArtifactStore(self.home.artifacts_folder), checkpoint)
        self._offers: tuple[Offer, ...] = ()
        self._names: dict[str, anyio.Lock] = {}
        self._started_at: float | None = None

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

    def _configure(self) -> None:
        self.configuration = self._given_configuration or Configuration.load(
            self.home.config_file, self.blocks, os.environ
        )
        self.policy = HostPolicy.of(self.configuration)
        self.kinds = Kinds(self.blocks.capabilities.values())
        limits = self.configuration.get(LogLimits)
        self.logs = LogBook(self.home.logs_folder, limits, clock=self._clock)

    async def _open_readonly(self, stack: AsyncExitStack) -> None:
        self._configure()
        stack.callback(self.logs.close)
        if find_store(self.home):
            store = self._opened(read_only=True)
            self._store: Store | None = await stack.enter_async_context(store)
            self._registry = await Registry.open(StoredTable(self._store))
            self.services.add(KeyValueStore, store)  # type: ignore[type-abstract]
        else:
            self._store, self._registry = None, Registry.of({})
        self._reporting = self._make_reporting()

    async def _open(self, stack: AsyncExitStack) -> None:
        self.home.create()
        lock = self._lock = self.home.lock()
        stack.callback(lock.release)
        remove_leftovers(self.home)
        self._configure()
        security = self.configuration.get(SecuritySettings)
        self.kinds.check(security.policy)
        self._audit = stack.enter_context(
            AuditLog(
                self.home.audit_folder / "audit.jsonl",
                durability=security.audit_durability,
                max_bytes=security.audit_file_bytes,
                keep_files=security.audit_files or None,
            )
        )
        self._trust = TrustStore(self.home.trust_folder / "trust.json")
        stack.callback(self.logs.close)
        find_store(self.home)
        store = self._store = await stack.enter_async_context(self._opened())
        self._note_lost_writes(store.lost_writes)
        self._registry = await Registry.open(StoredTable(store), checkpoint=self._checkpoint)
        self._ledger = Ledger(
            self._registry, self._stored, self._trust, self._audit, self._checkpoint
        )
        self._meters = Meters(self.blocks.metrics.values())
        self._guard = Guard(
            self.kinds,
            {each.name: self._stored.grants(each.active_version) for each in self._registry},
            audit=self._audit,
            policy=security.policy,
            allowed_lines=security.allowed_lines,
            meters=self._meters,
        )
        self._policies = ComponentPolicies(self.policy, self.configuration.get(MessagingLimits))
        self._engine = await stack.enter_async_context(Engine(self._engine_config()))
        actors = ActorSystem(
            str(self.home.folder),
            dispatcher=DispatcherConfig(
                threads=self.configuration.get(EngineSettings).worker_threads
            ),
            dead_letter_bytes=self.policy.limits.dead_letters,
        )
        self._actors = await stack.enter_async_context(actors)
        self._add_services(store)
        self._compose(store)
        await self._forgetting.resume(self._warn)
        await self._watch(stack)
        await anyio.to_thread.run_sync(self._stored.artifacts.sweep, self._registry.digests())

    def _opened(self, *, read_only: bool = False) -> Store:
        settings = self.configuration.get(StorageSettings)
        return open_store(
            self.home.store_folder,
            settings.engine,
            durability=settings.durability,
            limits=settings.limits(),
            read_only=read_only,
        )

    def _used_bytes(self, name: str) -> int | None:
        return None if self._store is None else self._store.namespace(name).read_usage().used_bytes

    def _note_lost_writes(self, count: int) -> None:
        """Record the lost writes, which the store forgets at its next write."""
        if count:
            reason = f"the disk lost {count} acknowledged writes"
            self._audit.record(AuditEvent(kind="storage", outcome="failed", reason=reason))
            self._audit.sync()

    def _warn(self, name: str, text: str) -> None:
        self.logs.write(name, "warn", text, source="supervisor")

    def _compose(self, store: Store) -> None:
        self._offers = find_offers(self.blocks, self.services, self._guard)
        interfaces = [offer.interface for offer in self._offers]
        loader = self._loader = Loader(
            self._engine, interfaces, self._stored.artifacts, self.blocks.contract
        )
        self._forgetting = Forgetting(self.blocks, self.services, store)
        self._hosting = Hosting(
            self._actors, loader, self.logs, self._most_running(),
            self.policy.limits.message_bytes, self._revive,
        )  # fmt: skip
        is_online = self.mode == "online"
        self._reporting = self._make_reporting(self._hosting if is_online else None)
        self._running = Running(
            self._registry, self._ledger, self._stored, self._trust, self._guard, self._policies,
            self.logs, self._hosting, self.policy, self.services.get(Meters), is_online=is_online,
        )  # fmt: skip
        self._installing = Installing(
            self._registry, self._ledger, self._trust, self.policy, loader, self._forgetting,
            self.logs, self._running, self._clock, self.kinds,
        )  # fmt: skip
        self._updating = Updating(
            self._registry, self._ledger, self._trust, self.policy, loader, self._running,
            self._clock, self.kinds,
        )  # fmt: skip
        self._trusting = Trusting(
            self._registry, self._ledger, self._trust, self._audit, self._running
        )

    async def _revive(self, name: str, cool_down: float) -> None:
        async with self._alone(name):
            await self._running.revive(name, cool_down)

    def _most_running(self) -> int:
        most = self.policy.limits.running
        return min(most, _FEW) if self.configuration.get(EngineSettings).guests == "few" else most

    async def _watch(self, stack: AsyncExitStack) -> None:
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        group.start_soon(self._keep_audit_synced)
        if self.mode == "online":
            group.start_soon(self._rest_idle)
            group.start_soon(self._note_denials)
            tenants = HostTenants(
                self._hosting, self._actors, self._guard, self.logs, self._audit, self._meters
            )
            self._pressure = Pressure(self._engine.host_memory, tenants)
            group.start_soon(self._pressure.run)
            await self._hosting.open(stack)
            self.observers = find_observers(self.blocks, self.services)
            for observer in self.observers.values():
                if isinstance(observer, Observer):
                    group.start_soon(observer.run)

    def _engine_config(self) -> EngineConfig:
        if self._given_engine is not None:
            return replace(self._given_engine, cache_folder=self.home.cache_folder)
        config = self.configuration.get(EngineSettings).config(self.home.cache_folder)
        return replace(config, host=self.configuration.get(HostSettings))

    async def _note_denials(self) -> None:
        """Write the number of the denials that no line of their own tells of."""
        try:
            while True:
                await anyio.sleep(_REST)
                self._guard.note_unwritten()
        finally:
            self._guard.note_unwritten()

    async def _rest_idle(self) -> None:
        """Free the stacks of idle components, which most components are most of the time."""
        while True:
            await anyio.sleep(_REST)
            await self._engine.rest_idle()

    async def _keep_audit_synced(self) -> None:
        while True:
            try:
                await self._audit.keep_synced()
            except AuditUnavailable:
                # The disk refuses for now. Each decision notices that by itself and denies; to stop
                # the whole host for it would help no user.
                await anyio.sleep(_AUDIT_PAUSE)

    def _add_services(self, store: Store) -> None:
        add = self.services.add
        add(System, self)
        add(Home, self.home)
        add(HostPolicy, self.policy)
        add(LogBook, self.logs)
        add(Registry, self._registry)
        add(TrustStore, self._trust)
        add(AuditLog, self._audit)
        add(AuditSink, self._audit)  # type: ignore[type-abstract]  # only a key
        add(Guard, self._guard)
        add(Kinds, self.kinds)
        add(Contract, self.blocks.contract)
        add(Blocks, self.blocks)
        add(Configuration, self.configuration)
        add(Meters, self._meters)
        self.configuration.offer(self.services, self.blocks)
        add(KeyValueStore, store)  # type: ignore[type-abstract]
        add(StorageQuotas, self._policies)  # type: ignore[type-abstract]
        add(DurabilityPolicy, self._policies)  # type: ignore[type-abstract]
        add(MessagingPolicy, self._policies)  # type: ignore[type-abstract]
        add(Store, store)
        add(Engine, self._engine)
        add(HostMemory, self._engine.host_memory)
        add(ActorSystem, self._actors)
        add(MessageBroker, self._actors.broker)

    # -- changing what is installed ------------------------------------------------------------

    async def install(
        self,
        source: Package | os.PathLike[str],
        *,
        name: str | None = None,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
        start: bool = True,
    ) -> ComponentInfo:
        """Install a component, and start it if the system is online.

        Args:
            source: The package, or its path.
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
        package = await read_source(source, self.policy, self.kinds)
        target = target_name(name, package)
        async with self._alone(target), self._recorded("install", target):
            await self._forgetting.finish(target)
            await self._installing.install(package, target, approve, progress, start=start)
        return self.info(target)

    async def install_many(
        self,
        source: Package | os.PathLike[str],
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
        package = await read_source(source, self.policy, self.kinds)
        async with self._recorded("install", package.name):
            return await self._installing.install_many(
                package, names, approve, progress, start=start
            )

    async def plan(
        self,
        source: Package | os.PathLike[str],
        *,
        update: bool = False,
        name: str | None = None,
        progress: ProgressSink | None = None,
    ) -> InstallPlan:
        """Decide the effect of `install`, or `update`, and change nothing.

        This executes nothing of the package. The digest identifies the plan: an approver that
        compares it later approves exactly what was decided here.

        Raises:
            LifecycleError, SecurityError, ContractViolation, EngineError: The change is impossible.
        """
        self._need_writable("plan")
        package = await read_source(source, self.policy, self.kinds)
        target = target_name(name, package)
        planner = self._updating.plan if update else self._installing.plan
        verb = "update" if update else "install"
        async with self._alone(target), self._recorded(verb, target):
            return await planner(package, target, progress)

    async def update(
        self,
        source: Package | os.PathLike[str],
        *,
        name: str | None = None,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
    ) -> ComponentInfo:
        """Replace a component by a newer version of the same owner.

        If it runs, the new version starts beside the old one and takes over its messages; one of
        the two answers a message sent meanwhile. The host calls `approve` only if the new version
        may do more than the old one.

        Raises:
            UpdateFailed: The new version did not come up; the old one continues.
            LifecycleError, SecurityError, ContractViolation, EngineError: The update failed;
                nothing changed.
        """
        self._need_writable("update")
        package = await read_source(source, self.policy, self.kinds)
        target = name or package.name
        async with self._alone(target), self._recorded("update", target):
            await self._updating.update(package, target, approve, progress)
        return self.info(target)

    async def rollback(self, name: str, to: str | None = None) -> ComponentInfo:
        """Go back to a retained version: `to`, or the one installed before the active one.

        The sequence floor stays: a version that was rolled back cannot return as an update. This
        leaves the data alone and does not call `migrate`.

        Raises:
            NotInstalled, VersionNotRetained: There is no such version.
            UpdateFailed: That version did not come up; the active one continues.
        """
        self._need_writable("rollback")
        async with self._alone(name), self._recorded("rollback", name):
            await self._updating.rollback(name, to)
        return self.info(name)

    async def uninstall(self, name: str, *, purge: bool = False) -> None:
        """Stop and remove a component.

        Its stored data, its log, and its owner's claim to the name stay for another install;
        `purge` removes them too.

        Raises:
            NotInstalled: No such component is installed.
        """
        self._need_writable("uninstall")
        async with self._alone(name):
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

    async def send(
        self, name: str, payload: bytes, timeout: float = DEFAULT_SEND_TIMEOUT
    ) -> bytes | None:
        """Deliver one message and wait for the reply.

        Args:
            name: The component.
            payload: The message's bytes.
            timeout: Seconds to wait; after that the component may still handle the message.

        Returns:
            The reply, or None if there is none.

        Raises:
            HostOffline, NotInstalled, NotRunning: No component of that name can receive.
            ActorError: The component gave no answer (`GuestRefused`, `AskTimeout`, …).
        """
        await self._wait_present(name, timeout, "send")
        reply = await self._actors.broker.ask(name, payload, timeout=timeout)
        return reply if isinstance(reply, bytes) else None

    async def deliver(
        self, name: str, payload: bytes, timeout: float = DEFAULT_SEND_TIMEOUT
    ) -> Delivered:
        """Deliver one message and wait for its receipt.

        Args:
            name: The component.
            payload: The message's bytes.
            timeout: Seconds to wait; after that the component may still handle the message.

        Returns:
            The reply, or the error of the component, and the receipt.

        Raises:
            HostOffline, NotInstalled, NotRunning: No component of that name can receive.
            ActorError: The component did not come to handle the message.
        """
        await self._wait_present(name, timeout, "deliver")
        request = self._actors.broker.request(
            name, payload, lambda _request: None, timeout=timeout, wants_receipt=True
        )
        reply: object = None
        error: ActorError | None = None
        try:
            reply = await request.wait()
        except ActorError as failure:
            error = failure
        if request.receipt is None:
            raise error or NotRunning(name, self._hosting.state(name))
        return Delivered(reply if isinstance(reply, bytes) else None, error, request.receipt)

    async def _wait_present(self, name: str, timeout: float, action: str) -> None:
        self._need_online(action)
        record = self._registry.get(name)
        with anyio.move_on_after(timeout):
            await self._hosting.wait_begun(name)
        state = self._reporting.state(record)
        if state == "quarantined" or not self._hosting.is_present(name):
            raise NotRunning(name, state)

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

    def note(self, reason: str) -> None:
        """Record an event of the host itself in the audit log.

        A log that is not writable does not keep the host from starting or stopping.
        """
        self._need_writable("noting")
        with suppress(AuditUnavailable):
            self._audit.record(AuditEvent(kind="host", outcome="done", reason=reason))
            self._audit.sync()

    @property
    def trust(self) -> Trusting:
        """The trusted keys, and how to change them.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("trust")
        return self._trusting

    # -- looking -------------------------------------------------------------------------------

    @property
    def events(self) -> EventStream:
        """The events of actors and supervisors.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("watching events")
        return self._actors.events

    @property
    def receipts(self) -> Receipts:
        """The receipts of messages: to listen to, to read, and added up for each component.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("reading receipts")
        return self._actors.receipts

    def profile(self, name: str) -> Profile:
        """Return where the time and the fuel of a component go.

        Raises:
            HostOffline, NotInstalled: There is no such component to look at.
            NotMeasured: Its messages were not measured.
        """
        self._need_online("profile")
        self._registry.get(name)
        tally = self._actors.receipts.of(name)
        if tally is None:
            raise NotMeasured(name, is_measuring=self._actors.receipts.is_measuring)
        return profile_of(tally)

    @property
    def interfaces(self) -> Mapping[str, str]:
        """The interfaces that components may import beside WASI, and their distributions."""
        return {offer.interface.name: offer.distribution for offer in self._offers}

    @property
    def offered(self) -> tuple[HostInterface, ...]:
        """The interfaces that components may import beside WASI, with the guard in front."""
        return tuple(offer.interface for offer in self._offers)

    def list(self) -> tuple[ComponentSummary, ...]:
        """Return all installed components, sorted by name."""
        return self._reporting.summaries()

    def info(self, name: str) -> ComponentInfo:
        """Return all details of one component.

        Raises:
            NotInstalled: No such component is installed.
            ArtifactCorrupt: Its manifest is damaged on disk.
        """
        return self._reporting.info(name)

    def status(self) -> SystemStatus:
        """Return the status of the host and of every component."""
        is_online = self.mode == "online"
        components = tuple(map(self._reporting.status, self._registry))
        uptime = None if self._started_at is None else time.monotonic() - self._started_at
        return SystemStatus(
            home=str(self.home.folder),
            is_online=is_online,
            pid=os.getpid() if is_online else self.home.running_pid(),
            uptime=uptime if is_online else None,
            installed=len(self._registry),
            running=sum(each.state == "running" for each in components),
            components=components,
            dead_letters=self._actors.dead_letters.total if is_online else 0,
            blocks=self.interfaces,
            **(self._taken() if is_online else {}),
            lost_log_lines=self.logs.lost_lines,
            lost_writes=self._store.lost_writes if self._store is not None else 0,
        )

    def _taken(self) -> dict[str, int]:
        """Return what components take of this host, for `SystemStatus`."""
        memory = self._engine.host_memory
        return {
            "host_memory_bytes": memory.held_bytes,
            "host_memory_most_bytes": memory.most_bytes,
            "guest_memory_bytes": memory.guest_bytes,
            "descriptors": memory.held_descriptors,
            "most_descriptors": memory.most_descriptors,
            "ended_for_memory": self._pressure.ended,
        }

    async def verify_data(self) -> int:
        """Read all stored data, so that damage shows before a component needs the data.

        Returns:
            The number of entries.

        Raises:
            StorageCorrupted: An entry differs from what was written.
        """
        return await self._store.verify() if self._store is not None else 0

    def component_status(self, name: str) -> ComponentStatus:
        """Return the status of one component.

        Raises:
            NotInstalled: No such component is installed.
        """
        return self._reporting.status(self._registry.get(name))

    # -- before any of it ------------------------------------------------------------------------

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncGenerator[None]:
        """Allow one change of a name at a time."""
        lock = self._names.setdefault(name, anyio.Lock())
        async with lock:
            yield
        if not lock.statistics().tasks_waiting:
            self._names.pop(name, None)

    @asynccontextmanager
    async def _recorded(self, verb: str, name: str) -> AsyncGenerator[None]:
        """Record a change that the host refuses or that fails; a refused approval has its line."""
        try:
            yield
        except ApprovalRefused:
            raise
        except AirswasmError as error:
            with suppress(AuditUnavailable):
                self._audit.record(AuditEvent(verb, name, "failed", reason=str(error)))
            raise

    def _make_reporting(self, hosting: Hosting | None = None) -> Reporting:
        return Reporting(
            registry=self._registry,
            manifest_of=self._stored.manifest,
            used_bytes=self._used_bytes,
            policy=lambda: self.policy,
            hosting=hosting,
            unwritten=self._guard.unwritten_denials if hosting is not None else lambda _name: 0,
        )

    def _need_writable(self, operation: str) -> None:
        if self.mode == "readonly":
            raise HostOffline(operation)

    def _need_online(self, operation: str) -> None:
        if self.mode != "online":
            raise HostOffline(operation)
