"""Run all checks of all installed blocks; no check can stop another."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Iterable
from pathlib import Path
from typing import cast

from airswasm.wit import (
    AirswasmError,
    BlockPartUnusable,
    Blocks,
    Finding,
    load_part,
    safe_text,
)

from .._session.problem import problem_of

__all__ = ("run_checks",)


async def run_checks(
    home: Path, *, quick: bool = False, blocks: Blocks | None = None
) -> list[Finding]:
    """Run every check of every block; an exception becomes a finding.

    Args:
        home: The home to check.
        quick: Skip slow checks: attacks on the engine, reading all stored data.
        blocks: The blocks to check; None for all installed ones.
    """
    findings: list[Finding] = []
    for check in (check for each in blocks or Blocks.find() for check in each.block.checks):
        try:
            await _run(check.look, home, quick, findings)
        except (Exception, SystemExit) as error:  # the code of any package
            problem = problem_of(_as_part(error, check.look))
            text = f"[{problem.code}] {problem.message}"
            findings.append(Finding(check.name, "problem", text, problem.hint))
    return findings


def _as_part(error: BaseException, path: str) -> BaseException:
    """Return the error of a check; where it is a mistake in the check, one that names the part."""
    if isinstance(error, AirswasmError | OSError):
        return error
    return BlockPartUnusable(path, f"{type(error).__name__}: {safe_text(error)}")


async def _run(path: str, home: Path, quick: bool, findings: list[Finding]) -> None:
    check = cast("Callable[..., object]", load_part(path))
    found = check(home, quick=quick)
    if inspect.isawaitable(found):
        found = await found
    if isinstance(found, AsyncIterable):
        async for each in cast("AsyncIterable[object]", found):
            findings.append(_finding(each, path))
    elif isinstance(found, Iterable):
        findings.extend(_finding(each, path) for each in cast("Iterable[object]", found))
    else:
        _finding(found, path)


def _finding(found: object, path: str) -> Finding:
    if isinstance(found, Finding):
        return found
    raise BlockPartUnusable(path, f"expected a Finding, found {type(found).__name__}")
