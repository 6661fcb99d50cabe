"""Every installed block: what its declaration names is there, and all of them fit together."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from dataclasses import fields, is_dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from airswasm.cli import command_of
from airswasm.security import Spelling
from airswasm.wit import AirswasmError, Block, Blocks, InstalledBlock, contract, load_part

BLOCKS = Blocks.find()
NO_BLOCKS = {"workspace"} | {
    path.parent.name.removeprefix("airswasm-")
    for path in (Path(__file__).parent.parent / "packages").glob("*/pyproject.toml")
    if tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["airswasm"]["layer"] == "extra"
}
#: Distributions that are not blocks of a layer, and bring one all the same.
BESIDE = {each.block.name for each in BLOCKS if each.block.name in NO_BLOCKS}
EVERY = pytest.mark.parametrize("each", list(BLOCKS), ids=lambda each: each.block.name)


def test_each_distribution_of_ours_is_one_block() -> None:
    """Named as its distribution is, and in its version; extra distributions are none."""
    ours = {
        (name.removeprefix("airswasm-"), distribution.version)
        for distribution in distributions()
        if (name := distribution.metadata["Name"]).startswith("airswasm-")
    }
    found = {(each.block.name, each.version) for each in BLOCKS}
    assert {(name, version) for name, version in ours if name not in NO_BLOCKS | BESIDE} == {
        (name, version) for name, version in found if name not in BESIDE
    }
    assert {each.distribution for each in BLOCKS} == {f"airswasm-{name}" for name, _ in found}


def test_the_installed_blocks_fit_together() -> None:
    """A host opens: no name is claimed twice, and every function is guarded."""
    blocks = Blocks.find()
    blocks.raise_for_problems()
    blocks.error_codes()
    assert blocks.problems == ()


def test_every_interface_of_the_contract_comes_from_whom_it_names() -> None:
    """`@offered-by` is what people are told to install."""
    offered = BLOCKS.interfaces
    for name, interface in contract().host_interfaces.items():
        assert offered[name] == interface.provider


@EVERY
def test_its_face_has_the_declaration(each: InstalledBlock) -> None:
    """Who embeds blocks takes them from there; `wit` calls itself by another name."""
    face = importlib.import_module(f"airswasm.{each.block.name}")
    if each.block.name not in ("wit", "cli"):
        assert face.BLOCK is each.block


@EVERY
def test_every_part_is_there(each: InstalledBlock) -> None:
    """A path is a text: a slip in it would be found when a user comes to that part."""
    block: Block = each.block
    checks = (check.look for check in block.checks)
    for path in (block.provide, block.observe, block.operations, block.forget, *checks):
        if path:
            assert callable(load_part(path)), path
    for capability in block.capabilities:
        if capability.spelling:
            assert isinstance(load_part(capability.spelling), Spelling), capability.name
    for module in block.errors:
        assert AirswasmError in {
            base
            for value in vars(importlib.import_module(module)).values()
            if isinstance(value, type)
            for base in value.__mro__
        }


@pytest.mark.parametrize("section", BLOCKS.sections.values(), ids=lambda section: section.name)
def test_a_section_is_a_documented_dataclass_with_defaults(section: Any) -> None:
    """`airswasm config` lists each key with its default and the sentence from the docstring."""
    model: Any = load_part(section.model)
    assert is_dataclass(model)
    settings = model()
    with pytest.raises(AttributeError):
        setattr(settings, fields(settings)[0].name, None)
    documented = inspect.cleandoc(model.__doc__ or "").partition("Attributes:")[2]
    for field in fields(settings):
        assert f"\n    {field.name}: " in documented, field.name


@pytest.mark.parametrize("verb", BLOCKS.verbs.values(), ids=lambda verb: verb.name)
def test_a_verb_is_a_command_with_the_help_that_it_declares(verb: Any) -> None:
    """The help lists verbs without loading them, so it must say what they say."""
    command: Any = command_of(verb)
    first = inspect.cleandoc(command.help or "").partition("\n")[0]
    assert first.rstrip(".") == verb.summary.rstrip(".")


@EVERY
def test_a_capability_can_be_told_to_people(each: InstalledBlock) -> None:
    """The sentence continues `it may ...` and has a place for the patterns."""
    for capability in each.block.capabilities:
        assert "{patterns}" in capability.sentence
        assert capability.sentence[0].islower()
        assert not capability.sentence.endswith(".")
