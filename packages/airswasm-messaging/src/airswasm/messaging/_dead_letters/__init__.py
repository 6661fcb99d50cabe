"""Dead letters that outlive the host: what is kept of each, how much, and where.

`settings` has the bounds, and `shares` says which letters give way to them. `evidence` reads what
is known of a failure, `letter` is a letter as it is kept, `making` makes it, and `replaying` is a
message that repeats one. `letter_store` keeps them in a log of the host's store, and `counts` has
its books.
"""
