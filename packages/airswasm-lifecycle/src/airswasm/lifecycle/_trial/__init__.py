"""Versions that are tried on a copy of their data, without an effect, and messages to try them on.

`trial` runs one: on a copy of its namespace that `copies` makes and drops, linked to functions that
`doors` replaces by the effect that each declares. `attempts` notes the calls that were not made,
and has the answers to them. `values` writes the values of WIT types down and reads them again, and
`calls` those of one call of an exported function.

`tape` records the messages of one incarnation, as `settings` say, each as a `recorded` one;
`redacting` finds what must not be recorded, and `recordings` keeps the rest. `replaying` lets two
versions handle a recording, `comparing` decides what differs, and `report` says it. `desk` is
what an operator uses of all this, and `gate` what an update has to pass.
"""
