"""The rows of the table that deal with dead letters, and with a look at live traffic."""

from __future__ import annotations

from typing import Literal, get_args

from .operation import Json, JsonLines, Number, Operation, Parameter, Raw, Text

__all__ = ("LETTER_OPERATIONS", "Reason")

_ANSWERS = "airswasm.cli._control.letter_answers"
_LETTERS = "/v1/dead-letters"
_LETTER = Parameter("letter", "path", Text(), "The letter's id.")
Reason = Literal["crashed", "killed", "stopped", "dropped", "undelivered", "exhausted"]
_PATTERN = Parameter(
    "pattern", "query", Text(),
    "With a slash a pattern of names, `shop/*`; without one of topics, `orders.**`, or one name.",
    "**",
)  # fmt: skip
_SAMPLE = Parameter(
    "sample", "query", Number(1, 1e9, is_whole=True), "Show one message of so many.", 1
)
_RATE = Parameter("rate", "query", Number(), "Events in a second; 0 for no bound.", 1_000.0)
_TAPPED = (
    "The stream goes on until the client or the host ends it. Events that the client is too slow "
    "for, or that are more than the rate, are left out; `lost` of the next event counts them. The "
    "audit log has a line for each tap."
)

LETTER_OPERATIONS = (
    Operation(
        "dead_letters", "GET", _LETTERS, "List the messages that were not handled, oldest first.",
        JsonLines("dead-letter/1", f"{_ANSWERS}:LetterDocument"),
        (
            Parameter("name", "query", Text(), "Only those to this receiver.", ""),
            Parameter(
                "reason", "query", Text(("", *get_args(Reason))), "Only those with this reason.", ""
            ),
            Parameter(
                "since", "query", Number(most=1e11), "Not before; seconds since 1970.", None
            ),
            Parameter(
                "recent", "query", Number(most=1e6, is_whole=True),
                "Number of letters, the newest ones; 0 for all.", 100,
            ),
        ),
        scope="read",
    ),
    Operation(
        "dead_letter", "GET", f"{_LETTERS}/{{letter}}",
        "Show a dead letter with the evidence.",
        Json("dead-letter/1", f"{_ANSWERS}:LetterDocument"), (_LETTER,), scope="read",
    ),
    Operation(
        "dead_letter_payload", "GET", f"{_LETTERS}/{{letter}}/payload",
        "Show the payload of a dead letter.", Raw(), (_LETTER,), scope="all",
        detail="204 stands for a payload that could not be kept; the letter says why.",
    ),
    Operation(
        "replay_letter", "POST", f"{_LETTERS}/{{letter}}/replays",
        "Send the message of a dead letter again, and show the outcome.",
        Json("replay/1", f"{_ANSWERS}:ReplayDocument"),
        (
            _LETTER,
            Parameter(
                "to", "query", Text(), "The version that is to get it; else the one that runs.",
                None,
            ),
            Parameter("timeout", "query", Number(), "Seconds to wait for the outcome.", 30.0),
        ),
        changes=True,
        detail="The replay is a new message with the sender, the topic and the correlation of the "
        "old one; it names the letter. The letter is removed when the receiver's mailbox has taken "
        "the message. A retained version that does not run tries the message in an instance "
        "without a name and without grants; then the letter stays.",
        scope="all",
    ),
    Operation(
        "drop_letters", "DELETE", _LETTERS, "Remove dead letters.",
        Json("dropped-letters/1", "", "letters"),
        (
            Parameter("letters", "query", Text(), "Their ids, divided by commas.", ""),
            Parameter("name", "query", Text(), "Instead: all letters to this receiver.", ""),
        ),
        changes=True,
        detail="`letters` is the number of removed letters. All of the ids are removed or, if one "
        "is unknown, none. Give either `letters` or `name`.",
        one_of=("letters", "name"),
        scope="all",
    ),
    Operation(
        "tap", "GET", "/v1/tap", "Show live traffic, without payloads.",
        JsonLines("tap-event/1", f"{_ANSWERS}:TapDocument"), (_PATTERN, _SAMPLE, _RATE),
        detail=_TAPPED, scope="read",
    ),
    Operation(
        "tap_payloads", "GET", "/v1/tap/payloads", "Show live traffic, with payloads.",
        JsonLines("tap-event/1", f"{_ANSWERS}:TapDocument"),
        (
            _PATTERN, _SAMPLE, _RATE,
            Parameter(
                "most", "query", Number(1, 65_536, is_whole=True),
                "Bytes of each payload to show.", 1_024,
            ),
        ),
        detail=_TAPPED, scope="all",
    ),
)  # fmt: skip
