"""Components that run.

`loading` turns their bytes into something that can be instantiated, `providers` collects what the
blocks offer them, `hosting` runs each under its supervisor, and `running` starts and stops those
that are installed. `pressure` looks after the memory that they take together, and `tenants` is what
it sees of them. `quarantine` holds the messages of one whose code must not run, `status` reports on
all of them, and `profile` on the use of one.
"""
