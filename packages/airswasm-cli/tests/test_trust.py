"""`airswasm trust`, typed: keys that come, change and are lost, with and without a host."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
posix_only = pytest.mark.skipif(os.name != "posix", reason="hosts listen on Unix sockets")


def key(airswasm: Airswasm, name: str) -> str:
    """Make a key pair; return its fingerprint."""
    made = airswasm("keygen", "--output", f"{name}.pem", "--json")
    assert made.code == 0, made.err
    return str(json.loads(made.out)["fingerprint"])


def trusted(airswasm: Airswasm) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(airswasm("trust", "list", "--json").out)
    return found


def test_a_key_comes_changes_and_goes_without_a_host(airswasm: Airswasm) -> None:
    """Each verb says what it did, the list shows all of it, and the audit log has every change."""
    old, new = key(airswasm, "old"), key(airswasm, "new")
    assert airswasm("trust", "list").err == "no component is pinned to a key yet\n"
    assert old in airswasm("trust", "add", "shop/orders", "old.pub", "--label", "Ann").err
    made = airswasm("trust", "statement", "shop/orders", "new.pem", "--key", "old.pem")
    assert made.code == 0, made.err
    assert new in airswasm("trust", "rotate", "rotation.sig").err
    again = airswasm("trust", "rotate", "rotation.sig")
    assert (again.code, again.err.split(":")[0]) == (3, "error[E0434]")
    (pin,) = trusted(airswasm)["components"]
    assert (pin["fingerprint"], pin["label"]) == (new, "Ann")
    assert [each["fingerprint"] for each in pin["former"]] == [old]
    refused = airswasm("trust", "transfer", "shop/orders", "old.pub")
    assert (refused.code, refused.err.split(":")[0]) == (4, "error[E0003]")
    assert airswasm("trust", "transfer", "shop/orders", "old.pub", "--yes").code == 0
    assert airswasm("trust", "revoke", "new.pub", "--yes", "--reason", "lost\nit").code == 0
    shown = airswasm("trust", "list").out
    assert f"*\t{new[:16]}\trevoked" in shown
    assert len(shown.splitlines()) == 4, "a reason of two lines forges none"
    assert airswasm("trust", "remove", "shop/orders", "--yes").code == 0
    assert trusted(airswasm)["components"] == []


@pytest.mark.parametrize("digits", ["", "f82513", "0" * 16, "no/such.pub", "x" * 64])
def test_what_names_no_key_revokes_none(airswasm: Airswasm, digits: str) -> None:
    """A mistyped fingerprint must not look like a key that is refused from now on."""
    ended = airswasm("trust", "revoke", digits, "--yes")
    assert ended.code in (1, 5)
    assert "hint: " in ended.err
    assert trusted(airswasm)["revoked"] == []


def test_a_statement_replaces_no_file(airswasm: Airswasm) -> None:
    """It may be the one that operators wait for."""
    for name in ("old", "new"):
        key(airswasm, name)
    words = ("trust", "statement", "shop/orders", "new.pem", "--key", "old.pem")
    assert airswasm(*words).code == 0
    again = airswasm(*words)
    assert again.code == 1
    assert "hint: remove it, or name another place" in again.err


@posix_only
def test_a_revocation_reaches_the_running_host(
    airswasm: Airswasm, installed: Path, run_host: Callable[..., Any], home: Path
) -> None:
    """The component ends, each verb says why, and a version by another key goes on."""
    host = run_host()
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 1."
    (pin,) = trusted(airswasm)["components"]
    done = airswasm("trust", "revoke", pin["fingerprint"][:16], "--yes", "--reason", "stolen")
    assert "quarantined: local/hello" in done.err
    assert "quarantined" in airswasm("list").out
    assert "stolen" in airswasm("status").out
    assert "quarantined" in airswasm("send", "hello", "x").err
    assert "was revoked: stolen" in airswasm("start", "hello").err
    doctor = airswasm("doctor", "--quick").out
    assert f"local/hello ({pin['fingerprint'][:16]}: stolen)" in doctor

    key(airswasm, "new")
    assert airswasm("trust", "transfer", "hello", "new.pub", "--yes").code == 0
    manifest = installed / "Component.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    assert airswasm("build", str(installed)).code == 0
    assert airswasm("sign", str(installed), "--key", "new.pem").code == 0
    updated = airswasm("update", str(installed), "--yes")
    assert updated.code == 0, updated.err
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 2."
    assert airswasm("rollback", "hello").code == 3, "the version of before stays refused"
    assert host.stop().code == 0
