"""Where packages come from: each source gives bytes to one reader, `Package.from_bytes`.

`source` is what a source promises, `settings` what an operator allows, and `finding` chooses the
source of a text. `local` reads folders and files. `urls` reads and shows addresses without their
secrets, `dialing` connects to checked addresses only, `web` asks servers, with the `credentials`
that the user has, for `https` and `oci`. `git` fetches through `git_child`, a process of its own,
whose connections go through `gate`. `trees` has the files of projects that are to be built.
`locking` reads lists of components, and holds them to what was seen before.
"""
