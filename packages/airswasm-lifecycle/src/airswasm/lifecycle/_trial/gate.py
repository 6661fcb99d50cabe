"""The gate `replay`: a new version handles recorded messages as the running one does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import anyio.to_thread
from airswasm.runtime import Services

from .._gates.gate import VersionChange
from .._home.policy import HostPolicy
from .._registry.registry import Registry
from .._verdicts import Reason, Verdict
from ..errors import NothingRecorded
from .comparing import show_payload
from .replaying import Replaying, Tried
from .report import ReplayReport

__all__ = ("ReplayGate", "replay_gate")

_SHOWN = 3
"""Differences of each kind in a verdict, which is one paragraph; a replay by itself shows more."""


@dataclass(frozen=True, slots=True)
class ReplayGate:
    """Tries the new version on what is recorded of its name.

    Attributes:
        replaying: Replays.
        registry: What is installed.
        policy: The most that components may have.
    """

    replaying: Replaying
    registry: Registry
    policy: HostPolicy

    async def judge(self, change: VersionChange) -> Verdict:
        """Return `blocked` where it handles a message otherwise, or leaves other data behind."""
        old, new = change.old, change.new
        if old is None:
            text = "the files of the installed version are lost"
            return Verdict("not comparable", (Reason("no-version", text),))
        recording = self.replaying.recordings.status(change.name)
        if not recording.messages:
            text = "none of its messages is recorded"
            return Verdict("not applicable", (Reason("nothing-recorded", text),))
        wasm = await new.read_wasm()
        digest = await anyio.to_thread.run_sync(lambda: hashlib.sha256(wasm).hexdigest())
        running = self.registry.get(change.name).version(old.version).wasm_digest
        try:
            report = await self.replaying.replay(
                change.name,
                Tried(old.version, running, self.policy.hold(old.manifest)[0]),
                Tried(new.version, digest, self.policy.hold(new.manifest)[0]),
            )
        except NothingRecorded as error:
            return Verdict("not applicable", (Reason("nothing-recorded", str(error)),))
        return Verdict(report.verdict, tuple(_reasons(report)))


def replay_gate(services: Services) -> ReplayGate:
    """Set the gate up for a host."""
    return ReplayGate(services.get(Replaying), services.get(Registry), services.get(HostPolicy))


def _reasons(report: ReplayReport) -> Iterator[Reason]:
    text = f"{report.compared} of {report.messages} recorded messages compared"
    if report.has_diverged:
        text += f", {report.diverged} of them handled otherwise"
        text += f", {report.differing_keys} stored values differ" if report.differing_keys else ""
    yield Reason(
        "replayed", text,
        detail={
            "messages": report.messages, "compared": report.compared, "diverged": report.diverged,
            "differing_keys": report.differing_keys, "unsure": report.unsure,
            "running_fuel": report.running_fuel, "candidate_fuel": report.candidate_fuel,
        },
    )  # fmt: skip
    for each in report.divergences[:_SHOWN]:
        place = f" of {each.message}" if each.message else ""
        text = f"{each.kind}{place}: {each.came}, and not {each.recorded}"
        yield Reason(
            f"other-{each.kind}", text, each.message,
            detail={"at": each.at, "recorded": each.recorded, "came": each.came},
        )  # fmt: skip
    for value in report.differences[:_SHOWN]:
        running, came = _shown(value.running), _shown(value.candidate)
        yield Reason(
            "other-value", f"it leaves {came} under {value.key!a}, and not {running}", value.key,
            detail={"recorded": running, "came": came, "message": value.message},
        )  # fmt: skip
    left = max(0, report.diverged - _SHOWN), max(0, report.differing_keys - _SHOWN)
    if any(left):
        yield Reason("more", f"and {left[0]} messages and {left[1]} stored values more")
    for reason, count in report.incomparable.items():
        yield Reason("not-compared", f"{count} not compared: {reason}", detail={"count": count})


def _shown(value: bytes | None) -> str:
    return "nothing" if value is None else show_payload(value)
