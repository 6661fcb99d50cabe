"""Messages as people write them, and replies as they read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from airswasm.cli.commands._payloads import Reply, written
from airswasm.messaging import UnknownCodec, decode, encode
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Airswasm, RunningHost

ECHO = """#include "airswasm.h"
static airswasm_reply echo(airswasm_text from, const airswasm_text *topic, airswasm_bytes payload) {
    (void)from, (void)topic;
    return airswasm_answer(payload);
}
AIRSWASM_HANDLER(echo)
"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["cbor", "json", "msgpack"]))
def test_json_goes_in_and_comes_out(value: object, codec: str) -> None:
    """In every codec that the host encodes."""
    payload = written(json.dumps(value).encode(), codec)
    assert decode(payload) == value
    read = Reply.of(payload, codec)
    assert (read.codec, read.value) == (codec, value)
    assert read.text is not None
    assert json.loads(read.text) == value


@given(st.binary(max_size=20))
def test_bytes_stay_bytes(content: bytes) -> None:
    """Without a codec unchanged both ways; with raw, and with one that is not encoded, a prefix."""
    assert written(content, "none") == content
    assert Reply.of(content, "none") == Reply(content)
    assert written(content, "raw") == b"\x55" + content
    assert Reply.of(b"\x55" + content, "raw").content == content
    assert written(content, "protobuf") == b"\x50" + content


def test_replies_that_are_no_json() -> None:
    """Bytes within a value say that they are base64; what cannot be decoded is shown as it came."""
    read = Reply.of(encode({"b": [b"\0"], b"k": float("inf")}), "cbor")
    assert read.value == {"b": [{"base64": "AA=="}], "aw==": "inf"}
    for reply in (b"plain", b"\x50\x08", b""):
        assert Reply.of(reply, "cbor") == Reply(reply)
    assert Reply.of(None, "cbor") == Reply(b"")
    broken = Reply.of(b"\x51\xff", "cbor")
    assert (broken.content, broken.codec) == (b"\x51\xff", None)
    assert "cannot be decoded" in broken.problem


def test_a_message_that_is_no_json_is_a_usage_error() -> None:
    """With what to type instead."""
    for content in (b"hello", b"", b"{a:1}", b"\xff"):
        with pytest.raises(typer.BadParameter, match="--codec none"):
            written(content, "cbor")
    with pytest.raises(UnknownCodec):
        written(b"1", "yaml")


def test_a_user_types_json_and_reads_json(
    airswasm: Airswasm, project: Path, run_host: Callable[..., RunningHost]
) -> None:
    """In the codec that the component prefers, or in another that it accepts."""
    (source,) = (project / "src").glob("*.c")
    source.write_text(ECHO)
    manifest = project / "Component.toml"
    kept = manifest.read_text()
    manifest.write_text(kept + '\n[codecs]\naccepts = ["msgpack", "json", "raw"]\n')
    for line in (("keygen",), ("build", "hello"), ("sign", "hello"), ("install", "hello", "--yes")):
        ended = airswasm(*line)
        assert ended.code == 0, ended.err
    run_host()
    ended = airswasm("send", "local/hello", '{"n": [1, "é"]}', "--json")
    document = json.loads(ended.out)
    assert document["codec"] == "msgpack"
    assert document["value"] == {"n": [1, "é"]}
    ended = airswasm("send", "local/hello", '{"n": 1}', "--codec", "json", "--receipt")
    assert json.loads(ended.out) == {"n": 1}
    assert airswasm("send", "local/hello", "bytes", "--codec", "raw").out == "bytes"
    refused = airswasm("send", "local/hello", "1", "--codec", "cbor")
    assert refused.code != 0
    assert "E0616" in refused.err
    assert "accepts msgpack, json, raw (prefers msgpack)" in refused.err
    assert "E0616" in airswasm("send", "local/hello", "1", "--codec", "none").err
    typed = airswasm("send", "local/hello", "hello")
    assert typed.code == 2
    assert "--codec none" in typed.err
    unknown = airswasm("send", "local/hello", "1", "--codec", "messagepack")
    assert "did you mean msgpack" in unknown.err
