"""One call of a verb.

`session` calls it with its `options` and the resolved `settings` (`section` models its own part of
config.toml), `terminal` is where its output goes, `problem` renders its error, and `process` has
the standard streams and exit codes.
"""
