"""What is wrong with a file is told in bounded time, however much is wrong with it."""

from __future__ import annotations

import difflib

import pytest
from airswasm.lifecycle import Manifest, ManifestInvalid
from airswasm.lifecycle._toml.explaining import MOST_FINDINGS, did_you_mean
from airswasm.lifecycle._toml.positions import scan_positions
from airswasm.security import PLAIN, Kinds

KINDS = Kinds.of(storage_read=PLAIN, storage_write=PLAIN)
HEAD = '[component]\nname = "local/a"\nversion = "1.0.0"\n'


@pytest.mark.parametrize("section", ["[limits]", "[capabilities]", "[supervision]", ""])
def test_suggestions_are_made_for_the_first_problems_alone(
    section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each compares a key with all known ones, and a manifest has room for ten thousand keys."""
    compared: list[str] = []
    real = difflib.get_close_matches

    def counted(word: str, *arguments: object, **named: object) -> list[str]:
        compared.append(word)
        return real(word, *arguments, **named)  # type: ignore[arg-type]

    for module in ("_toml.explaining", "_packages.manifest"):
        monkeypatch.setattr(f"airswasm.lifecycle.{module}.get_close_matches", counted)
    keys = "".join(f"key{number} = 1\n" for number in range(10_000))
    text = f"{section}\n{keys}{HEAD}"
    with pytest.raises(ManifestInvalid) as caught:
        Manifest.parse(text, kinds=KINDS)
    assert len(compared) <= 2 * MOST_FINDINGS
    assert compared or section == "[capabilities]"  # a key of no domain is like no capability
    assert len(caught.value.problems) <= 2 * MOST_FINDINGS


def test_a_long_word_is_compared_with_none() -> None:
    """What takes long to compare was not meant to be a known key."""
    assert did_you_mean("memroy", ["memory"]) == "; did you mean `memory`?"
    assert did_you_mean("memory" * 1_000, ["memory"]) == ""


def test_a_key_of_many_parts_has_few_lines() -> None:
    """The place of each part is kept, and a key may have a hundred thousand."""
    positions = scan_positions(".".join("a" * 50_000) + " = 1\n")
    assert len(positions) <= 32
