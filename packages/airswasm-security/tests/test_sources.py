"""Trust by source: one text for a place, and no place that others can exchange."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from airswasm.security import InvalidPattern, TrustSettings, covers_source, file_source
from airswasm.security._sources import source_pattern
from hypothesis import given
from hypothesis import strategies as st

posix_only = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
SEGMENTS = st.lists(st.text("ab*? %#é-._~", min_size=1, max_size=6), min_size=1, max_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "packages"
    made.mkdir(mode=0o755)
    (made / "a.airswasm").write_bytes(b"")
    (made / "a.airswasm").chmod(0o644)
    return made.resolve()


@posix_only
def test_a_file_has_one_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it was named, its pattern covers it; a neighbour with a like name is not covered."""
    source = file_source(folder / "a.airswasm")
    assert source == f"file://{folder}/a.airswasm"
    monkeypatch.chdir(folder)
    assert {file_source("a.airswasm"), file_source("../packages/./a.airswasm")} == {source}
    assert covers_source([f"{folder}/**"], source)
    assert covers_source([f"file://{folder}/*.airswasm"], source)
    assert not covers_source([f"{folder}x/**", f"{folder.parent}/*.airswasm"], source)
    assert not covers_source(["/**/a.airswasm/x"], "")


@posix_only
@pytest.mark.parametrize("what", ["file", "folder", "link", "link above", "member"])
def test_what_others_can_exchange_is_no_source(folder: Path, what: str) -> None:
    """Written by others, or reached through a link."""
    path, members = folder / "a.airswasm", ()
    if what == "file":
        path.chmod(0o666)
    elif what == "folder":
        folder.chmod(0o777)
    elif what == "link":
        path = folder / "b.airswasm"
        path.symlink_to("a.airswasm")
    elif what == "link above":
        (folder.parent / "other").symlink_to(folder)
        path = folder.parent / "other" / "a.airswasm"
    else:
        (folder / "src").mkdir(mode=0o777)
        (folder / "src").chmod(0o777)
        (folder / "src" / "x").write_bytes(b"")
        path, members = folder, ("src/x",)
    assert file_source(path, members) == ""


@pytest.mark.parametrize(
    "text",
    [
        "**", "/**", "/", "file:///**", "file:///*/**", "packages/**", "/srv/../**", "/srv/./x",
        "https://example.com/**", "file://host/**", "://x", "", "git+ssh://x/**",
    ],
)  # fmt: skip
def test_a_pattern_names_a_place(text: str) -> None:
    """A setting with another is an error, not a setting without effect."""
    with pytest.raises(InvalidPattern):
        source_pattern(text)
    with pytest.raises(ValueError, match="pattern"):
        TrustSettings(sources=(text,))


@given(SEGMENTS)
def test_no_text_of_a_file_reaches_out_of_its_folder(segments: list[str]) -> None:
    """Whatever a file is called, a pattern for one folder does not cover it in another."""
    inside = "/".join(each for each in segments if each not in (".", ".."))
    from urllib.parse import quote

    from airswasm.security._sources import _SAFE

    elsewhere = f"file://{quote(f'/srv/other/{inside}', safe=_SAFE)}"
    assert not covers_source(["/srv/packages/**", "/srv/pack?ges/*"], elsewhere)
