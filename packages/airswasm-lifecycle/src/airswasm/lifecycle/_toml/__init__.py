"""TOML as people write it: the place of a key, the mistake in it, and the units of a value.

`documents` reads the text of a file, `positions` finds the line of each key, `explaining` phrases
what is wrong there, and `quantities` reads and writes byte sizes and durations.
"""
