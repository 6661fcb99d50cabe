"""The projects that `init` can start, as data inside the package, or in a folder of the author's.

A template is a folder of files with a few `{{placeholders}}`; there is no template engine, because
a template with conditions is two templates. A built-in project is laid in four folders, of which a
later one's files replace an earlier one's: for all, for all of its name (`any/counter`), for all of
its language (`rust/all`), and its own. `language.toml` has what the common texts say of a language.
The files end in `.in`, so that no tool of this repository (or of the reader's editor) takes them
for its own source. The wheel contains everything, so `init` needs no network.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from airswasm.lifecycle import MANIFEST_NAME

from .errors import LanguageNotSupported, TemplateNotFound, TemplateUnusable

__all__ = ("FolderTemplate", "Template", "find_template", "languages", "templates")

_SUFFIX = ".in"
_ALIASES = {"javascript": "js", "typescript": "ts"}
_NEAR = {"py": "python", "c99": "c", "clang": "c", "rs": "rust", "golang": "go", "node": "js"}


@dataclass(frozen=True, slots=True)
class Template:
    """One project that `init` can start.

    Attributes:
        language: Its language.
        name: `counter`, `listener`, …, or the path of a folder.
        summary: One line for people.
    """

    language: str
    name: str
    summary: str

    def render(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the project's files, path to text, with every placeholder replaced.

        Raises:
            TemplateUnusable: A file of a folder cannot be read as UTF-8.
        """
        known = {**self._words(), **values}
        rendered: dict[str, str] = {}
        for folder in self._folders():
            for path, text in _walk(folder, ""):
                rendered[_fill(path, known)] = _fill(text, known)
        return rendered

    def _folders(self) -> Iterator[Traversable]:
        root = files("airswasm.sdk") / "templates"
        for group, name in (
            ("any", "all"), ("any", self.name), (self.language, "all"), (self.language, self.name)
        ):  # fmt: skip
            if (root / group / name).is_dir():
                yield root / group / name

    def _words(self) -> dict[str, str]:
        root = files("airswasm.sdk") / "templates"
        text = (root / self.language / "language.toml").read_text("utf-8")
        return {name: str(word).removeprefix("\n") for name, word in tomllib.loads(text).items()}


@dataclass(frozen=True, slots=True)
class FolderTemplate(Template):
    """A template of the author's own: a folder.

    Its files are copied; those that end in `.in` lose that ending, and their placeholders
    `{{name}}`, `{{namespace}}`, `{{identity}}` and `{{contract}}` are filled.
    """

    folder: Path

    def render(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the project's files, path to text."""
        rendered: dict[str, str] = {}
        path = self.folder
        try:
            for path in sorted(each for each in self.folder.rglob("*") if each.is_file()):
                name, text = path.relative_to(self.folder).as_posix(), path.read_text("utf-8")
                if name.endswith(_SUFFIX):
                    name, text = name.removesuffix(_SUFFIX), _fill(text, values)
                rendered[_fill(name, values)] = text
        except (OSError, UnicodeDecodeError) as error:
            raise TemplateUnusable(self.folder, f"{path.name} cannot be read: {error}") from error
        if MANIFEST_NAME not in rendered:
            raise TemplateUnusable(self.folder, f"it has no {MANIFEST_NAME}")
        return rendered


_SUMMARIES = {
    "counter": "answers messages, counts them in storage, publishes an event",
    "listener": "subscribes to the counter's events and counts them",
    "job": "works once a minute, by a timer",
}
_TEMPLATES = (
    *(Template("python", name, _SUMMARIES[name]) for name in ("counter", "listener")),
    *(
        Template(language, name, summary)
        for language in ("c", "rust", "go", "js", "ts")
        for name, summary in _SUMMARIES.items()
    ),
)


def templates() -> tuple[Template, ...]:
    """Return every template; the first one of each language is its default."""
    return _TEMPLATES


def languages() -> tuple[str, ...]:
    """Return the languages that have templates."""
    return tuple(dict.fromkeys(each.language for each in _TEMPLATES))


def find_template(language: str, name: str) -> Template:
    """Return one template.

    Args:
        language: See `languages()`; `javascript` and `typescript` will do, too.
        name: The template's name, or the path of a folder, which is one with a `/` in it.

    Raises:
        LanguageNotSupported: No template has that language.
        TemplateNotFound: The language has no template of that name.
        TemplateUnusable: There is no such folder.
    """
    if "/" in name or os.sep in name or name in (".", ".."):
        if not Path(name).is_dir():
            raise TemplateUnusable(Path(name), "it is no folder")
        return FolderTemplate(language, name, "a template of your own", Path(name))
    return _built_in(language, name)


def _built_in(language: str, name: str) -> Template:
    language = _ALIASES.get(language, language)
    if language not in languages():
        raise LanguageNotSupported(language, languages(), nearest=_nearest(language, languages()))
    available = {each.name: each for each in _TEMPLATES if each.language == language}
    if name not in available:
        raise TemplateNotFound(
            language, name, tuple(available), nearest=_nearest(name, tuple(available))
        )
    return available[name]


def _nearest(word: str, known: tuple[str, ...]) -> str | None:
    if word.lower() in _NEAR:
        return _NEAR[word.lower()]
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
