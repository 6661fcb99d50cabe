"""`airswasm grants` and the answers to an install, typed: what a component may do."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]
posix_only = pytest.mark.skipif(os.name != "posix", reason="hosts listen on Unix sockets")
NAME = "local/hello"
WAYS = [pytest.param(True, marks=posix_only, id="hosted"), pytest.param(False, id="stopped")]


def granted(airswasm: Airswasm) -> Mapping[str, Any]:
    found = airswasm("grants", "list", NAME, "--json")
    assert found.code == 0, found.err
    shown: Mapping[str, Any] = json.loads(found.out)
    return shown


def follow_the_denial(airswasm: Airswasm) -> None:
    """Send, run the command of the denial as it stands, and send again."""
    refused = airswasm("send", NAME, "you")
    command = re.search(r"to allow it on this host: (.*)", refused.err + refused.out)
    assert command is not None, refused
    for part in command[1].split(" && "):
        assert airswasm(*shlex.split(part)[1:]).code == 0, part
    assert airswasm("send", NAME, "you").code == 0


@pytest.mark.parametrize("is_hosted", WAYS)
def test_a_grant_is_taken_and_given_with_and_without_a_host(
    airswasm: Airswasm, installed: Path, run_host: RunHost, is_hosted: bool
) -> None:
    """A running component is denied by its next call, in words that name the remedy."""
    del installed
    host = run_host() if is_hosted else None
    denied = airswasm("grants", "deny", "hello", "storage.write", "count", "--reason", "a\nb")
    assert (denied.code, denied.out) == (0, "")
    assert "may not use storage.write" in airswasm("grants", "remove", NAME, "storage.write").err
    assert 'deny.storage.write = ["count"]' in granted(airswasm)["in_force"]
    assert 'storage.write = ["count"]' not in granted(airswasm)["in_force"]
    host = host or run_host()
    follow_the_denial(airswasm)
    assert airswasm("grants", "deny", NAME, "storage.write").code == 0
    follow_the_denial(airswasm)
    assert airswasm("grants", "remove", NAME, "storage.write").code == 0
    assert airswasm("grants", "deny", NAME, "storage.write").code == 0
    follow_the_denial(airswasm)
    rows = airswasm("grants", "list").out.splitlines()
    assert len(rows) == 3
    host.stop()
    assert airswasm("grants", "list").out.splitlines() == rows


def test_a_grant_that_changes_nothing_is_said(airswasm: Airswasm, installed: Path) -> None:
    """The host's rules go before grants: the warning has the layer and its rule."""
    del installed
    for key, layer in (("forbidden", "forbidden"), ("deny", "policy")):
        rule = f"security.{key}"
        assert airswasm("config", "set", rule, '{ storage.write = ["secret/**"] }').code == 0
        done = airswasm("grants", "add", NAME, "storage.write", "secret/a")
        assert (done.code, f"secret/a is still refused: {layer}" in done.err) == (0, True), done
        assert "refused" not in airswasm("grants", "add", NAME, "storage.write", "open/**").err
        assert airswasm("config", "unset", rule).code == 0


def test_what_makes_no_sense_changes_nothing(airswasm: Airswasm, installed: Path) -> None:
    """Each with its code and a hint."""
    del installed
    before = granted(airswasm)
    for words, status in (
        (("add", NAME, "storage.read", "x", "--until", "yesterday"), 2),
        (("add", NAME, "storage.read", "x", "--until", "2020-01-01"), 2),
        (("add", NAME, "storage.raed", "x"), 1),
        (("add", NAME, "storage.read", "a\nb"), 2),
        (("add", NAME, "storage.read"), 2),
        (("add", "local/absent", "storage.read", "x"), 5),
        (("narrow", NAME, "storage.read", "**"), 1),
        (("remove", NAME, "storage.read", "x"), 5),
        (("remove", NAME, "storage.read", "--denial"), 5),
    ):
        ended = airswasm("grants", *words)
        assert ended.code == status, (words, ended)
        assert "hint: " in ended.err
    assert granted(airswasm) == before


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), {"storage.read", "storage.write", "messaging.publish"}),
        (("--deny", "storage.write"), {"storage.read", "messaging.publish"}),
        (("--grant", "storage.read"), {"storage.read"}),
        (("--grant", "storage.read=count", "--grant", "storage.write"),
         {"storage.read", "storage.write"}),
    ],
)  # fmt: skip
def test_a_script_says_what_it_grants(
    airswasm: Airswasm, project: Path, options: tuple[str, ...], wanted: set[str]
) -> None:
    """`--grant` denies what it does not name; `--deny` alone grants the rest."""
    airswasm("keygen", "--output", "k.pem")
    assert airswasm("sign", str(project), "--key", "k.pem").code == 0
    assert airswasm("install", str(project), *options).code == 4, "nothing without --yes"
    ended = airswasm("install", str(project), "--yes", *options)
    assert ended.code == 0, ended.err
    found = granted(airswasm)
    held = {line.partition(" = ")[0] for line in found["in_force"]}
    asked_in_vain = {line.partition(" = ")[0] for line in found["not_granted"]}
    assert {name for name in held if not name.startswith("deny.")} - asked_in_vain == wanted


@pytest.mark.parametrize("option", ["--grant", "--deny"])
def test_an_option_that_names_nothing_asked_for_installs_nothing(
    airswasm: Airswasm, project: Path, option: str
) -> None:
    """A mistyped denial must not grant everything; nor may a grant be wider than the question."""
    airswasm("keygen", "--output", "k.pem")
    airswasm("sign", str(project), "--key", "k.pem")
    ended = airswasm("install", str(project), "--yes", option, "storage.raed")
    assert ended.code == 2
    assert "messaging.publish, storage.read, storage.write" in ended.err
    wider = airswasm("install", str(project), "--yes", "--grant", "storage.read=**")
    assert wider.code == 1
    assert "error[E0405]" in wider.err
    assert airswasm("list").out == ""
