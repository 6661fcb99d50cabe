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
    shown = [
        line.split()[2:6] for line in airswasm("audit", "query", "--kind", "trust").out.splitlines()
    ]
    assert shown == [
        ["done", "trust", "add", "shop/orders"],
        ["done", "trust", "rotate", "shop/orders"],
        ["failed", "trust", "rotate", "shop/orders:"],
    ]
    unknown = airswasm("audit", "query", "--kind", "turst").err
    assert unknown == "no line matches; none is of the kind turst: did you mean trust?\n"
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
    refused = airswasm("trust", "disallow", new[:16])
    assert (refused.code, new in refused.err) == (5, True), "the list shows these digits"
    assert airswasm("trust", "remove", "shop/orders", "--yes").code == 0
    assert trusted(airswasm)["components"] == []


def test_a_key_that_a_setting_lists_is_not_said_to_be_gone(airswasm: Airswasm) -> None:
    """The verb changes the home's list, and config.toml has one of its own."""
    mine = key(airswasm, "mine")
    assert airswasm("config", "set", "trust.keys", f'["{mine}"]').code == 0
    assert airswasm("trust", "allow", "mine.pub", "--yes").code == 0
    ended = airswasm("trust", "disallow", "mine.pub")
    assert ended.code == 0
    assert "trusted still" in ended.err
    assert "trusted no longer" not in ended.err
    assert airswasm("config", "unset", "trust.keys").code == 0
    refused = airswasm("trust", "disallow", "mine.pub")
    assert (refused.code, "E0392" in refused.err) == (5, True), refused.err


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
    ended = host.stop()
    assert ended.code == 0
    told = [line.split(" ", 1)[1] for line in ended.err.splitlines() if "local/hello" in line]
    assert [line.split()[0] for line in told] == ["quarantined", "ready"]
    assert "was revoked: stolen" in told[0]
    assert "airswasm trust transfer local/hello KEY" in told[0]


def test_two_people_sign(airswasm: Airswasm, installed: Path, tmp_path: Path) -> None:
    """Each on their own: the list, the refusals and the files say how many there are."""
    owner = trusted(airswasm)["components"][0]["fingerprint"]
    reviewer = key(airswasm, "reviewer")
    raised = airswasm("trust", "threshold", "hello", "2")
    assert "1 of them are pinned" in raised.err
    assert "airswasm trust add local/hello KEY --cosigner" in raised.err
    assert airswasm("trust", "add", "hello", "reviewer.pub", "--cosigner").code == 0
    shown = airswasm("trust", "list").out
    assert "2 of 2 must sign" in shown
    assert f"{reviewer[:16]}\tco-signer" in shown

    manifest = installed / "Component.toml"
    manifest.write_text(manifest.read_text().replace("0.1.0", "0.2.0"))
    assert airswasm("build", str(installed)).code == 0
    assert airswasm("sign", str(installed)).code == 0
    refused = airswasm("update", str(installed), "--yes")
    assert (refused.code, refused.err.split(":")[0]) == (3, "error[E0438]")
    assert f"1 of 2 signatures that it needs, by {owner[:16]}" in refused.err

    signed = airswasm("sign", str(installed), "--cosigner", "reviewer.pub")
    assert "1 of 2" in signed.err
    assert f"it waits for {reviewer[:16]}" in signed.err
    assert airswasm("verify", str(installed)).err.startswith("error[E0423]")
    packed = str(tmp_path / "two.airswasm")
    assert airswasm("pack", str(installed), "--output", packed).code == 0
    waiting = airswasm("update", packed, "--yes")
    assert (waiting.code, waiting.err.split(":")[0]) == (3, "error[E0423]")
    assert "2 of 2" in airswasm("sign", packed, "--key", "reviewer.pem").err
    assert reviewer in airswasm("verify", packed).err
    again = airswasm("sign", packed, "--key", "reviewer.pem")
    assert "has signed it already" in again.err
    assert "hint: nothing is left to do with this key" in again.err
    updated = airswasm("update", packed, "--yes")
    assert updated.code == 0, updated.err

    lowered = airswasm("trust", "threshold", "hello", "1")
    assert (lowered.code, lowered.err.split(":")[0]) == (4, "error[E0003]")
    assert airswasm("trust", "threshold", "hello", "1", "--yes").code == 0
    assert airswasm("trust", "remove", "hello", "--cosigner", reviewer[:16]).code == 0
    assert trusted(airswasm)["components"][0]["cosigners"] == []


