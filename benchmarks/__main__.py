"""Run benchmarks: each part in a process of its own, on each backend that it is about, then the tables.

python -m benchmarks                        all of them (hours: training alone takes about one)
python -m benchmarks steps reads            some
python -m benchmarks --backend jax steps    on some backends
python -m benchmarks --quick                whether they run; the figures mean nothing and are not kept
python -m benchmarks --tables               the tables anew, from the files of results
python -m benchmarks.accelerator            six minutes on a GPU
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import report

BACKENDS = ("tensorflow", "jax", "torch")
PARTS: dict[str, tuple[str, ...]] = {
    "steps": BACKENDS,
    "counts": BACKENDS,
    "instructions": BACKENDS,
    "waits": BACKENDS,
    "scheduled_step": BACKENDS,
    "groups": BACKENDS,
    "batch_normalization": BACKENDS,
    "fine_tuning": ("torch",),
    "reads": BACKENDS,
    "preview": ("jax",),
    "logger": ("jax",),
    "log_memory": ("torch",),
    "importing": ("jax",),
    "precision": BACKENDS,
    "growth": BACKENDS,
    "scale": BACKENDS,
    "processes": ("jax", "torch"),
    "many_trainings": ("torch",),
    "range_test": BACKENDS,
    "forecast": ("jax",),
    "training": ("jax",),
    "training_further": ("jax",),
}
"""The parts, and the backends on which each is run; what does not depend on it has one."""


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--backend", action="append", choices=BACKENDS, help="only these, for the parts that are about them"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps of everything")
    parser.add_argument("--tables", action="store_true", help="only write the tables")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    failed = []
    for part in [] if arguments.tables else arguments.parts or list(PARTS):
        for backend in PARTS[part]:
            if arguments.backend and backend not in arguments.backend:
                continue
            print(f"\n=== {part}, {backend}", flush=True)
            call = f"from benchmarks import {part}; {part}.main(quick={arguments.quick})"
            code = f"if __name__ == '__main__':\n    {call}"
            environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=Path(__file__).parents[1], env=environment, check=False
            )
            if done.returncode:
                failed.append(f"{part} on {backend}")
    if not arguments.quick:
        report.write()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
