"""Supervisors: which children run, and what follows when one ends.

`rules` decides and `backoff` says how long to wait; both are pure. `children` is the table of a
supervisor's children, `inbox` lets it do one thing at a time, `effects` starts and stops children,
`restarts` carries decisions out, and `node` puts them together.
"""
