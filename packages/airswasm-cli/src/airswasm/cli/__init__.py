"""The airswasm command."""

__all__ = ()
