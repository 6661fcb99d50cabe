"""Keys and signatures.

- `curve`: the part of edwards25519 that judges a public key.
- `key_text`: a public key as text.
- `keys`: private and public keys, and their files.
- `package_paths`: the names that files in a package may have.
- `envelope`: canonical JSON, and the signatures over it.
- `signatures`: the statement about the files of a package.
- `rotations`: the statement that gives a component's name to another key.
"""
