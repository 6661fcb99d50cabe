"""Install, run, update and roll back WebAssembly components."""

__all__ = ()
