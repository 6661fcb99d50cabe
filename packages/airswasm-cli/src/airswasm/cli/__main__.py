"""`python -m airswasm.cli` is the `airswasm` command."""

from ._entry import main

if __name__ == "__main__":
    main()
