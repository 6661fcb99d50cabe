"""Files, processes and the network for WebAssembly components, behind capabilities."""

__all__ = ()
