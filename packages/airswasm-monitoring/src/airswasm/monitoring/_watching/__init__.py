"""The host as live tables, for readers that stay: the page, and programs.

`frames` has the form of what a reader gets, `tables` finds what has changed in one. `components`,
`supervisors`, `traffic` and `streams` are the tables and streams, and `watching` gives them to its
readers.
"""
