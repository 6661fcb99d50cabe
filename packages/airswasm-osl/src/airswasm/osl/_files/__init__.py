"""The files of components: below a folder each, opened by the kernel beneath it.

| | |
|---|---|
| `tree` | the files that a component sees: its own folder, and the mounts |
| `folder` | one folder of the host, and all that happens to files in it |
| `naming` | names, entries, errors by path |
| `openat2` | opening beneath a folder, by the best means of the system |
| `held` | open files of the host, and whole reads and writes |
| `ledger` | quotas, and files that have no name yet |
| `measuring` | sizes and depths of trees |
| `filesystem` | the interface of the contract |
| `open_file` | its resource: a file that is read and written in parts |
| `copying` | copies of folders for checkpoints, and their differences |
| `snapshots` | the files of a component, kept and given back at a rollback |
| `forgetting` | removing the files of a name that was purged |
| `checks` | what `airswasm doctor` looks at |
"""
