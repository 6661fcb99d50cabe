"""The verbs, one module each; every module has a typer `app`."""

__all__ = ()
