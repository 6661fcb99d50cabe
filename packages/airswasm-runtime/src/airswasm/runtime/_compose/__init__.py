"""Reads a component's binary and composes code of ours around it, in the compile child.

| module | holds |
|---|---|
| `reader`, `writer` | the binary format: a cursor over it, and a writer of it |
| `component_types` | types as the binary has them: read, laid out, written again |
| `outline` | what a component imports and exports, read from its binary |
| `crossings` | which functions go through a bridge |
| `rebinding` | where a guest's imports can be bound again |
| `bridge` | the bridges that let bytes cross as text, composed around a component |
| `bridge_parts`, `inside` | the core of each bridge; those within the guest's own component |
| `bridging` | what composing changed, as the host must know it |
| `scopes` | types and imports written again under the names that they had |
| `text_bridge` | the core wasm that turns bytes into text and back |
| `wrappers` | the core wasm of a bridge's functions |
| `memory_moves` | the core wasm that moves values between a bridge's memory and a guest's |
| `core_facts` | what the core modules tell: memories, tables, what makes room |
| `added_exports` | exports of ours: they drop the guest's resources and tell its memory |
"""
