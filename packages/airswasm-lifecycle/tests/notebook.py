"""A stranger's block, which keeps one note for each component and brings snapshots of it.

It is written as the protocol says and no better: whole files, copied and renamed.
"""

import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from airswasm.lifecycle import Home
from airswasm.runtime import Services, SnapshotDifference, SnapshotSize
from airswasm.wit import Block, Blocks


@dataclass
class Notebook:
    folder: Path
    noun: str = "note"
    fails: str = ""
    """The method that raises, as on a disk that is full."""

    def note(self, name: str, label: str = "now") -> Path:
        place = self.folder / name.replace("/", "~")
        place.mkdir(parents=True, exist_ok=True)
        return place / label

    def read(self, name: str) -> str:
        return self.note(name).read_text()

    def write(self, name: str, text: str) -> None:
        self.note(name).write_text(text)

    async def take(self, name: str, label: str, still: Callable[[], Awaitable[None]]) -> None:
        await still()
        await self.copy(name, "now", label)

    async def copy(self, name: str, label: str, to: str) -> None:
        self._refuse("copy")
        if self.note(name, label).exists():
            shutil.copyfile(self.note(name, label), self.note(name, ".half"))
            self.note(name, ".half").rename(self.note(name, to))
        elif label == "now":
            self.note(name, to).touch()

    async def exchange(self, name: str, label: str, aside: str | None) -> None:
        self._refuse("exchange")
        if not self.note(name, label).exists():
            return
        if aside is not None:
            self.note(name).touch()
            os.link(self.note(name), self.note(name, aside))
        self.note(name, label).replace(self.note(name))

    async def drop(self, name: str, label: str) -> None:
        self._refuse("drop")
        self.note(name, label).unlink(missing_ok=True)

    def labels(self) -> Iterable[tuple[str, str]]:
        for path in self.folder.glob("*/*"):
            if path.name not in ("now", ".half"):
                yield path.parent.name.replace("~", "/"), path.name

    async def size(self, name: str, label: str) -> SnapshotSize | None:
        path = self.note(name, label)
        return SnapshotSize(1, path.stat().st_size) if path.exists() else None

    async def compare(self, name: str, label: str, most: int) -> SnapshotDifference:
        is_same = self.read(name) == self.note(name, label).read_text()
        return SnapshotDifference(changed=0 if is_same else 1, is_cut=most < 1)

    def _refuse(self, method: str) -> None:
        if self.fails == method:
            raise OSError("no space left")


def snapshots(services: Services) -> Notebook:
    return services.get(Notebook) if services.has(Notebook) else of(services.get(Home).folder)


def of(home: Path) -> Notebook:
    return Notebook(home / "notes")


BLOCKS = Blocks.find().joined(
    Block(name="notebook", summary="Notes.", snapshots=snapshots)  # a function does as well
)
