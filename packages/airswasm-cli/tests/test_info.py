"""`airswasm info` shows every limit that holds, also those that no manifest names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from airswasm.cli._control.document import Document
from airswasm.cli.commands._terms import shown_codecs, shown_delivery, shown_limits
from airswasm.lifecycle import LimitsSection

Airswasm = Callable[..., Any]


def keys_of(section: type, prefix: str = "limits.") -> Iterator[str]:
    for each in fields(section):
        kind = get_type_hints(section)[each.name]
        if is_dataclass(kind) and isinstance(kind, type):
            yield from keys_of(kind, f"{prefix}{each.name}.")
        else:
            yield f"{prefix}{each.name}"


KEYS = tuple(keys_of(LimitsSection))


def shown(airswasm: Airswasm) -> Mapping[str, str]:
    out = airswasm("info", "local/hello").out
    pairs = [line.partition("\t") for line in out.splitlines()]
    return {key: value for key, _, value in pairs}


def test_every_limit_is_shown_with_a_value(airswasm: Airswasm, installed: Path) -> None:
    """Whichever keys the manifest has now and will have; none of them is left open."""
    found = shown(airswasm)
    assert set(KEYS) <= set(found)
    assert {"limits.message_bytes", "limits.host_call", "limits.rates.messages"} <= set(KEYS)
    assert all(found[key].strip(" -") for key in KEYS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accepts": ["any"], "prefers": None}, "any payload"),
        ({"accepts": ["json", "raw"], "prefers": None}, "json, raw; prefers json"),
        ({"accepts": ["json", "raw"], "prefers": "raw"}, "json, raw; prefers raw"),
    ],
)
def test_the_codecs_are_shown_with_the_preferred_one(settings: Document, words: str) -> None:
    assert shown_codecs(settings) == words


def test_a_key_of_the_host_s_holds_where_the_manifest_is_silent(
    airswasm: Airswasm, installed: Path, home: Path
) -> None:
    """The policy caps one message, and is the quota of a component that names none."""
    limits = json.loads(airswasm("info", "local/hello", "--json").out)["limits"]
    assert limits["storage"] == 64 * 2**20
    assert limits["fuel"] == 10**9
    (home / "config.toml").write_text("[limits]\nstorage = 1_000\nmessage_bytes = 2_000\n")
    limits = json.loads(airswasm("info", "local/hello", "--json").out)["limits"]
    assert (limits["storage"], limits["message_bytes"]) == (1_000, 2_000)
    assert shown(airswasm)["limits.message_bytes"].startswith("2.0 KiB at most, or an eighth")


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("memory", 2**20, ("limits.memory", "1.0 MiB")),
        ("timeout", 0.5, ("limits.timeout", "0.5 s")),
        ("fuel", 10**9, ("limits.fuel", "1,000,000,000")),
        ("rates", {"logs": 200}, ("limits.rates.logs", "200 each second")),
        ("unheard_of", 3, ("limits.unheard_of", "3")),
        ("unheard_of_bytes", 3, ("limits.unheard_of_bytes", "3 B")),
    ],
)
def test_a_value_has_its_unit(key: str, value: object, line: tuple[str, str]) -> None:
    """A limit of a newer host is shown too."""
    assert list(shown_limits({key: value}, "limits.")) == [line]


@pytest.mark.parametrize(
    ("by", "age", "words"),
    [
        ("manifest", None, "by its manifest; 5 attempts; 1,000 messages and 64.0 MiB may wait"),
        ("[durable]", 60.0, "by [durable] of config.toml; 5 attempts; 1,000 messages and 64.0 MiB"),
    ],
)
def test_the_terms_of_delivery_are_shown(by: str, age: float | None, words: str) -> None:
    """With what says so; in memory there are none."""
    terms: Document = {
        "mode": "durable", "by": by, "attempts": 5, "messages": 1_000, "size_bytes": 2**26,
        "age": age,
    }  # fmt: skip
    shown_terms = shown_delivery(terms)
    assert words in shown_terms
    assert ("no message expires" in shown_terms) == (age is None)
    assert shown_delivery({"mode": "memory"}) == "in memory, at most once"
