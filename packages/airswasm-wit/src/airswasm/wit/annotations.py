"""Does every host function say what it requires, in a way that can be enforced?

A function without an annotation would be open to every component, or closed to all, depending on
who reads the contract. So it is an error, as is an annotation that names a parameter that does
not exist or that is not text: the resource of a capability is matched against patterns.

    python -m airswasm.wit.annotations wit/
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._reading import read_wit
from ._requirement import Nothing, Requirement
from .errors import AnnotationError, WitError, show_line
from .model import Function, Interface, Package, Place, Primitive

__all__ = ("AnnotationProblem", "check_annotations", "find_annotation_problems", "main")


_NO_ANNOTATION = "it has no annotation"


@dataclass(frozen=True, slots=True)
class AnnotationProblem:
    """One function whose annotation is missing or wrong.

    Attributes:
        interface: The interface's full name.
        function: The function's name.
        reason: What is wrong and what to write.
        place: The annotation, or the function where there is none; None when the source is not
            at hand.
        shown: The line at that place.
    """

    interface: str
    function: str
    reason: str
    place: Place | None = None
    shown: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        line = show_line(self.shown, self.place.column) if self.place else ""
        return f"{where}{self.interface}#{self.function}: {self.reason}{line}"


def check_annotations(path: os.PathLike[str] | str) -> tuple[AnnotationProblem, ...]:
    """Checks the WIT in a file or folder; each problem has its file, line and column.

    Interfaces that a world exports and none imports are the guest's, and must have none.

    Raises:
        WitSyntaxError: it is no valid WIT.
    """
    return tuple(_located(item) for item in _problems(read_wit(path).main))


def find_annotation_problems(package: Package) -> tuple[AnnotationProblem, ...]:
    """Checks a package that has been read; places are those of the functions."""
    return tuple(problem for problem, _ in _problems(package))


def _problems(
    package: Package,
) -> Iterator[tuple[AnnotationProblem, AnnotationError | None]]:
    guest = _guest_interfaces(package)
    for interface, function in package.functions():
        try:
            required = function.requirements
        except AnnotationError as error:
            yield _problem(interface, function, error.reason), error
            continue
        for reason in _reasons(function, required, interface.name in guest):
            yield _problem(interface, function, reason), None


def _guest_interfaces(package: Package) -> set[str]:
    worlds = package.worlds.values()
    imported = {name for world in worlds for name in world.imports}
    return {name for world in worlds for name in world.exports} - imported


def _reasons(
    function: Function, required: tuple[Requirement, ...] | Nothing | None, is_guest: bool
) -> Iterator[str]:
    if is_guest:
        if required is not None:
            yield "components implement it, so there is nothing to enforce: remove @requires"
    elif required is None:
        yield (
            f"{_NO_ANNOTATION}: add `@requires capability:action(parameter)` or "
            '`@requires nothing "the reason"` to its doc comment'
        )
    elif isinstance(required, tuple):
        for item in required:
            yield from _argument_reasons(function, item)


def _argument_reasons(function: Function, item: Requirement) -> Iterator[str]:
    if item.argument is None:
        return
    types = {parameter.name: parameter.type for parameter in function.parameters}
    if item.argument not in types:
        names = ", ".join(types) or "none"
        yield f"`{item}` names no parameter of it; it has {names}"
    elif types[item.argument] != Primitive("string"):
        yield (
            f"`{item}`: the parameter is {types[item.argument]}, and only a string can be "
            "matched against the patterns of a grant"
        )


def _problem(interface: Interface, function: Function, reason: str) -> AnnotationProblem:
    return AnnotationProblem(interface.name, function.name, reason, function.place)


def _located(found: tuple[AnnotationProblem, AnnotationError | None]) -> AnnotationProblem:
    """Moves the place from the function to the annotation above it, and shows the line."""
    problem, error = found
    if problem.place is None:
        return problem
    lines = Path(problem.place.file).read_text("utf-8").split("\n")
    index, column = problem.place.line - 1, problem.place.column
    if error is not None:
        above = range(index, -1, -1)
        index = next((i for i in above if error.shown.strip() in lines[i]), index)
        column = lines[index].find(error.shown) + error.column
    elif not problem.reason.startswith(_NO_ANNOTATION):
        above = range(index, max(-1, index - 50), -1)
        index = next((i for i in above if "@requires" in lines[i]), index)
        column = lines[index].find("@requires") + 1 or column
    place = Place(problem.place.file, index + 1, column)
    return AnnotationProblem(
        problem.interface, problem.function, problem.reason, place, lines[index]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the problems; the exit code is 1 when there are any."""
    parser = argparse.ArgumentParser(prog="python -m airswasm.wit.annotations")
    parser.add_argument("path", help="a .wit file, or a folder of them")
    try:
        problems = check_annotations(parser.parse_args(arguments).path)
    except (WitError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
