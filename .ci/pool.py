"""Runs commands side by side, as many at once as there are cores, the longest first.

    python .ci/pool.py FOLDER [PART=SECONDS …]

writes the output of each into FOLDER, and a table of times at the end, with the parts that ran before.

Each job is a line of `JOBS`. What it took the last time stands beside it: it decides the order, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PYTHON = str(ROOT / ".venv-all/bin/python")
LIGHT = str(ROOT / ".venv/bin/python")
"""Of the README's environment, which has torch alone: there a new process imports no TensorFlow in its first `fit`."""

AT_ONCE = os.cpu_count() or 1


class Job(NamedTuple):
    """A command of its own process."""

    name: str
    seconds: int
    arguments: list[str]
    backend: str = "jax"


def pytest(name: str, seconds: int, backend: str, *arguments: str, python: str = PYTHON) -> Job:
    """A part of the suite."""
    return Job(name, seconds, [python, "-m", "pytest", "-q", *arguments], backend)


HERE = "not site and not elsewhere"
DEPENDS = f"not once and not wide and {HERE}"
"""The tests whose result depends on the backend, without what CI leaves to another backend."""

PARTS = ("steps", "counts", "scheduled_step", "reads", "preview", "logger", "importing", "precision", "range_test")
"""Benchmarks whose quick pass takes a minute at most; `python -m benchmarks --quick` runs all, before a release."""

JOBS = [
    # What is left out here runs on another backend, and in `.ci/nightly` on all: see docs/contributing.md.
    pytest("TensorFlow: laws", 76, "tensorflow", "-m", DEPENDS, "tests/laws"),
    pytest("TensorFlow: all but laws", 503, "tensorflow", "-m", DEPENDS, "--ignore", "tests/laws"),
    pytest("JAX: what depends on the backend", 242, "jax", "-m", DEPENDS),
    # The README's command has run the other tests on torch, without the optional libraries.
    pytest("torch: slow", 214, "torch", "-m", f"slow and not needs and {HERE}", python=LIGHT),
    pytest("torch: with a library", 152, "torch", "-m", f"needs and {HERE}"),
    pytest("the site in a browser", 174, "jax", "-m", "site"),
    Job("benchmarks, a few steps of some", 69, [PYTHON, "-m", "benchmarks", "--quick", "--backend", "jax", *PARTS]),
    Job("the oldest versions, a few tests", 25, [PYTHON, ".ci/versions", "quick"]),
    Job("types", 13, [PYTHON, "-m", "mypy"]),
    Job("style", 1, [PYTHON, "-m", "ruff", "check", "."]),
    Job("format", 1, [PYTHON, "-m", "ruff", "format", "--check", "."]),
]


class Result(NamedTuple):
    """What a job took, and whether it passed."""

    name: str
    seconds: float
    processor: float
    """Seconds of all processors together. Those of processes for which nobody waits are not counted."""
    passed: bool


class Pool:
    """Takes jobs from a list until it is empty."""

    def __init__(self, jobs: list[Job], folder: Path) -> None:
        self._waiting = sorted(jobs, key=lambda job: -job.seconds)
        self._folder = folder
        self._lock = threading.Lock()
        self.results: list[Result] = []

    def run(self) -> None:
        """Run jobs one after another; one of these runs for each core."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
                job = self._waiting.pop(0)
            self._finish(*self._start(job))

    def _start(self, job: Job) -> tuple[Result, Path]:
        path = self._folder / f"{job.name.replace(' ', '-').replace(':', '')}.txt"
        begun = time.monotonic()
        with path.open("wb") as output:
            complete = {} if job.arguments[0] == LIGHT else {"KERAS_LR_COMPLETE": "1"}
            environment = os.environ | {"KERAS_BACKEND": job.backend} | complete
            process = subprocess.Popen(
                job.arguments, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        return Result(job.name, seconds, usage.ru_utime + usage.ru_stime, process.returncode == 0), path

    def _finish(self, result: Result, path: Path) -> None:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        with self._lock:
            self.results.append(result)
            verdict = "passed" if result.passed else "FAILED"
            print(f"\n=== {result.name}: {verdict} ({result.seconds:.0f} s, {result.processor:.0f} s of a processor)")
            print("\n".join(lines[-3:] if result.passed else lines[-200:]), flush=True)


def main() -> int:
    """Run all jobs; 1 if one of them failed."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    pool = Pool(JOBS, folder)
    threads = [threading.Thread(target=pool.run) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = [[*part.rsplit("=", 1), ""] for part in sys.argv[2:]]
    longest_first = sorted(pool.results, key=lambda result: -result.seconds)
    after = [[result.name, f"{result.seconds:.0f}", f"{result.processor:.0f}"] for result in longest_first]
    print("\n| part | seconds | of a processor |\n| --- | --- | --- |")
    for row in [*before, *after]:
        print(f"| {' | '.join(row)} |")
    return 0 if all(result.passed for result in pool.results) else 1


if __name__ == "__main__":
    sys.exit(main())
