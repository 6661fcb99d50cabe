"""Ask the gates of all blocks about a change of version, side by side, and bound their time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import anyio
from airswasm.runtime import Meters, Services
from airswasm.security import AuditEvent
from airswasm.wit import Blocks, Gate, load_part, safe_text

from .._hosting.providers import blaming
from .._verdicts import GateVerdict, Mode, Outcome, Reason, Verdict
from ..errors import GateUnknown, OverrideUnexplained
from .gate import UpdateGate, VersionChange
from .settings import UpdateSettings

__all__ = ("Gates", "audit_line", "find_gates")

_MOST_REASONS = 100
_MOST_LETTERS = 1_000


@dataclass(frozen=True, slots=True)
class _Standing:
    """One gate of this host."""

    gate: Gate
    judge: UpdateGate


def find_gates(blocks: Blocks, services: Services) -> tuple[_Standing, ...]:
    """Return the gates of all blocks, set up.

    Raises:
        ProviderFailed: A block failed to set its gate up.
    """
    found: list[_Standing] = []
    for each in blocks:
        for gate in each.block.gates:
            if gate.name not in blocks.gates:
                continue  # two blocks claim it, which is one of the blocks' problems
            with blaming(each, gate.judge):
                make = cast("Callable[[Services], UpdateGate]", load_part(gate.judge))
                judge = make(services)
                if not callable(getattr(judge, "judge", None)):
                    raise TypeError(f"the gate {gate.name} has no method judge")
                found.append(_Standing(gate, judge))
    return tuple(found)


@dataclass(slots=True)
class Gates:
    """The gates of one host; other settings hold from the next update on."""

    standing: tuple[_Standing, ...]
    settings: UpdateSettings
    meters: Meters

    def checked(self, overrides: Mapping[str, str]) -> Mapping[str, str]:
        """Return the gates to override with their reasons, which have a most length.

        Raises:
            GateUnknown: There is no such gate.
            OverrideUnexplained: It has no reason.
        """
        known = [each.gate.name for each in self.standing]
        for name, reason in overrides.items():
            if name not in known:
                raise GateUnknown(name, known)
            if not reason.strip():
                raise OverrideUnexplained(name)
        return {name: _cut(reason.strip()) for name, reason in overrides.items()}

    async def judge(
        self,
        change: VersionChange,
        asks: Literal["versions", "trial", "candidate"],
        overrides: Mapping[str, str],
    ) -> tuple[GateVerdict, ...]:
        """Return the verdicts of the gates that ask for the versions, a trial, or a candidate.

        A gate that raises, does not end in time, or gives no verdict counts as `blocked`.
        """
        chosen = [each for each in self.standing if each.gate.asks == asks]
        verdicts: dict[str, GateVerdict] = {}

        async def judge_one(each: _Standing) -> None:
            name = each.gate.name
            mode = self._mode(name, change.verb)
            started = time.monotonic()
            verdict = await self._ask(each, change) if mode != "off" else _OFF
            verdicts[name] = GateVerdict(
                name, verdict.outcome, _bounded(verdict.reasons), mode,
                overrides.get(name, ""), time.monotonic() - started,
            )  # fmt: skip

        async with anyio.create_task_group() as group:
            for each in chosen:
                group.start_soon(judge_one, each)
        return tuple(verdicts[each.gate.name] for each in chosen)

    def not_tried(
        self,
        change: VersionChange,
        overrides: Mapping[str, str],
        why: str,
        asks: Collection[str] = ("trial", "candidate"),
    ) -> tuple[GateVerdict, ...]:
        """Return the verdicts of the gates that would run the new version, where it does not."""
        return tuple(
            GateVerdict(
                each.gate.name, "not tried", (Reason("no-candidate", why),),
                self._mode(each.gate.name, change.verb), overrides.get(each.gate.name, ""),
            )
            for each in self.standing
            if each.gate.asks in asks
        )  # fmt: skip

    def ordered(self, verdicts: Iterable[GateVerdict]) -> tuple[GateVerdict, ...]:
        """Return verdicts in the order in which the blocks declare their gates."""
        by_name = {each.gate: each for each in verdicts}
        names = [each.gate.name for each in self.standing]
        return tuple(by_name[name] for name in names if name in by_name)

    def count(self, name: str, verdicts: Iterable[GateVerdict]) -> None:
        """Count the verdicts on a component."""
        for each in verdicts:
            self.meters.add(_METRIC[_weight(each)], name)

    def _mode(self, gate: str, verb: str) -> Mode:
        if gate in self.settings.off:
            return "off"
        if verb == "rollback":
            return "blocks" if gate in self.settings.rollback_block else "warns"
        return "warns" if gate in self.settings.warn else "blocks"

    async def _ask(self, each: _Standing, change: VersionChange) -> Verdict:
        allowed = self.settings.timeout_of(each.gate.name)
        try:
            with anyio.move_on_after(allowed):
                return _checked(await each.judge.judge(change))
        except Exception as error:  # the code of any package
            text = f"it failed: {type(error).__name__}: {safe_text(error)}"
            return Verdict("blocked", (Reason("gate-failed", text),))
        text = f"it did not end within {allowed:g} s (updates.timeouts)"
        detail: Mapping[str, str | int | float | bool] = {"seconds": allowed}
        return Verdict("blocked", (Reason("timed-out", text, detail=detail),))


def _checked(verdict: object) -> Verdict:
    """Return what a gate gave, if it is a verdict: a misspelt outcome must not pass for another.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(verdict, Verdict):
        raise TypeError(f"its verdict is a {type(verdict).__name__}")
    if verdict.outcome not in get_args(Outcome):
        raise TypeError(f"its verdict has the outcome {verdict.outcome!r}")
    reasons = cast("tuple[object, ...]", verdict.reasons)  # a stranger's, who checks no types
    if not all(isinstance(each, Reason) for each in reasons):
        raise TypeError("a reason of its verdict is no Reason")
    return verdict


_OFF = Verdict("not tried", (Reason("off", "updates.off names it"),))
_METRIC = {
    "passed": "gates_passed_total",
    "blocked": "gates_blocked_total",
    "warned": "gates_warned_total",
    "overridden": "gates_overridden_total",
    "unknown": "gates_without_verdict_total",
}


def _weight(verdict: GateVerdict) -> str:
    if verdict.outcome in ("passed", "not applicable"):
        return "passed"
    if verdict.outcome != "blocked":
        return "unknown"
    if verdict.is_overridden:
        return "overridden"
    return "blocked" if verdict.is_stopping else "warned"


def audit_line(change: VersionChange, verdict: GateVerdict) -> AuditEvent:
    """Return the line of one verdict for the audit log."""
    detail = {
        "gate": verdict.gate,
        "verdict": verdict.outcome,
        "mode": verdict.mode,
        "change": change.verb,
        "from": change.old.version if change.old is not None else "",
        "to": change.new.version,
    }
    if verdict.override:
        detail["override"] = verdict.override
    return AuditEvent(
        "gate",
        change.name,
        "deny" if verdict.is_stopping else "allow",
        reason=_cut("; ".join(_texts(verdict.reasons))),
        detail=detail,
    )


def _bounded(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    """Return reasons as they can be kept and shown: a component writes some of their words."""
    return tuple(
        replace(each, text=_cut(" ".join(each.text.split()))) for each in reasons[:_MOST_REASONS]
    )


def _texts(reasons: Sequence[Reason]) -> Iterator[str]:
    return map(str, reasons)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
