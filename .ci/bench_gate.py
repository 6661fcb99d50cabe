"""The bench gate: compares what a block promises with what is stored in its bench/budget.toml.

    python .ci/bench_gate.py packages/airswasm-actor/bench [--write]

A ratio of one process is a sample: addresses and hash seeds differ from process to process, and
move it by some per cent. So the gate takes the median of a few processes. When that is past the
stored ratio and its slack, it does not fail at once but takes more processes, with more rounds, and
fails only when the lower quartile of all is past it: a slowdown moves every process, a busy machine
only some. `--write` stores the median of as many processes.

A budget states for each promise the most that it may ever be (`at_most`, for any machine) and what
was measured, by version of Python. A version that has no measurement is held to `at_most` alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from paired import measure

FEW, MANY = 3, 9
"""Processes for a first look, and for a verdict."""
SHORT, LONG = 31, 61
"""Rounds in each of them."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
Samples = dict[str, list[float]]


def sample(folder: Path, processes: int, rounds: int, into: Samples) -> None:
    """Measure in processes of their own, one after the other."""
    command = [sys.executable, "-Es", __file__, str(folder), "--measure", str(rounds)]
    for _ in range(processes):
        ended = subprocess.run(
            command, check=False, stdout=subprocess.PIPE, text=True, env=os.environ
        )
        if ended.returncode:
            raise SystemExit(f"measuring {folder} failed with exit code {ended.returncode}")
        for name, ratio in json.loads(ended.stdout.splitlines()[-1]).items():
            into.setdefault(name, []).append(ratio)


def bound(promise: dict[str, Any], slack: float) -> float:
    """Return the most that a promise may be on this Python."""
    measured = promise.get("measured", {}).get(VERSION)
    at_most = float(promise["at_most"])
    return at_most if measured is None else min(at_most, measured * (1 + slack))


def check(folder: Path) -> bool:
    """Print each promise, what was measured and its bound; return whether all are kept."""
    budget = tomllib.loads((folder / "budget.toml").read_text(encoding="utf-8"))
    promises, slack = budget["promises"], budget["slack"]
    bounds = {name: bound(promise, slack) for name, promise in promises.items()}
    found: Samples = {}
    sample(folder, FEW, SHORT, found)
    if found.keys() != promises.keys():
        print(f"budget and promises differ: {sorted(found.keys() ^ promises.keys())}")
        return False
    suspects = [name for name in found if statistics.median(found[name]) > bounds[name]]
    if suspects:
        print(f"  looking again: {', '.join(suspects)}", flush=True)
        sample(folder, MANY - FEW, LONG, found)
    slower = [name for name in suspects if lower_quartile(found[name]) > bounds[name]]
    for name, ratios in found.items():
        print(line(name, ratios, bounds[name], promises[name], is_kept=name not in slower))
    return not slower


def lower_quartile(ratios: list[float]) -> float:
    """Return the first quartile."""
    return statistics.quantiles(ratios, n=4)[0]


def line(
    name: str, ratios: list[float], most: float, promise: dict[str, Any], *, is_kept: bool
) -> str:
    """Return what there is to say of a promise."""
    measured = promise.get("measured", {}).get(VERSION)
    ratio = statistics.median(ratios)
    if measured is None:
        before = f"nothing stored for Python {VERSION}"
    else:
        before = f"stored {measured:.3g}, {ratio / measured - 1:+.0%}"
    verdict = "kept" if is_kept else "SLOWER"
    return f"  {name:24} {ratio:8.3g} (at most {most:.3g}; {before}) {verdict}"


def write(folder: Path) -> None:
    """Store what is measured now; comments and everything else in the file stay."""
    found: Samples = {}
    sample(folder, MANY, LONG, found)
    path = folder / "budget.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    name = ""
    for number, text in enumerate(lines):
        if header := re.fullmatch(r'\[promises\."?([^"]+)"?\]', text):
            name = header.group(1)
        if text.startswith("measured = "):
            kept = tomllib.loads(text)["measured"]
            kept[VERSION] = float(f"{statistics.median(found[name]):.3g}")
            versions = ", ".join(f'"{key}" = {value}' for key, value in sorted(kept.items()))
            lines[number] = f"measured = {{ {versions} }}"
            spread = max(found[name]) / min(found[name]) - 1
            print(f"  {name:24} {kept[VERSION]:8} (processes differ by {spread:.0%})")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, compare or store, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--measure", type=int, metavar="ROUNDS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder: Path = arguments.folder.resolve()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(folder / "promises.py", arguments.measure))))
    elif arguments.write:
        write(folder)
    elif not check(folder):
        raise SystemExit(f"{folder.parent.name} is slower than it promises")


if __name__ == "__main__":
    main()
