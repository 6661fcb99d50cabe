"""Namespaces: the keys and values of one component.

`namespace` is the public class, over `inline`, which needs no task; `write_plan` computes a write.
`rebuilding` replaces a whole content, for `export` and its `checking`, and for `checkpoints`.
`expiring` and `sweeper` remove what no reader sees any more.
"""
