"""All that depends on the engine's version; see `docs/moving-to-the-next-wasmtime.md`.

| module | holds |
|---|---|
| `bindings` | the C functions that we call: the one user of `wasmtime._ffi` |
| `value_layout` | how the C interface lays values out: kinds, sizes, offsets |
| `features` | the one configuration for untrusted guests: what is on and what is off |
| `faults` | the engine's words for what went wrong, and the typed faults they become |
| `reflection` | reads a component's types out of the engine |
| `version` | the one assertion of the version range |
| `slot_allocator` | the engine's stacks and memories, side by side in a few large mappings |
"""
