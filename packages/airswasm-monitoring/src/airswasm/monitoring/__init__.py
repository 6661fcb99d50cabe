"""Metrics, health and traces of WebAssembly components."""

__all__ = ()
