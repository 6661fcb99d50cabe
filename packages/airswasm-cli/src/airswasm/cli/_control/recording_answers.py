"""The documents of recorded messages, and of what a replay found."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from airswasm.lifecycle import Divergence, Recorded, ReplayReport

__all__ = ("RecordedDocument", "ReportDocument", "recorded_document", "report_document")


@dataclass(frozen=True, slots=True)
class RecordedDocument:
    """One recorded message, without its content.

    Attributes:
        id: The id of the message; empty for a start.
        at: When it was handled, in seconds since 1970.
        kind: `message`, `callback` for the answer to a request, `call` of an exported function, or
            `start` of an incarnation.
        version: The version that handled it.
        sender: The sender's name.
        topic: The topic, when it was published.
        payload_bytes: The size of the payload; None where it is not kept, or is none.
        ending: `replied`, `refused`, `trapped`, `limited`, `timeout`, `failed` or `unfinished`.
        fuel: The fuel that it took.
        answers: Calls whose answers are kept.
        changes: Changes of stored values that are kept.
        unkept: Why its content is not kept; empty if it is.
        uncovered: Functions that it called and that cannot be recorded.
        function: The path of the function that was called; empty for no call.
    """

    id: str
    at: float
    kind: str
    version: str
    sender: str
    topic: str | None
    payload_bytes: int | None
    ending: str
    fuel: int
    answers: int
    changes: int
    unkept: str
    uncovered: tuple[str, ...]
    function: str


@dataclass(frozen=True, slots=True)
class DifferenceDocument:
    """One key that has another value after the replay.

    Attributes:
        key: The key.
        running: The value that the running version leaves, in base64; None where there is none.
        candidate: The value that the new version leaves, in base64; None where there is none.
        message: The id of the message with which one of them last wrote it; empty if none did.
    """

    key: str
    running: str | None
    candidate: str | None
    message: str


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """The comparison of two versions over a recording.

    Attributes:
        name: The component.
        running: The version that serves.
        candidate: The version that was tried.
        verdict: `passed`, `blocked` or `not comparable`.
        messages: Messages of the recording.
        compared: Those that could be compared.
        diverged: Those of them that the candidate handled otherwise.
        divergences: The first of the divergences; a message may have several.
        differing_keys: Keys that have another value in the end.
        differences: The first of them.
        unsure: Messages that the candidate handled otherwise, and for which it asked for what was
            not recorded: it may differ for want of that.
        incomparable: Why messages, and keys, could not be compared, and how many.
        running_fuel: Fuel of the compared messages with the running version.
        candidate_fuel: The same with the candidate.
        seconds: How long it took.
    """

    name: str
    running: str
    candidate: str
    verdict: str
    messages: int
    compared: int
    diverged: int
    divergences: tuple[Divergence, ...]
    differing_keys: int
    differences: tuple[DifferenceDocument, ...]
    unsure: int
    incomparable: Mapping[str, int]
    running_fuel: int
    candidate_fuel: int
    seconds: float


def recorded_document(entry: Recorded) -> RecordedDocument:
    """Return a recorded message as its readers see it."""
    return RecordedDocument(
        entry.id, entry.at, entry.kind, entry.version, entry.sender, entry.topic,
        None if entry.payload is None else len(entry.payload), entry.ending, entry.fuel,
        len(entry.answers), len(entry.changes), entry.unkept, entry.uncovered, entry.function,
    )  # fmt: skip


def report_document(report: ReplayReport) -> ReportDocument:
    """Return what a replay found as its readers see it."""
    return ReportDocument(
        report.name, report.running, report.candidate, report.verdict, report.messages,
        report.compared, report.diverged, report.divergences, report.differing_keys,
        tuple(
            DifferenceDocument(each.key, _base64(each.running), _base64(each.candidate),
                               each.message)
            for each in report.differences
        ),
        report.unsure, report.incomparable, report.running_fuel, report.candidate_fuel,
        report.seconds,
    )  # fmt: skip


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()
