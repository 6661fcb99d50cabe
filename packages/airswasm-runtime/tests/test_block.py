"""What this block declares: its interfaces, its settings, and what `doctor` finds."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import pytest
from airswasm.runtime import (
    BLOCK,
    WASI_INTERFACES,
    EngineConfig,
    EngineSettings,
    HostSettings,
)
from airswasm.runtime import _checks as checks
from airswasm.runtime._wasmtime.version import BEFORE, OLDEST
from airswasm.runtime.wasi import _builtin
from airswasm.wit import Blocks, Finding, load_part


def test_the_block_is_found():
    """One entry point is all that the package has."""
    (found,) = (each for each in Blocks.find() if each.distribution == "airswasm-runtime")
    assert found.block is BLOCK
    looks = {check.name: load_part(check.look) for check in BLOCK.checks}
    assert looks == {
        "python": checks.check_python,
        "engine": checks.check_engine,
        "limits": checks.check_limits,
    }
    models = [load_part(section.model) for section in BLOCK.sections]
    assert models == [EngineSettings, HostSettings]


def test_the_wasi_interfaces_are_those_that_the_engine_answers():
    """The list is written out, so that a declaration loads no engine; it must not drift.

    An interface that is in it and has no answer would pass a component that cannot start; one
    that has an answer and is not in it would be refused.
    """
    answered = [interface.name for interface in _builtin.interfaces()]
    assert sorted(WASI_INTERFACES) == sorted(answered)
    assert len(set(WASI_INTERFACES)) == len(WASI_INTERFACES)
    assert BLOCK.interfaces == WASI_INTERFACES
    assert not BLOCK.provide


@pytest.mark.parametrize("guests", ["many", "few"])
def test_settings_that_were_not_changed_are_the_engines_own(guests, tmp_path):
    """A default is written in two places; both say the same, but for what only a host wants."""
    base = EngineConfig.dense() if guests == "many" else EngineConfig()
    expected = replace(base, cache_folder=tmp_path, short_switches=True)
    assert EngineSettings(guests=guests).config(tmp_path) == expected


def test_every_setting_reaches_the_engine():
    """A key of config.toml that changes nothing would be a promise that is not kept."""
    changed = {
        "guests": "few",
        "compile_seconds": 1.5,
        "compile_memory_bytes": 2**30,
        "wasm_bytes": 2**20,
        "slice_fuel": 50_000,
        "host_slice": 0.01,
        "worker_threads": 3,
        "short_switches": False,
        "large_wasm_stack_bytes": 2**21,
        "python_executable": "/usr/bin/python3",
    }
    assert changed.keys() == {field.name for field in fields(EngineSettings)}
    for name, value in changed.items():
        settings = replace(EngineSettings(), **{name: value})
        assert settings.config(None) != EngineSettings().config(None), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compile_seconds", 0),
        ("compile_memory_bytes", -1),
        ("wasm_bytes", 0),
        ("worker_threads", 0),
        ("host_slice", 0.0),
        ("slice_fuel", 9_999),
    ],
)
def test_a_setting_that_cannot_work_names_itself(name, value):
    """The operator reads which key to correct."""
    with pytest.raises(ValueError, match=name):
        EngineSettings(**{name: value})


async def found_by(tmp_path, *, quick):
    return [each async for each in checks.check_limits(tmp_path, quick=quick)]


@pytest.mark.anyio
async def test_the_check_attacks_the_engine_unless_it_is_quick(tmp_path):
    """Limits are proved, not read off: each hostile probe is a finding of its own."""
    assert await found_by(tmp_path, quick=True) == []
    proved = await found_by(tmp_path, quick=False)
    assert len(proved) == 7
    assert {(each.check, each.state) for each in proved} == {("limits", "ok")}, proved


@pytest.mark.parametrize(
    ("version", "platform", "state"),
    [
        ((3, 12, 1), "linux", "ok"),
        ((3, 14, 0), "linux", "problem"),
        ((3, 14, 1), "linux", "ok"),
        ((3, 12, 1), "darwin", "warning"),
    ],
)
def test_an_interpreter_that_cannot_host_is_a_problem(
    version, platform, state, monkeypatch, tmp_path
):
    """3.14.0 takes a guest's stack for an overflow; elsewhere than on Linux less is protected."""
    monkeypatch.setattr(sys, "version_info", (*version, "final", 0))
    monkeypatch.setattr(sys, "platform", platform)
    (finding,) = checks.check_python(tmp_path, quick=True)
    assert (finding.check, finding.state) == ("python", state)
    assert bool(finding.hint) is (state != "ok")


@pytest.mark.parametrize(("version", "state"), [(OLDEST, "ok"), (BEFORE, "warning")])
def test_an_untested_engine_is_a_warning(version, state, monkeypatch, tmp_path):
    """It may work; who reports a fault knows what to try."""
    version = ".".join(map(str, version))
    monkeypatch.setattr(checks, "version", lambda _name: version)
    (finding,) = checks.check_engine(tmp_path, quick=True)
    assert isinstance(finding, Finding)
    assert (finding.state, version in finding.text) == (state, True)
