"""The tutorials, followed as a reader would: start, replace the source, build, send."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from airswasm.sdk import ToolMissing, build_project, init_project
from airswasm.sdk.testing import run_component

PAGES = Path(__file__).parents[3] / "docs" / "tutorials"
SOURCES = {"c": "src/hello.c", "rust": "src/lib.rs", "go": "main.go", "ts": "src/app.ts"}
PAGE = {"ts": "javascript"}
IS_LONG = os.environ.get("AIRSWASM_LANGUAGES") == "all"
"""componentize-js takes twenty seconds of the processor: `nox -s languages`."""

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="only in a checkout")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("language", SOURCES)
def test_the_tutorial_leads_to_the_reply_that_it_shows(language: str, tmp_path: Path) -> None:
    """Its commands start the project, its code is the whole source, its text the reply."""
    if language == "ts" and not IS_LONG:
        pytest.skip("nox -s languages")
    page = (PAGES / f"{PAGE.get(language, language)}.md").read_text("utf-8")
    commands, (source,), (reply,) = (blocks(page, each) for each in ("sh", language, "text"))
    assert f"airswasm init hello --lang {language}\ncd hello\nairswasm build" in commands[0]
    folder = tmp_path / "hello"
    init_project(folder, "hello", language)
    (folder / SOURCES[language]).write_text(source, "utf-8")
    try:
        build_project(folder)
    except ToolMissing as missing:
        pytest.skip(str(missing))
    with run_component(folder) as component:
        assert component.send("world").text == "Hello, world!"
        assert component.send("how many?").text == reply.strip()
