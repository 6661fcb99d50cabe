"""The check that every host function has a permission annotation that a host can enforce.

A function without an annotation would be open to every component on one host and closed to all on
another. So it is an error, as is an annotation whose parameter does not exist or is no string: the
host matches the resource of a capability against patterns.

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
from .model import Function, Interface, ListOf, Package, Place, Primitive

__all__ = ("AnnotationProblem", "check_annotations", "find_annotation_problems", "main")


_NO_ANNOTATION = "it has no annotation"


@dataclass(frozen=True, slots=True)
class AnnotationProblem:
    """One function whose annotation is missing or wrong.

    Attributes:
        interface: The interface's full name.
        function: The function's name.
        reason: The fault, and the line to write.
        place: The place of the annotation, or of the function where there is none; None without
            the source.
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
    """Check the WIT in a file or folder; each problem has its file, line and column.

    Interfaces that a world exports and none imports are the guest's, and must have none.

    Raises:
        WitSyntaxError: It is no valid WIT.
    """
    return tuple(_located(item) for item in _problems(read_wit(path).main))


def find_annotation_problems(package: Package) -> tuple[AnnotationProblem, ...]:
    """Check a package that has been read; places are those of the functions."""
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
    types = {parameter.name: parameter.type for parameter in function.parameters}
    for name in item.arguments:
        if name not in types:
            names = ", ".join(types) or "none"
            yield f"`{item}` names no parameter of it; it has {names}"
        elif types[name] not in (Primitive("string"), ListOf(Primitive("string"))):
            yield (
                f"`{item}`: the parameter is {types[name]}, and only a string, or each of a "
                "list of strings, can be matched against the patterns of a grant"
            )


def _problem(interface: Interface, function: Function, reason: str) -> AnnotationProblem:
    return AnnotationProblem(interface.name, function.name, reason, function.place)


def _located(found: tuple[AnnotationProblem, AnnotationError | None]) -> AnnotationProblem:
    """Move the place from the function to the annotation above it, and show the line."""
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
    """Print the problems, and return the exit code: 1 when there are any."""
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
