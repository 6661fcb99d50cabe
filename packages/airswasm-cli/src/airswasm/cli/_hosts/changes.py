"""Changes of components: plans and their approval, rollbacks, removal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from .._control.document import Document
from .._control.pending import Change, PendingPlans
from ..errors import PlanGone
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import Approval, DataChoice, InstallPlan, Package, System

__all__ = ("ChangeHost", "LocalChanges")


class ChangeHost(Protocol):
    """The components that a home has."""

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


class LocalChanges:
    """The changes that a `System` makes, in documents."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pending: PendingPlans | None = None
        if system.mode != "readonly":
            from airswasm.actor import ActorSystem

            self._pending = PendingPlans(system.services.get(ActorSystem).timers)

    async def plan(
        self,
        package: bytes,
        source: str = "",
        change: Change = "install",
        pin: str = "",
        origin: str = "",
        dry_run: bool = False,
    ) -> Document:
        """See `ChangeHost`."""
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
        """See `ChangeHost`."""
        approve = _approving(digest, narrowed, denied)
        package, change = self._take(digest)
        if change == "install":
            return to_document(await self._system.install(package, approve=approve))
        overrides = _overrides(override, reason)
        return to_document(await self._system.update(package, approve=approve, overrides=overrides))

    async def refuse(self, digest: str) -> None:
        """See `ChangeHost`."""
        from airswasm.lifecycle import ApprovalRefused

        package, change = self._take(digest)
        carry_out = self._system.update if change == "update" else self._system.install
        with suppress(ApprovalRefused):  # the audit log now has it
            await carry_out(package, approve=lambda _plan: False)

    async def uninstall(self, name: str, purge: bool = False) -> None:
        """See `ChangeHost`."""
        await self._system.uninstall(name, purge=purge)

    async def plan_rollback(
        self, name: str, to: str | None = None, dry_run: bool = False
    ) -> Document:
        """See `ChangeHost`."""
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
        """See `ChangeHost`."""
        overrides = _overrides(override, reason)
        choice = cast("DataChoice | None", data or None)
        done = self._system.rollback(name, to, overrides=overrides, data=choice)
        return to_document(await done)

    def _take(self, digest: str) -> tuple[Package, Change]:
        if self._pending is None:
            raise PlanGone(digest)
        return self._pending.take(digest)


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
