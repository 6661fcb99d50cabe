"""The compile child: the only process that parses a guest before it is trusted to run.

It reads a request from stdin (one line of JSON, then the component), and
answers on stdout with one line of JSON, then the image. It bounds itself before
it reads the first untrusted byte, rather than being bounded from outside
between fork and exec: `preexec_fn` is not safe in a parent with threads.

It must stay cheap to start, so it imports `wasmtime` and the modules beside it
that it needs, and nothing else; `compiler` starts it without importing the
package's `__init__`.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from wasmtime import Engine, WasmtimeError
from wasmtime.component import Component

from .._compose.added_exports import AddedExports, with_added_exports, without_added
from .._compose.bridge import bridge_component
from .._compose.bridging import Bridging
from .._compose.core_facts import read_core_facts
from .._compose.reader import Unreadable, refuse_multi_memory
from .._wasmtime.features import HardenedSettings, hardened_config
from .._wasmtime.reflection import UnsupportedType, reflect
from .description import Description

PR_SET_NO_NEW_PRIVS = 38


class Refused(Exception):
    """The component uses what the engine must allow and guests must not use."""


def main() -> None:
    """Serve one request and return; the process ends with it."""
    unblock_signals()
    request = json.loads(sys.stdin.buffer.readline())
    bound_process(request["seconds"], request["memory_bytes"])
    wasm = sys.stdin.buffer.read(request["wasm_bytes"])
    answer(sys.stdout.buffer, wasm, request)


def unblock_signals() -> None:
    """Let the limit on CPU time end this process, whatever the parent ignores or blocks."""
    if hasattr(signal, "SIGXCPU"):
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def bound_process(seconds: float, memory_bytes: int) -> None:
    """Limit this process for good; without effect where the platform has no such limits."""
    try:
        import resource
    except ImportError:  # Windows: the parent's wall-clock limit is what is left
        return
    cpu = max(1, round(seconds))
    limits = {"RLIMIT_CPU": (cpu, cpu + 1), "RLIMIT_AS": (memory_bytes, memory_bytes)}
    limits |= {"RLIMIT_CORE": (0, 0), "RLIMIT_FSIZE": (0, 0)}
    for name, wanted in limits.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            wanted = (min(wanted[0], hard), min(wanted[1], hard))
        resource.setrlimit(kind, wanted)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def answer(out: BinaryIO, wasm: bytes, request: Mapping[str, object]) -> None:
    """Compile and write the image, or say why the component is refused."""
    settings = HardenedSettings.from_json(str(request["settings"]))
    try:
        image, description = compile_image(wasm, settings, bridge=bool(request["bridge"]))
    except (Refused, Unreadable, UnsupportedType, WasmtimeError) as error:
        out.write(json.dumps({"invalid": str(error)}).encode() + b"\n")
    else:
        head = {"image_bytes": len(image), "description": description.to_json()}
        out.write(json.dumps(head).encode() + b"\n")
        out.write(image)
    out.flush()


def compile_image(
    wasm: bytes, settings: HardenedSettings, *, bridge: bool
) -> tuple[bytes | bytearray, Description]:
    """Compile a component and describe it.

    Raises:
        Refused: it uses what guests must not.
        Unreadable: it cannot be followed.
        UnsupportedType: a function uses futures, streams or error contexts.
        WasmtimeError: the engine does not take it.
    """
    if (reason := refuse_multi_memory(wasm)) is not None:
        raise Refused(reason)
    engine = Engine(hardened_config(settings))
    staged = not settings.memory_images  # memories are packed: the host knows where they are
    component, bridging = _compile(engine, wasm, bridge=bridge, staged=staged)
    shape = reflect(engine, component, bridging)
    shape = without_added(shape, bridging.rebound.values(), bridging.added.names)
    digest = hashlib.sha256(wasm).hexdigest()
    description = Description(digest, bridging, shape, read_core_facts(wasm))
    return component.serialize(), description


def _compile(
    engine: Engine, wasm: bytes, *, bridge: bool, staged: bool
) -> tuple[Component, Bridging]:
    """Compile with what can be added to it: functions of ours, and a bridge.

    The engine validates the composition like any other component, so a mistake
    of ours ends here, in a component without a part of it.
    """
    *composed, (plain, bridging) = _compositions(wasm, bridge=bridge, staged=staged)
    for binary, added in composed:
        try:
            return Component(engine, binary), added
        except WasmtimeError:
            pass
    return Component(engine, plain), bridging


def _compositions(wasm: bytes, *, bridge: bool, staged: bool) -> Iterator[tuple[bytes, Bridging]]:
    """Return the component with all that can be added to it, then with less, then as it is."""
    larger, additions = with_added_exports(wasm)
    for given, added in (
        [(larger, additions), (wasm, AddedExports())] if additions else [(wasm, additions)]
    ):
        bridged = bridge_component(given, staged=staged) if bridge else None
        if bridged is not None:
            yield bridged.wasm, bridged.bridging.with_added(added)
        yield given, Bridging().with_added(added)
