"""Kinds of capabilities: how their resources are spelled, and the patterns that cover them.

- `sets`: sets of characters in a segment of a pattern.
- `patterns`: patterns over resources.
- `spelling`: one spelling for every resource of a kind.
- `grants`: the grants of one component, as text.
- `kinds`: the kinds of a host, and grants read by their spelling.
"""
