"""The texts of `messaging-error`: in the words of those who write and run components."""

from __future__ import annotations

import re

import pytest
from airswasm.actor import (
    ActorFailed,
    ActorStopped,
    AskCycle,
    AskTimeout,
    GuestRefused,
    InvalidTopic,
    MailboxFull,
    MessageDropped,
    MessageTooLarge,
    NoRoute,
    TimersNotDurable,
    TooManyHops,
    UnfitPayload,
)
from airswasm.messaging import (
    MESSAGING_INTERFACE,
    CodecNotAccepted,
    DurableMailboxFull,
    InvalidAddress,
    InvalidPayload,
    MessageNotWritten,
    PayloadTooLarge,
    RateExceeded,
    RetainedFull,
    TimerInvalid,
    TooManyTargets,
)
from airswasm.messaging._refusals import _CASES, refusal_of
from airswasm.runtime import AccountExceeded
from airswasm.security import PermissionDenied
from airswasm.wit import contract

A, B = "shop/a", "shop/b"
TABLE: tuple[tuple[BaseException, str, str], ...] = (
    (NoRoute(B), "unknown-target", "`airswasm start shop/b`"),
    (ActorStopped(B, "its own words"), "unknown-target", "`airswasm start shop/b`"),
    (MailboxFull(B, 1_024), "mailbox-full", "`mailbox` under [limits]"),
    (MailboxFull(B, 4_096, "capacity_bytes"), "mailbox-full", "`mailbox_bytes` under [limits]"),
    (DurableMailboxFull(B, 10, 20), "mailbox-full", "start it if it is stopped"),
    (MessageDropped(B), "mailbox-full", "`mailbox` under [limits]"),
    (PayloadTooLarge(2, 1), "too-large", "in parts"),
    (MessageTooLarge(B, 2, 1), "too-large", "`mailbox_bytes` under [limits]"),
    (MessageTooLarge(B, 2, 1, "message_bytes"), "too-large", "`message_bytes` under [limits]"),
    (MessageTooLarge(B, 2, 1, "memory_bytes"), "too-large", "`memory` under [limits]"),
    (MessageTooLarge(B, 2, 1, "host_call_bytes"), "too-large", "`host_call` under [limits]"),
    (TooManyTargets(2, 1), "too-large", "in parts"),
    (RateExceeded(A, "it has 7 timers"), "rate-limited", "try again later"),
    (RetainedFull(A, "t", "retained_values", 1), "rate-limited", "an empty payload"),
    (MessageNotWritten(B, "no space"), "rate-limited", "no space"),
    (AccountExceeded(is_host=False), "rate-limited", "used up"),
    (AccountExceeded(is_host=True), "rate-limited", "scarce"),
    (TooManyHops(B, A, 64, "id-1"), "too-many-hops", "`hops` under [messaging] in config.toml"),
    (InvalidAddress("b", "no slash"), "invalid", "no slash"),
    (TimerInvalid(A, "too short"), "invalid", "too short"),
    (TimersNotDurable(A), "invalid", "not durable"),
    (InvalidTopic("a..b", "an empty segment"), "invalid", "an empty segment"),
    (CodecNotAccepted(B, "json", ("cbor",), None), "invalid", "shop/b accepts cbor"),
    (InvalidPayload("json", 3, "it ends too early"), "invalid", "it ends too early"),
    (UnfitPayload(B, "bytes", "its own reason"), "invalid", "its own reason"),
    (AskCycle((A, B, A)), "cycle", "use `send` or `request`"),
    (AskTimeout(B, 1.0), "timed-out", ""),
    (GuestRefused(B, "no such order"), "failed", "no such order"),
    (ActorFailed(B, ValueError("secret")), "failed", "shop/b failed"),
    (PermissionDenied(A, "messaging:send", B, "add shop/b"), "denied", "add shop/b"),
)
OTHER_WORDS = re.compile(
    r"\bactor|\brouted?\b|MailboxSpec|Schedule|Supervisor|\bask\b|\btell\b|capacity|secret",
    re.IGNORECASE,
)


@pytest.mark.parametrize(("error", "case", "words"), TABLE, ids=lambda each: type(each).__name__)
def test_a_text_is_in_the_words_of_components(error: BaseException, case: str, words: str) -> None:
    """It names manifest keys and commands; the Python API's words are for Python."""
    refusal = refusal_of(error)
    assert refusal is not None
    assert refusal.name == case
    text = str(refusal.value or "")
    assert words in text
    assert not OTHER_WORDS.search(text), text


def test_the_table_is_complete() -> None:
    """Every case of the contract and every error that becomes one; `cancelled` has no error."""
    error = contract().interfaces[MESSAGING_INTERFACE].functions["send"].result.error  # type: ignore[union-attr]
    assert {case for _, case, _ in TABLE} | {"cancelled"} == {case.name for case in error.cases}
    for kind, _ in _CASES:
        assert any(isinstance(each, kind) for each, _, _ in TABLE), kind
    assert refusal_of(ValueError("a bug")) is None
