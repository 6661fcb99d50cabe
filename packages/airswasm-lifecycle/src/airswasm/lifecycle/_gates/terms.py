"""The terms on which a component takes messages and publishes, and how two versions differ in them.

All handlers have one type, so a message breaks where the terms change on which it is taken: the
codecs, the size, the delivery, the topics, and the interfaces of the contract that are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from airswasm.messaging import ANY
from airswasm.wit.names import GUEST_CALLBACKS, GUEST_HANDLER, GUEST_HEALTH, are_compatible

from .._packages.manifest import Manifest

__all__ = ("Term", "TermCode", "compare_terms", "lost_interfaces")

TermCode: TypeAlias = Literal[
    "handler-removed",
    "callbacks-removed",
    "health-removed",
    "codec-refused",
    "messages-smaller",
    "delivery-weaker",
    "topic-abandoned",
]
_PUBLISH = "messaging.publish"
_LOSSES: dict[str, tuple[TermCode, str]] = {
    GUEST_HANDLER: ("handler-removed", "it no longer handles messages"),
    GUEST_CALLBACKS: ("callbacks-removed", "replies to its earlier requests no longer reach it"),
    GUEST_HEALTH: ("health-removed", "it no longer exports health.check"),
}


@dataclass(frozen=True, slots=True)
class Term:
    """One change of the terms.

    Attributes:
        code: The kind.
        subject: The codec, topic or interface concerned.
        text: The change, for people.
    """

    code: TermCode
    subject: str
    text: str

    @property
    def hits_senders(self) -> bool:
        """Whether a message that was taken before is not, or is lost more easily."""
        return self.code in (
            "handler-removed", "codec-refused", "messages-smaller", "delivery-weaker"
        )  # fmt: skip


def compare_terms(before: Manifest, now: Manifest) -> Iterator[Term]:
    """Iterate over the changes that two manifests make."""
    accepted = ", ".join(now.codecs.accepts)
    for codec in _refused(before.codecs.accepts, now.codecs.accepts):
        what = "some codecs" if codec == ANY else f"messages in {codec}"
        yield Term("codec-refused", codec, f"{what} are refused: it accepts {accepted}")
    most, was = now.limits.message_bytes, before.limits.message_bytes
    if most is not None and (was is None or most < was):
        text = f"a message may have {most:,} bytes, not {'more' if was is None else f'{was:,}'}"
        yield Term("messages-smaller", "limits.message_bytes", text)
    if (before.delivery.mode, now.delivery.mode) == ("durable", "memory"):
        text = "messages do not outlive the host any more: delivery is `memory`, not `durable`"
        yield Term("delivery-weaker", "delivery.mode", text)
    kept = now.capabilities.get(_PUBLISH, ())
    for topic in before.capabilities.get(_PUBLISH, ()):
        if topic not in kept:
            yield Term("topic-abandoned", topic, f"it asks no more to publish on {topic}")


def lost_interfaces(before: Collection[str], now: Collection[str]) -> Iterator[Term]:
    """Iterate over the interfaces of the contract that are not exported any more."""
    for name, (code, text) in _LOSSES.items():
        had, has = (any(are_compatible(name, each) for each in side) for side in (before, now))
        if had and not has:
            yield Term(code, name, text)


def _refused(before: tuple[str, ...], now: tuple[str, ...]) -> Iterator[str]:
    if ANY not in now:
        yield from (each for each in before if each not in now)
