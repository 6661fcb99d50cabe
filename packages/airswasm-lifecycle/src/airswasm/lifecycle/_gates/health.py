"""The gate `health`: a new version says that it works, several times, before it takes over."""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.actor import ActorError, HealthCheckFailed
from airswasm.runtime import GuestFault, LiveSettings, Services

from .._packages.manifest import HealthSection
from .._verdicts import Reason, Verdict
from .gate import VersionChange
from .settings import UpdateSettings

__all__ = ("HealthGate", "health_gate")

_DEFAULT_TIMEOUT = HealthSection(interval=1.0).timeout


@dataclass(slots=True)
class HealthGate:
    """Calls `health.check` of the candidate; each call has the time that its manifest gives it.

    Attributes:
        checks: Checks in a row that it has to pass.
    """

    checks: int

    def hold_to(self, settings: UpdateSettings) -> None:
        """Ask for so many checks from the next update on."""
        self.checks = settings.health_checks

    async def judge(self, change: VersionChange) -> Verdict:
        """Return `blocked` at the first check that fails."""
        candidate = change.candidate
        assert candidate is not None, "the host asks this gate only where there is one"
        health = change.new.manifest.health
        timeout = health.timeout if health is not None else _DEFAULT_TIMEOUT
        for number in range(1, self.checks + 1):
            try:
                if not await candidate.check_health(timeout):
                    text = "it exports no health.check"
                    return Verdict("not applicable", (Reason("no-health-check", text),))
            except HealthCheckFailed as error:
                return self._blocked("unhealthy", error.text, number)
            except GuestFault as error:
                return self._blocked("crashed", f"{type(error).__name__}: {error}", number)
            except ActorError as error:
                return self._blocked("no-answer", str(error), number)
        return Verdict("passed", (Reason("healthy", f"{self.checks} checks in a row passed"),))

    def _blocked(self, code: str, why: str, number: int) -> Verdict:
        text = f"check {number} of {self.checks}: {why}"
        detail: dict[str, str | int | float | bool] = {"check": number, "of": self.checks}
        return Verdict("blocked", (Reason(code, text, "health.check", detail=detail),))


def health_gate(services: Services) -> HealthGate:
    """Set the gate up for a host."""
    gate = HealthGate(services.get(UpdateSettings).health_checks)
    if services.has(LiveSettings):
        services.get(LiveSettings).take(UpdateSettings, gate.hold_to)
    return gate
