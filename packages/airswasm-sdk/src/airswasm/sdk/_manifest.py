"""A Component.toml that a program writes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import cast

import tomlkit
from airswasm.lifecycle import MANIFEST_NAME, Manifest
from airswasm.security import Kinds
from airswasm.wit import Blocks

from .errors import FolderNotWritable

__all__ = ("ComponentManifest",)


@dataclass(frozen=True, slots=True)
class ComponentManifest:
    """Builds a Component.toml: each method returns a new builder with one thing more.

        text = (
            ComponentManifest("shop/orders", "1.0.0", "Takes orders.")
            .build("rust", artifact="build/orders.wasm")
            .limits(memory="4 MiB", timeout="10 s")
            .allow("storage.write", "orders/**", reason="to keep the orders")
            .text()
        )

    Sizes and durations are numbers of bytes and seconds, or texts as in the file. A section's keys
    are those of docs/manifest.md; the whole is checked when it is written.

    Attributes:
        name: `namespace/name`.
        version: The semantic version.
        description: One line for people.
        tables: The other sections.
    """

    name: str
    version: str
    description: str = ""
    tables: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: MappingProxyType({}))

    def component(self, **keys: object) -> ComponentManifest:
        """Set further keys of `[component]`: `authors`, `license`, `needs`."""
        return self._with("component", keys)

    def build(self, language: str, **keys: object) -> ComponentManifest:
        """Set `[build]`: the language, and `artifact`, `mode`, `command` or `include`."""
        return self._with("build", {"language": language, **keys})

    def python(self, **keys: object) -> ComponentManifest:
        """Set `[python]`: `requires=["attrs>=24"]`."""
        return self._with("python", keys)

    def limits(self, **keys: object) -> ComponentManifest:
        """Set keys of `[limits]`, such as `memory="4 MiB"`."""
        return self._with("limits", keys)

    def supervision(self, **keys: object) -> ComponentManifest:
        """Set keys of `[supervision]`, such as `restart="transient"`."""
        return self._with("supervision", keys)

    def delivery(self, **keys: object) -> ComponentManifest:
        """Set keys of `[delivery]`, such as `mode="durable"`."""
        return self._with("delivery", keys)

    def codecs(self, **keys: object) -> ComponentManifest:
        """Set keys of `[codecs]`, such as `accepts=["json"]`."""
        return self._with("codecs", keys)

    def health(self, **keys: object) -> ComponentManifest:
        """Set keys of `[health]`, such as `interval="30 s"`."""
        return self._with("health", keys)

    def environment(self, **variables: str) -> ComponentManifest:
        """Set variables of `[environment]`."""
        return self._with("environment", variables)

    def config(self, **keys: object) -> ComponentManifest:
        """Set keys of `[config]`, which `init` gets as JSON."""
        return self._with("config", keys)

    def allow(self, capability: str, *patterns: str, reason: str = "") -> ComponentManifest:
        """Ask for a capability, `storage.read`, with the patterns of what it is for."""
        asked: object = list(patterns)
        return self._with(
            "capabilities",
            {capability: {"patterns": asked, "reason": reason} if reason else asked},
        )

    def deny(self, capability: str, *patterns: str) -> ComponentManifest:
        """Give up a part of a capability, as `deny.storage.read` does."""
        return self._with("capabilities", {f"deny.{capability}": list(patterns)})

    def text(self) -> str:
        """Return the file's text.

        Raises:
            ManifestInvalid: A value is wrong; the error lists every problem, with its line.
        """
        document = tomlkit.document()
        component = {"name": self.name, "version": self.version, "description": self.description}
        sections = {"component": component, **self.tables}
        sections["component"] = {**component, **sections["component"]}
        for section, keys in sections.items():
            table = tomlkit.table()
            for name, value in keys.items():
                if section == "capabilities":
                    table.add(tomlkit.key(name.split(".")), _written(value))
                elif value not in ("", None):
                    table.add(name, _written(value))
            document.add(section, table)
        text = tomlkit.dumps(document)
        kinds = Kinds(Blocks.find().capabilities.values())
        Manifest.parse(text, kinds=kinds, is_strict=False)
        return text

    def write(self, folder: Path) -> Path:
        """Write Component.toml into a folder, in the place of one that is there; return its path.

        Raises:
            ManifestInvalid: A value is wrong; nothing was written.
            FolderNotWritable: The folder cannot be written.
        """
        text, target = self.text(), folder / MANIFEST_NAME
        try:
            with tempfile.TemporaryDirectory(prefix=f".{MANIFEST_NAME}-", dir=folder) as scratch:
                written = Path(scratch) / MANIFEST_NAME
                written.write_text(text, encoding="utf-8", newline="\n")
                written.replace(target)
        except OSError as error:
            raise FolderNotWritable(folder, error.strerror or str(error)) from error
        return target

    def _with(self, section: str, keys: Mapping[str, object]) -> ComponentManifest:
        known = {**self.tables.get(section, {}), **keys}
        tables = MappingProxyType({**self.tables, section: known})
        return ComponentManifest(self.name, self.version, self.description, tables)


def _written(value: object) -> object:
    """Return a value as TOML; a mapping within a section is written in one line."""
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        for name, inner in cast("Mapping[str, object]", value).items():
            table.add(name, _written(inner))
        return table
    return tomlkit.item(
        list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
    )
