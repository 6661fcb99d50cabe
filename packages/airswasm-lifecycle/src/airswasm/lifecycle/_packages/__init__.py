"""A package before any host knows it: its bytes, its files, and its manifest.

`archive` reads and writes the zip form and `package` a package in any form. `manifest` models
Component.toml, with the names of `component_name` and the versions of `semver`, and `schema`
describes it to editors. `sources` has the index of a component that is sources. `requests` reads
the capabilities that one asks for, and `differences` compares two.
"""
