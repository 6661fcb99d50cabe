"""Messages at a later time: `timer` is one of them, `schedule` has them all.

`stored` has those of a store, `guests` is the interface through which components set them,
`settings` bounds them, and `forgetting` is for a purge. A durable timer needs a namespace of a
store; without one there are the others.
"""
