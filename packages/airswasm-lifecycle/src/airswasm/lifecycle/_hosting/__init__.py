"""Components that run.

`loading` turns their bytes into something that can be instantiated, `interpreted` those that are
sources, `providers` collects what the
blocks offer them, `incarnations` makes what runs of them, `hosting` runs each under its supervisor,
and `running` starts and stops those that are installed. `candidate` is a version that starts beside
the one that serves, `beside` counts all that do so, and `turns` lets one version run while data
changes hands. `recorded` tells of the messages of one that is recorded. `revivals` starts
again what was given up, and `quarantine` holds the messages of a component whose code must not run.
`pressure` looks after the memory that they take together, and `tenants` is what it sees of them.
`ordering` says what starts after what. `deciding` finds the layers of the guard, and `access`
reports what they say to a call. `checks` has the outcomes of one's health checks, `status` reports
on all of them, and `profile` on the use of one. `dead_letter_queue` has the messages that none of
them handled, and `component_timers` those that they send later. `exports` calls the functions that
they export, with `json_values` for callers outside of Python. `data_keeper` has their data as it
was with earlier versions.
"""
