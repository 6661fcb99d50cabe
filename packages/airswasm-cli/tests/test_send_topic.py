from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_message_goes_to_a_topic_or_to_a_component(
    airswasm: Airswasm, run_host: RunHost, installed: Path
) -> None:
    """With what travels along; what is malformed is told with the form that it should have."""
    run_host()
    sent = airswasm("send", "hello", "x", "--correlation", "order-7", "--traceparent", TRACE)
    assert sent.out == "Hello, x! You are number 1."
    published = airswasm("send", "--topic", "lights.hall", "on", "--retain")
    assert (published.code, published.err) == (0, "published to 0 mailboxes\n")
    document = json.loads(airswasm("send", "--topic", "lights.hall", "", "--json").out)
    assert (document["schema"], document["mailboxes"]) == ("airswasm.publication/1", 0)
    wrong = airswasm("send", "hello", "x", "--correlation", "a b")
    assert (wrong.code, wrong.out) == (1, "")
    assert "is no correlation: write 1 to 128 visible ASCII characters" in wrong.err
    wrong = airswasm("send", "hello", "x", "--traceparent", "00-1-2-3", "--receipt")
    assert "is no traceparent" in wrong.err
    wrong = airswasm("send", "--topic", "a..b", "x")
    assert "is no valid topic" in wrong.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--topic", "t", "hello", "x"), "one argument, the message"),
        (("hello", "x", "--retain"), "--retain goes with --topic"),
        ((), "name the component, or --topic TOPIC"),
    ],
)
def test_a_line_that_names_neither_or_both_is_wrong(
    airswasm: Airswasm, words: tuple[str, ...], told: str
) -> None:
    """And says which it wants."""
    wrong = airswasm("send", *words)
    assert wrong.code == 2
    assert told in " ".join(wrong.err.split())
