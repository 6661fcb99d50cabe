"""Two components in different languages talk in each codec, as two authors would write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping

from airswasm.messaging import encode
from driving import Project, Terminal

C = """#include "airswasm.h"

static airswasm_reply handle(airswasm_text sender, const airswasm_text *topic,
                             airswasm_bytes payload) {
    (void)topic;
    airswasm_coded read = airswasm_split(payload);
    if (!read.found) return airswasm_refuse(AIRSWASM_TEXT("no codec"));
    airswasm_bytes again = airswasm_wrap(read.codec, read.content);
    if (!airswasm_equal(sender, AIRSWASM_TEXT("host"))) return airswasm_answer(again);
    airswasm_lookup answer = airswasm_call(AIRSWASM_TEXT("local/right"), again, 0);
    if (answer.failed) return airswasm_refuse(answer.error.text);
    return airswasm_answer(answer.value);
}
AIRSWASM_HANDLER(handle)
"""
PYTHON = """import json

import airswasm_codec
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import messaging


class Handler(exports.Handler):
    def handle_message(self, sender, topic, payload):
        codec, content = airswasm_codec.split(payload)
        if codec is None:
            raise Err("no codec")
        if sender == "host":
            return messaging.call("local/left", airswasm_codec.wrap(codec, content), 0)
        if codec == airswasm_codec.JSON:
            content = json.dumps({"read": json.loads(content)}).encode()
        return airswasm_codec.wrap(codec, content)


class Lifecycle(exports.Lifecycle):
    def init(self, config):
        pass

    def shutdown(self):
        pass
"""
WORLD = """package project:component;

world component {
    import airswasm:component/messaging@0.1.0;
    export airswasm:component/handler@0.1.0;
    export airswasm:component/lifecycle@0.1.0;
}
"""
CODECS = ("cbor", "json", "msgpack", "raw", "protobuf", "dag-cbor", "borsh", "bincode")
VALUE = {"order": 4711, "lines": [{"sku": "é", "price": 1.5, "paid": True, "note": None}]}


def test_components_talk_in_each_codec(
    terminal: Terminal, start_project: Callable[..., Project]
) -> None:
    """C asks Python and Python asks C; the user types JSON, or bytes that are encoded already."""
    for name, language, source, text, other in (
        ("left", "c", "src/left.c", C, "right"),
        ("right", "python", "app.py", PYTHON, "left"),
    ):
        project = start_project(name, language)
        (project.folder / source).write_text(text)
        if language == "python":
            (project.folder / "wit" / "world.wit").write_text(WORLD)
        asked = f'[capabilities]\nmessaging.request = ["local/{other}"]'
        project.manifest("[capabilities]", asked)
        manifest = project.folder / "Component.toml"
        accepted = f"\n[codecs]\naccepts = {json.dumps(CODECS)}\n"
        manifest.write_text(manifest.read_text() + accepted)
        project.type("build", "sign", "install . --yes")
    with terminal.host():
        for codec in CODECS[:3]:
            for name in ("left", "right"):
                answer = send(terminal, name, json.dumps(VALUE), codec)
                assert answer["codec"] == codec
                is_read = (name, codec) == ("left", "json")  # Python has it in its library
                assert answer["value"] == ({"read": VALUE} if is_read else VALUE)
        for codec in CODECS[3:]:
            for name in ("left", "right"):
                answer = send(terminal, name, "content", codec)
                assert base64.b64decode(str(answer["base64"])) == encode(b"content", codec)


def send(terminal: Terminal, name: str, message: str, codec: str) -> Mapping[str, object]:
    return terminal.read("send", f"local/{name}", message, "--codec", codec)
