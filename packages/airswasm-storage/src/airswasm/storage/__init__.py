"""A durable key-value namespace for each WebAssembly component."""

__all__ = ()
