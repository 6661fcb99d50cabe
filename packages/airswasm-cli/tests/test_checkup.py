from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
from airswasm.cli._block import BLOCK as CLI
from airswasm.cli._doctor.checkup import run_checks
from airswasm.wit import Block, Blocks, Check, Finding


def states(findings: list[Finding], check: str) -> list[str]:
    return [each.state for each in findings if each.check == check]


def test_the_engine_proves_its_limits(home: Path) -> None:
    """Hostile guests are stopped by fuel, by time and by memory."""
    findings = anyio.run(run_checks, home)
    assert set(states(findings, "limits")) == {"ok"}
    assert len(states(findings, "limits")) >= 3


def test_an_empty_home_is_no_problem_and_is_not_made(home: Path) -> None:
    """Looking changes nothing."""
    findings = anyio.run(partial(run_checks, home, quick=True))
    assert "problem" not in {each.state for each in findings}
    assert not home.exists()


def test_a_home_open_to_others_is_a_problem_with_the_command_that_mends_it(home: Path) -> None:
    """The hint can be copied."""
    home.mkdir(mode=0o755)
    findings = anyio.run(partial(run_checks, home, quick=True))
    found = next(each for each in findings if each.check == "home")
    assert found.state == "problem"
    assert found.hint == f"chmod 700 {home}"


def test_what_raises_is_a_finding_and_the_rest_goes_on(home: Path) -> None:
    """A broken config.toml does not keep doctor from looking at the rest."""
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("[nonsense]\n")
    findings = anyio.run(partial(run_checks, home, quick=True))
    assert states(findings, "config") == ["problem"]
    assert states(findings, "space") == ["ok"]


def test_a_check_that_raises_takes_no_other_with_it(home: Path) -> None:
    """Not even one that cannot be imported: it is a stranger's code."""
    broken = Block(
        name="broken", summary="Raises.", checks=(Check("broken", "no_such_module:check"),)
    )
    findings = anyio.run(partial(run_checks, home, blocks=Blocks.of(broken, CLI)))
    assert states(findings, "broken") == ["problem"]
    assert states(findings, "host") == ["note"]
