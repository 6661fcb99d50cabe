"""The operations that verbs ask of a host, running or on disk.

Two classes answer: `LocalHost`, a `System` in this process, and `control_client.RemoteHost`, which
asks the running host over its socket. Both return documents (`document`), so a verb prints the same
either way, and the control server is a `LocalHost` with routes.

`Host` gives types to the rows of `control_api.OPERATIONS`: one method for each,
with the same parameters. Those that only look are in `stored_host`, and those on stored data in
`storage`.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from .._control.api import OPERATIONS
from .._control.document import Document
from .._control.operation import Operation, Scope, Table
from .._control.pending import Change, PendingPlans
from .._control.tokens import TokenFile
from ..errors import PlanGone
from .alerts import AlertHost, LocalAlerts
from .audit import LocalAudit
from .functions import FunctionHost, LocalFunctions
from .letters import LetterHost, LocalLetters
from .recordings import LocalRecordings, RecordingHost
from .storage import LocalStorage, StorageHost
from .stored_host import HostReader, StoredHost, to_document
from .swaps import LocalSwaps, SwapHost
from .timers import LocalTimers, TimerHost
from .traces import LocalTraces, TraceHost
from .versions import LocalVersions, VersionHost
from .watching import LocalWatch, WatchHost

if TYPE_CHECKING:
    from airswasm.lifecycle import (
        Approval,
        DataChoice,
        InstallPlan,
        LogQuery,
        Package,
        System,
    )
    from airswasm.security import PublicKey, TrustedComponent, Use

__all__ = ("GrantChange", "Host", "LocalHost")

GrantChange: TypeAlias = Literal["add", "narrow", "deny", "remove", "lift"]


class Host(
    HostReader,
    StorageHost,
    LetterHost,
    TimerHost,
    TraceHost,
    AlertHost,
    FunctionHost,
    RecordingHost,
    SwapHost,
    VersionHost,
    WatchHost,
    Protocol,
):
    """A home's components, running or not."""

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        ...

    async def about(self) -> Document:
        """Return the host's version, process and home."""
        ...

    async def openapi(self) -> Document:
        """Return the control API as an OpenAPI document."""
        ...

    async def plan(
        self,
        package: bytes,
        source: str = "",
        change: Change = "install",
        pin: str = "",
        origin: str = "",
        dry_run: bool = False,
    ) -> Document:
        """Return the plan of a change with a package, and keep the package for `approve`."""
        ...

    async def approve(
        self, digest: str, narrowed: str = "", denied: str = "", override: str = "",
        reason: str = "",
    ) -> Document:  # fmt: skip
        """Carry out a plan; grant less than it asks for where lines of a manifest say so."""
        ...

    async def refuse(self, digest: str) -> None:
        """Drop a plan, and record the refusal."""
        ...

    async def uninstall(self, name: str, purge: bool = False) -> None:
        """Remove a component; with `purge` also its stored data and log."""
        ...

    async def plan_rollback(
        self, name: str, to: str | None = None, dry_run: bool = False
    ) -> Document:
        """Return the plan of a rollback."""
        ...

    async def rollback(
        self,
        name: str,
        to: str | None = None,
        override: str = "",
        reason: str = "",
        data: str = "",
    ) -> Document:
        """Go back to a retained version."""
        ...

    async def grants(self) -> Sequence[Document]:
        """Return the grants of all components."""
        ...

    async def grants_of(self, name: str) -> Document:
        """Return what a component asks for, and what was decided about it."""
        ...

    async def learn(self, name: str) -> AsyncIterator[Document]:
        """Return what a component uses, as it does, and let it use what only its grants lack."""
        ...

    async def access(self, name: str, capability: str, resource: str) -> Document:
        """Return why a component may do something, or may not."""
        ...

    async def change_grants(
        self, name: str, change: GrantChange, capability: str, patterns: str = "",
        until: float = 0.0, reason: str = "",
    ) -> Document:  # fmt: skip
        """Change the grants of a component; patterns are lines."""
        ...

    async def start(self, name: str) -> Document:
        """Start a component, now and whenever the host starts."""
        ...

    async def stop(self, name: str, kill: bool = False) -> Document:
        """Stop a component until a client starts it again; with `kill` at once."""
        ...

    async def restart(self, name: str) -> Document:
        """Stop and start a component."""
        ...

    async def send(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> bytes | None:
        """Deliver a message and return the reply."""
        ...

    async def deliver(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """Deliver a message and return its receipt, with the reply or the error."""
        ...

    async def codecs(self, name: str) -> Document:
        """Return the codecs of the messages that a component reads."""
        ...

    async def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """Publish to a topic; return the number of mailboxes."""
        ...

    async def profile(self, name: str) -> Document:
        """Return where a component's time and fuel go."""
        ...

    async def trust(self) -> Document:
        """Return the pinned names and the revoked keys."""
        ...

    async def trust_add(self, name: str, key: str, label: str = "") -> Document:
        """Pin a component to its owner's key."""
        ...

    async def trust_remove(self, name: str) -> bool:
        """Forget a component's pin; return whether there was one."""
        ...

    async def trust_add_cosigner(self, name: str, key: str) -> Document:
        """Pin a key beside the owner's."""
        ...

    async def trust_remove_cosigner(self, name: str, fingerprint: str) -> Document:
        """Count a key for a name no longer."""
        ...

    async def trust_threshold(self, name: str, needed: int) -> int:
        """Set how many pinned keys must sign a name; return the number that holds."""
        ...

    async def trust_transfer(self, name: str, key: str, label: str = "") -> Document:
        """Give a component to another key, because the operator says so."""
        ...

    async def trust_allow(self, fingerprint: str, label: str = "") -> Document:
        """Grant what the packages of a key ask for, without a question."""
        ...

    async def trust_disallow(self, fingerprint: str) -> Document:
        """Trust a key no longer, and take away what was granted for it."""
        ...

    async def trust_rotate(self, statement: bytes) -> Document:
        """Give a component to a new key by a statement that both keys signed."""
        ...

    async def trust_revoke(self, fingerprint: str, reason: str = "compromised") -> Document:
        """Refuse a key for good, and quarantine the components that it signed."""
        ...

    async def audit_accept(self, reason: str) -> Document:
        """Record that the operator knows of the cuts of the audit log."""
        ...

    async def set_setting(self, setting: str, value: str) -> None:
        """Set one setting in config.toml."""
        ...

    async def unset_setting(self, setting: str) -> None:
        """Remove one setting from config.toml."""
        ...

    async def reload(self, dry_run: bool = False) -> Document:
        """Take config.toml over, and return the report."""
        ...

    async def tokens(self) -> Sequence[Document]:
        """Return the tokens for TCP, without their secrets."""
        ...

    async def create_token(self, token: str, scope: Scope, components: str = "") -> Document:
        """Make a token, and return it with its secret."""
        ...

    async def revoke_token(self, token: str) -> None:
        """Refuse a token from now on."""
        ...


class LocalHost(
    LocalAudit,
    StoredHost,
    LocalStorage,
    LocalLetters,
    LocalTimers,
    LocalTraces,
    LocalAlerts,
    LocalFunctions,
    LocalRecordings,
    LocalSwaps,
    LocalVersions,
    LocalWatch,
):
    """A `System` of this process, spoken to in documents.

    Args:
        system: The open system.
        operations: The table for `perform` and `openapi`; longer than the host's own if blocks add
            to it.
    """

    def __init__(self, system: System, operations: Table = OPERATIONS) -> None:
        StoredHost.__init__(self, system)
        LocalAudit.__init__(self, system)
        LocalStorage.__init__(self, system)
        LocalLetters.__init__(self, system)
        LocalTimers.__init__(self, system)
        LocalTraces.__init__(self, system)
        LocalAlerts.__init__(self, system)
        LocalFunctions.__init__(self, system)
        LocalRecordings.__init__(self, system)
        LocalSwaps.__init__(self, system)
        LocalVersions.__init__(self, system)
        LocalWatch.__init__(self, system)
        self._operations = operations
        self._started_at = time.time()
        self._tokens = TokenFile(system.home.folder)
        self._pending: PendingPlans | None = None
        if system.mode != "readonly":
            from airswasm.actor import ActorSystem

            self._pending = PendingPlans(system.services.get(ActorSystem).timers)

    async def perform(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """Carry out an operation of the table, the host's own or a block's."""
        if operation.handler:
            outcome = operation.load()(self._system.services, **arguments)
        else:
            own: Callable[..., object] = getattr(self, operation.name)
            outcome = own(**arguments)
        return await outcome if inspect.isawaitable(outcome) else outcome

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        return self._system.mode == "online"

    async def about(self) -> Document:
        """See `Host`."""
        from importlib.metadata import version

        from .._control.answers import HostAbout

        about = HostAbout(
            version=version("airswasm-cli"),
            pid=os.getpid(),
            home=str(self._system.home.folder),
            started_at=self._started_at,
        )
        return to_document(about)

    async def openapi(self) -> Document:
        """See `Host`."""
        from .._control.openapi import openapi_document

        return openapi_document(self._operations)

    async def info(self, name: str) -> Document:
        """See `HostReader`."""
        await self._system.read_world(name)
        return await super().info(name)

    async def plan(
        self,
        package: bytes,
        source: str = "",
        change: Change = "install",
        pin: str = "",
        origin: str = "",
        dry_run: bool = False,
    ) -> Document:
        """See `Host`."""
        import anyio.to_thread
        from airswasm.lifecycle import HostOffline, Package

        from .._control.answers import plan_document

        if self._pending is None:
            raise HostOffline("plan")
        read = await anyio.to_thread.run_sync(
            lambda: Package.from_bytes(
                package,
                source=source or "package",
                signature="optional",
                kinds=self._system.kinds,
                recorded_source=source,
                pin=pin,
                origin=origin,
            )
        )  # fmt: skip
        plan = await self._system.plan(read, update=change == "update", dry_run=dry_run)
        self._pending.put(plan.digest, read, change)
        return to_document(plan_document(plan, self._system.kinds, self._system.policy))

    async def approve(
        self, digest: str, narrowed: str = "", denied: str = "", override: str = "",
        reason: str = "",
    ) -> Document:  # fmt: skip
        """See `Host`."""
        approve = _approving(digest, narrowed, denied)
        package, change = self._take(digest)
        if change == "install":
            return to_document(await self._system.install(package, approve=approve))
        overrides = _overrides(override, reason)
        return to_document(await self._system.update(package, approve=approve, overrides=overrides))

    async def refuse(self, digest: str) -> None:
        """See `Host`."""
        from airswasm.lifecycle import ApprovalRefused

        package, change = self._take(digest)
        carry_out = self._system.update if change == "update" else self._system.install
        with suppress(ApprovalRefused):  # the audit log now has it
            await carry_out(package, approve=lambda _plan: False)

    async def uninstall(self, name: str, purge: bool = False) -> None:
        """See `Host`."""
        await self._system.uninstall(name, purge=purge)

    async def plan_rollback(
        self, name: str, to: str | None = None, dry_run: bool = False
    ) -> Document:
        """See `Host`."""
        from .._control.answers import plan_document

        plan = await self._system.plan_rollback(name, to, dry_run=dry_run)
        return to_document(plan_document(plan, self._system.kinds, self._system.policy))

    async def rollback(
        self,
        name: str,
        to: str | None = None,
        override: str = "",
        reason: str = "",
        data: str = "",
    ) -> Document:
        """See `Host`."""
        overrides = _overrides(override, reason)
        choice = cast("DataChoice | None", data or None)
        done = self._system.rollback(name, to, overrides=overrides, data=choice)
        return to_document(await done)

    async def grants(self) -> Sequence[Document]:
        """See `Host`."""
        return [to_document(each) for each in self._system.grant_reports()]

    async def grants_of(self, name: str) -> Document:
        """See `Host`."""
        return to_document(self._system.grant_report(name))

    async def learn(self, name: str) -> AsyncIterator[Document]:
        """See `Host`."""
        return _documents(self._system.learn(name))

    async def access(self, name: str, capability: str, resource: str) -> Document:
        """See `Host`."""
        return to_document(self._system.access(name, capability, resource))

    async def change_grants(
        self, name: str, change: GrantChange, capability: str, patterns: str = "",
        until: float = 0.0, reason: str = "",
    ) -> Document:  # fmt: skip
        """See `Host`."""
        grants, lines = self._system.grants, tuple(filter(None, patterns.split("\n")))
        end = until or None
        match change:
            case "add":
                done = grants.add(name, capability, lines, until=end, reason=reason)
            case "narrow":
                done = grants.narrow(name, capability, lines, until=end, reason=reason)
            case "deny":
                done = grants.deny(name, capability, lines, until=end, reason=reason)
            case "remove" | "lift":
                is_denial = change == "lift"
                done = grants.remove(name, capability, lines, denials=is_denial, reason=reason)
        return to_document(await done)

    async def start(self, name: str) -> Document:
        """See `Host`."""
        await self._system.start(name)
        return await self.info(name)

    async def stop(self, name: str, kill: bool = False) -> Document:
        """See `Host`."""
        await self._system.stop(name, kill=kill)
        return await self.info(name)

    async def restart(self, name: str) -> Document:
        """See `Host`."""
        await self._system.restart(name)
        return await self.info(name)

    async def send(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> bytes | None:
        """See `Host`."""
        return await self._system.send(
            name, payload, timeout, correlation=correlation, traceparent=traceparent
        )

    async def deliver(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """See `Host`."""
        from base64 import b64encode

        from .._control.answers import MessageReport
        from .._session.problem import problem_of
        from .._session.problem import to_document as to_error

        done = await self._system.deliver(
            name, payload, timeout, correlation=correlation, traceparent=traceparent
        )
        return to_document(
            MessageReport(
                reply=None if done.reply is None else b64encode(done.reply).decode(),
                error=None if done.error is None else to_error(problem_of(done.error)),
                receipt=done.receipt,
            )
        )

    async def codecs(self, name: str) -> Document:
        """See `Host`."""
        from .._control.answers import CodecReport

        read = self._system.acceptance_of(name)
        return to_document(CodecReport(read.accepts, read.prefers))

    async def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """See `Host`."""
        from .._control.answers import Publication

        count = await self._system.publish(
            topic, payload, retain=retain, correlation=correlation, traceparent=traceparent
        )
        return to_document(Publication(topic, count))

    async def profile(self, name: str) -> Document:
        """See `Host`."""
        return to_document(self._system.profile(name))

    async def trust(self) -> Document:
        """See `Host`."""
        from airswasm.security import TrustSettings, TrustStore

        from .._control.trust_answers import (
            AllowedKey,
            RevokedKey,
            Threshold,
            Trust,
            TrustedName,
        )

        settings = self._system.configuration.get(TrustSettings)
        path = self._system.home.trust_folder / "trust.json"
        store = TrustStore(path, threshold=settings.threshold)
        components = tuple(
            TrustedName.of(each, store.needed(each.name)) for each in store.components()
        )
        more = tuple(Threshold(name, number) for name, number in store.thresholds().items())
        keys = (
            *(AllowedKey(each, "config.toml", 0.0) for each in settings.keys),
            *(AllowedKey(k.fingerprint, k.label, k.since) for k in store.trusted_keys()),
        )
        revoked = tuple(map(RevokedKey.of, store.revocations()))
        return to_document(Trust(components, revoked, keys, settings.threshold, more))

    async def trust_allow(self, fingerprint: str, label: str = "") -> Document:
        """See `Host`."""
        from .._control.trust_answers import AllowedKey

        key = await self._system.trust.allow(fingerprint, label=label)
        return to_document(AllowedKey(key.fingerprint, key.label, key.since))

    async def trust_disallow(self, fingerprint: str) -> Document:
        """See `Host`."""
        from .._control.trust_answers import Disallowed

        return to_document(Disallowed(fingerprint, await self._system.trust.disallow(fingerprint)))

    async def trust_add(self, name: str, key: str, label: str = "") -> Document:
        """See `Host`."""
        return self._pin(await self._system.trust.add(name, _key(key), label=label))

    async def trust_add_cosigner(self, name: str, key: str) -> Document:
        """See `Host`."""
        return self._pin(await self._system.trust.add_cosigner(name, _key(key)))

    async def trust_remove_cosigner(self, name: str, fingerprint: str) -> Document:
        """See `Host`."""
        return self._pin(await self._system.trust.remove_cosigner(name, fingerprint))

    async def trust_threshold(self, name: str, needed: int) -> int:
        """See `Host`."""
        return await self._system.trust.set_threshold(name, int(needed))

    async def trust_remove(self, name: str) -> bool:
        """See `Host`."""
        return await self._system.trust.remove(name)

    async def trust_transfer(self, name: str, key: str, label: str = "") -> Document:
        """See `Host`."""
        return self._pin(await self._system.trust.transfer(name, _key(key), label=label))

    async def trust_rotate(self, statement: bytes) -> Document:
        """See `Host`."""
        return self._pin(await self._system.trust.rotate(statement))

    async def trust_revoke(self, fingerprint: str, reason: str = "compromised") -> Document:
        """See `Host`."""
        from .._control.trust_answers import Revoked

        report = await self._system.trust.revoke(fingerprint, reason)
        return to_document(Revoked(report.fingerprint, report.quarantined))

    def _pin(self, pin: TrustedComponent) -> Document:
        from .._control.trust_answers import TrustedName

        return to_document(TrustedName.of(pin, self._system.trust.needed(pin.name)))

    async def tokens(self) -> Sequence[Document]:
        """See `Host`."""
        return [to_document(each.about()) for each in self._tokens.tokens()]

    async def create_token(self, token: str, scope: Scope, components: str = "") -> Document:
        """See `Host`."""
        names = tuple(filter(None, components.split(",")))
        self._note_token(token, f"made, of the scope {scope}", ",".join(names))
        return to_document(self._tokens.create(token, scope, names))

    async def revoke_token(self, token: str) -> None:
        """See `Host`."""
        self._note_token(token, "revoked")
        self._tokens.revoke(token)

    def _note_token(self, token: str, act: str, components: str = "") -> None:
        """Record an act before its effect."""
        from airswasm.security import AuditEvent, AuditSink

        audit = self._system.services.get(AuditSink)  # type: ignore[type-abstract]  # a key
        detail = {"components": components} if components else {}
        audit.record(AuditEvent("token", outcome="done", resource=token, reason=act, detail=detail))

    def _take(self, digest: str) -> tuple[Package, Change]:
        if self._pending is None:
            raise PlanGone(digest)
        return self._pending.take(digest)

    def _log_lines(
        self, name: str | None, recent: int, query: LogQuery | None, *, follow: bool
    ) -> AsyncIterator[Document]:
        if follow and self.is_online:
            return self._follow(name, recent, query)
        return super()._log_lines(name, recent, query, follow=follow)

    async def _read_log(
        self, name: str | None, recent: int, query: LogQuery | None
    ) -> AsyncIterator[Document]:
        from anyio import to_thread

        # A search reads whole files; components go on meanwhile.
        names = self._logging(name)
        for line in await to_thread.run_sync(self._found_lines, names, recent, query):
            yield to_document(line)

    async def _follow(
        self, name: str | None, recent: int, query: LogQuery | None
    ) -> AsyncIterator[Document]:
        async for line in self._read_log(name, recent, query):
            yield line
        async for entry in self._system.logs.follow(name, query=query):
            yield to_document(entry)


async def _documents(uses: AsyncGenerator[Use]) -> AsyncIterator[Document]:
    async with aclosing(uses):
        async for use in uses:
            yield to_document(use)


def _overrides(gates: str, reason: str) -> dict[str, str]:
    return dict.fromkeys((each.strip() for each in gates.split(",") if each.strip()), reason)


def _approving(digest: str, narrowed: str, denied: str) -> Callable[[InstallPlan], Approval]:
    """Return an approver of the plan with that digest, and of no other."""
    from airswasm.lifecycle import Approval

    answer = Approval(narrowed=_patterns_of(narrowed), denied=_patterns_of(denied))

    def approve(plan: InstallPlan) -> Approval:
        if plan.digest != digest:
            raise PlanGone(digest, has_changed=True)
        return answer

    return approve


def _patterns_of(lines: str) -> Mapping[str, Sequence[str]]:
    """Return the patterns of each capability in lines of a manifest.

    Raises:
        InvalidPattern, InvalidCapability: They are no such lines.
    """
    import tomllib

    from airswasm.security import Grants, InvalidPattern

    try:
        table = tomllib.loads(lines)
    except (ValueError, RecursionError) as error:
        raise InvalidPattern(lines, f"not lines of a manifest: {error}") from error
    return Grants.from_manifest(table).allow


def _key(text: str) -> PublicKey:
    from airswasm.security import PublicKey

    return PublicKey.from_text(text)
