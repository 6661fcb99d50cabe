"""Read config.toml of a home: the settings of every installed block.

Each block declares its sections and the model of each (`airswasm.wit.Section`). A model is a frozen
dataclass whose fields all have defaults, so a new home needs no file. Its docstring documents each
field, so the reference of all settings is generated from the models. A value comes from the
environment (`AIRSWASM_STORAGE_ENGINE`), from the file, or from the default, in that order, and each
setting records its origin.

A key that counts bytes also accepts text such as `"4 MiB"`, a key that counts seconds text such as
`"30 s"`. Unknown sections and keys are errors, because a typo in a limit must not read as "not
set".
"""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from airswasm.wit import BlockPartUnusable, Section, load_part, safe_text

from .._toml.documents import NotToml, parse_toml, read_toml_text
from .._toml.explaining import MOST_FINDINGS, did_you_mean, explain, locate
from .._toml.positions import Path as KeyPath
from .._toml.positions import scan_positions
from .._toml.quantities import format_bytes, parse_bytes, parse_seconds
from ..errors import ConfigurationInvalid, ManifestProblem, NoSuchSetting

if typing.TYPE_CHECKING:
    from airswasm.runtime import Services
    from airswasm.wit import Blocks

__all__ = (
    "Configuration",
    "Setting",
    "describe_settings",
    "problems_at",
    "read_configuration",
    "value_of",
    "write_toml",
)

T = TypeVar("T")
_ATTRIBUTE = re.compile(r"^        (\w+): (.*(?:\n            .*)*)", re.MULTILINE)
_LEAST_WITH_UNIT = 1024
_SIZE, _DURATION = 'a size, "4 MiB"', 'a duration, "30 s", or a number'
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of config.toml with the value in force.

    Attributes:
        section: The key's table.
        key: The key's name in that table.
        value: The value, as TOML.
        default: The value without any setting, as TOML.
        origin: `default`, the variable of the environment, or the file.
        meaning: The field's documentation.
        form: The accepted values: `text`, `whole number`, `one of "first", "every"`.
    """

    section: str
    key: str
    value: str
    default: str
    origin: str
    meaning: str
    form: str

    @property
    def name(self) -> str:
        """The full name, `storage.engine`."""
        return f"{self.section}.{self.key}"


@dataclass(frozen=True, slots=True)
class _Read:
    """One section, checked: the model's value and the origin of each key."""

    section: Section
    value: object
    origins: Mapping[str, str]


