"""`python -m airswasm.cli` is the `airswasm` command."""

from .app import main

if __name__ == "__main__":
    main()
