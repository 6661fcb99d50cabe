"""The verbs, each in a module of its name.

A module has a typer application `app`, or, for a verb that must start fast, a plain function that
`.._plain_verbs` names; `storage` and `trust` are folders, with a module for each kind of their
verbs. Shared
modules: `_install` has the steps of `install` and `update`, `_components` those of lists,
`_deciding` asks about capabilities, `_terms` shows the limits, and `_pinned_keys` counts the keys
that a change of trust leaves; `_functions` shows exported functions, `_versions` retained versions,
`_rollback_data` which data a rollback takes,
and `_gates` what the gates of an update said; `_swap` reads what `swap` is given, and
`_source_build` asks before a build; `_streams` reads
and writes files, `_payloads` messages and replies; `_times` formats times and sizes, and `_values`
shows bytes. `_source_build` builds for `--build`.
"""

__all__ = ()
