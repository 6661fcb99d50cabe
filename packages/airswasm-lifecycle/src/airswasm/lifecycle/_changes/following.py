"""The parts of a host that lifecycle composes, and how each takes changed settings over.

Blocks that set parts up themselves say so there; `LiveSettings` says why and how.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass

from airswasm.actor import ActorSystem
from airswasm.messaging import (
    DeadLetterSettings,
    DeadLetterStore,
    DurableDelivery,
    DurableRetained,
    DurableSettings,
    MessagingLimits,
    Schedule,
    SendingQuota,
    TimerSettings,
)
from airswasm.runtime import HostMemory, HostSettings, LiveSettings, Services
from airswasm.security import (
    AclSettings,
    AuditSettings,
    EffectLines,
    ForbiddenLayer,
    Grants,
    Guard,
    Kinds,
    RolesSettings,
    SecuritySettings,
    TrustSettings,
    TrustStore,
)
from airswasm.storage import StorageError
from airswasm.wit import Blocks, Forbidden
from anyio.lowlevel import checkpoint

from .._home.configuration import Configuration
from .._home.history_settings import HistorySettings
from .._home.home import Home
from .._home.logbook import LogBook
from .._home.logfiles import LogLimits
from .._home.policy import (
    HealthPolicy,
    HostPolicy,
    InstallPolicy,
    LimitPolicy,
    SupervisionPolicy,
)
from .._hosting.deciding import roles_layer
from .._hosting.hosting import Hosting
from .._hosting.running import Alone, Running
from .._keeping.auditing import Auditing
from .._registry.history import History
from .._registry.tables import ComponentPolicies
from .._sources.finding import Sources
from .._sources.settings import SourceSettings
from .._trial.recordings import Recordings
from .._trial.settings import ReplaySettings
from .levels import Levels

__all__ = ("Following", "joined_patterns")

_AT_ONCE = 50
"""Components that are held to a new policy between two turns of other tasks."""


def joined_patterns(entries: Iterable[Forbidden]) -> dict[str, tuple[str, ...]]:
    """Return forbidden entries as a table of denials."""
    return {each.capability.replace(".", ":"): each.patterns for each in entries}


@dataclass(frozen=True, slots=True)
class Following:
    """Has the parts of one host follow its settings.

    Attributes:
        services: The parts that blocks share.
        policies: The quotas of components.
        running: The components that run.
        levels: The levels of trust.
        sources: The sources of packages.
        auditing: The audit log.
        retained: The values of topics.
        recordings: The recorded messages.
        history: The history of changes.
        most_running: Returns how many components may run by the policy.
        upcoming: Returns the settings that a reload is about to put into force.
        forbid: Returns the forbidden list by other settings.
        alone: Excludes other changes of a name; for what runs.
        is_busy: Whether another change of a name is under way.
        later: Runs a function in a task of the host.
    """

    services: Services
    policies: ComponentPolicies
    running: Running
    levels: Levels
    sources: Sources
    auditing: Auditing
    retained: DurableRetained
    recordings: Recordings
    history: History
    most_running: Callable[[], int]
    upcoming: Callable[[], Configuration]
    forbid: Callable[[SecuritySettings], ForbiddenLayer]
    alone: Alone
    is_busy: Callable[[str], bool]
    later: Callable[[Callable[[str], Coroutine[object, object, None]], str], object]

    def follow(self) -> None:
        """Tell the host's `LiveSettings` how each part takes changes over."""
        get = self.services.get
        live = get(LiveSettings)
        live.take(HostSettings, get(HostMemory).hold_to)
        live.prepare(LogLimits, get(LogBook).prepare)
        live.take(SourceSettings, self.sources.hold_to)
        live.take(DeadLetterSettings, get(DeadLetterStore).hold_to)
        live.take(MessagingLimits, self._take_messaging)
        live.take(DurableSettings, self._take_durable)
        live.take(TimerSettings, self._take_timers)
        live.take(ReplaySettings, self.recordings.use)
        live.take(HistorySettings, self._take_history)
        live.prepare(AuditSettings, self.auditing.prepare)
        live.take(AuditSettings, self._take_audit)
        live.prepare(SecuritySettings, self._prepare_security)
        live.prepare(RolesSettings, lambda _settings: self._prepare_roles())
        live.prepare(AclSettings, lambda _settings: self._prepare_roles())
        live.take(TrustSettings, self._take_trust)
        for model in (InstallPolicy, LimitPolicy, SupervisionPolicy, HealthPolicy):
            live.take(model, lambda _settings: self._take_policy())

    # -- messaging -----------------------------------------------------------------------------

    def _take_messaging(self, limits: MessagingLimits) -> None:
        self.policies.hold_to(limits=limits)
        self.services.get(SendingQuota).hold_to(limits)
        self.services.get(ActorSystem).dispatcher.most_hops = limits.hops
        self.retained.hold_to(limits=limits)

    def _take_durable(self, settings: DurableSettings) -> None:
        self.policies.hold_to(durable=settings)
        self.retained.hold_to(settings=settings)
        delivery = self.services.get(DurableDelivery)
        delivery.hold_to(settings)
        for name in self.policies.names():
            with suppress(StorageError):  # the store's failure is reported where it is used
                delivery.declare(name, self.policies.delivery_of(name))

    def _take_history(self, settings: HistorySettings) -> None:
        self.history.settings = settings

    def _take_timers(self, settings: TimerSettings) -> None:
        self.services.get(Schedule).settings = settings

    # -- security ------------------------------------------------------------------------------

    def _take_audit(self, settings: AuditSettings) -> None:
        self.services.get(Guard).write_lines(
            settings.allowed_lines, burst=settings.burst, per_second=settings.lines_per_second
        )
        self.services.get(EffectLines).write_by(
            settings.effects,
            burst=settings.effects_burst,
            per_second=settings.effects_per_second,
        )

    def _prepare_security(self, settings: SecuritySettings) -> Callable[[], None]:
        kinds, guard = self.services.get(Kinds), self.services.get(Guard)
        policy = settings.policy
        kinds.check(policy)
        kinds.check(Grants(deny=joined_patterns(settings.forbidden_entries)))
        kinds.rules(policy)
        forbidden = self.forbid(settings)

        def apply() -> None:
            guard.add_layer(forbidden)
            guard.hold_to(policy)

        return apply

    def _prepare_roles(self) -> Callable[[], None]:
        get = self.services.get
        guard = get(Guard)
        layer = roles_layer(self.upcoming(), get(Home), get(Blocks), get(Kinds))

        def apply() -> None:
            if layer is not None:
                guard.add_layer(layer)
            else:
                guard.remove_layer("roles")

        return apply

    def _take_trust(self, settings: TrustSettings) -> None:
        self.services.get(TrustStore).hold_to(settings)
        self.levels.hold_to(settings)
        for record in self.running.registry:
            self.running.put_in_force(record.name)

    # -- the policy ----------------------------------------------------------------------------

    def _take_policy(self) -> Awaitable[None]:
        policy = self.services.get(HostPolicy)
        is_other = HostPolicy.of(self.upcoming()) != policy
        policy.hold_to(HostPolicy.of(self.upcoming()))
        self.policies.hold_to()
        hosting: Hosting = self.running.hosting
        hosting.hold_all_to(
            most_running=self.most_running(), most_message_bytes=policy.limits.message_bytes
        )
        return self._hold_all(is_other)

    async def _hold_all(self, is_other: bool) -> None:
        """Hold the components that run to the policy; one that another change has, after it."""
        names = [record.name for record in self.running.registry] if is_other else []
        for number, name in enumerate(names):
            if number % _AT_ONCE == 0:
                await checkpoint()
            if self.is_busy(name):
                self.later(self._hold_after, name)
            else:
                self.running.hold_again(name)

    async def _hold_after(self, name: str) -> None:
        async with self.alone(name):
            self.running.hold_again(name)
