"""Supervised actors, in Python and in WebAssembly, behind one reference."""

__all__ = ()
