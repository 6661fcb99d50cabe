"""Print the table of docs/tutorials: size and build time of each template, release and debug.

python packages/airswasm-sdk/bench/templates.py [LANGUAGE…]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from airswasm.sdk import ToolMissing, build_project, init_project, templates


def processor_seconds() -> float:
    used = os.times()
    return used.children_user + used.children_system


def row(language: str, template: str, folder: Path) -> str:
    init_project(folder, "hello", language, template)
    cells = [f"{language}, {template}"]
    for name, debug in (("first", False), ("second", False), ("debug", True)):
        if name == "second":
            source = max(folder.glob("**/*.[crgjt]*"), key=lambda each: each.name in SOURCES)
            source.write_text(source.read_text("utf-8") + "\n", "utf-8")
        before = processor_seconds()
        built = build_project(folder, debug=debug)
        spent = processor_seconds() - before
        if name != "second":
            cells.append(f"{built.size_bytes / 1000:,.1f} kB")
        cells.append(f"{built.seconds:.1f} s, {spent:.1f} s")
    return f"| {' | '.join(cells)} |"


SOURCES = ("lib.rs", "main.go", "app.js", "app.ts", "hello.c", "app.py")

if __name__ == "__main__":
    print(
        "| template | release | first build: clock, processor | second build | debug | its build |"
    )
    print("|---|---|---|---|---|---|")
    for each in templates():
        if sys.argv[1:] and each.language not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                print(row(each.language, each.name, Path(scratch) / "hello"), flush=True)
            except ToolMissing as missing:
                print(f"| {each.language}, {each.name} | {missing} |", flush=True)
