"""Events, and the lines of JSON that they become.

Each line carries its number, and the first one of each block the SHA-256 of the block before it
(`blocks`). Texts of components are escaped to ASCII and cut: no line can contain a forged line or
steer a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, cast

from .._deciding.decision import Decision
from ..errors import AuditBroken

__all__ = (
    "FIRST",
    "AuditEvent",
    "AuditHead",
    "AuditSink",
    "Outcome",
    "decode",
    "encode",
    "encode_decision",
    "follow",
    "line_number",
    "prev_of",
)

Outcome: TypeAlias = Literal["allow", "deny", "done", "failed", ""]

FIRST = "0" * 64
"""Stands for the hash of the block before the first one."""
_TEXT_LENGTH = 1_024
_DETAIL_LENGTH = 256
_DETAILS = 64
_PREV = re.compile(rb',"prev":"([0-9a-f]{64})"\}$')
_quote = json.encoder.encode_basestring_ascii


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event to record.

    Attributes:
        kind: The kind: `decision`, `install`, `approve`, `rollback`, ...
        component: The component's name, `namespace/name`; may be empty.
        outcome: `allow` or `deny` for decisions, `done` or `failed` for acts.
        capability: The requested capability of a decision.
        resource: The resource of a decision.
        reason: The reason, for people.
        detail: Further fields, as texts.
    """

    kind: str
    component: str = ""
    outcome: Outcome = ""
    capability: str = ""
    resource: str = ""
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict[str, str])


class AuditSink(Protocol):
    """A recorder of audit events."""

    def record(self, event: AuditEvent) -> None:
        """Record an event before its effect.

        Raises:
            AuditUnavailable: The event could not be recorded; the act must not happen.
        """
        ...


class AuditHead(NamedTuple):
    """The newest line of a log: its number, and the hash of its block up to there."""

    line: int = 0
    sha256: str = FIRST

    def __str__(self) -> str:
        return f"{self.line}:{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> AuditHead:
        """Read `NUMBER:SHA256`, as `str` writes it.

        Raises:
            ValueError: It is not of that form.
        """
        number, _, digest = text.strip().partition(":")
        if not number.isascii() or not number.isdigit() or not _is_digest(digest):
            raise ValueError("a head is NUMBER:SHA256, as `airswasm audit head` prints it")
        return cls(int(number), digest)


def encode(event: AuditEvent, number: int, now: float, prev: str = "") -> str:
    """Format one line of JSON by hand, in a quarter of the encoder's time; without its end."""
    text = f'{{"n":{number},"time":{now:.6f},"kind":{_quote(_cut(event.kind))}'
    if event.component:
        text += f',"component":{_quote(_cut(event.component))}'
    if event.outcome:
        text += f',"outcome":{_quote(event.outcome)}'
    if event.capability:
        text += f',"capability":{_quote(_cut(event.capability))}'
    if event.resource:
        text += f',"resource":{_quote(_cut(event.resource))}'
    if event.reason:
        text += f',"reason":{_quote(_cut(event.reason))}'
    if event.detail:
        detail = list(event.detail.items())[:_DETAILS]
        cut = {_cut(key, _DETAIL_LENGTH): _cut(value, _DETAIL_LENGTH) for key, value in detail}
        text += f',"detail":{json.dumps(cut, separators=(",", ":"))}'
    return _ended(text, prev)


def encode_decision(decision: Decision, number: int, time: str, prev: str = "") -> str:
    """Format the line of a decision; what many decisions have in common is formatted once."""
    is_allowed, component, capability, resource, reason, _, layer, _ = decision
    before, after = _common(component, capability, reason, None if is_allowed else layer)
    resource = _quote(resource if len(resource) <= _TEXT_LENGTH else _cut(resource))
    text = f'{{"n":{number},"time":{time},{before}{resource}{after}'
    return _ended(text, prev) if prev or "\x7f" in text else text + "}"


@lru_cache(256)
def _common(component: str, capability: str, reason: str, denied_by: str | None) -> tuple[str, str]:
    """Return what stands before and behind the resource of a decision."""
    outcome = "allow" if denied_by is None else "deny"
    before = f'"kind":"decision","component":{_quote(_cut(component))},"outcome":"{outcome}"'
    if capability:
        before += f',"capability":{_quote(_cut(capability))}'
    after = f',"reason":{_quote(_cut(reason))}' if reason else ""
    if denied_by is not None:
        after += f',"detail":{{"layer":{_quote(_cut(denied_by, _DETAIL_LENGTH))}}}'
    return f'{before},"resource":', after


def _ended(text: str, prev: str) -> str:
    text += f',"prev":"{prev}"}}' if prev else "}"
    return text.replace("\x7f", "\\u007f") if "\x7f" in text else text


def prev_of(line: bytes) -> str | None:
    """Return the hash of the block before, of a line that begins one; None of another."""
    found = _PREV.search(line)
    return found[1].decode() if found is not None else None


def decode(file: Path, number: int, line: bytes) -> dict[str, object]:
    """Read one line, without its end; `number` is its place in the file.

    Raises:
        AuditBroken: It is not one of an audit log.
    """
    try:
        fields: object = json.loads(line)
    except (ValueError, RecursionError):
        raise AuditBroken(file, number, "the line is not JSON") from None
    if not isinstance(fields, dict) or not {"n", "kind"} <= fields.keys():
        raise AuditBroken(file, number, "the line is not one of an audit log")
    return cast("dict[str, object]", fields)


def line_number(line: bytes, path: Path = Path()) -> int:
    """Return the number that a line carries.

    Raises:
        AuditBroken: The line is not one of an audit log.
    """
    number = decode(path, 0, line)["n"]
    if type(number) is not int:
        raise AuditBroken(path, 0, "the line is not one of an audit log")
    return number


def follow(file: Path, number: int, fields: Mapping[str, object], head: AuditHead) -> None:
    """Check that a line follows a head, in the same block or as the first of the next one.

    Raises:
        AuditBroken: Lines are missing between them, or the block of the head was changed.
    """
    found = fields["n"]
    if found != head.line + 1 or type(found) is not int:
        raise AuditBroken(file, number, _gap(head.line + 1, found))
    if "prev" in fields and fields["prev"] != head.sha256:
        raise AuditBroken(file, number, "the line before it was changed")


def _gap(expected: int, found: object) -> str:
    if type(found) is not int or found <= expected:
        return f"line {expected} of the chain is missing"
    if found == expected + 1:
        return f"line {expected} of the chain is missing"
    return f"lines {expected} to {found - 1} of the chain are missing"


def _cut(text: str, length: int = _TEXT_LENGTH) -> str:
    return text if len(text) <= length else f"{text[:length]}... (cut)"


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(each in "0123456789abcdef" for each in text)
