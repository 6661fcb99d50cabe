"""Spellings of one thing get one decision: compared with what files, sockets and servers do.

The oracle is the operation itself. Whatever spelling reaches the denied file, address or path must
have been denied, or refused.
"""

from __future__ import annotations

import os
import shlex
import socket
import urllib.parse
from pathlib import Path

import pytest
from airswasm.osl import BLOCK, Folder, FolderLimits
from airswasm.osl._files.filesystem import canonical_path
from airswasm.osl.errors import OslError
from airswasm.security import Grants, Guard, Kinds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)
NAME = "local/a"


def guard(capability: str, *denied: str) -> Guard:
    return Guard(KINDS, {NAME: Grants({capability: ("everything",)}, {capability: denied})})


path_parts = st.lists(
    st.sampled_from(
        ["secret", "SECRET", "Secret", ".", "..", "", "x", "x ", "x.", "secret.", "secret ",
         "se\u200dcret", "\u017fecret", "caf\u00e9", "cafe\u0301"]
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path_parts, st.sampled_from(["", "/", "//", "./"]))
def test_no_spelling_reads_a_denied_file(tmp_path: Path, parts: list[str], start: str) -> None:
    """Whatever path opens the file of the denied folder was denied before."""
    (tmp_path / "secret").mkdir(exist_ok=True)
    (tmp_path / "secret" / "x").write_bytes(b"secret")
    path = start + "/".join(parts)
    folder = Folder(tmp_path, FolderLimits())
    try:
        read = folder.read(canonical_path(path), 0, 10)
    except OslError:
        return
    finally:
        folder.close()
    if read == b"secret":
        assert not guard("filesystem:read", "/secret/**").decide(NAME, "filesystem:read", path)
        assert not guard("filesystem:read", "/SECRET/*").decide(NAME, "filesystem:read", path)


def reaches_loopback(host: str) -> bool:
    """Whether the system's own calls take a host for 127.0.0.1, without asking a server."""
    flags = socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host.strip("[]"), 80, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError, ValueError):
        return False
    return any(
        str(entry[4][0]) in ("127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1") for entry in found
    )


number_parts = st.sampled_from(
    ["127", "0", "1", "0177", "0x7f", "00", "0x0", "01", "0x1", "2130706433", "0x7f000001",
     "017700000001", "1 ", "\u0661", "65793"]
)  # fmt: skip
numbers = st.lists(number_parts, min_size=1, max_size=4).map(".".join)
wrapped = st.sampled_from(
    ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:127.0.0.1]",
     "[::ffff:7f00:0001]", "[::ffff:127.0.0.1%lo]", "127.0.0.1.", "127.0.0.1"]
)  # fmt: skip


@given(numbers | wrapped, st.sampled_from(["80", "080", "+80", "80 "]))
def test_no_spelling_reaches_a_denied_address(host: str, port: str) -> None:
    """What the resolver takes for the denied address is denied, or has no reading."""
    if not reaches_loopback(host):
        return
    for capability, resource, denied in (
        ("tcp:connect", f"{host}:{port}", "127.0.0.1:*"),
        ("udp:send", f"{host}:{port}", "127.*.*.*:80"),
        ("http:request", f"GET http://{host}:{port.strip()}/", "http://127.0.0.1:*/**"),
        ("http:request", f"GET http://{host}/", "http://127.0.0.[0-9]/**"),
    ):
        assert not guard(capability, denied).decide(NAME, capability, resource), resource


def served(target: str) -> str:
    """Return the path that a server acts on: decoded once, with slashes and dots resolved."""
    path = urllib.parse.unquote(target.partition("?")[0].partition("#")[0])
    joined = os.path.normpath("/" + path)
    return "/" + joined.strip("/")


pieces = st.lists(
    st.sampled_from(
        ["admin", "%61dmin", "adm%69n", "%41dmin", "Admin", "/", "//", "/./", "/../", "%2e",
         "%2E%2e", "%2f", "x", "?q=", "#", "a", "dmin", "%61", "%5c"]
    ),
    max_size=6,
)  # fmt: skip


@given(pieces)
def test_no_spelling_asks_for_a_denied_path(parts: list[str]) -> None:
    """A target that a server reads as the denied path is denied, or has no reading."""
    target = "/" + "".join(parts)
    if served(target) == "/admin" or served(target).startswith("/admin/"):
        resource = f"GET http://x.org{target}"
        denying = guard("http:request", "http://x.org/admin/**")
        assert not denying.decide(NAME, "http:request", resource), target
        by_method = guard("http:request", "GET,POST *://**:*/admin/**")
        assert not by_method.decide(NAME, "http:request", resource), target


words = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4), max_size=4
)


@given(words, words)
def test_arguments_are_one_list(granted: list[str], used: list[str]) -> None:
    """A grant of one command line covers that list of arguments and no other."""
    from airswasm.security import escape

    pattern = shlex.join(["/bin/true", *map(escape, granted)])
    try:
        KINDS.check(Grants({"process:spawn": (pattern,)}))
    except Exception:
        return
    only = Guard(KINDS, {NAME: Grants({"process:spawn": (pattern,)})})
    decision = only.decide(NAME, "process:spawn", shlex.join(["/bin/true", *used]))
    assert bool(decision) == (not granted or granted == used)


@pytest.mark.parametrize("method", ["get", "GET", "Get"])
def test_a_method_is_denied_in_every_case(method: str) -> None:
    """The host sends it in capitals."""
    denying = guard("http:request", "GET http://x.org/**")
    assert not denying.decide(NAME, "http:request", f"{method} http://x.org/a")
    assert denying.decide(NAME, "http:request", "POST http://x.org/a")
