"""AIRSWASM_HOME: what one host keeps on its disk, apart from the registry.

`home` is the folder and its lock. `configuration` reads config.toml, `settings_lines` are what the
audit log has of its changes, and `policy` is what it says of components, by the table of `caps`.
`artifacts` stores installed files, `interpreters` what runs those that are sources. `logfiles` and
`logbook` have the components' logs, of which `log_sinks` gives copies to other programs. `earlier`
keeps what had another format, `history_settings` bound the history, `forgetting` removes all of a
name, and `steps` takes what blocks off the event loop.
"""
