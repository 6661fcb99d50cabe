"""The page of all settings."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest
from airswasm.cli.config_page import config_page
from airswasm.lifecycle import Configuration
from airswasm.wit import Blocks

PAGE = Path(__file__).parents[3] / "docs" / "config.md"
HAS_ALL_BLOCKS = importlib.util.find_spec("airswasm.osl") is not None


def _rows(page: str) -> dict[str, list[str]]:
    """Return the cells of each key, by table and key."""
    rows: dict[str, list[str]] = {}
    table = ""
    for line in page.splitlines():
        if line.startswith("## "):
            table = line.removeprefix("## ")
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            rows[f"{table}.{cells[0].strip('`')}"] = cells
    return rows


@pytest.mark.skipif(not PAGE.exists(), reason="outside the repository there is no page")
@pytest.mark.skipif(not HAS_ALL_BLOCKS, reason="the page has the tables of all blocks")
def test_the_page_is_what_the_models_say() -> None:
    """`python -m airswasm.cli.config_page > docs/config.md` was run after the last change."""
    assert PAGE.read_text(encoding="utf-8") == config_page()


def test_every_setting_has_a_row_with_a_meaning() -> None:
    """`config show` and the page list the same keys, and no cell is empty."""
    rows = _rows(config_page())
    assert sorted(rows) == sorted(
        each.name for each in Configuration.parse("", Blocks.find()).settings()
    )
    assert [name for name, cells in rows.items() if len(cells) != 6 or not all(cells)] == []


def test_a_default_on_the_page_can_be_written_to_the_file() -> None:
    """The text that a reader copies is TOML, and means the default."""
    blocks = Blocks.find()
    for name, cells in _rows(config_page()).items():
        table, _, key = name.partition(".")
        text = f"[{table}]\n{key} = {cells[1].strip('`')}"
        tomllib.loads(text)
        found = Configuration.parse(text, blocks).setting(name)
        assert found.value == found.default
