"""The projects that `init` can start, as data inside the package.

A template is a folder of files with a few `{{placeholders}}`; there is no template engine, because
a template with conditions is two templates. The files end in `.in`, so that no tool of this
repository (or of the reader's editor) takes them for its own source. The wheel contains everything,
so `init` needs no network.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from .errors import LanguageNotSupported, TemplateNotFound

__all__ = ("Template", "find_template", "languages", "templates")

_SUFFIX = ".in"


@dataclass(frozen=True, slots=True)
class Template:
    """One project that `init` can start.

    Attributes:
        language: Its language.
        name: `counter` or `listener`.
        summary: One line for people.
    """

    language: str
    name: str
    summary: str

    def render(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the project's files, path to text, with every placeholder replaced."""
        root = files("airswasm.sdk") / "templates"
        rendered: dict[str, str] = {}
        for folder in (root / "shared", root / self.language / self.name):
            for path, text in _walk(folder, ""):
                rendered[_fill(path, values)] = _fill(text, values)
        return rendered


_TEMPLATES = (
    Template("python", "counter", "answers messages, counts them in storage, publishes an event"),
    Template("python", "listener", "subscribes to the counter's events and counts them"),
    Template("c", "counter", "the same counter in C: 20 kB, starts in microseconds"),
    Template("c", "listener", "the same listener in C"),
)


def templates() -> tuple[Template, ...]:
    """Return every template; the first one of each language is its default."""
    return _TEMPLATES


def languages() -> tuple[str, ...]:
    """Return the languages that have templates."""
    return tuple(dict.fromkeys(each.language for each in _TEMPLATES))


def find_template(language: str, name: str) -> Template:
    """Return one template.

    Raises:
        LanguageNotSupported: No template has that language.
        TemplateNotFound: The language has no template of that name.
    """
    if language not in languages():
        raise LanguageNotSupported(language, languages(), nearest=_nearest(language, languages()))
    available = {each.name: each for each in _TEMPLATES if each.language == language}
    if name not in available:
        raise TemplateNotFound(
            language, name, tuple(available), nearest=_nearest(name, tuple(available))
        )
    return available[name]


def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    aliases = {"py": "python", "c99": "c", "clang": "c"}
    if word.lower() in aliases:
        return aliases[word.lower()]
    close = difflib.get_close_matches(word.lower(), known, n=1)
    return close[0] if close else None


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text
