"""Compares the mutants that live with tests/survivors.md, where each has a reason.

python .ci/survivors.py FOLDER            after `.ci/mutants FOLDER`: exit code 1 if one of them has none
python .ci/survivors.py FOLDER --write    writes the file anew: without those that are dead, the new ones at its end
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation import diff_apply

FILE = Path(__file__).parents[1] / "tests" / "survivors.md"
HEAD = """# Mutants that live

Changes of the code after which no test on torch fails, from `.ci/mutants`, and why: function, line, changed line.
`.ci/survivors.py` compares this file with the mutants that live.
"""
UNKNOWN = "Not looked into"


class Mutant(NamedTuple):
    """Where a mutant is, and what it changes."""

    function: str
    before: str
    after: str


def codes(folder: Path) -> dict[str, int | None]:
    """What the tests of each mutant ended with: 0 if none failed, None if they have not run."""
    found: dict[str, int | None] = {}
    for file in sorted(folder.glob("mutants/keras_lr/**/*.meta")):
        found |= json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def described(name: str) -> Mutant:
    """A mutant, by mutmut's name for it; the working directory is the folder of the mutants."""
    lines = diff_apply.get_diff_for_mutant(name).splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]

    def of(sign: str) -> str:
        return " ".join(line[1:].strip() for line in changed if line[0] == sign) or "(nothing)"

    function = re.sub(r"__mutmut_\d+$", "", name).removeprefix("keras_lr.")
    return Mutant(function.replace("xǁ", "").replace("ǁ", ".").replace(".x_", "."), of("-"), of("+"))


def read() -> dict[str, list[Mutant]]:
    """The mutants in the file, by reason."""
    found: dict[str, list[Mutant]] = {}
    texts: list[str] = []
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (.*) \(\d+\)", line):
            found[heading[1]] = []
        elif item := re.fullmatch(r" *- (`(.*)`|.*)", line):
            texts.append(item[1] if item[2] is None else item[2])
            if len(texts) == 3:
                found[list(found)[-1]].append(Mutant(*texts))
                texts = []
    return found


def write(groups: dict[str, list[Mutant]]) -> None:
    """The file, reasons with the most mutants first."""
    lines = [HEAD]
    for reason, mutants in sorted(groups.items(), key=lambda group: (group[0] == UNKNOWN, -len(group[1]), group[0])):
        lines.append(f"## {reason} ({len(mutants)})\n")
        lines += [f"- {mutant.function}\n  - `{mutant.before}`\n  - `{mutant.after}`" for mutant in sorted(mutants)]
        lines.append("")
    FILE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    ended = codes(options.folder)
    with contextlib.chdir(options.folder):
        alive = Counter(described(name) for name, code in ended.items() if code == 0)
    groups: dict[str, list[Mutant]] = {}
    left = alive.copy()
    for reason, mutants in read().items():
        for mutant in mutants:
            if left[mutant] > 0 and reason != UNKNOWN:
                left[mutant] -= 1
                groups.setdefault(reason, []).append(mutant)
    new = sorted(left.elements())
    known = sum(map(len, groups.values()))
    missing = sum(code is None for code in ended.values())
    killed = len(ended) - missing - alive.total()
    print(f"{len(ended)} mutants: {killed} killed, {alive.total()} alive, {missing} not run; {known} have a reason")
    for mutant in new:
        print(f"{mutant.function}\n  {mutant.before}\n  {mutant.after}")
    if options.write:
        if new:
            groups.setdefault(UNKNOWN, []).extend(new)
        write(groups)
    return int(bool(new))


if __name__ == "__main__":
    sys.exit(main())