@pytest.mark.parametrize(
    ("change", "is_short"),
    [
        (("transfer", "shop/orders", "reviewer.pub"), True),
        (("transfer", "shop/orders", "third.pub"), False),
        (("remove", "shop/orders", "--cosigner", "reviewer.pub"), True),
        (("revoke", "reviewer.pub"), True),
        (("revoke", "owner.pub"), True),
        (("revoke", "third.pub"), False),
    ],
)
def test_too_few_keys_are_said_before_the_change(
    airswasm: Airswasm, change: tuple[str, ...], is_short: bool
) -> None:
    """Fewer keys than must sign let no update in: the verb says so, and asks."""
    for name in ("owner", "reviewer", "third"):
        key(airswasm, name)
    assert airswasm("trust", "add", "shop/orders", "owner.pub").code == 0
    assert airswasm("trust", "add", "shop/orders", "reviewer.pub", "--cosigner").code == 0
    assert airswasm("trust", "threshold", "shop/orders", "2").code == 0
    before = trusted(airswasm)
    refused = airswasm("trust", *change)
    assert (refused.code, "error[E0003]" in refused.err) == (4, True)
    said = "shop/orders keeps 1 of the 2 keys that must sign it" in refused.err
    assert said == is_short
    assert trusted(airswasm) == before
    assert airswasm("trust", *change, "--yes").code == 0
    assert trusted(airswasm) != before


def test_a_threshold_names_what_holds_it(airswasm: Airswasm) -> None:
    """The setting where that is higher; before the first install, no key is missing."""
    raised = airswasm("trust", "threshold", "shop/orders", "2")
    assert "no key is pinned yet" in raised.err
    assert "no update comes in" not in raised.err
    assert airswasm("config", "set", "trust.threshold", "2").code == 0
    lowered = airswasm("trust", "threshold", "shop/orders", "1", "--yes")
    assert "needs the signatures of 2 pinned keys" in lowered.err
    assert "`[trust] threshold` = 2 in config.toml" in lowered.err
    assert airswasm("config", "unset", "trust.threshold").code == 0
    lowered = airswasm("trust", "threshold", "shop/orders", "1", "--yes")
    assert "needs the signature of one pinned key" in lowered.err
    assert "config.toml" not in lowered.err


def test_a_statement_of_several_ends(airswasm: Airswasm) -> None:
    """It waits for each signature, and is refused after its end, by the host's clock."""
    for name in ("old", "new", "reviewer"):
        key(airswasm, name)
    for words in (
        ("trust", "add", "shop/orders", "old.pub"),
        ("trust", "add", "shop/orders", "reviewer.pub", "--cosigner"),
        ("trust", "threshold", "shop/orders", "2"),
    ):
        assert airswasm(*words).code == 0
    statement = ("trust", "statement", "shop/orders", "new.pem", "--key", "old.pem")
    alone = airswasm(*statement, "--output", "alone.sig")
    assert alone.code == 0, alone.err
    refused = airswasm("trust", "rotate", "alone.sig")
    assert (refused.code, refused.err.split(":")[0]) == (3, "error[E0438]")
    assert airswasm(*statement, "--cosigner", "reviewer.pub").code == 0
    assert airswasm("trust", "rotate", "rotation.sig").err.startswith("error[E0423]")
    assert airswasm("sign", "rotation.sig", "--key", "reviewer.pem").code == 0
    assert "as its owner" in airswasm("trust", "rotate", "rotation.sig").err
    key(airswasm, "second")
    other = ("trust", "statement", "shop/orders", "second.pem", "--key", "reviewer.pem")
    made = airswasm(*other, "--cosigner", "new.pub", "--output", "c.sig")
    assert "replaces" in made.err
    assert "gives" not in made.err, "the owner stays"
    assert airswasm("sign", "c.sig", "--key", "new.pem").code == 0
    assert "as its co-signer" in airswasm("trust", "rotate", "c.sig").err

    past = ("trust", "statement", "shop/orders", "old.pem", "--key", "new.pem", "--output", "b.sig")
    ended = airswasm(*past, "--expires", "2020-01-01")
    assert ended.code != 0, "an end in the past is a slip"
