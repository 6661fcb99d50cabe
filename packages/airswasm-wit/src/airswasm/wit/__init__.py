"""The airswasm contract in WIT: its model, its checks and its bindings."""

__all__ = ()
