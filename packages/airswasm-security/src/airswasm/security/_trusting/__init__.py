"""The signers and sources that a host trusts.

- `sources`: where a package came from, and patterns over that.
- `files`: locks on files that one process changes at a time.
- `trust_file`: the file of trusted keys.
- `trust`: the store of trusted keys, pinned to component names.
- `settings`: the section `[trust]` of config.toml.
"""
