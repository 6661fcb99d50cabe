"""The declaration of this block: the interpreter."""

from __future__ import annotations

from airswasm.wit import Block, Check, Interpreter

from ._interpreter import ABI

__all__ = ("BLOCK",)

BLOCK = Block(
    name="python",
    summary="One interpreter for all components in Python.",
    interpreters=(Interpreter(ABI, "python", "airswasm.python:component"),),
    checks=(Check("python-guests", "airswasm.python._checks:check_interpreter"),),
)
