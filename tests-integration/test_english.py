"""The English of sources and documents: an agent for each sentence, no question for a title.

Ruff holds docstrings to their form (`[tool.ruff.lint.pydocstyle]`); this holds two habits that no
linter knows. Decisions and changelogs are records of their time and exempt.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py*"))
SOURCES = [path for path in SOURCES if path.suffix in (".py", ".pyi")]
TESTS = [
    path
    for folder in ("packages/*/tests", "packages/*/bench", "tests-integration")
    for path in sorted(ROOT.glob(f"{folder}/**/*.py"))
    if path != Path(__file__)
]
# Read line by line: pages, and what other languages' compilers read.
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(path for path in sorted(ROOT.glob("docs/**/*.md")) if path.parent.name != "adr"),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("packages/*/changes/*.md")),
    *(
        path
        for ending in ("in", "wit", "c", "h", "rs", "go", "js", "toml")
        for path in sorted(ROOT.glob(f"packages/*/[!.]*/**/*.{ending}"))
        if "released" not in path.parts
    ),
    *sorted(ROOT.glob("wit/**/*.wit")),
]
SUBJECTS = re.compile(r"\b(nobody|somebody|whoever)\b", re.IGNORECASE)
QUESTION = re.compile(r"(What|Who|Whom|Whose|How)\b")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page, or the texts and comments of a source, with their numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix not in (".py", ".pyi"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if token.type == tokenize.COMMENT or token.type in TEXTS:
            yield token.start[0], token.string


TEXTS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each text that stands alone: docstrings, and those under a name or a field."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value.lineno, value.value.strip()


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *PAGES], ids=_name)
def test_each_sentence_names_its_agent(path: Path) -> None:
    """`nobody`, `somebody` and `whoever` hide who acts: name the operator, the caller, the host."""
    found = [f"{line}: {text.strip()}" for line, text in sentences(path) if SUBJECTS.search(text)]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_a_docstring_states_and_does_not_ask(path: Path) -> None:
    """A summary names a thing or commands an act; `What it does` does neither."""
    found = [f"{line}: {text}" for line, text in docstrings(path) if QUESTION.match(text)]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("# whoever reads this", True),
        ('"""Nobody answers."""', True),
        ('f"{name}: somebody is {there}"', True),
        ('"""The caller reads this."""', False),
        ("nobodys = 1", False),
    ],
)
def test_a_comment_a_docstring_and_a_message_are_read(
    tmp_path: Path, text: str, is_refused: bool
) -> None:
    """A text is found wherever it stands in a source, names excepted."""
    path = tmp_path / "module.py"
    path.write_text(f"{text}\n", encoding="utf-8")
    assert any(SUBJECTS.search(each) for _, each in sentences(path)) == is_refused
