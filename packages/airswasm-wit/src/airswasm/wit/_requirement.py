"""Permission annotations: the `@requires` lines in a host function's doc comment.

    annotation  = "@requires" ( use | nothing )
    use         = capability [ "(" argument { "," argument } ")" ]
    capability  = word ":" word
    nothing     = "nothing" '"' reason '"'
    word, argument = a WIT identifier: lower-case words and digits joined by "-"

Several arguments are one resource, spelled as a command line is: `GET https://example.com/`. A
function may carry several uses, one annotation each: all of them must be granted. `nothing`
stands alone. A reason may run over several lines, up to its closing quote.

They are doc comments, not a file beside the WIT, because wasm-tools keeps doc comments in its
JSON and an author who changes a signature sees them. A WIT attribute would be neater, but the
language has none that other tools may define.
"""

import re
from dataclasses import dataclass

from .errors import AnnotationError

__all__ = ("Nothing", "Requirement", "find_provider", "parse_requirements")

_WORD = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_SPACE = re.compile(r"\s*")
_CAPABILITY = re.compile(rf"{_WORD}:{_WORD}(?![\w:-])")
_ARGUMENT = re.compile(rf"{_WORD}(?![\w-])")
_NOTHING = re.compile(r"nothing(?![\w:-])")
_REASON = re.compile(r'"([^"]*)"')
_REST = re.compile(r"[ \t]*(?=\n|\Z)")
_ANNOTATION = re.compile(r"^[ \t]*@([A-Za-z][\w-]*)", re.MULTILINE)
_PROVIDER = re.compile(r"^[ \t]*@offered-by[ \t]+([A-Za-z0-9][\w.-]*)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A call needs this capability for the resource that one of its arguments names.

    Attributes:
        capability: What must be granted, `storage:write`.
        argument: The parameter whose value is the resource; None when there is no resource and
            the bare capability decides.
        further: The parameters whose values follow it, when the resource has several parts.
    """

    capability: str
    argument: str | None = None
    further: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """All parameters that name the resource."""
        return () if self.argument is None else (self.argument, *self.further)

    def __str__(self) -> str:
        inner = ", ".join(self.arguments)
        return f"{self.capability}({inner})" if inner else self.capability


@dataclass(frozen=True, slots=True)
class Nothing:
    """A call needs no grant, for this reason."""

    reason: str

    def __str__(self) -> str:
        return f'nothing "{self.reason}"'


def parse_requirements(docs: str) -> tuple[Requirement, ...] | Nothing | None:
    """Read the annotations of a doc comment.

    Args:
        docs: The comment's text without its `///`.

    Returns:
        The requirements, all of which must be met; `Nothing`; or None without an annotation.

    Raises:
        AnnotationError: One of them cannot be understood; with its line and column in `docs`,
            both counted from 1.
    """
    found = [_parse_one(docs, match) for match in _ANNOTATION.finditer(docs)]
    uses = tuple(item for item in found if isinstance(item, Requirement))
    if len(uses) == len(found):
        return uses or None
    if len(found) > 1:
        last = list(_ANNOTATION.finditer(docs))[-1]
        raise _error(docs, last.start(1) - 1, "`@requires nothing` stands alone")
    only = found[0]
    return only if isinstance(only, Nothing) else None


def find_provider(docs: str) -> str | None:
    """Return the distribution that the doc comment of an interface names as its provider."""
    found = _PROVIDER.search(docs)
    return None if found is None else found[1]


def _parse_one(docs: str, match: re.Match[str]) -> Requirement | Nothing:
    if match[1] != "requires":
        raise _error(
            docs, match.start(1) - 1, f"unknown annotation `@{match[1]}`; the only one is @requires"
        )
    at = _skip_space(docs, match.end())
    nothing = _NOTHING.match(docs, at)
    if nothing:
        return _parse_nothing(docs, nothing.end())
    return _parse_use(docs, at)


def _parse_nothing(docs: str, at: int) -> Nothing:
    at = _skip_space(docs, at)
    reason = _REASON.match(docs, at)
    text = "" if reason is None else " ".join(reason[1].split())
    if reason is None or not text:
        raise _error(
            docs, at, 'expected the reason in double quotes, `nothing "why no grant is needed"`'
        )
    _expect_end(docs, reason.end())
    return Nothing(text)


def _parse_use(docs: str, at: int) -> Requirement:
    capability = _CAPABILITY.match(docs, at)
    if capability is None:
        raise _error(
            docs, at, 'expected a capability like `storage:write`, or `nothing "the reason"`'
        )
    at = capability.end()
    if not docs.startswith("(", at):
        _expect_end(docs, at)
        return Requirement(capability[0])
    names: list[str] = []
    while not names or docs.startswith(",", at):
        at = at + 1 if not names else _skip_space(docs, at + 1)
        argument = _ARGUMENT.match(docs, at)
        if argument is None:
            raise _error(docs, at, "expected the name of one parameter")
        names.append(argument[0])
        at = argument.end()
    if not docs.startswith(")", at):
        raise _error(docs, at, "expected `,` or `)`")
    _expect_end(docs, at + 1)
    return Requirement(capability[0], names[0], tuple(names[1:]))


def _skip_space(docs: str, at: int) -> int:
    space = _SPACE.match(docs, at)
    return at if space is None else space.end()


def _expect_end(docs: str, at: int) -> None:
    if _REST.match(docs, at) is None:
        raise _error(docs, at, "expected the end of the line after the annotation")


def _error(docs: str, at: int, reason: str) -> AnnotationError:
    start = docs.rfind("\n", 0, at) + 1
    end = docs.find("\n", at)
    shown = docs[start : len(docs) if end < 0 else end]
    return AnnotationError(reason, docs.count("\n", 0, at) + 1, at - start + 1, shown)
