"""The cost of a signature: flat arguments against records, variants and lists of records.

One C component exports the same work behind several signatures, and the runtime calls each. The
figures to read are the ratios; the guide quotes them. Run it with the virtual environment that
has airswasm-runtime and ziglang:

    python bench/flat_against_rich.py [calls]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
from airswasm.runtime import Caller, Case, Engine, EngineConfig, Instance, Limits, Ok
from airswasm.wit._tool import run_wasm_tools

WIT = """\
package bench:shapes@0.1.0;
interface rich {
    record four { a: u32, b: u32, name: string, tag: option<string> }
    record row { key: string, size: u32 }
    variant one-of { number(u32), text(string) }

    with-record: func(r: four) -> result<option<list<u8>>, string>;
    with-variant: func(v: one-of) -> u32;
    rows: func(r: list<row>) -> u32;
}
interface plain {
    nothing: func();
    numbers: func(a: u32, b: u32) -> u32;
    flat: func(sender: string, a: u32, payload: list<u8>) -> result<option<list<u8>>, string>;
    bytes: func(b: list<u8>) -> u32;
    text: func(b: string) -> u32;
    integers: func(l: list<u32>) -> u32;
}
world bench { export plain; export rich; }
"""
C = """\
#include <stddef.h>
#include <stdint.h>
extern unsigned char __heap_base;
static uintptr_t top;
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *p, size_t o, size_t a,
                                                                size_t n) {
    if (!top) top = (uintptr_t)&__heap_base;
    top = (top + a - 1) & ~(a - 1);
    void *r = (void *)top;
    top += n;
    size_t have = __builtin_wasm_memory_size(0) * 65536u;
    if (top > have) __builtin_wasm_memory_grow(0, (top - have + 65535) / 65536);
    return r;
}
#define PLAIN(name) __attribute__((export_name("bench:shapes/plain@0.1.0#" name)))
#define RICH(name) __attribute__((export_name("bench:shapes/rich@0.1.0#" name)))
static uint32_t area[4];
PLAIN("nothing") void f0(void) {}
PLAIN("numbers") uint32_t f1(uint32_t a, uint32_t b) { return a + b; }
PLAIN("flat") void *f2(char *s, uint32_t n, uint32_t a, uint8_t *p, uint32_t m) {
    top = 0; area[0] = 0; area[1] = 0; return area;
}
RICH("with-record") void *f3(uint32_t a, uint32_t b, char *s, uint32_t n, uint32_t d, char *t,
                               uint32_t m) {
    top = 0; area[0] = 0; area[1] = 0; return area;
}
RICH("with-variant") uint32_t f4(uint32_t d, uint32_t a, uint32_t n) { top = 0; return d; }
PLAIN("bytes") uint32_t f5(uint8_t *p, uint32_t n) { top = 0; return n; }
PLAIN("text") uint32_t f6(char *p, uint32_t n) { top = 0; return n; }
RICH("rows") uint32_t f7(void *p, uint32_t n) { top = 0; return n; }
PLAIN("integers") uint32_t f8(void *p, uint32_t n) { top = 0; return n; }
"""
ROWS = [{"key": f"key-{i}", "size": i} for i in range(100)]
RICH = {"with-record", "with-variant", "rows"}
CALLS: dict[str, tuple[object, ...]] = {
    "nothing": (),
    "numbers": (1, 2),
    "flat": ("local/sender", 1, b"x" * 16),
    "with-record": ({"a": 1, "b": 2, "name": "local/sender", "tag": "x" * 16},),
    "with-variant": (Case("text", "x" * 16),),
    "bytes 1 kB": (b"x" * 1000,),
    "text 1 kB": ("x" * 1000,),
    "bytes 100 kB": (b"x" * 100_000,),
    "text 100 kB": ("x" * 100_000,),
    "integers 100": (list(range(100)),),
    "rows 100": (ROWS,),
}


def build(folder: Path) -> bytes:
    (folder / "b.wit").write_text(WIT)
    (folder / "b.c").write_text(C)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-O2"]
    command += ["-nostdlib", "-s", "-Wl,--no-entry", "-o", str(folder / "b.core.wasm")]
    subprocess.run([*command, str(folder / "b.c")], check=True)
    embed = ["component", "embed", str(folder / "b.wit"), str(folder / "b.core.wasm")]
    for arguments in (
        [*embed, "-o", str(folder / "e.wasm")],
        ["component", "new", str(folder / "e.wasm"), "-o", str(folder / "b.wasm")],
    ):
        output = run_wasm_tools(arguments)
        if output.exit_code:
            raise SystemExit(output.stderr)
    return (folder / "b.wasm").read_bytes()


async def microseconds(instance: Instance, name: str, calls: int) -> float:
    function = name.partition(" ")[0]
    interface = "rich" if function in RICH else "plain"
    path = f"bench:shapes/{interface}@0.1.0#{function}"
    arguments = CALLS[name]
    best = float("inf")
    for _ in range(5):
        before = time.perf_counter()
        for _ in range(calls // 5):
            await instance.call(path, *arguments)
        best = min(best, (time.perf_counter() - before) / (calls // 5))
    return best * 1e6


async def main(calls: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wasm = build(Path(folder))
    async with Engine(EngineConfig()) as engine:
        linked = (await engine.load(wasm)).link([])
        limits = Limits(memory_bytes=16 * 1024 * 1024, fuel=10**10)
        instance = await linked.instantiate(limits=limits, caller=Caller("bench/shapes"))
        assert await instance.call("bench:shapes/plain@0.1.0#flat", *CALLS["flat"]) == Ok(None)
        flat = await microseconds(instance, "flat", calls)
        print(f"{'signature':16} {'µs a call':>10} {'of flat':>8}")
        for name in CALLS:
            count = calls // 20 if "100" in name else calls
            cost = flat if name == "flat" else await microseconds(instance, name, count)
            print(f"{name:16} {cost:10.1f} {cost / flat:7.1f}x")
        instance.close()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
