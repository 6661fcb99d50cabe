"""The bench gate: compares what a block promises with what is stored in its bench/budget.toml.

    python .ci/bench_gate.py packages/airswasm-actor/bench [--write]

A ratio of one process is a sample: addresses and hash seeds differ from process to process, and
move it by some per cent. So the gate takes the median of a few processes. When that is past the
stored ratio and its slack, it does not fail at once but takes more processes, with more rounds, and
fails only when the lower quartile of all is past it: a slowdown moves every process, a busy machine
only some. `--write` stores the median of as many processes, except of a promise that is past its
`at_most`: that is a matter for the author, not for a file.

What became faster by more than the slack is kept, and said: until it is stored, the gate would not
notice that it is lost again.

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
PREFIX = "airswasm-"
SLOWER = (
    "{0} is slower than it promises. Run the gate again on a quiet machine; where it still "
    "fails, mend what became slower, or store a slowdown that you can defend with "
    '`nox -s "bench-gate({1})" -- --write`'
)
FASTER = (
    "  faster than stored: {0}. Keep the gate sharp: store it with "
    '`nox -s "bench-gate({1})" -- --write`'
)
OVER = (
    "{0} costs more than `at_most` in bench/budget.toml allows. Mend what became slower, or raise "
    "`at_most` and say why in the commit"
)
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
    compare_names(folder, set(found), set(promises))
    suspects = [name for name in found if statistics.median(found[name]) > bounds[name]]
    if suspects:
        print(f"  looking again: {', '.join(suspects)}", flush=True)
        sample(folder, MANY - FEW, LONG, found)
    slower = [name for name in suspects if lower_quartile(found[name]) > bounds[name]]
    for name, ratios in found.items():
        print(line(name, ratios, bounds[name], promises[name], is_kept=name not in slower))
    if gained := [name for name in found if is_faster(found[name], promises[name], slack)]:
        print(FASTER.format(", ".join(gained), folder.parent.name.removeprefix(PREFIX)))
    return not slower


def is_faster(ratios: list[float], promise: dict[str, Any], slack: float) -> bool:
    """Return whether a slowdown of the slack would pass as what is stored."""
    measured = promise.get("measured", {}).get(VERSION)
    return measured is not None and statistics.median(ratios) * (1 + slack) < measured


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


def compare_names(folder: Path, measured: set[str], budgeted: set[str]) -> None:
    """Refuse to go on when a promise stands in one of the two files only."""
    if without_budget := sorted(measured - budgeted):
        raise SystemExit(
            f"{folder / 'budget.toml'}: give {', '.join(without_budget)} a table each, "
            f"[promises.{without_budget[0]}] with `says` and `at_most`; --write measures it"
        )
    if without_work := sorted(budgeted - measured):
        raise SystemExit(
            f"{folder / 'promises.py'} has no work for {', '.join(without_work)}: "
            "add it, or remove the table from budget.toml"
        )


def write(folder: Path) -> bool:
    """Store what is measured now; return whether all of it may be stored.

    Comments and everything else in the file stay.
    """
    path = folder / "budget.toml"
    text = path.read_text(encoding="utf-8")
    promises = tomllib.loads(text)["promises"]
    found: Samples = {}
    sample(folder, MANY, LONG, found)
    compare_names(folder, set(found), set(promises))
    too_much = 0
    for name, ratios in found.items():
        ratio = float(f"{statistics.median(ratios):.3g}")
        spread = f"processes differ by {max(ratios) / min(ratios) - 1:.0%}"
        at_most = float(promises[name]["at_most"])
        if ratio > at_most:
            too_much += 1
            print(f"  {name:24} {ratio:8} is more than at_most = {at_most:g} and not stored")
            continue
        before = promises[name].get("measured", {})
        text = with_measured(text, name, {**before, VERSION: ratio})
        was = f", was {before[VERSION]}" if VERSION in before else ""
        print(f"  {name:24} {ratio:8} (at most {at_most:g}{was}; {spread})")
    path.write_text(text, encoding="utf-8")
    return not too_much


def with_measured(text: str, name: str, measured: dict[str, float]) -> str:
    """Return the budget with the figures of one promise, in place or below its `at_most`."""
    versions = ", ".join(f'"{version}" = {ratio}' for version, ratio in sorted(measured.items()))
    table = re.compile(rf'^\[promises\."?{re.escape(name)}"?\]\n(?:(?!\[).*\n?)*', re.MULTILINE)
    found = table.search(text)
    assert found is not None
    lines = [part for part in found[0].splitlines() if not part.startswith("measured = ")]
    place = next(n for n, part in enumerate(lines, 1) if part.startswith("at_most = "))
    lines.insert(place, f"measured = {{ {versions} }}")
    return text[: found.start()] + "\n".join(lines) + "\n" + text[found.end() :]


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
        if not write(folder):
            raise SystemExit(OVER.format(folder.parent.name))
    elif not check(folder):
        raise SystemExit(SLOWER.format(folder.parent.name, folder.parent.name.removeprefix(PREFIX)))


if __name__ == "__main__":
    main()
