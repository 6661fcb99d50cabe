"""The composition root: one home, opened, with everything in it put together.

Nothing here is global: two `System`s in one process, with two homes, do not
know of each other. Opening one composes, from the bottom up, store, registry,
audit log, trust, guard, log book, engine, the installed blocks' interfaces
and, when it is online, the actors. There are three ways to open a home:

- `online` hosts the components;
- `offline` changes what is installed and runs nothing: an install without a host;
- `readonly` takes no lock, changes nothing, and works beside a running host.

Every change follows one order: decide (`plan`), check that it can run, ask for
approval, write the audit line, stage the files, and then one atomic write to
the registry, which is the change. Before that write nothing has happened but
files that nobody refers to; after it everything else can be done again. That
is why there is no journal of intents.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import anyio
import anyio.to_thread
from airswasm.actor import ActorSystem, EventStream, MessageBroker
from airswasm.messaging import MessagingPolicy
from airswasm.runtime import (
    Engine,
    EngineConfig,
    HostInterfaceProvider,
    ProgressSink,
    Services,
)
from airswasm.security import (
    AuditLog,
    AuditSink,
    AuditUnavailable,
    Grants,
    Guard,
    PublicKey,
    TrustStore,
    VerifiedStatement,
)
from airswasm.storage import KeyValueStore, RocksStore, StorageQuotas, Store
from airswasm.wit import Contract, Nothing, contract

from ._hosting import Hosting
from ._ledger import Ledger, version_of
from ._loading import Loader
from ._providers import Observer, Offer, find_observers, find_offers, guard_offers
from ._stored import StoredPackages
from ._tables import ComponentPolicies, StoredTable
from .artifacts import ArtifactStore
from .errors import (
    AlreadyInstalled,
    ApprovalRefused,
    HostOffline,
    NotRunning,
    StartFailed,
    UpdateFailed,
)
from .home import Home
from .logbook import LogBook
from .manifest import Manifest, is_component_name
from .package import Package
from .plan import Approve, InstallPlan, plan_install, plan_rollback, plan_update
from .policy import HostPolicy
from .registry import ComponentRecord, Registry, VersionRecord
from .status import ComponentInfo, ComponentStatus, ComponentSummary, SystemStatus, VersionInfo

__all__ = ("Mode", "System")

Mode = Literal["online", "offline", "readonly"]
DEFAULT_SEND_TIMEOUT = 30.0
_STARTING_AT_ONCE = 32
_AUDIT_PAUSE = 1.0
_FEW = 6_000
"""Components at 10 mappings each."""
_DENSE = EngineConfig(memory_reservation_bytes=0, memory_guard_bytes=0)
"""With the engine's own reservation each takes 10 of the 65,530
mappings that Linux gives a process, and with this one 4; guests pay with bounds checks."""


class System:
    """One home, opened; an async context manager.

    Leaving the block stops every component in order, each within its shutdown
    time. A cancel ends them at once, as a crash would: what was acknowledged
    is there the next time.

    Attributes:
        home: where everything lies.
        policy: what components may get at most.
        logs: what components said and what happened to them.
        services: what the installed blocks are given.
        observers: what installed blocks watch this system with, by entry point.

    Args:
        home: the home, or its folder.
        mode: see the module.
        policy: instead of the home's config.toml.
        providers: instead of the installed blocks' interfaces.
        engine: sizes and slices, instead of the policy's; the cache is always the home's.
        clock: seconds since 1970.
        checkpoint: called with the name of each step that a crash may separate
            from the next; fault-injection tests stop the process there.
    """

    def __init__(
        self,
        home: Home | os.PathLike[str],
        *,
        mode: Mode = "online",
        policy: HostPolicy | None = None,
        providers: Sequence[HostInterfaceProvider] | None = None,
        engine: EngineConfig | None = None,
        clock: Callable[[], float] = time.time,
        checkpoint: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self.home = home if isinstance(home, Home) else Home(Path(home))
        self.mode: Mode = mode
        self.policy = policy or HostPolicy()
        self.services = Services()
        self._given_policy = policy
        self.observers: Mapping[str, object] = {}
        self._providers = providers
        self._given_engine = engine
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
                await self._start_all()
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
        # In order even when the body failed, and what it raised goes on as it is: the task
        # groups inside would wrap it.
        await self._stack.aclose()

    async def _open_readonly(self, stack: AsyncExitStack) -> None:
        self.policy = self._given_policy or HostPolicy.load(self.home.config_file)
        self.logs = LogBook(self.home.logs_folder, clock=self._clock)
        stack.callback(self.logs.close)
        if self.home.exists():
            store = RocksStore(self.home.store_folder, read_only=True)
            self._store: RocksStore | None = await stack.enter_async_context(store)
            self._registry = await Registry.open(StoredTable(self._store))
        else:
            self._store, self._registry = None, Registry(_NoTable(), ())

    async def _open(self, stack: AsyncExitStack) -> None:
        self.home.create()
        lock = self.home.lock()
        stack.callback(lock.release)
        self.policy = self._given_policy or HostPolicy.load(self.home.config_file)
        self._audit = stack.enter_context(AuditLog(self.home.audit_folder / "audit.jsonl"))
        self._trust = TrustStore(self.home.trust_folder / "trust.json")
        self.logs = LogBook(self.home.logs_folder, clock=self._clock)
        stack.callback(self.logs.close)
        self._store = await stack.enter_async_context(RocksStore(self.home.store_folder))
        table = StoredTable(self._store)
        self._registry = await Registry.open(table, checkpoint=self._checkpoint)
        self._ledger = Ledger(
            self._registry, self._stored, self._trust, self._audit, self._checkpoint
        )
        self._guard = Guard(
            {each.name: self._stored.grants(each.active_version) for each in self._registry},
            audit=self._audit,
        )
        self._policies = ComponentPolicies(self.policy)
        config = replace(self._engine_config(), cache_folder=self.home.cache_folder)
        self._engine = await stack.enter_async_context(Engine(config))
        self._actors = await stack.enter_async_context(ActorSystem(str(self.home.folder)))
        await self._compose(stack)
        await anyio.to_thread.run_sync(self._stored.artifacts.sweep, self._registry.digests())

    async def _compose(self, stack: AsyncExitStack) -> None:
        self._add_services()
        known = contract()
        if self._providers is None:
            self._offers = find_offers(self.services, known, self._guard)
        else:
            self._offers = guard_offers(self._providers, self.services, known, self._guard)
        interfaces = [offer.interface for offer in self._offers]
        self._loader = Loader(self._engine, interfaces, self._stored.artifacts)
        running = self.policy.limits.running
        if self.policy.engine.guests == "few":
            running = min(running, _FEW)
        self._hosting = Hosting(self._actors, self._loader, self.logs, running)
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        group.start_soon(self._keep_audit_synced)
        if self.mode == "online":
            await self._hosting.open(stack)
            self.observers = find_observers(self.services)
            for observer in self.observers.values():
                if isinstance(observer, Observer):
                    group.start_soon(observer.run)

    def _engine_config(self) -> EngineConfig:
        if self._given_engine is not None:
            return self._given_engine
        return _DENSE if self.policy.engine.guests == "many" else EngineConfig()

    async def _keep_audit_synced(self) -> None:
        while True:
            try:
                await self._audit.keep_synced()
            except AuditUnavailable:
                # The disk refuses for now. Each decision finds that out by itself and denies;
                # taking the whole host down for it would help nobody.
                await anyio.sleep(_AUDIT_PAUSE)

    def _add_services(self) -> None:
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
        add(Contract, contract())
        add(KeyValueStore, self._store)
        add(StorageQuotas, self._policies)  # type: ignore[type-abstract]
        add(MessagingPolicy, self._policies)  # type: ignore[type-abstract]
        add(Store, self._store)
        add(Engine, self._engine)
        add(ActorSystem, self._actors)
        add(MessageBroker, self._actors.broker)

    async def _start_all(self) -> None:
        """A few at a time: what one waits for in its `init` holds up no other."""
        waiting = iter([each for each in self._registry if each.wanted == "running"])
        trusted: dict[int, VerifiedStatement] = {}

        async def start_some() -> None:
            for record in waiting:
                await self._start_or_tell(record, trusted)

        async with anyio.create_task_group() as group:
            for _ in range(_STARTING_AT_ONCE):
                group.start_soon(start_some)

    async def _start_or_tell(
        self, record: ComponentRecord, trusted: dict[int, VerifiedStatement]
    ) -> None:
        """One component that does not start must not keep the others from running."""
        try:
            await self._begin(record, trusted)
        except Exception as error:
            text = f"did not start: {_reason(error)}"
            self.logs.write(record.name, "error", text, source="supervisor")
            await self._return_to_earlier(record)

    async def _return_to_earlier(self, record: ComponentRecord) -> None:
        """A version that could not take over its predecessor's data is given up for that one."""
        earlier = record.migrate_from
        if earlier is None or not record.has_version(earlier):
            return
        before = replace(record, active=earlier, migrate_from=None)
        self.logs.write(record.name, "warn", f"went back to {earlier}", source="supervisor")
        await self._hosting.stop(record.name)
        try:
            await self._ledger.put("rollback", before)
            await self._begin(before)
        except Exception as error:
            text = f"did not start: {_reason(error)}"
            self.logs.write(record.name, "error", text, source="supervisor")

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
        """Installs a component, and starts it when the system is online.

        Args:
            source: the package, or where it lies.
            name: another name than the package's own, to run it twice.
            approve: is shown what it asks for; without it nothing is approved.
            progress: called while it is compiled.
            start: False installs it as stopped.

        Returns:
            What was installed.

        Raises:
            LifecycleError, SecurityError, ContractViolation, EngineError: why not.
                Nothing was changed.
        """
        self._need_writable("install")
        package = await self._read(source)
        target = self._target_name(name, package)
        async with self._alone(target):
            pin = self._trust.get(package.name)
            record = self._registry.find(target)
            plan = plan_install(package, target, record, pin, self.policy)
            await self._check(package, progress)
            await self._ask(plan, approve)
            record = self._record_of(package, target, running=start)
            await self._ledger.put_package(package, (record,), "install")
            self._take_over(record, package.manifest)
            if self.mode == "online" and start:
                await self._start_or_undo(record)
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
        """Installs one package under many names, in one atomic write.

        It is asked about once, read once, compiled once, and loaded once.

        Returns:
            How many were installed.

        Raises:
            AlreadyInstalled: one of the names is taken; nothing was installed.
            LifecycleError, SecurityError, ContractViolation, EngineError: as for `install`.
        """
        self._need_writable("install")
        package = await self._read(source)
        targets = [self._target_name(name, package) for name in dict.fromkeys(names)]
        pin = self._trust.get(package.name)
        if not targets:
            return 0
        plan = plan_install(package, package.name, None, pin, self.policy)
        for target in targets:
            taken = self._registry.find(target)
            if taken is not None:
                raise AlreadyInstalled(target, taken.active)
        await self._check(package, progress)
        await self._ask(replace(plan, name=f"{package.name} as {len(targets)} names"), approve)
        pattern = self._record_of(package, package.name, running=start)
        records = [replace(pattern, name=target) for target in targets]
        await self._ledger.put_package(package, records, "install")
        for record in records:
            self._take_over(record, package.manifest)
        if self.mode == "online" and start:
            trusted: dict[int, VerifiedStatement] = {}
            for record in records:
                await self._begin(record, trusted)
        return len(records)

    async def update(
        self,
        source: Package | os.PathLike[str],
        *,
        name: str | None = None,
        approve: Approve | None = None,
        progress: ProgressSink | None = None,
    ) -> ComponentInfo:
        """Replaces a component by a newer version of the same owner.

        While it runs, the new version is started beside the old one and takes
        over its messages; a message sent meanwhile is answered by one of them.
        `approve` is asked only when the new version may do more than the old one.

        Raises:
            UpdateFailed: the new version did not come up; the old one goes on.
            LifecycleError, SecurityError, ContractViolation, EngineError: why not.
                Nothing was changed.
        """
        self._need_writable("update")
        package = await self._read(source)
        target = name or package.name
        async with self._alone(target):
            record = self._registry.get(target)
            pin = self._trust.get(package.name)
            plan = plan_update(package, record, pin, self.policy)
            await self._check(package, progress)
            if plan.needs_approval:
                await self._ask(plan, approve)
            added = version_of(package, self._clock())
            owner = str(package.signer) if package.signer else record.owner
            successor = replace(
                record.with_version(added, self.policy.install.retain),
                owner=owner,
                migrate_from=record.migrate_from or record.active,
            )
            await self._switch(
                record, successor, package.manifest,
                lambda ready: self._ledger.put_package(package, (ready,), "update"),
            )  # fmt: skip
        return self.info(target)

    async def rollback(self, name: str, to: str | None = None) -> ComponentInfo:
        """Goes back to a retained version: `to`, or the one installed before the active one.

        The sequence floor stays where it is: what was rolled back cannot come
        back as an update. Data is not touched, and `migrate` is not called.

        Raises:
            NotInstalled, VersionNotRetained: there is nothing to go back to.
            UpdateFailed: that version did not come up; the active one goes on.
        """
        self._need_writable("rollback")
        async with self._alone(name):
            record = self._registry.get(name)
            version = plan_rollback(record, to)
            successor = replace(record, active=version, migrate_from=None)
            manifest = await self._verified_manifest(record, record.version(version))
            await self._switch(
                record, successor, manifest,
                lambda ready: self._ledger.put("rollback", ready),
            )  # fmt: skip
        return self.info(name)

    async def uninstall(self, name: str, *, purge: bool = False) -> None:
        """Stops and removes a component.

        What it stored, its log, and its owner's claim to the name stay, so that
        it can be installed again; `purge` removes them too.

        Raises:
            NotInstalled: there is none.
        """
        self._need_writable("uninstall")
        async with self._alone(name):
            record = self._registry.get(name)
            if self.mode == "online":
                await self._hosting.stop(name)
            await self._ledger.remove(record, purge="yes" if purge else "no")
            self._forget(name)
            await self._sweep()
            self.logs.write(name, "info", "uninstalled", source="supervisor")
            self.logs.forget(name, purge=purge)
            if purge:
                await self._purge(record)

    # -- running -------------------------------------------------------------------------------

    async def start(self, name: str) -> None:
        """Starts a stopped component, now and whenever the host starts.

        Raises:
            NotInstalled: there is none.
            StartFailed: it does not come up. It stays wanted.
        """
        self._need_writable("start")
        async with self._alone(name):
            record = await self._want(name, running=True)
            if self.mode == "online" and not self._hosting.is_running(name):
                await self._hosting.stop(name)  # what gave up leaves its place
                await self._begin(record)

    async def stop(self, name: str) -> None:
        """Stops a component, now and until it is started again.

        The message in hand is finished and `shutdown` is called, within the
        component's shutdown time.

        Raises:
            NotInstalled: there is none.
        """
        self._need_writable("stop")
        async with self._alone(name):
            await self._want(name, running=False)
            if self.mode == "online":
                await self._hosting.stop(name)

    async def restart(self, name: str) -> None:
        """Stops and starts a component. Its mailbox is emptied into the dead letters.

        Raises:
            NotInstalled: there is none.
            HostOffline: nothing runs here.
            StartFailed: it does not come up again.
        """
        self._need_online("restart")
        async with self._alone(name):
            record = await self._want(name, running=True)
            await self._hosting.stop(name)
            await self._begin(record)

    async def send(
        self, name: str, payload: bytes, timeout: float = DEFAULT_SEND_TIMEOUT
    ) -> bytes | None:
        """Delivers one message and waits for the reply.

        Args:
            name: the component.
            payload: for it to understand.
            timeout: seconds; then the message may still be handled.

        Returns:
            The reply; None when it has none.

        Raises:
            HostOffline, NotInstalled, NotRunning: nobody is there.
            ActorError: why there is no answer (`GuestRefused`, `AskTimeout`, …).
        """
        self._need_online("send")
        record = self._registry.get(name)
        if not self._hosting.is_present(name):
            raise NotRunning(name, self._state(record))
        reply = await self._actors.broker.ask(name, payload, timeout=timeout)
        return reply if isinstance(reply, bytes) else None

    # -- looking -------------------------------------------------------------------------------

    @property
    def events(self) -> EventStream:
        """What happens to actors and supervisors.

        Raises:
            HostOffline: the home was opened read-only.
        """
        self._need_writable("watching events")
        return self._actors.events

    @property
    def interfaces(self) -> Mapping[str, str]:
        """What components may import, and the distribution that offers it."""
        return {offer.interface.name: offer.distribution for offer in self._offers}

    def list(self) -> tuple[ComponentSummary, ...]:
        """Everything that is installed, by name."""
        return tuple(
            ComponentSummary(
                name=record.name,
                version=record.active,
                state=self._state(record),
                signer=_fingerprint(record.owner),
                installed_at=record.active_version.installed_at,
            )
            for record in self._registry
        )

    def info(self, name: str) -> ComponentInfo:
        """All that is known of one component.

        Raises:
            NotInstalled: there is none.
            ArtifactCorrupt: its manifest is damaged on disk.
        """
        record = self._registry.get(name)
        return ComponentInfo(
            name=name,
            package_name=record.package_name,
            version=record.active,
            state=self._state(record),
            wanted=record.wanted,
            owner=record.owner,
            signer=_fingerprint(record.owner),
            floor=record.floor,
            versions=tuple(
                VersionInfo(
                    version=each.version,
                    sequence=each.sequence,
                    wasm_digest=each.wasm_digest,
                    installed_at=each.installed_at,
                    is_active=each.version == record.active,
                )
                for each in record.versions
            ),
            manifest=self._stored.manifest(record),
            storage_bytes=self._stored_bytes(name),
        )

    def status(self) -> SystemStatus:
        """How the host and every component do."""
        is_online = self.mode == "online"
        components = tuple(self.component_status(record.name) for record in self._registry)
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
        )

    def component_status(self, name: str) -> ComponentStatus:
        """How one component does.

        Raises:
            NotInstalled: there is none.
        """
        record = self._registry.get(name)
        if self.mode != "online":
            return ComponentStatus(name, record.active, self._state(record))
        return self._hosting.status(record)

    # -- the steps -----------------------------------------------------------------------------

    async def _read(self, source: Package | os.PathLike[str]) -> Package:
        if isinstance(source, Package):
            return source
        use: Literal["optional", "required"] = (
            "optional" if self.policy.install.unsigned else "required"
        )
        path, known = Path(source), known_capabilities()
        return await anyio.to_thread.run_sync(
            lambda: Package.read(path, signature=use, capabilities=known)
        )

    def _target_name(self, name: str | None, package: Package) -> str:
        target = name or package.name
        if not is_component_name(target):
            raise ValueError(f"{target!r} is not namespace/name")
        return target

    async def _check(self, package: Package, progress: ProgressSink | None) -> None:
        digest = hashlib.sha256(package.wasm).hexdigest()
        await self._loader.check(package.wasm, digest, package.manifest, progress)

    async def _ask(self, plan: InstallPlan, approve: Approve | None) -> None:
        answer: bool | Awaitable[bool] = approve(plan) if approve is not None else False
        if inspect.isawaitable(answer):
            answer = await answer
        self._ledger.record_answer(plan, is_approved=bool(answer))
        if not answer:
            lines = plan.capabilities.manifest_lines()
            raise ApprovalRefused(plan.name, plan.version, lines)

    def _record_of(self, package: Package, name: str, *, running: bool) -> ComponentRecord:
        version = version_of(package, self._clock())
        return ComponentRecord(
            name=name,
            package_name=package.name,
            owner=version.signer,
            floor=version.sequence,
            active=version.version,
            versions=(version,),
            wanted="running" if running else "stopped",
        )

    def _take_over(self, record: ComponentRecord, manifest: Manifest) -> None:
        """What follows from a record that is in the registry."""
        grants = self._stored.grants(record.active_version)
        if self._guard.grants_of(record.name) is not grants:
            self._guard.grant(record.name, grants)
        self._policies.set(record.name, manifest)
        self.logs.set_rate(record.name, manifest.limits.rates.logs)

    def _forget(self, name: str) -> None:
        self._guard.revoke(name)
        self._policies.forget(name)

    async def _begin(
        self, record: ComponentRecord, trusted: dict[int, VerifiedStatement] | None = None
    ) -> None:
        """Starts an installed component; the files it is made of are checked."""
        try:
            manifest = await self._verified_manifest(record, record.active_version, trusted)
            self._take_over(record, manifest)
            await self._hosting.start(record, manifest)
        except Exception as error:
            self._hosting.note_refusal(record.name, error)
            raise
        if record.migrate_from is not None:
            await self._ledger.put("migrated", replace(record, migrate_from=None))

    async def _start_or_undo(self, record: ComponentRecord) -> None:
        try:
            await self._begin(record)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._hosting.stop(record.name)
                await self._ledger.remove(record, reason="it did not start")
                self._forget(record.name)
            if isinstance(error, Exception) and not isinstance(error, StartFailed):
                raise StartFailed(record.name, record.active, _reason(error)) from error
            raise

    async def _switch(
        self,
        record: ComponentRecord,
        successor: ComponentRecord,
        manifest: Manifest,
        commit: Callable[[ComponentRecord], Awaitable[None]],
    ) -> None:
        """Makes `successor` the record of its name, and the running version with it."""
        name = record.name
        is_hosted = self.mode == "online" and self._hosting.is_running(name)
        if not is_hosted:
            if self.mode == "online":
                await self._hosting.stop(name)
            await commit(successor)
        else:
            before, after = (
                self._guard.grants_of(name),
                self._stored.grants(successor.active_version),
            )
            self._guard.grant(name, merged_grants(before, after))
            ready = replace(successor, migrate_from=None)
            try:
                await self._hosting.replace(record, successor, manifest, lambda: commit(ready))
            except BaseException:
                if self._registry.get(name).active == record.active:
                    self._guard.grant(name, before)
                raise
        self._take_over(self._registry.get(name), manifest)
        await self._sweep()
        if self.mode == "online" and not is_hosted and successor.wanted == "running":
            await self._begin_or_return(record, successor)
        self.logs.write(
            name, "info", f"switched from {record.active} to {successor.active}",
            source="supervisor",
        )  # fmt: skip

    async def _begin_or_return(self, record: ComponentRecord, successor: ComponentRecord) -> None:
        try:
            await self._begin(self._registry.get(record.name))
        except Exception as error:
            await self._hosting.stop(record.name)
            await self._ledger.put("rollback", record)
            reason = _reason(error)
            raise UpdateFailed(
                record.name, record.active, successor.active, "start", reason
            ) from error

    async def _want(self, name: str, *, running: bool) -> ComponentRecord:
        wanted: Literal["running", "stopped"] = "running" if running else "stopped"
        record = self._registry.get(name)
        if record.wanted != wanted:
            record = replace(record, wanted=wanted)
            await self._ledger.put("start" if running else "stop", record)
        return record

    async def _sweep(self) -> None:
        self._loader.keep_only(await self._ledger.sweep())

    async def _verified_manifest(
        self,
        record: ComponentRecord,
        version: VersionRecord,
        trusted: dict[int, VerifiedStatement] | None = None,
    ) -> Manifest:
        """The manifest of an installed version whose signature and owner hold today.

        Args:
            record: of which component.
            version: which.
            trusted: statements that were compared with the trust store in this same pass; each
                comparison reads the store from disk.
        """
        manifest, verified = await self._stored.verified(record, version)
        if verified is not None and (trusted is None or id(verified) not in trusted):
            self._trust.check_key(verified)
            if trusted is not None:
                trusted[id(verified)] = verified
        return manifest

    async def _purge(self, record: ComponentRecord) -> None:
        if self._store is not None:
            await self._store.namespace(record.name).clear()
        await self._ledger.give_up_name(record)

    # -- reading back --------------------------------------------------------------------------

    def _state(self, record: ComponentRecord) -> str:
        if self.mode != "online":
            return "offline" if record.wanted == "running" else "stopped"
        return self._hosting.state(record.name)

    def _stored_bytes(self, name: str) -> int | None:
        if self._store is None:
            return None
        return self._store.namespace(name).read_usage().used_bytes

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncGenerator[None]:
        """One change of a name at a time."""
        lock = self._names.setdefault(name, anyio.Lock())
        async with lock:
            yield
        if not lock.statistics().tasks_waiting:
            self._names.pop(name, None)

    def _need_writable(self, operation: str) -> None:
        if self.mode == "readonly":
            raise HostOffline(operation)

    def _need_online(self, operation: str) -> None:
        if self.mode != "online":
            raise HostOffline(operation)


class _NoTable:
    async def read_all(self) -> Mapping[str, bytes]:
        return {}

    async def write(self, changes: Mapping[str, bytes | None]) -> None:
        del changes
        raise HostOffline("a change")


def merged_grants(first: Grants, second: Grants) -> Grants:
    """What both together allow: two versions work under one name for a moment."""
    capabilities = {*first.allow, *second.allow}
    allow = {
        each: tuple(dict.fromkeys((*first.allow.get(each, ()), *second.allow.get(each, ()))))
        for each in capabilities
    }
    deny = {
        each: tuple(text for text in patterns if text in second.deny.get(each, ()))
        for each, patterns in first.deny.items()
    }
    return Grants(allow, deny)


def known_capabilities() -> frozenset[str]:
    """Every capability of the contract, as manifests write it: `storage.read`."""
    return frozenset(
        requirement.capability.replace(":", ".")
        for interface in contract().host_interfaces.values()
        for function in interface.functions.values()
        if function.requirements is not None and not isinstance(function.requirements, Nothing)
        for requirement in function.requirements
    )


def _fingerprint(owner: str | None) -> str | None:
    return PublicKey.from_text(owner).fingerprint if owner is not None else None


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
