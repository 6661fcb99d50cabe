"""Compare the outcome of a message with what was recorded: a pure decision.

A message counts only if the running version, tried in the same way, repeats what was recorded.
Otherwise something that a recording does not have decides about the answer: memory of earlier
messages, a file, chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airswasm.messaging import InvalidPayload, decode
from airswasm.runtime import Effect
from airswasm.wit import safe_repr, safe_text

from .attempts import HostCalled, brief
from .recorded import Ending, Recorded
from .report import Divergence, DivergenceKind

__all__ = ("Observed", "compare", "incomparable_reason", "show_payload")

_SHOWN = 300
_LEAST_FUEL = 100_000
"""A difference below it is not worth a word: some 60 microseconds."""
UNREPEATED = "the running version does not repeat it"
_CALLS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Observed:
    """The outcome of a message with a version on trial.

    Attributes:
        ending: How it ended.
        reply: The reply; None without one.
        text: The refusal, or the class of the error.
        fuel: The fuel that it took.
        calls: Its calls with an effect outside.
        unanswered: The functions of which a call was not in the recording.
        written: The last value of each key that it wrote.
        detail: The error, for people.
    """

    ending: Ending
    reply: bytes | None
    text: str
    fuel: int
    calls: Sequence[HostCalled]
    unanswered: Sequence[str]
    written: Mapping[str, object]
    detail: str = ""


def incomparable_reason(entry: Recorded, control: Observed | None) -> str:
    """Return why a message cannot be compared; empty if it can.

    Args:
        entry: The message.
        control: What the running version did with it on trial; None where it did not get it.
    """
    if entry.unkept:
        return f"recorded without its content: {entry.unkept}"
    if entry.uncovered:
        return f"it calls what cannot be recorded: {entry.uncovered[0]}"
    if entry.ending == "unfinished":
        return "it was not finished"
    if control is None:
        return "not reached"
    is_repeated = (
        control.ending == entry.ending
        and control.text == entry.text
        and _is_same(entry.reply, control.reply)
        and tuple(control.calls) == _calls_of(entry)
        and control.written == _written_by(entry)
    )
    return "" if is_repeated else UNREPEATED


def compare(
    entry: Recorded, control: Observed, candidate: Observed, most_fuel: float
) -> tuple[tuple[Divergence, ...], str]:
    """Return how the candidate handled a message otherwise, or why that is not known.

    Args:
        entry: A message that can be compared.
        control: What the running version did.
        candidate: What the candidate did.
        most_fuel: How many times the fuel of before it may take.
    """
    found = tuple(_divergences(entry, control, candidate, most_fuel))
    has_called = any(each.kind == "calls" for each in found)
    if found and candidate.unanswered and not has_called:
        return (), f"it asks for what was not recorded: {candidate.unanswered[0]}"
    return found, ""


def _divergences(
    entry: Recorded, control: Observed, candidate: Observed, most_fuel: float
) -> Iterator[Divergence]:
    def make(kind: DivergenceKind, recorded: str, came: str) -> Divergence:
        return Divergence(entry.id, entry.at, kind, recorded, came)

    calls = _calls_of(entry)
    if tuple(candidate.calls) != calls:
        yield make(
            "calls", _show_calls(calls, candidate.calls), _show_calls(candidate.calls, calls)
        )
    if candidate.ending != entry.ending:
        came = candidate.detail or candidate.text
        yield make("ending", _show_ending(entry), f"{candidate.ending}{came and f': {came}'}")
    elif candidate.ending == "replied" and not _is_same(entry.reply, candidate.reply):
        yield make("reply", show_payload(entry.reply), show_payload(candidate.reply))
    elif candidate.ending == "refused" and candidate.text != entry.text:
        yield make("refusal", safe_text(entry.text)[:_SHOWN], safe_text(candidate.text)[:_SHOWN])
    before = max(entry.fuel, control.fuel)
    if candidate.fuel > before * most_fuel and candidate.fuel - before > _LEAST_FUEL:
        yield make("fuel", f"{before:,}", f"{candidate.fuel:,}")


def show_payload(payload: bytes | None) -> str:
    """Return a payload as text: its value where it can be decoded, else its bytes."""
    if payload is None:
        return "nothing"
    try:
        value = decode(payload)
    except InvalidPayload:
        value = payload
        text = payload.decode(errors="replace")
        if text.isprintable():
            return safe_repr(text)[:_SHOWN]
    return safe_repr(value)[:_SHOWN]


def _is_same(recorded: bytes | None, came: bytes | None) -> bool:
    """Whether two replies are the same, or are written otherwise and say the same."""
    if recorded == came:
        return True
    if recorded is None or came is None:
        return False
    try:
        before, now = decode(recorded), decode(came)
    except InvalidPayload:
        return False
    return type(before) is type(now) and before == now


def _calls_of(entry: Recorded) -> tuple[HostCalled, ...]:
    return tuple(
        HostCalled(each.function, brief(each.arguments))
        for each in entry.answers
        if each.effect is Effect.OUTSIDE
    )


def _written_by(entry: Recorded) -> dict[str, object]:
    """Return the last value of each key that a message wrote, as an `Attempt` has them."""
    return {each.key: None if each.after is None else brief(each.after) for each in entry.changes}


def _show_ending(entry: Recorded) -> str:
    return f"{entry.ending}{entry.text and f': {safe_text(entry.text)[:_SHOWN]}'}"


def _show_calls(calls: Sequence[HostCalled], others: Sequence[HostCalled]) -> str:
    """Return the calls of one side that the other side has not."""
    rest = list(others)
    only: list[HostCalled] = []
    for each in calls:
        if each in rest:
            rest.remove(each)
        else:
            only.append(each)
    shown = only or list(calls)
    texts = [_show_call(each) for each in shown[:_CALLS_SHOWN]]
    more = f", and {len(shown) - _CALLS_SHOWN} more" if len(shown) > _CALLS_SHOWN else ""
    return f"{', '.join(texts)}{more}" if texts else "no call"


def _show_call(call: HostCalled) -> str:
    function = call.function.rpartition("/")[2].replace("#", ".")
    name = function.split("@")[0] + "." + function.rpartition(".")[2]
    arguments = ", ".join(
        show_payload(each) if isinstance(each, bytes) else safe_repr(each)
        for each in call.arguments
    )
    return f"{name}({arguments})"[:_SHOWN]