@dataclass(frozen=True)
class Configuration:
    """The settings of all installed blocks."""

    _sections: Mapping[type, _Read] = field(default_factory=dict[type, "_Read"])

    @classmethod
    def of(cls, *values: object) -> Configuration:
        """Make a configuration from models instead of a file, for embedders."""
        return cls({type(value): _Read(Section("given", "given:it", ""), value, {})
                    for value in values})  # fmt: skip

    @classmethod
    def load(
        cls, file: Path, blocks: Blocks, environment: Mapping[str, str] | None = None
    ) -> Configuration:
        """Read a home's settings; a missing file means all defaults.

        Args:
            file: Path of config.toml.
            blocks: The blocks whose sections are known.
            environment: Variables that override the file; None for none.

        Raises:
            ConfigurationInvalid: The file or a variable is wrong; the error lists every problem.
        """
        return cls.parse(read_configuration(file), blocks, file=str(file), environment=environment)

    @classmethod
    def load_only(
        cls, file: Path, sections: Iterable[Section], environment: Mapping[str, str] | None = None
    ) -> Configuration:
        """Read some sections of a home's settings, and leave the others unread.

        For readers, who need few settings and must not import every installed block for them.

        Args:
            file: config.toml.
            sections: The sections to read.
            environment: Variables that win over the file; None for none.

        Raises:
            ConfigurationInvalid: One of the sections, or a variable, is wrong.
        """
        text = read_configuration(file)
        tables = _tables_of(text, str(file))
        return cls._checked(text, str(file), tables, sections, environment or {}, [])

    @classmethod
    def parse(
        cls,
        text: str,
        blocks: Blocks,
        *,
        file: str = "config.toml",
        environment: Mapping[str, str] | None = None,
    ) -> Configuration:
        """Read settings from text; see `load`."""
        tables = _tables_of(text, file)
        findings: list[tuple[KeyPath, str]] = [
            ((name,), f"unknown section{did_you_mean(name, blocks.sections)}")
            for name in [each for each in tables if each not in blocks.sections][:MOST_FINDINGS]
        ]
        sections = blocks.sections.values()
        return cls._checked(text, file, tables, sections, environment or {}, findings)

    @classmethod
    def _checked(
        cls,
        text: str,
        file: str,
        tables: Mapping[str, object],
        sections: Iterable[Section],
        environment: Mapping[str, str],
        findings: list[tuple[KeyPath, str]],
    ) -> Configuration:
        read: dict[type, _Read] = {}
        for section in sections:
            model = _model(section)
            table, origins = _table_of(section, model, tables, file, environment, findings)
            value = _validated(section, model, table, findings)
            read[model] = _Read(section, value, origins)
        if findings:
            problems = locate(findings, scan_positions(text), file)
            variables = {
                f"{each.section.name}.{key}": each.section.variable(key)
                for each in read.values()
                for key, origin in each.origins.items()
                if origin == each.section.variable(key)
            }
            raise ConfigurationInvalid(file, [_placed(each, variables) for each in problems])
        return cls(read)

    def get(self, model: type[T]) -> T:
        """Return the settings of one section, by the class of its model.

        A section of a block that is not installed has its defaults.
        """
        known = self._sections.get(model)
        return model() if known is None else cast("T", known.value)

    def models(self) -> Iterator[tuple[Section, object]]:
        """Iterate over the sections, each with the settings of its model."""
        return ((each.section, each.value) for each in self._sections.values())

    def replaced(self, values: Iterable[object]) -> Configuration:
        """Return the same with other settings of some sections, each an object of its model."""
        sections = dict(self._sections)
        for value in values:
            sections[type(value)] = dataclasses.replace(sections[type(value)], value=value)
        return Configuration(sections)

    def settings(self) -> tuple[Setting, ...]:
        """Return every key with its value and origin, by section and key."""
        ordered = sorted(self._sections.values(), key=lambda each: each.section.name)
        return tuple(setting for each in ordered for setting in _settings_of(each))

    def setting(self, name: str) -> Setting:
        """Return one key by its full name, `storage.engine`.

        Raises:
            NoSuchSetting: No installed block has that setting; the error suggests the closest name.
        """
        found = self.find(name)
        if found is None:
            known = [each.name for each in self.settings()]
            raise NoSuchSetting(name, did_you_mean(name, known))
        return found

    def find(self, name: str) -> Setting | None:
        """Return one key by its full name; None if no installed block has it."""
        return next((each for each in self.settings() if each.name == name), None)

    def offer(self, services: Services, blocks: Blocks) -> None:
        """Add the settings of each block's sections to the services, by the model's class."""
        for section in blocks.sections.values():
            model = _model(section)
            services.add(model, self.get(model))


def problems_at(
    file: str, text: str, findings: Iterable[tuple[KeyPath, str]]
) -> Sequence[ManifestProblem]:
    """Return findings about keys of a file, each with its line."""
    return locate(list(findings), scan_positions(text), file)


def describe_settings(blocks: Blocks) -> Sequence[tuple[Section, Sequence[Setting]]]:
    """Return every section with its keys at their defaults, for reference pages."""
    return [
        (section, list(_settings_of(_Read(section, _model(section)(), {}))))
        for section in sorted(blocks.sections.values(), key=lambda each: each.name)
    ]


def write_toml(value: object) -> str:
    """Write a value of a setting as TOML, tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _toml_text(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return write_toml(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        pairs = (
            f"{_toml_key(key)} = {write_toml(item)}" for key, item in items if item is not None
        )
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(write_toml(item) for item in cast('Sequence[object]', value))}]"
    if isinstance(value, int | float):
        return str(value)
    return _toml_text(str(value))


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_text(key)


def _toml_text(text: str) -> str:
    # TOML's basic strings are JSON's, but that they spell out DELETE too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_configuration(file: Path) -> str:
    """Return the text of a home's settings; empty where there is no file.

    Raises:
        ConfigurationInvalid: It cannot be read.
    """
    try:
        return read_toml_text(file)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        raise _single(str(file), f"cannot be read: {reason}") from error


def _tables_of(text: str, file: str) -> Mapping[str, object]:
    try:
        return parse_toml(text)
    except NotToml as error:
        raise _single(file, error.reason, line=error.line) from error


def _placed(problem: ManifestProblem, variables: Mapping[str, str]) -> ManifestProblem:
    """Name the variable of the environment where it, and not the file, has the value."""
    variable = variables.get(".".join(problem.key.split(".")[:2]))
    return problem if variable is None else dataclasses.replace(problem, file=variable, line=0)


def _model(section: Section) -> type[object]:
    """Return a section's model.

    Raises:
        BlockPartUnusable: It is no dataclass that can be made of its defaults.
    """
    model = load_part(section.model, type)
    if not dataclasses.is_dataclass(model):
        raise BlockPartUnusable(section.model, f"the model of [{section.name}] is no dataclass")
    try:
        model()
    except Exception as error:  # the code of any package
        reason = f"its defaults are no setting: {type(error).__name__}: {safe_text(error)}"
        raise BlockPartUnusable(section.model, reason) from error
    return model


def _table_of(
    section: Section,
    model: type,
    tables: Mapping[str, object],
    file: str,
    environment: Mapping[str, str],
    findings: list[tuple[KeyPath, str]],
) -> tuple[dict[str, object], dict[str, str]]:
    """Return a section's keys as set, and the origin of each."""
    written = tables.get(section.name, {})
    if not isinstance(written, Mapping):
        findings.append(((section.name,), "expected a table"))
        written = {}
    table = dict(cast("Mapping[str, object]", written))
    known = {each.name for each in dataclasses.fields(model)}
    unknown = [each for each in table if each not in known]
    for key in unknown[:MOST_FINDINGS]:
        findings.append(((section.name, key), f"unknown key{did_you_mean(key, known)}"))
    for key in unknown:
        del table[key]
    origins = {key: f"{file}: [{section.name}] {key}" for key in table}
    for key in known:
        variable = section.variable(key)
        if environment.get(variable):
            table[key], origins[key] = value_of(environment[variable]), variable
    return table, origins


