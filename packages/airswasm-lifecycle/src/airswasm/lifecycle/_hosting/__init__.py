"""Components that run.

`loading` turns their bytes into something that can be instantiated, `providers` collects what the
blocks offer them, `hosting` runs each under its supervisor, and `running` starts and stops those
that are installed. `quarantine` holds the messages of one whose code must not run, `revivals`
starts those that were given up again, `status` reports on all of them, and `profile` on the use of
one.
"""
