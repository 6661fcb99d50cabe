"""How long the command takes to start, as a multiple of starting Python.

    python packages/airswasm-cli/bench/startup.py

Ratios, because a busy machine slows both. The median of several runs each.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 9


def seconds(*arguments: str) -> float:
    """The median time of a process."""
    took = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def main() -> None:
    """Measures and prints."""
    base = seconds("-c", "pass")
    print(f"python -c pass            {base * 1000:6.0f} ms      1.0")
    for arguments in (("--help",), ("--version",), ("list", "--help"), ("explain", "312")):
        took = seconds("-m", "airswasm.cli", *arguments)
        print(f"airswasm {' '.join(arguments):<16} {took * 1000:6.0f} ms  {took / base:7.1f}")


if __name__ == "__main__":
    main()
