"""Fuzz the files of logs and backups: damage them at random, and continue with them. This does not need atheris.

    python tests/fuzz/fuzz_files.py logs --seconds 600
    python tests/fuzz/fuzz_files.py backups --seconds 600 --seed 7
    python tests/fuzz/fuzz_files.py logs --only 0-1234

Each try has a name, SEED-NUMBER, and `--only` repeats one. The program prints each kind of finding once, and counts
the outcomes.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import damage


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["logs", "backups"])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="SEED-NUMBER", help="repeat one try")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        check = damage.Backups(folder).check if chosen.what == "backups" else None
        done: Counter[str] = Counter()
        findings: Counter[str] = Counter()
        end, number = time.monotonic() + chosen.seconds, 0
        while time.monotonic() < end and (number == 0 or not chosen.only):
            name = chosen.only or f"{chosen.seed}-{number}"
            numbers = random.Random(name)
            number += 1
            try:
                done[check(numbers) if check else damage.check_log(numbers, folder)] += 1
            except Exception as error:
                frame = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
                findings[kind] += 1
                if findings[kind] == 1:
                    print(f"--- {name}: {kind}", *traceback.format_exception(error)[-4:], sep="\n", flush=True)
    print(f"{number:,} tries: {dict(done)}; findings: {dict(findings) or 'none'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
