"""The interpreted actor block against the compiled one: the same benchmark, the two by turns.

    python bench/_compare_builds.py INTERPRETED COMPILED [ROUNDS]

Both arguments are Python interpreters, each of an environment with one of the two wheels. Prints
medians over the rounds and their ratios. Nothing else should run meanwhile.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

SCRIPTS = ("python_actors.py", "component_actors.py")


def figures(python: str) -> dict[str, float]:
    """Nanoseconds of everything that the benchmarks measure of ours, in a process of its own."""
    found: dict[str, float] = {}
    for script in SCRIPTS:
        path = Path(__file__).parent / script
        run = subprocess.run(
            [python, str(path), "--figures"], check=True, capture_output=True, text=True
        )
        found |= json.loads(run.stdout)
    return found


def main() -> None:
    interpreted, compiled, *rounds = sys.argv[1:]
    pairs = [
        (figures(interpreted), figures(compiled)) for _ in range(int(rounds[0]) if rounds else 7)
    ]
    print(f"{'':20} interpreted    compiled   ratio (medians of {len(pairs)} rounds)")
    for name in pairs[0][0]:
        ours, theirs = (statistics.median(pair[side][name] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(pair[0][name] / pair[1][name] for pair in pairs)
        print(f"{name:20} {ours:8,.0f} ns {theirs:8,.0f} ns {ratio:7.2f}")


if __name__ == "__main__":
    main()