def value_of(text: str) -> object:
    """Parse a value as TOML; text that is no value of TOML stands for itself."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text  # further lines would set something else


def _validated(
    section: Section,
    model: type,
    table: Mapping[str, object],
    findings: list[tuple[KeyPath, str]],
) -> object:
    if not table:
        return model()
    from pydantic import TypeAdapter, ValidationError  # here: most sections of most homes are empty

    try:
        # Validate as JSON, which knows only lists and tables: strict mode then still turns them
        # into tuples and dataclasses.
        content = json.dumps(_with_quantities(section, model, table, findings))
        return TypeAdapter(model).validate_json(content, strict=True, extra="forbid")
    except ValidationError as error:
        findings += [((section.name, *path), text) for path, text in explain(error, model)]
    except (TypeError, ValueError) as error:  # no JSON form: a date; or the model's own rule
        findings.append(((section.name,), safe_text(error)))
    return model()


def _with_quantities(
    section: Section,
    model: type,
    table: Mapping[str, object],
    findings: list[tuple[KeyPath, str]],
) -> dict[str, object]:
    """Return the table with "4 MiB" and "30 s" as numbers."""
    forms = {key: form for key, _, form in _described(model)}
    read: dict[str, object] = {}
    for key, value in table.items():
        read[key] = value
        if not isinstance(value, str):
            continue
        try:
            if forms.get(key) == _DURATION:
                read[key] = parse_seconds(value)
            elif forms.get(key) == _SIZE:
                read[key] = parse_bytes(value)
        except ValueError as error:
            findings.append(((section.name, key), f"{error}, not {value!r}"))
            del read[key]
    return read


def _settings_of(read: _Read) -> Iterator[Setting]:
    model = type(read.value)
    default = model()
    for key, meaning, form in _described(model):
        yield Setting(
            section=read.section.name,
            key=key,
            value=_written(getattr(read.value, key), form),
            default=_written(getattr(default, key), form),
            origin=read.origins.get(key, "default"),
            meaning=meaning,
            form=form,
        )


def _written(value: object, form: str) -> str:
    """Write a value of a setting as TOML, a size with its unit."""
    if form == _SIZE and isinstance(value, int) and value >= _LEAST_WITH_UNIT:
        return write_toml(format_bytes(value))
    return write_toml(value)


def _described(model: type) -> Iterator[tuple[str, str, str]]:
    """Return each key of a section with its meaning and the values that it accepts."""
    meanings = dict(_ATTRIBUTE.findall(model.__doc__ or ""))
    hints = typing.get_type_hints(model)
    for each in dataclasses.fields(model):
        meaning = " ".join(meanings.get(each.name, "").split())
        yield each.name, meaning, _form(hints[each.name], f"{each.name} {meaning}".lower())


def _form(hint: object, words: str) -> str:
    """Return the accepted values of a type; the words of key and meaning tell its unit."""
    choices = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return f"one of {', '.join(write_toml(choice) for choice in choices)}"
    if hint is bool:
        return "true or false"
    if hint is int:
        return _SIZE if "bytes" in words else "a whole number"
    if hint is float:
        return _DURATION if "seconds" in words else "a number"
    if hint is str or hint is Path:
        return "text"
    if typing.get_origin(hint) in (tuple, list):
        return "a list"
    return "a table" if typing.get_origin(hint) in (dict, Mapping) else "text or a number"


def _single(file: str, text: str, *, line: int = 1) -> ConfigurationInvalid:
    return ConfigurationInvalid(file, [ManifestProblem(file, line, "file", text)])
