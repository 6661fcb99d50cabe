"""Write, build and test WebAssembly components for airswasm."""

__all__ = ()
