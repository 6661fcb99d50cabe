"""Capabilities, signatures, trust and audit for WebAssembly components."""

__all__ = ()
