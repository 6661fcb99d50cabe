"""Programs of the host that run with fewer rights than their user has.

| module | holds |
|---|---|
| `fences` | the protections: namespaces, Landlock, seccomp, limits |
| `one_command` | a process that gives rights up and becomes a command: a build |
| `keeper` | a process that starts programs at a host's request |
| `disk_room` | what a program may write in all |
| `supervisor` | the parent of one program, which ends all that the program started |
| `launching` | for the host: how to start the above, and which protections hold here |

All but `launching` run in processes of their own, in an isolated Python that has nothing but its
standard library: they import nothing else.
"""
