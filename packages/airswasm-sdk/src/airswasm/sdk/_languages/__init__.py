"""The toolchains of the languages that have a compiler of their own.

- `rust`: cargo, for WASI 0.2 or for no system at all.
- `go`: the Go compiler, for WASI 0.1, and the adapter to 0.2.
- `go_room`: the allocators that a module of Go needs.
- `javascript`: componentize-js, and the TypeScript compiler before it.
- `known`: which languages there are.
"""
