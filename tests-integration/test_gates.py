"""The bench gate decides as it says, and each refusal says what to do.

The works of these benches advance a clock of their own, so that a ratio is exact.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GATE = ROOT / ".ci" / "bench_gate.py"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PROMISES = """
import contextlib
from paired import Promise, Work

now = 0.0


def work(cost):
    def run(count):
        global now
        now += cost * count

    return Work(run, clock=lambda: now)


@contextlib.asynccontextmanager
async def promises(folder):
    yield {{name: Promise(work(ratio * 1e-4), work(1e-4)) for name, ratio in {ratios}.items()}}
"""


def bench(folder: Path, ratios: dict[str, float], budget: str) -> Path:
    (folder / "promises.py").write_text(PROMISES.format(ratios=ratios))
    (folder / "budget.toml").write_text(f"# Kept.\nslack = 0.1\n{budget}")
    return folder


def table(name: str, at_most: float, measured: float | None = None) -> str:
    text = f'\n[promises.{name}]\nsays = "…"\nat_most = {at_most}\n'
    return text + (f'measured = {{ "{VERSION}" = {measured} }}\n' if measured else "")


def run_gate(folder: Path, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-Es", str(GATE), str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("ratio", "measured", "is_kept"),
    [
        (2.0, 2.0, True),
        (2.15, 2.0, True),
        (2.25, 2.0, False),
        (3.1, None, False),
        (2.9, None, True),
    ],
)
def test_a_promise_is_held_to_its_measurement_and_to_its_bound(
    tmp_path: Path, ratio: float, measured: float | None, is_kept: bool
) -> None:
    """Past the measurement and its slack of a tenth, or past `at_most`, the gate fails."""
    code, said = run_gate(bench(tmp_path, {"walk": ratio}, table("walk", 3, measured)))
    assert (code == 0) is is_kept, said
    assert ("kept" in said) is is_kept
    assert is_kept or '" -- --write`' in said


@pytest.mark.parametrize(("ratio", "is_said"), [(2.0, False), (1.85, False), (1.75, True)])
def test_what_became_faster_is_said_until_it_is_stored(
    tmp_path: Path, ratio: float, is_said: bool
) -> None:
    """Behind a measurement that is out of date, a slowdown of the slack would hide."""
    folder = bench(tmp_path, {"walk": ratio}, table("walk", 3, 2.0))
    code, said = run_gate(folder)
    assert code == 0
    assert ("faster than stored: walk" in said) is is_said
    assert run_gate(folder, "--write")[0] == 0
    assert "faster" not in run_gate(folder)[1]


def test_write_stores_old_promises_and_new_ones(tmp_path: Path) -> None:
    """What is stored for other versions of Python, and all comments, stay."""
    budget = table("walk", 3) + 'measured = { "3.9" = 1.5 }\n# Kept, too.\n' + table("run", 5)
    folder = bench(tmp_path, {"walk": 2, "run": 4}, budget)
    code, said = run_gate(folder, "--write")
    assert code == 0, said
    text = (folder / "budget.toml").read_text()
    promises = tomllib.loads(text)["promises"]
    assert promises["walk"]["measured"] == pytest.approx({"3.9": 1.5, VERSION: 2})
    assert promises["run"]["measured"] == pytest.approx({VERSION: 4})
    assert text.startswith("# Kept.\n")
    assert "# Kept, too.\n" in text
    assert run_gate(folder)[0] == 0


def test_write_does_not_store_what_is_past_its_bound(tmp_path: Path) -> None:
    """A promise that drifted out of `at_most` is a decision, and the others are stored."""
    folder = bench(tmp_path, {"walk": 4, "run": 4}, table("walk", 3, 2.9) + table("run", 5))
    code, said = run_gate(folder, "--write")
    assert code == 1
    assert "raise `at_most` and say why" in said
    promises = tomllib.loads((folder / "budget.toml").read_text())["promises"]
    assert promises["walk"]["measured"] == {VERSION: 2.9}
    assert promises["run"]["measured"] == pytest.approx({VERSION: 4})


@pytest.mark.parametrize("write", [(), ("--write",)], ids=["compare", "write"])
@pytest.mark.parametrize(
    ("ratios", "budget", "advice"),
    [
        ({"walk": 2, "run": 2}, table("walk", 3), "[promises.run] with `says` and `at_most`"),
        ({"walk": 2}, table("walk", 3) + table("run", 3), "has no work for run"),
    ],
)
def test_a_promise_in_one_file_only_is_refused(
    tmp_path: Path, ratios: dict[str, float], budget: str, advice: str, write: tuple[str, ...]
) -> None:
    """The message names the file that lacks it."""
    code, said = run_gate(bench(tmp_path, ratios, budget), *write)
    assert code == 1
    assert advice in said
