"""The composition root: the parts of one open home, and their order.

To open a home composes, from the bottom up, store, registry, audit log, trust, guard, log book,
engine, the installed blocks' interfaces and, online, the actors. `System` is what is asked of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import anyio
import anyio.abc
from airswasm.actor import (
    ActorSystem,
    DispatcherConfig,
    MessageBroker,
)
from airswasm.messaging import (
    DeadLetterSettings,
    DeadLetterStore,
    DurableDelivery,
    DurableRetained,
    DurableSettings,
    MessagingCounters,
    MessagingLimits,
    MessagingPolicy,
    RetainedTopics,
    RetainedValues,
    Schedule,
    SendingQuota,
    StoredTimers,
    Taps,
    TimerSettings,
)
from airswasm.runtime import (
    Engine,
    EngineConfig,
    EngineSettings,
    HealthSources,
    HostMemory,
    HostSettings,
    LiveSettings,
    Meters,
    Services,
    check_address_space,
)
from airswasm.security import (
    TRUST_FORMAT,
    AuditEvent,
    AuditLog,
    AuditSettings,
    AuditSink,
    EffectLines,
    ForbiddenLayer,
    Grants,
    Guard,
    Kinds,
    SecuritySettings,
    TrustSettings,
    TrustStore,
)
from airswasm.storage import (
    DurabilityPolicy,
    Journals,
    KeyValueStore,
    Namespace,
    StorageError,
    StorageQuotas,
    StorageSettings,
    Store,
    open_store,
)
from airswasm.wit import AirswasmError, Blocks, Contract, Forbidden

from ._changes.following import Following, joined_patterns
from ._changes.granting import Granting
from ._changes.installing import Installing
from ._changes.keeping_data import KeepingData
from ._changes.levels import Levels
from ._changes.reloading import Reloading
from ._changes.swapping import Swapping
from ._changes.switching import Switching
from ._changes.trusting import Trusting
from ._changes.updating import Updating
from ._gates.judging import Gates, find_gates
from ._gates.settings import UpdateSettings, gate_problems
from ._gates.users import ExportUsers, Users
from ._home.artifacts import ArtifactStore
from ._home.configuration import Configuration
from ._home.earlier import keep_earlier, keep_earlier_file, written_rows
from ._home.forgetting import Forgetting
from ._home.history_settings import HistorySettings
from ._home.home import Home
from ._home.interpreters import KeptInterpreters
from ._home.logbook import LogBook
from ._home.logfiles import LogLimits
from ._home.policy import HostPolicy, mode_problems
from ._hosting.beside import Beside
from ._hosting.data_keeper import DataKeeper, find_snapshots
from ._hosting.deciding import find_layers, roles_layer
from ._hosting.exports import Calls
from ._hosting.hosting import Hosting
from ._hosting.interpreted import Interpreters
from ._hosting.loading import Loader
from ._hosting.pressure import Pressure
from ._hosting.providers import Draining, Observer, Offer, find_observers, find_offers
from ._hosting.recorded import recorded_if
from ._hosting.running import Running
from ._hosting.tenants import HostTenants
from ._keeping.auditing import Auditing
from ._keeping.backup import remove_leftovers
from ._keeping.retaining import Retaining
from ._reader import find_store
from ._registry.history import History
from ._registry.in_force import GrantsInForce
from ._registry.ledger import Ledger
from ._registry.origins import HOST, acting
from ._registry.registry import Registry
from ._registry.stored_packages import StoredPackages
from ._registry.tables import ComponentPolicies, StoredTable
from ._registry.worlds import Worlds
from ._reporting import Reporting
from ._sources.finding import Sources
from ._sources.settings import SourceSettings
from ._trial.copies import Copies
from ._trial.doors import Doors
from ._trial.recordings import KeptRecordings, Recordings, TapeJournals
from ._trial.replaying import Replaying
from ._trial.settings import ReplaySettings
from ._trial.trial import Trials
from .errors import ConfigurationInvalid, HostOffline

__all__ = ("Mode", "OpenHome")

Mode = Literal["online", "offline", "readonly"]
_REST = 10.0
"""Seconds between two searches for components that were idle meanwhile."""
_HOUR = 3600.0
_NO_QUOTA = 2**62
_TIMERS = "airswasm-timers"
"""Contains no slash, so no component has this name."""
_FEW = 6_000
"""Without it, each component takes 10 of the 65,530 mappings that Linux gives a process."""


class OpenHome:
    """The parts of one home while it is open; the state of a `System`."""

    def __init__(
        self,
        home: Home | os.PathLike[str] | str,
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
        self._worlds = Worlds()
        self._stored = StoredPackages(ArtifactStore(self.home.artifacts_folder), checkpoint)
        self._offers: tuple[Offer, ...] = ()
        self._names: dict[str, anyio.Lock] = {}
        self._further_forbidden: tuple[Forbidden, ...] = ()
        self._started_at: float | None = None
        self._kept_recordings: KeptRecordings | None = None

    def _configure(self) -> None:
        self.configuration = self._given_configuration or Configuration.load(
            self.home.config_file, self.blocks, os.environ
        )
        self.policy = HostPolicy.of(self.configuration)
        self.sources = Sources(self.configuration.get(SourceSettings))
        self._check_mode()
        self.kinds = Kinds(self.blocks.capabilities.values())
        trust = self.configuration.get(TrustSettings)
        file = self.home.trust_folder / "trust.json"
        if self.mode != "readonly":
            keep_earlier_file(self.home.earlier_folder, file, TRUST_FORMAT)
        self._trust = TrustStore(
            file,
            threshold=trust.threshold,
            keys=trust.keys,
            clock=self._clock,
        )
        self._in_force = GrantsInForce(
            self.kinds,
            self._clock,
            is_development=self.policy.is_development,
            is_trusted=lambda source: self._levels.trusts_source(source),
            is_trusted_key=self._trust.trusts,
        )
        limits = self.configuration.get(LogLimits)
        self.logs = LogBook(self.home.logs_folder, limits, clock=self._clock)
        self._levels = Levels(
            self._trust,
            trust,
            self.home.folder / "keys",
            is_development=self.policy.is_development,
        )

    def _check_mode(self) -> None:
        file = str(self.home.config_file)
        problems = mode_problems(self.configuration, file)
        if problems:
            raise ConfigurationInvalid(file, problems)

    async def _open_readonly(self, stack: AsyncExitStack) -> None:
        self.home.check()
        self._configure()
        stack.callback(self.logs.close)
        if find_store(self.home):
            store = self._opened(read_only=True)
            self._store: Store | None = await stack.enter_async_context(store)
            self._registry = await Registry.open(StoredTable(self._store))
            self.services.add(KeyValueStore, store)  # type: ignore[type-abstract]
            self._read_letters: DeadLetterStore | None = self._letter_store(store)
            self._read_timers: StoredTimers | None = StoredTimers(_timer_space(store))
            self._kept_recordings = KeptRecordings(store, self.configuration.get(ReplaySettings))
        else:
            self._store, self._registry = None, Registry.of({})
            self._read_letters = self._read_timers = None
        history = self.configuration.get(HistorySettings)
        self._history = await History.open(self._store, history, self._clock)
        self._reporting = self._make_reporting()

    async def _open(self, stack: AsyncExitStack) -> None:
        check_address_space()  # first: the store's engine would end the process, too
        self.home.create()
        lock = self._lock = self.home.lock()
        stack.callback(lock.release)
        remove_leftovers(self.home)
        self._configure()
        security = self.configuration.get(SecuritySettings)
        self.kinds.check(security.policy)
        self.kinds.check(Grants(deny=joined_patterns(security.forbidden_entries)))
        settings = self.configuration.get(AuditSettings)
        is_online = self.mode == "online"
        if is_online:
            self.logs.ship()
        auditing = self._auditing = Auditing(self.home, settings, stack, is_online=is_online)
        self._audit = auditing.log
        stack.callback(self.logs.close)
        find_store(self.home)
        store = self._store = await stack.enter_async_context(self._opened())
        self._note_lost_writes(store.lost_writes)
        await auditing.remember(store, self.configuration.settings(), stack)
        self._registry = await Registry.open(
            StoredTable(store), checkpoint=self._checkpoint, keep=self._keep_rows
        )
        history = self.configuration.get(HistorySettings)
        self._history = await History.open(store, history, self._clock)
        self._ledger = Ledger(
            self._registry, self._stored, self._trust, self._audit, self._checkpoint,
            self.kinds, self._clock, self._history,
        )  # fmt: skip
        self._meters = self.logs.meters = Meters(self.blocks.metrics.values())
        self._guard = Guard(
            self.kinds,
            audit=self._audit,
            policy=security.policy,
            allowed_lines=settings.allowed_lines,
            meters=self._meters,
            line_burst=settings.burst,
            lines_per_second=settings.lines_per_second,
        )
        self._effects = EffectLines(
            self._audit,
            self._guard.line_of,
            written=settings.effects,
            reads=(each.annotation for each in self.kinds if each.only_reads),
            burst=settings.effects_burst,
            per_second=settings.effects_per_second,
        )
        self._guard.add_layer(self._forbid(security), first=True)
        roles = roles_layer(self.configuration, self.home, self.blocks, self.kinds)
        if roles is not None:
            self._guard.add_layer(roles)
        durable = self.configuration.get(DurableSettings)
        self._policies = ComponentPolicies(
            self.policy, self.configuration.get(MessagingLimits), durable
        )
        self._engine = await stack.enter_async_context(Engine(self._engine_config()))
        actors = ActorSystem(
            str(self.home.folder),
            dispatcher=DispatcherConfig(
                threads=self.configuration.get(EngineSettings).worker_threads
            ),
            dead_letters=0,  # they are in the store
            hops=self._policies.limits.hops,
        )
        letters = self._dead_letters = self._letter_store(store)
        letters.listen(
            actors.dead_letters,
            id_of=actors.broker.id_of,
            identify=self._identify,
            meters=self._meters,
        )
        stack.push_async_callback(letters.aclose)  # after the actors have ended
        self._quota = SendingQuota(self._policies, time.monotonic)
        self._taps = Taps(
            actors, guard=self._guard, quota=self._quota, letter_id=letters.id_of,
            clock=self._clock,
        )  # fmt: skip
        stack.callback(self._taps.close)
        self._actors = await stack.enter_async_context(actors)
        self.logs.tracing = actors.tracing
        self._delivery = DurableDelivery(
            store,
            self._actors,
            durable,
            guard=self._guard,
            policy=self._policies,
            settle=letters.flush,
        )
        self._retained = DurableRetained(
            store,
            RetainedValues(self._policies.limits, self._delivery.counters),
            durable,
            self._actors.events,
        )
        self._schedule = Schedule(
            self._actors,
            self.configuration.get(TimerSettings),
            space=_timer_space(store),
            guard=self._guard,
            quota=self._quota,
            counters=self._delivery.counters,
            wall_clock=self._clock,
        )
        self._add_services(store)
        self._compose(store)
        self._retained.open()
        # The grants are in force now, and nothing runs yet.
        self._delivery.open()
        stack.callback(self._delivery.close)
        self._schedule.open(fires=self.mode == "online")
        stack.callback(self._schedule.close)
        await self._withdraw_uninstalled()
        await self._trials.copies.drop_leftovers()
        self._recordings.open()
        stack.callback(self._recordings.flush)
        await self._forgetting.resume(self._warn)
        await self._data.open()
        with acting(HOST):  # the tasks inherit it
            await self._watch(stack)
        await self._stored.sweep(self._registry.digests())

    def _opened(self, *, read_only: bool = False) -> Store:
        settings = self.configuration.get(StorageSettings)
        return open_store(
            self.home.store_folder,
            settings.engine,
            durability=settings.durability,
            limits=settings.limits(),
            read_only=read_only,
        )

    def _keep_rows(self, form: int, rows: Mapping[str, bytes]) -> None:
        folder = self.home.earlier_folder
        path = keep_earlier(folder, "registry.jsonl", form, written_rows(rows))
        reason = f"records of format {form} are written anew; {path} has them as they were"
        self._audit.record(AuditEvent("registry", outcome="done", reason=reason))

    def _letter_store(self, store: Store) -> DeadLetterStore:
        settings = self.configuration.get(DeadLetterSettings)
        return DeadLetterStore(store, settings, clock=self._clock)

    def _identify(self, name: str) -> tuple[str, str]:
        """Return the version that runs under a name, and the digest of its artifact."""
        record = self._registry.find(name)
        if record is None:
            return "", ""
        version = self._hosting.version(name) or record.active
        if not record.has_version(version):
            return version, ""
        return version, record.version(version).wasm_digest

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
        for layer in find_layers(self.blocks, self.services):
            self._guard.add_layer(layer)
        interfaces = [offer.interface for offer in self._offers]
        interpreters = self._interpreters = Interpreters(
            self._engine, self.blocks, self.home.cache_folder,
            KeptInterpreters(self.home.interpreters_folder),
        )  # fmt: skip
        loader = self._loader = Loader(
            self._engine, interfaces, self._stored.artifacts, self.blocks.contract, interpreters
        )
        doors = Doors(self._offers, self._guard, self.blocks.contract)
        beside = Beside()
        self._trials = Trials(Copies(store), doors, loader, beside)
        recordings = self._recordings = self._kept_recordings = Recordings(
            store, self.configuration.get(ReplaySettings), doors, self._meters,
            clock=self._clock, id_of=self._actors.broker.id_of,
        )  # fmt: skip
        self.services.add(Recordings, recordings)
        self._replaying = Replaying(recordings, self._trials, self._meters)
        self.services.add(Replaying, self._replaying)
        self._forgetting = Forgetting(
            self.blocks, self.services, store, self._ledger.give_up, self._checkpoint
        )
        self._hosting = Hosting(
            self._actors, loader, beside, self.logs, self._most_running(),
            self.policy.limits.message_bytes, self._revive,
            self._judge,
            self._dead_letters.id_for, recorded_if(recordings),
            start_waiting=self._start_waiting,
            needs_of=lambda name: self._running.needs_of(name),
        )  # fmt: skip
        self._calls = Calls(self._registry, self._hosting, self._actors, loader)
        self._data = DataKeeper(
            find_snapshots(self.blocks, self.services),
            self._registry, self._ledger, self.logs, self._meters, self._clock, self._checkpoint,
            self._hosting.ref, self.configuration.get(UpdateSettings).checkpoints,
        )  # fmt: skip
        keeping = KeepingData(self._data, self._hosting, loader, self._trials)
        is_online = self.mode == "online"
        self._reporting = self._make_reporting(self._hosting if is_online else None)
        self._running = Running(
            self._registry, self._ledger, self._stored, self._trust,
            self._in_force, self._guard, self._policies,
            self.logs, self._hosting, self.policy, self.services.get(Meters), is_online=is_online,
            delivery=self._delivery, schedule=self._schedule, clock=self._clock,
            data=self._data, successors={},
        )  # fmt: skip
        for record in self._registry:
            self._running.put_in_force(record.name)
        self._granting = Granting(
            self._registry, self._ledger, self._running, self.kinds, self._clock
        )
        self._installing = Installing(
            self._registry, self._ledger, self._trust, self.policy, loader, self._forgetting,
            self.logs, self._running, self._clock, self.kinds, self._levels, self._history, store,
        )  # fmt: skip
        self._retaining = Retaining(
            self._registry, self._ledger, self._stored, loader, self._hosting, self.logs,
            self._history, self._meters, lambda: self.policy, self._alone, self._clock,
        )  # fmt: skip
        self._updating = Updating(
            self._registry, self._ledger, self._trust, self.policy, loader, self._running,
            self._clock, self.kinds, self._levels,
            Switching(
                self._running, self._ledger, loader, self._find_gates(), keeping.around,
                self._checkpoint,
            ),
            Users(self._registry, self._guard, self.services.get(ExportUsers)),
        )  # fmt: skip
        self._swapping = Swapping(self._installing, self._updating)
        self._trusting = Trusting(
            self._registry, self._ledger, self._trust, self._audit, self._running, self._granting
        )
        self._reloading = Reloading(
            self.home.config_file, self.configuration, self.blocks,
            self.services.get(LiveSettings), self._auditing, self._history, self._put_in_force,
        )  # fmt: skip

    def _find_gates(self) -> Gates:
        settings, file = self.configuration.get(UpdateSettings), str(self.home.config_file)
        problems = gate_problems(settings, self.blocks.gates, file)
        if problems:
            raise ConfigurationInvalid(file, problems)
        found = find_gates(self.blocks, self.services)
        gates = Gates(found, settings, self.services.get(Meters))

        def prepare(settings: UpdateSettings) -> Callable[[], None]:
            problems = gate_problems(settings, self.blocks.gates, file)
            if problems:
                raise ConfigurationInvalid(file, problems)

            def apply() -> None:
                gates.settings, self._data.checkpoints = settings, settings.checkpoints

            return apply

        self.services.get(LiveSettings).prepare(UpdateSettings, prepare)
        return gates

    def _make_reporting(self, hosting: Hosting | None = None) -> Reporting:
        return Reporting(
            registry=self._registry,
            manifest_of=self._stored.manifest,
            used_bytes=self._used_bytes,
            policy=lambda: self.policy,
            clock=self._clock,
            size_of=self._stored.size_of,
            world_of=self._worlds.known,
            durable=lambda: self.configuration.get(DurableSettings),
            hosting=hosting,
            unwritten=self._guard.unwritten_denials if hosting is not None else lambda _name: 0,
            waiting=self._delivery.status if hosting is not None else lambda _name: None,
            timers=self._schedule.of if hosting is not None else lambda _name: (),
            recording=self._kept_recordings.find if self._kept_recordings else lambda _name: None,
        )

    def _forbid(self, settings: SecuritySettings) -> ForbiddenLayer:
        """Return the forbidden list: what the blocks and the settings have, and `forbid` added."""
        declared = (entry for each in self.blocks for entry in each.block.forbidden)
        entries = (*declared, *settings.forbidden_entries, *self._further_forbidden)
        return ForbiddenLayer(self.kinds, entries)

    def _put_in_force(self, configuration: Configuration) -> None:
        """Show other settings to all who ask for them from now on."""
        self.configuration = configuration
        self.services.add(Configuration, configuration)
        configuration.offer(self.services, self.blocks)

    async def _start_waiting(self, name: str) -> None:
        async with self._alone(name):
            await self._running.start_waiting(name)

    def _judge(self, name: str, version: str) -> AirswasmError | None:
        return self._running.judge(name, version)

    async def _revive(self, name: str, cool_down: float) -> None:
        async with self._alone(name):
            with acting(HOST):
                await self._running.revive(name, cool_down)

    def _most_running(self) -> int:
        most = self.policy.limits.running
        return min(most, _FEW) if self.configuration.get(EngineSettings).guests == "few" else most

    async def _withdraw_uninstalled(self) -> None:
        """End the deliveries and timers of names that a killed host had just uninstalled.

        Names without a record may be of actors in Python: the history knows which was installed.
        """
        kept = {*self._delivery.names(), *self._schedule.owners()}
        with suppress(StorageError):  # the next host tries again
            for name in kept - {each.name for each in self._registry}:
                told = await self._history.read(name, last=1)
                if told and told[0].act == "uninstall":
                    self._running.forget(name)

    async def _watch(self, stack: AsyncExitStack) -> None:
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        self._auditing.keep(group, self._actors)
        group.start_soon(self._granting.run)
        group.start_soon(self._retaining.run)
        group.start_soon(self._dead_letters.run)
        group.start_soon(self._data.run)
        if self.mode == "online":
            self._follow_settings(group)
            group.start_soon(self._rest_idle)
            group.start_soon(self._recordings.run)
            group.start_soon(self._note_unwritten)
            group.start_soon(self._tidy_logs)
            tenants = HostTenants(
                self._hosting, self._actors, self._guard, self.logs, self._audit, self._meters
            )
            self._pressure = Pressure(self._engine.host_memory, tenants)
            group.start_soon(self._pressure.run)
            await self._hosting.open(stack)
            health = self.services.get(HealthSources)
            health.add("host", self._hosting.findings)
            health.add("audit", self._auditing.findings)
            health.add("logs", self.logs.findings)
            health.add("dead letters", self._dead_letters.findings)
            self.observers = find_observers(self.blocks, self.services)
            for observer in self.observers.values():
                if isinstance(observer, Observer):
                    group.start_soon(observer.run)
                if isinstance(observer, Draining):
                    stack.push_async_callback(observer.drain)

    def _follow_settings(self, group: anyio.abc.TaskGroup) -> None:
        Following(
            services=self.services,
            policies=self._policies,
            running=self._running,
            levels=self._levels,
            sources=self.sources,
            auditing=self._auditing,
            retained=self._retained,
            recordings=self._recordings,
            history=self._history,
            most_running=self._most_running,
            upcoming=lambda: self._reloading.upcoming,
            forbid=self._forbid,
            alone=self._alone,
            is_busy=lambda name: name in self._names and self._names[name].locked(),
            later=lambda function, name: group.start_soon(function, name),
        ).follow()

    def _engine_config(self) -> EngineConfig:
        if self._given_engine is not None:
            return replace(self._given_engine, cache_folder=self.home.cache_folder)
        config = self.configuration.get(EngineSettings).config(self.home.cache_folder)
        return replace(config, host=self.configuration.get(HostSettings))

    async def _note_unwritten(self) -> None:
        """Write the number of the decisions, effects and log lines without a line of their own."""
        try:
            while True:
                await anyio.sleep(_REST)
                self._guard.note_unwritten()
                self._effects.note()
                self.logs.note_dropped()
        finally:
            self._guard.note_unwritten()
            self._effects.note()

    async def _tidy_logs(self) -> None:
        """Remove the logs that are older than they are kept."""
        while True:
            await self.logs.tidy()
            await anyio.sleep(_HOUR)

    async def _rest_idle(self) -> None:
        """Free the stacks of idle components, which most components are most of the time."""
        while True:
            await anyio.sleep(_REST)
            await self._engine.rest_idle()

    def _add_services(self, store: Store) -> None:
        add = self.services.add
        add(ExportUsers, ExportUsers())
        add(Home, self.home)
        add(HostPolicy, self.policy)
        add(LogBook, self.logs)
        add(Registry, self._registry)
        add(History, self._history)
        add(TrustStore, self._trust)
        add(AuditLog, self._audit)
        add(AuditSink, self._audit)  # type: ignore[type-abstract]  # only a key
        add(Guard, self._guard)
        add(EffectLines, self._effects)
        add(Kinds, self.kinds)
        add(Contract, self.blocks.contract)
        add(Blocks, self.blocks)
        add(Configuration, self.configuration)
        add(Meters, self._meters)
        add(HealthSources, HealthSources())
        add(LiveSettings, LiveSettings())
        self.configuration.offer(self.services, self.blocks)
        add(KeyValueStore, store)  # type: ignore[type-abstract]
        add(StorageQuotas, self._policies)  # type: ignore[type-abstract]
        add(DurabilityPolicy, self._policies)  # type: ignore[type-abstract]
        add(Journals, TapeJournals())  # type: ignore[type-abstract]
        add(MessagingPolicy, self._policies)  # type: ignore[type-abstract]
        counters = self._delivery.counters
        add(MessagingCounters, counters)
        add(RetainedTopics, self._retained)  # type: ignore[type-abstract]
        add(Store, store)
        add(Engine, self._engine)
        add(HostMemory, self._engine.host_memory)
        add(ActorSystem, self._actors)
        add(DeadLetterStore, self._dead_letters)
        add(MessageBroker, self._actors.broker)
        add(DurableDelivery, self._delivery)
        add(SendingQuota, self._quota)
        add(Schedule, self._schedule)

    def _need_writable(self, operation: str) -> None:
        if self.mode == "readonly":
            raise HostOffline(operation)

    def _need_online(self, operation: str) -> None:
        if self.mode != "online":
            raise HostOffline(operation)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncGenerator[None]:
        """Allow one change of a name at a time."""
        lock = self._names.setdefault(name, anyio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.statistics().locked:  # a task that has waited may hold it already
                self._names.pop(name, None)


def _timer_space(store: Store) -> Namespace:
    return store.namespace(_TIMERS, quota_bytes=_NO_QUOTA, has_batch_bounds=False)
