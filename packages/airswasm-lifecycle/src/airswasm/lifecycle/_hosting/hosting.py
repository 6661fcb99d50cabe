"""Run components under one supervisor each, and switch versions without losing a message.

Each component has its own supervisor, built from its manifest's settings, with the component as the
only child. So its crashes count against its own intensity only, a component that gives up takes no
other with it, and a slow start delays no other's restart. Rejected: one supervisor with all
components as children, which would share its intensity.

An update replaces the actor behind the component's reference: the mailbox stays and handlers never
overlap. Until the new version is ready and the change is written, the old one is untouched. When
the new version takes over stored data (`migrate`), the old one first finishes the message in hand
and then pauses, because two versions must not write the same data at once.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakValueDictionary

import anyio
from airswasm.actor import (
    ActorError,
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskTimeout,
    Backoff,
    ChildStartFailed,
    EventKind,
    HealthCheckFailed,
    LifecycleEvent,
    MailboxSpec,
    SupervisorGaveUp,
    SupervisorNode,
)
from airswasm.runtime import Finding, GuestFault, Health, LinkedComponent
from airswasm.security import TrustError
from airswasm.wit import AirswasmError

from .._home.caps import Excess
from .._home.logbook import LogBook
from .._packages.manifest import MANIFEST_NAME, Manifest
from .._registry.limits import acceptance_of, limits_of
from .._registry.registry import ComponentRecord
from ..errors import DataNotRestored, NotRunning, StartFailed, TooManyRunning
from .beside import Beside
from .candidate import Candidate
from .checks import Checks
from .incarnations import Build, HostedActor, Maker, Recipe, reason_of, supervisor_spec
from .loading import Loader, wasi_of
from .ordering import NeedsOf, Start, Waiting, in_order, waited_for
from .quarantine import Placeholder, Quarantine
from .revivals import Revivals, Revive
from .status import ComponentStatus
from .turns import Turns

__all__ = ("Hosting",)

_STOPPING_AT_ONCE = 256
_DATA_PAUSE = 10.0
"""Seconds until a component whose data could not be put back is tried again."""
_QUARANTINE_TIME = 1.0
"""Seconds to wait for the place of what was quarantined; an update in hand may take longer."""
_SLICE = 0.001
_CHECK_TIME = 5.0
"""Seconds for the first health check of a component whose manifest asks for none."""
_CLOSING_TIME = 60.0
"""Seconds within which all components together must stop."""
Commit = Callable[[], Awaitable[None]]
Judge = Callable[[str, str], AirswasmError | None]
"""Says why a version of a name must not start again."""


@dataclass(slots=True)
class _Hosted:
    """The state of one started component."""

    version: str
    node: SupervisorNode
    manifest: Manifest
    ref: ActorRef | None = None
    ready_at: float | None = None
    restarts: int = 0
    switches: int = 0
    """Incarnations that are no restarts after a crash: updates, and the replaced ones."""
    last_error: str | None = None
    checks: Checks = field(default_factory=Checks)
    has_settled: bool = False
    """Whether it was well once, as what needs it asks before it starts."""


async def _leave_waiting(_name: str) -> None:
    """Do nothing, where no component needs another."""


class Hosting:
    """Starts, replaces and stops components in an actor system.

    Attributes:
        most_running: How many components may run; a lower number ends none.
        most_message_bytes: The most bytes of a message to a component that starts.
        beside: What runs beside the hosted components.
    """

    def __init__(
        self,
        actors: ActorSystem,
        loader: Loader,
        beside: Beside,
        logs: LogBook,
        most_running: int,
        most_message_bytes: int,
        revive: Revive,
        judge: Judge,
        letter_for: Callable[[BaseException | None], str] = lambda _cause: "",
        build: Build = HostedActor,
        *,
        start_waiting: Start = _leave_waiting,
        needs_of: NeedsOf = lambda _name: (),
    ) -> None:
        self._letter_for = letter_for
        self._build = build
        self._actors, self._loader, self._logs = actors, loader, logs
        self._judge, self.beside = judge, beside
        self.most_running = most_running
        self.most_message_bytes = most_message_bytes
        self._hosted: dict[str, _Hosted] = {}
        self._refused: dict[str, str] = {}
        """Components that failed to start, with the reason."""
        self._quarantine = Quarantine()
        self._turns = Turns()
        self._evicting: set[str] = set()
        self._expected: dict[str, anyio.Event] = {}
        """Components that wait for their turn to start."""
        self._starting: dict[str, anyio.CancelScope] = {}
        self._trying: dict[str, anyio.CancelScope] = {}
        """Names for which a candidate starts, or has started."""
        self._killing: Counter[str] = Counter()
        """Names that an operator is killing: none of them may start."""
        self.revivals = Revivals(actors, revive)
        self.held_back = Waiting(actors, start_waiting)
        self._needs_of = needs_of
        self._held: dict[str, tuple[Excess, ...]] = {}
        self._recipes = WeakValueDictionary[tuple[str, str], Recipe]()

    async def open(self, stack: AsyncExitStack) -> None:
        """Watch events until `stack` closes; then stop every component."""
        subscription = self._actors.events.listen(self._note)
        stack.callback(subscription.cancel)
        stack.push_async_callback(self._stop_all)

    @property
    def expected(self) -> tuple[str, ...]:
        """The names that wait for their turn to start."""
        return tuple(self._expected)

    def expect(self, names: Iterable[str]) -> None:
        """Count names as starting until `has_begun`, or until each is started or stopped."""
        for name in names:
            self._expected.setdefault(name, anyio.Event())

    def is_expected(self, name: str) -> bool:
        """Return whether a name still waits for its turn to start."""
        return name in self._expected

    def has_begun(self, name: str) -> None:
        """Wake the tasks that wait for a name's turn."""
        begun = self._expected.pop(name, None)
        if begun is not None:
            begun.set()

    async def wait_begun(self, name: str) -> None:
        """Wait until a name's start has ended, well or not."""
        begun = self._expected.get(name)
        if begun is not None:
            await begun.wait()

    def ref(self, name: str) -> ActorRef | None:
        """Return the reference of a component; it stays through updates and restarts."""
        hosted = self._hosted.get(name)
        return hosted.ref if hosted is not None else None

    def waiting(self, name: str) -> int:
        """Return how many messages wait in a component's mailbox."""
        ref = self.ref(name)
        return ref.mailbox.size if ref is not None and ref.is_alive else 0

    def version(self, name: str) -> str | None:
        """Return the version that is hosted under a name; None if none is."""
        hosted = self._hosted.get(name)
        return hosted.version if hosted is not None else None

    def incarnation(self, name: str) -> int | None:
        """Return the number of a name's incarnations since it was started; None if none is."""
        hosted = self._hosted.get(name)
        return hosted.ref.incarnation if hosted is not None and hosted.ref is not None else None

    def can_receive(self, name: str) -> bool:
        """Return whether a name has a mailbox that takes messages of the host."""
        hosted = self._hosted.get(name)
        if hosted is None or hosted.ref is None:
            return False
        return hosted.ref.is_alive and self._quarantine.reason(name) is None

    def is_stopped(self, name: str) -> bool:
        """Return whether nothing of a name runs, starts, or waits to start again."""
        return name not in self._hosted and name not in self._starting

    def is_replaceable(self, name: str) -> bool:
        """Return whether a successor can take over the mailbox of a name."""
        hosted = self._hosted.get(name)
        if hosted is None or not hosted.node.is_open:
            return False
        return [child.state for child in hosted.node.status()] in (["running"], ["restarting"])

    def is_running(self, name: str) -> bool:
        """Return whether an incarnation handles messages now."""
        return self.state(name) == "running"

    def state(self, name: str) -> str:
        """Return one word.

        `waiting` for what it needs, `starting`, `running`, `restarting`, `given up`, `failed`,
        `quarantined` or `stopped`.
        """
        hosted = self._hosted.get(name)
        if self._quarantine.reason(name) is not None:
            return "quarantined"
        if hosted is None:
            if name in self.held_back:
                return "waiting"
            absent = "starting" if name in self._expected else "stopped"
            return "failed" if name in self._refused else absent
        if hosted.node.failure is not None:
            return "given up"
        if hosted.ref is None:
            return "failed" if hosted.last_error is not None else "starting"
        states = [child.state for child in hosted.node.status()]
        return states[0] if states and hosted.node.is_open else "stopped"

    def running(self) -> Iterator[tuple[str, ActorRef, HostedActor]]:
        """Yield the components of which an incarnation is there."""
        for name, hosted in list(self._hosted.items()):
            actor = hosted.ref.actor if hosted.ref is not None else None
            if hosted.ref is not None and isinstance(actor, HostedActor):
                yield name, hosted.ref, actor

    def status(self, record: ComponentRecord) -> ComponentStatus:
        """Return the status of one component."""
        state = self.state(record.name)
        hosted = self._hosted.get(record.name)
        held = self.held(record.name)
        revives_in, revivals = self.revivals.left(record.name), self.revivals.count(record.name)
        if hosted is None:
            error = self._quarantine.reason(record.name) or self._refused.get(record.name)
            return ComponentStatus(
                record.name, record.active, state, last_error=error,
                waits_for=tuple(
                    f"{need} ({why})" for need, why in self.held_back.missing(record.name).items()
                ),
                held=held, revivals=revivals, revives_in=revives_in,
            )  # fmt: skip
        ref = hosted.ref
        actor = ref.actor if ref is not None else None
        meter = actor if isinstance(actor, HostedActor) else None
        mailbox = ref.mailbox if ref is not None and ref.is_alive else None
        is_up = state == "running" and hosted.ready_at is not None
        return ComponentStatus(
            name=record.name,
            version=hosted.version,
            state=state,
            uptime=self._actors.clock() - (hosted.ready_at or 0.0) if is_up else None,
            restarts=hosted.restarts,
            last_error=self._quarantine.reason(record.name) or hosted.last_error,
            mailbox=mailbox.size if mailbox else 0,
            mailbox_bytes=mailbox.size_bytes if mailbox else 0,
            oldest_message_age=mailbox.oldest_age if mailbox and mailbox.size else None,
            messages=ref.handled if ref is not None else 0,
            fuel_used=meter.fuel_used if meter else 0,
            memory_bytes=meter.memory_bytes if meter else 0,
            host_memory_bytes=meter.host_memory_bytes if meter else 0,
            health=hosted.checks.verdict if is_up else None,
            held=held,
            revivals=revivals,
            revives_in=revives_in,
            processor_seconds=ref.processor_seconds if ref is not None else 0.0,
        )

    def quarantine_of(self, name: str) -> Finding | None:
        """Return why the version under a name may not run, and what to do; None if it may."""
        return self._quarantine.finding(name, self.version(name))

    def findings(self) -> Iterator[Finding]:
        """Return what a host that runs components knows of their health and of its own."""
        if self._expected:
            text = f"{len(self._expected):,} components have not started yet"
            yield Finding(Health.UNKNOWN, "host", text, is_unready=True)
        yield from self._quarantine
        for name in self.held_back:
            text = f"waits for {shown_needs(self.held_back.missing(name))}"
            yield Finding(Health.DEGRADED, name, text, f"airswasm info {name}")
        for name in list(self._hosted):
            missing = {
                need: self.state(need) for need in self._needs_of(name) if self._is_down(need)
            }
            if missing:
                text = f"needs {shown_needs(missing)}"
                yield Finding(Health.DEGRADED, name, text, f"airswasm info {name}")
        for name, reason in list(self._refused.items()):
            if name not in self._hosted and self._quarantine.reason(name) is None:
                yield Finding(
                    Health.UNHEALTHY, name, f"did not start: {reason}", f"airswasm logs {name}"
                )
        for name, hosted in list(self._hosted.items()):
            if hosted.checks.unwell is not None:
                text = f"its health check fails: {hosted.checks.unwell}"
                yield Finding(Health.UNHEALTHY, name, text, f"airswasm logs {name}")
            if hosted.ref is not None and hosted.ref.holds_loop:
                text = "it has held the event loop for too long, and runs on worker threads since"
                yield Finding(Health.DEGRADED, name, text, f"airswasm profile {name}")

    def _is_down(self, name: str) -> bool:
        return self.state(name) in ("stopped", "failed", "given up", "quarantined", "waiting")

    async def has_settled(self, name: str) -> bool:
        """Return whether a component runs and was well once; ask it if that is not known."""
        hosted = self._hosted.get(name)
        if hosted is None or not self.is_running(name):
            return False
        actor = hosted.ref.actor if hosted.ref is not None else None
        if not hosted.has_settled and isinstance(actor, HostedActor):
            health = hosted.manifest.health
            try:
                await actor.check(timeout=health.timeout if health is not None else _CHECK_TIME)
                hosted.has_settled = True
            except (ActorError, GuestFault):
                return False
        return hosted.has_settled

    def note_held(self, name: str, held: tuple[Excess, ...]) -> None:
        """Record, and log, the numbers of a manifest that the policy does not allow."""
        if held != self._held.get(name, ()):
            for each in held:
                self._logs.write(name, "warn", f"held to the policy: {each}", source="supervisor")
        self._held[name] = held

    def held(self, name: str) -> tuple[str, ...]:
        """Return the numbers that the policy holds, as texts."""
        return tuple(map(str, self._held.get(name, ())))

    async def start(
        self, record: ComponentRecord, manifest: Manifest, candidate: Candidate | None = None
    ) -> None:
        """Start a component.

        Args:
            record: Its record.
            manifest: Its manifest.
            candidate: Its first incarnation, which has started.

        Raises:
            StartFailed: It did not come up, or an operator killed it meanwhile; nothing of it runs.
            TooManyRunning: The host already runs as many components as its policy allows.
            ArtifactCorrupt, EngineError: The component could not be loaded.
        """
        name = record.name
        self._refused.pop(name, None)
        self._quarantine.lift(name)
        self.revivals.cancel(name)
        if name not in self._hosted:
            self._check_room(name)
        with anyio.CancelScope() as scope:
            self._starting[name] = scope
            try:
                if name not in self._killing:
                    await self._start(record, manifest, candidate)
                    if not scope.cancel_called:  # it may come too late to interrupt
                        return
            finally:
                del self._starting[name]
        hosted = self._hosted.pop(name, None)
        if hosted is not None:
            await hosted.node.stop(timeout=0)
        reason = self._quarantine.reason(name) or "an operator killed it"
        raise StartFailed(name, record.active, reason)

    def _check_room(self, name: str) -> None:
        if len(self._hosted) >= self.most_running:
            raise TooManyRunning(name, self.most_running)

    async def _start(
        self, record: ComponentRecord, manifest: Manifest, candidate: Candidate | None
    ) -> None:
        name = record.name
        if candidate is not None:
            make = candidate.hand_over()
        else:
            make = await self._maker(record, manifest, record.migrate_from)
        node = SupervisorNode(self._actors, supervisor_spec(make), name=name, is_quiet=True)
        hosted = self._hosted[name] = _Hosted(record.active, node, manifest)
        try:
            await node.start()
        except ChildStartFailed as error:
            hosted.last_error = reason_of(error.__cause__ or error)
            raise StartFailed(name, record.active, hosted.last_error) from error
        hosted.ref = _ref_of(node, name)
        self._check_later(name, hosted)

    def note_refusal(self, name: str, error: Exception) -> None:
        """Record the reason of a failed start for later queries.

        No supervisor will retry; but the host itself tries again where data could not be put back,
        because a disk that was full may have room by then.
        """
        self._refused[name] = reason_of(error)
        if isinstance(error, DataNotRestored):
            self.revivals.expect(name, _DATA_PAUSE)
        if isinstance(error, TrustError):
            self._quarantine.bar(name, "", error)
        self._tell(EventKind.GIVEN_UP, name, error)

    def version_at_work(self, name: str) -> str | None:
        """Return the version of the code that runs; after the switch that is still the old one."""
        hosted = self._hosted.get(name)
        actor = hosted.ref.actor if hosted is not None and hosted.ref is not None else None
        return actor.version if isinstance(actor, HostedActor) else None

    async def evict(self, name: str, error: TrustError) -> None:
        """End the code that runs at once; an update that is switching to another one goes on."""
        hosted = self._hosted.get(name)
        if hosted is None or hosted.ref is None:
            return
        actor = hosted.ref.actor
        instance = actor.instance if isinstance(actor, HostedActor) else None
        await self._put_off(name, hosted.ref, error)
        with anyio.move_on_after(_QUARANTINE_TIME):
            # Its slice has yet to end, of which an instance does not tell.
            while instance is not None and not instance.is_closed:  # noqa: ASYNC110
                await anyio.sleep(_SLICE)

    async def quarantine(self, name: str, version: str, error: TrustError) -> None:
        """End a version's code at once and for good, and hold the messages of its name.

        The message in hand goes to the dead letters. A successor of the name (`replace`, `start`)
        ends the quarantine; where it replaces, it gets the messages. An update that is under way
        goes on, and what it brings is judged for itself.

        Args:
            name: The component.
            version: The version that must not run.
            error: For status and log.
        """
        self._bar(name, version, error)
        hosted = self._hosted.get(name)
        scope = self._starting.get(name)
        if scope is not None:
            scope.cancel()
        if hosted is None or hosted.ref is None:
            return
        hosted.ref.pause()
        await self.evict(name, error)

        def hold() -> Placeholder:
            if hosted.version != version:  # an update that went first replaced it
                raise NotRunning(name, "replaced")
            return Placeholder(name)

        child = dataclasses.replace(hosted.node.spec.children[0], start=hold)

        with anyio.CancelScope(shield=True), anyio.move_on_after(_QUARANTINE_TIME):
            with suppress(ActorError):  # it is down: as it comes up it finds that it is barred
                await hosted.node.update_child(child, finish=0)

    def _bar(self, name: str, version: str, error: AirswasmError) -> None:
        self._quarantine.bar(name, version, error)
        found = self._quarantine.finding(name, version)
        text = f"{found.text}; {found.hint}" if found is not None else str(error)
        self._logs.write(name, "error", text, source="supervisor")
        self._tell(EventKind.GIVEN_UP, name, error)

    def placeholder(self, maker: Maker) -> Placeholder | None:
        """Return the stand-in for an incarnation that may not start now; None if it may.

        A version that may not start again at all is quarantined.
        """
        name, version = maker.name, maker.version
        if self._quarantine.bars(name, version):
            return Placeholder(name)
        if not self._turns.allow(name, maker):
            return Placeholder(name, "restarting")
        error = self._judge(name, version)
        if error is None:
            return None
        hosted = self._hosted.get(name)
        if hosted is None or hosted.ref is None:
            raise error  # its first start: the caller of `start` gets it
        self._bar(name, version, error)
        hosted.ref.pause()
        return Placeholder(name)

    def note_return(self, name: str, reason: str) -> None:
        """Record the reason why an earlier version runs instead of the requested one."""
        hosted = self._hosted.get(name)
        if hosted is not None:
            hosted.last_error = reason

    @asynccontextmanager
    async def killing(self, name: str) -> AsyncGenerator[None]:
        """End a component at once, and keep it from starting inside the block.

        A start, stop or update of it that another task awaits raises an error there.
        """
        self._killing[name] += 1
        try:
            for scopes in (self._starting, self._trying):
                if name in scopes:
                    scopes[name].cancel()
            hosted = self._hosted.get(name)
            if hosted is not None:
                await hosted.node.stop(timeout=0)
            yield
        finally:
            self._killing[name] -= 1
            self._killing += Counter()  # discards counters that are zero

    def hold_all_to(self, *, most_running: int, most_message_bytes: int) -> None:
        """Take other bounds over; what is made of manifests from now on is made anew."""
        self.most_running, self.most_message_bytes = most_running, most_message_bytes
        self._recipes.clear()

    def hold_to(self, name: str, manifest: Manifest) -> None:
        """Hold a component that is hosted to other numbers, without a new incarnation.

        Its mailbox, its share of time and its health checks have them at once, its supervisor from
        the next failure on, and the engine from the next incarnation on.

        Args:
            name: The component.
            manifest: Its manifest with the other numbers.
        """
        hosted = self._hosted.get(name)
        if hosted is None or manifest == hosted.manifest:
            return
        (child,) = hosted.node.spec.children
        make = cast("Maker", child.start)
        make.recipe = self._recipe(make.recipe.linked, manifest)
        hosted.node.adjust(supervisor_spec(make))
        hosted.manifest = manifest
        actor = hosted.ref.actor if hosted.ref is not None else None
        if isinstance(actor, HostedActor):
            actor.weight = manifest.limits.weight

    async def stop(self, name: str) -> None:
        """Stop a component; without effect when it does not run."""
        hosted = self._hosted.get(name)
        self.has_begun(name)
        self.revivals.cancel(name)
        self.held_back.drop(name)
        self._held.pop(name, None)
        was_down = self.state(name) in ("failed", "given up", "quarantined")
        self._refused.pop(name, None)
        if hosted is not None:
            await hosted.node.stop()
            if self._hosted.get(name) is hosted:
                del self._hosted[name]
        self._quarantine.lift(name)  # not before: what a revocation ends must not run `shutdown`
        if was_down:  # it had ended by itself; now the operator wants it stopped
            self._tell(EventKind.STOPPED, name)

    # -- replacing -----------------------------------------------------------------------------

    async def load_candidate(self, record: ComponentRecord, manifest: Manifest) -> Candidate:
        """Load a version that is going to replace another one, and start nothing.

        Args:
            record: The record to run; its `migrate_from` names the version whose data it takes
                over.
            manifest: Its manifest.

        Raises:
            TooManyRunning: Nothing runs under its name, and the host has no room for more.
            ArtifactCorrupt, EngineError: It could not be loaded.
        """
        if record.name not in self._hosted:
            self._check_room(record.name)
        maker = await self._maker(record, manifest, record.migrate_from)
        return Candidate(record, manifest, maker, self.beside)

    @asynccontextmanager
    async def trying(self, name: str, version: str) -> AsyncGenerator[None]:
        """Let an operator who kills a name end the block, too.

        Raises:
            StartFailed: An operator killed it.
        """
        killed = StartFailed(name, version, "an operator killed it")
        if name in self._killing:
            raise killed
        with anyio.CancelScope() as scope:
            self._trying[name] = scope
            try:
                yield
            finally:
                del self._trying[name]
        if scope.cancelled_caught:
            raise killed

    @asynccontextmanager
    async def holding_still(self, name: str, candidate: Candidate | None) -> AsyncGenerator[None]:
        """Let a component finish the message in hand; inside the block, its messages wait.

        Only the candidate's code runs inside the block: a start under way has ended, another one
        waits for the end of the block, and a version that is replaced has no `shutdown`.

        Args:
            name: The component.
            candidate: The version whose data is there inside the block; None if nothing may start.
        """
        hosted = self._hosted.get(name)
        if hosted is None or hosted.ref is None:
            yield
            return
        hosted.ref.pause()
        try:
            with self._turns.given_to(name, candidate and candidate.maker):
                await self._turns.wait_started(name)
                if not await hosted.ref.finish(hosted.manifest.limits.timeout):
                    await self._put_off(name, hosted.ref, NotRunning(name, "restarting"))
                yield
        finally:
            is_put_off = isinstance(hosted.ref.actor, Placeholder)  # it crashed meanwhile
            if is_put_off and self._quarantine.reason(name) is None:
                with anyio.CancelScope(shield=True):
                    await self._put_off(name, hosted.ref, NotRunning(name, "restarting"))
            self._resume(name, hosted)

    async def _put_off(self, name: str, ref: ActorRef, error: AirswasmError) -> None:
        """End what stands under a name: its supervisor makes another, and counts nothing."""
        self._evicting.add(name)
        try:
            await self._actors.evict(ref, error)
        finally:
            self._evicting.discard(name)

    async def take_over(self, candidate: Candidate, commit: Commit) -> None:
        """Write the change, and put a candidate in the place of what runs under its name.

        The mailbox stays, and handlers do not overlap. The message in hand gets the whole time of
        its own limit.

        Args:
            candidate: It has started.
            commit: Writes the change; what it raises leaves everything as it was.

        Raises:
            ActorStopped, ChildNotRunning: What it should replace has ended.
            ChildStartFailed: `commit` failed; its `__cause__` is why.
        """
        name, version = candidate.name, candidate.version
        hosted = self._hosted[name]
        is_written = False

        async def prepare(_ready: object) -> None:
            nonlocal is_written
            await commit()
            is_written = True
            hosted.switches += 1
            hosted.version = version

        make = candidate.hand_over()
        spec = supervisor_spec(make)
        (child,) = spec.children
        try:
            with anyio.CancelScope(shield=True):
                finish = hosted.manifest.limits.timeout
                await hosted.node.update_child(child, prepare=prepare, finish=finish)
            if not is_written:
                raise ActorStopped(name)
        finally:
            if is_written:
                if self.may_run(make):
                    self._quarantine.lift(name)
                self._resume(name, hosted)
        hosted.node.adjust(spec)
        was_asked = hosted.manifest.health is not None
        hosted.manifest = candidate.manifest
        if not was_asked:
            self._check_later(name, hosted)
        hosted.ready_at = self._actors.clock()
        hosted.last_error = None

    def _resume(self, name: str, hosted: _Hosted) -> None:
        if hosted.ref is not None and self._quarantine.reason(name) is None:
            hosted.ref.resume()

    # -- making incarnations -------------------------------------------------------------------

    async def _maker(
        self, record: ComponentRecord, manifest: Manifest, migrate_from: str | None
    ) -> Maker:
        version = record.active_version
        linked = await self._loader.load(version.wasm_digest, record.name)
        key = (version.wasm_digest, version.files[MANIFEST_NAME])
        recipe = self._recipes.get(key)
        if recipe is None or recipe.linked is not linked:
            recipe = self._recipes[key] = self._recipe(linked, manifest)
        return Maker(recipe, record.name, record.active, migrate_from, self, self._build)

    def may_run(self, maker: Maker) -> bool:
        """Return whether code of a version may run now: it is not barred, and it is its turn."""
        name = maker.name
        is_barred = self._quarantine.bars(name, maker.version)
        return not is_barred and self._turns.allow(name, maker)

    def starting(self, name: str) -> AbstractContextManager[None]:
        """Count a start as under way inside the block."""
        return self._turns.starting(name)

    def _recipe(self, linked: LinkedComponent, manifest: Manifest) -> Recipe:
        backoff = manifest.supervision.backoff
        limits = limits_of(manifest)
        accepted = acceptance_of(manifest)
        fitting = linked.component.message_bytes(limits)
        message_bytes = min(fitting, self.most_message_bytes)
        return Recipe(
            linked=linked,
            manifest=manifest,
            limits=dataclasses.replace(limits, message_bytes=message_bytes),
            wasi=wasi_of(manifest, self._logs),
            mailbox=MailboxSpec(
                capacity=manifest.limits.mailbox,
                when_full=manifest.limits.mailbox_full,
                capacity_bytes=manifest.limits.mailbox_bytes,
                message_bytes=message_bytes,
                refuse=None if accepted.takes_any else accepted.refuse,
            ),
            backoff=Backoff(
                growth=backoff.growth,
                initial=backoff.initial,
                cap=backoff.maximum,
                jitter=backoff.jitter,
            ),
        )

    # -- health --------------------------------------------------------------------------------

    def _check_later(self, name: str, hosted: _Hosted) -> None:
        """Check health after each interval while the component is hosted."""
        health = hosted.manifest.health
        if health is not None and self._hosted.get(name) is hosted:
            self._actors.timers.after(
                health.interval,
                lambda: self._actors.group.start_soon(self._check, name, hosted),
            )

    async def _check(self, name: str, hosted: _Hosted) -> None:
        ref, health = hosted.ref, hosted.manifest.health
        actor = ref.actor if ref is not None else None
        if isinstance(actor, HostedActor) and health is not None and self.is_running(name):
            try:
                await actor.check(timeout=health.timeout)
                hosted.checks.note(None)
            except (HealthCheckFailed, AskTimeout) as error:
                if ref is not None and ref.actor is actor:
                    self._note_unwell(name, hosted, ref, error)
            except ActorError:  # it crashed, or another change has ended it: that is said elsewhere
                hosted.checks.forget()
        if hosted.node.failure is None:
            self._check_later(name, hosted)

    def _note_unwell(
        self, name: str, hosted: _Hosted, ref: ActorRef, error: HealthCheckFailed | AskTimeout
    ) -> None:
        """Report a failed check, and let the supervisor restart what failed too many."""
        reason = error.text if isinstance(error, HealthCheckFailed) else reason_of(error)
        hosted.checks.note(reason)
        health = hosted.manifest.health
        most = health.failures if health is not None else 0
        is_last = most and hosted.checks.failed >= most
        text = f"unhealthy: {reason} (failed checks in a row: {hosted.checks.failed})"
        self._logs.write(name, "warn", text, source="supervisor")
        if is_last and self._actors.crash(ref, error):
            hosted.checks.forget()

    # -- watching ------------------------------------------------------------------------------

    def _note(self, event: LifecycleEvent) -> None:
        name = event.name
        hosted = self._hosted.get(name)
        if hosted is None:
            return
        if event.kind is EventKind.GIVEN_UP:
            if isinstance(event.cause, SupervisorGaveUp):
                allowed = f"{event.cause.intensity} restarts within {event.cause.period:g} s"
                after = hosted.manifest.supervision.revive
                next_ = "" if after is None else f"; the host starts it again in {after:g} s"
                self._log(
                    name, "error", f"given up: it crashed again after {allowed}{next_}", event
                )
                if after is not None:
                    self.revivals.expect(name, after)
        elif event.incarnation == 0:
            return  # not of an incarnation: `_tell` handles those
        elif event.kind is EventKind.READY:
            hosted.ready_at = event.time
            is_placeholder = hosted.ref is not None and isinstance(hosted.ref.actor, Placeholder)
            hosted.switches += is_placeholder
            restarts = event.incarnation - 1 - hosted.switches
            if not is_placeholder:
                self._log(name, "info", _how_it_came_up(event, hosted, restarts), event)
            hosted.restarts = restarts
            if not is_placeholder:
                self.held_back.note_ready(name)
        elif event.kind is EventKind.STOPPING and event.reason == "replaced":
            if name in self._evicting:
                return  # what takes its place counts for itself
            hosted.switches += 1
            said = reason_of(event.cause) if event.cause else "no room for a message"
            self._log(name, "warn", f"replaced, which counts as no restart: {said}", event)
        elif event.kind is EventKind.FAILED:
            hosted.ready_at = None
            hosted.last_error = reason_of(event.cause) if event.cause else event.reason
            letter = self._letter_for(event.cause)
            way = f"; the message: airswasm dlq show {letter}" if letter else ""
            self._log(name, "error", f"failed: {hosted.last_error}{way}", event)
        elif event.kind is EventKind.STOPPED:
            self._log(name, "info", f"stopped ({event.reason or 'normal'})", event)

    def _tell(self, kind: EventKind, name: str, cause: Exception | None = None) -> None:
        self._actors.events.emit(LifecycleEvent(kind, name, self._actors.clock(), cause=cause))

    def _log(self, name: str, level: str, text: str, event: LifecycleEvent) -> None:
        fields: dict[str, object] = {"event": str(event.kind), "incarnation": event.incarnation}
        cause = event.cause
        if cause is not None:
            fields["error"] = type(cause).__name__
        if isinstance(cause, GuestFault):
            fields["fuel_used"] = cause.fuel_used
            fields["memory_peak_bytes"] = cause.memory_peak_bytes
            fields["backtrace"] = " < ".join(str(frame) for frame in cause.backtrace)
        if event.trace is not None:
            fields |= {"trace_id": event.trace.trace_id, "span_id": event.trace.span_id}
        self._logs.write(name, level, text, source="supervisor", fields=fields)

    async def _stop_all(self) -> None:
        """Stop what needs others before those, and the rest side by side."""
        order = in_order(self._hosted, self._needs_of)
        users: dict[str, list[anyio.Event]] = {}
        stopped: dict[str, anyio.Event] = {}
        for name, needs in waited_for(order, self._needs_of).items():
            stopped[name] = anyio.Event()
            for need in needs:
                users.setdefault(need, []).append(stopped[name])
        waiting = reversed(order)

        async def stop_some() -> None:
            for name in waiting:
                for event in users.get(name, ()):
                    await event.wait()
                await self.stop(name)
                if name in stopped:
                    stopped[name].set()

        with anyio.move_on_after(_CLOSING_TIME):
            async with anyio.create_task_group() as group:
                for _ in range(min(_STOPPING_AT_ONCE, len(self._hosted))):
                    group.start_soon(stop_some)


def shown_needs(missing: Mapping[str, str]) -> str:
    """Return what a component needs, with the state of each, for people."""
    return ", ".join(f"{need}, which is {state}" for need, state in missing.items())


def _how_it_came_up(event: LifecycleEvent, hosted: _Hosted, restarts: int) -> str:
    if event.incarnation == 1:
        return "started"
    if restarts > hosted.restarts:
        return f"restarted, incarnation {event.incarnation}"
    return f"{hosted.version} took over, incarnation {event.incarnation}"


def _ref_of(node: SupervisorNode, name: str) -> ActorRef:
    child = node.child(name)
    assert isinstance(child, ActorRef)
    return child
