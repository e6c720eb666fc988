"""Every block of Python in the README and the docs runs as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = [
    (path.relative_to(ROOT).as_posix(), number, block)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
]


# A short example need not last as long as its schedule.
@pytest.mark.filterwarnings("ignore::keras_lr.ScheduleWarning")
@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_block(tmp_path, monkeypatch, page, number, block):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, f"{page}, block {number}", "exec"), {"__name__": "docs"})


def test_there_are_blocks_and_their_links_lead_somewhere():
    assert len(BLOCKS) >= 3
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), (path, target)
