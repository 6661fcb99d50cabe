"""Write a typed Python module for the exports of any component.

    python -m airswasm.wit.proxy hello.wasm --name Hello > hello.py

The module has one class whose `async` methods are the component's functions, with dataclasses for
its records and variants, so that mypy and pyright see a wrong argument before the guest does:

    hello = Hello(instance)
    reply = await hello.handle_message("host", None, b"hi")     # Ok[bytes | None] | Err[str]

It is source text rather than classes made at run time, because a type checker only believes what
it can read. The values that airswasm.runtime takes and gives stay as they are wherever that is
typed enough (`Ok`, `Err`, `bytes`, tuples, enums as literals); records and variants are converted,
because a `Case("denied", text)` tells a type checker nothing.

Methods, parameters and fields have the names that `instance.exports` gives them (`_naming.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ._proxy_names import class_name_of
from ._proxy_writer import ModuleWriter
from ._reading import read_component
from .errors import WitError
from .model import World

__all__ = ("main", "python_proxy", "python_stub")

_NAMES = """\
`handle-message` is `handle_message`; a method `seek` of a resource `cursor` is
`cursor_seek`, its constructor `new_cursor`; a type `key-value` is the class KeyValue, the case
`denied` of a variant `error` the class ErrorDenied. A Python keyword gets an underscore at its
end. Where two things would have one name, none of them gets it: interfaces and types go on to a
name with their interface, package, namespace and version in it. docs/wit/guide.md has the rule.
"""


def python_proxy(world: World, *, name: str = "Component") -> str:
    """Write the source of a module with the typed class `name` for what a world exports.

    Args:
        world: From `read_component`, or a world of `read_wit`.
        name: The class that stands for the component.

    Raises:
        ValueError: `name` cannot be the name of a class of the module.
    """
    return ModuleWriter(world, class_name_of(name), is_stub=False).module()


def python_stub(world: World, *, name: str = "Component") -> str:
    """Write the `.pyi` of what `python_proxy` gives, with the same arguments and errors."""
    return ModuleWriter(world, class_name_of(name), is_stub=True).module()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the module for a component, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m airswasm.wit.proxy",
        description="Print a typed Python module for the exports of a component.",
        epilog=_NAMES,
    )
    parser.add_argument("component", type=Path, help="a compiled component")
    parser.add_argument(
        "--name", default="Component", help="the class that stands for the component (%(default)s)"
    )
    parser.add_argument("--stub", action="store_true", help="print the .pyi instead")
    given = parser.parse_args(arguments)
    write = python_stub if given.stub else python_proxy
    try:
        sys.stdout.write(write(read_component(given.component), name=given.name))
    except (WitError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
