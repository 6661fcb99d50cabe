"""The verbs, each in a module of its name.

A module has a typer application `app`, or, for a verb that must start fast, a plain function that
`.._plain_verbs` names. Two modules are shared: `_install` has the steps of `install` and `update`,
`_times` formats times and sizes.
"""

__all__ = ()
