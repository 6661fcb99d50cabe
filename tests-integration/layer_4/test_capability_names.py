"""Names of capabilities that manifests ask for: each is known to a block, or refused helpfully."""

from __future__ import annotations

import pytest
from airswasm.lifecycle import Manifest, ManifestInvalid
from airswasm.security import Kinds
from airswasm.wit import Blocks

KINDS = Kinds(each for found in Blocks.find() for each in found.block.capabilities)
LEAST = '[component]\nname = "local/hello"\nversion = "0.1.0"\n[capabilities]\n'

DECLARED = (
    "storage.read", "storage.write", "storage.delete",
    "messaging.send", "messaging.request", "messaging.publish", "messaging.subscribe",
    "messaging.schedule",
    "filesystem.read", "filesystem.write", "filesystem.delete", "filesystem.list",
    "tcp.connect", "tcp.listen", "udp.send", "udp.listen", "dns.resolve", "http.request",
    "http.serve", "process.spawn", "process.signal",
)  # fmt: skip
NOT_YET = {
    "process.pause": "of process there are process.signal, process.spawn",
    "environment.read": "install the block that brings it",
}
OLD = {
    "tcp.bind": "tcp.listen", "udp.bind": "udp.listen", "dns.lookup": "dns.resolve",
    "net.connect": "tcp.connect", "network.connect": "tcp.connect", "socket.connect": "tcp.connect",
    "fs.read": "filesystem.read", "fs.write": "filesystem.write", "fs.delete": "filesystem.delete",
    "fs.list": "filesystem.list", "file.read": "filesystem.read", "file.write": "filesystem.write",
    "storage:read": "storage.read", "storage:write": "storage.write", "kv.get": "storage.read",
    "kv.set": "storage.write", "kv.delete": "storage.delete",
    "process.run": "process.spawn", "process.exec": "process.spawn",
    "http.get": "http.request", "http.post": "http.request", "http.fetch": "http.request",
    "udp.exchange": "udp.send", "messages.send": "messaging.send",
}  # fmt: skip


def refusal(name: str, *, is_strict: bool = True) -> str:
    key = name if ":" not in name else f'"{name}"'
    with pytest.raises(ManifestInvalid) as refused:
        Manifest.parse(f'{LEAST}{key} = "everything"\n', kinds=KINDS, is_strict=is_strict)
    return str(refused.value)


@pytest.mark.parametrize("name", DECLARED)
def test_a_kind_is_declared_with_a_sentence(name: str) -> None:
    """The question to the operator says in words what is asked for."""
    assert name in KINDS.names
    Manifest.parse(f'{LEAST}{name} = "everything"\n', kinds=KINDS)
    assert " " in KINDS.sentence(name.replace(".", ":"), ("everything",))


@pytest.mark.parametrize("name", NOT_YET)
def test_a_kind_of_no_block_is_no_misspelled_one(name: str) -> None:
    """To suggest another kind would be a different permission."""
    text = refusal(name)
    assert "no block of this host offers it" in text
    assert NOT_YET[name] in text
    assert "did you mean" not in text


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("name", OLD)
def test_an_old_name_is_refused_with_the_present_one(name: str, is_strict: bool) -> None:
    """At the install, and already when it is built."""
    text = refusal(name, is_strict=is_strict)
    assert f"no block of this host offers it; did you mean `{OLD[name]}`?" in text
