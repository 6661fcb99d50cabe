"""Executes WebAssembly components asynchronously, with limits that always hold."""

__all__ = ()
