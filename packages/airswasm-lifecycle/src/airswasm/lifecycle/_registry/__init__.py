"""The record of what is installed, and how it changes.

`registry` stores the records, in a `tables` of the host's store, and `stored_packages` the files
that they name. `plan` decides a change, `approval` answers it, and `ledger` writes it. `in_force`
has the grants that follow from a record. `limits` are those that hold for a component. `info` and
`summary` are what people read of a record, `checkpoint` what it says of a copy of the data, and
`data_plan` what a rollback does to the data.
`retention` says which versions stay, `history` has each change and `origins` its author; `routes`
are what names lead to, and `worlds` what components import and export.
`lookalikes` finds names that are easily taken for each other.
"""
