"""Every block of Python in the README and the docs, and every example in a docstring, runs unchanged."""

import doctest
import importlib
import pkgutil
import re
import sys
import textwrap
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from support.public import PUBLIC

import keras_lr as klr

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    (path.relative_to(ROOT).as_posix(), number, textwrap.dedent(block))
    for path in PAGES
    for number, block in enumerate(
        re.findall(r"^ *```python\n(.*?)^ *```$", path.read_text(), re.DOTALL | re.MULTILINE)
    )
]
GENERATED = ("gallery/", "reference/", "examples.md", "changelog.md")
"""docs/builder/hooks.py makes these pages, and test_site.py follows the links to them."""


# A short example need not last as long as its schedule.
@pytest.mark.filterwarnings("ignore::keras_lr.ScheduleWarning")
@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{number}" for page, number, _ in BLOCKS])
def test_block(tmp_path, monkeypatch, page, number, block):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"docs_{number}")  # a class in a block belongs to a module, as it would in a script
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(block, f"{page}, block {number}", "exec"), vars(module))


def test_every_block_is_found():
    """Blocks that are indented or whose language is spelled otherwise are found too."""
    fences = sum(len(re.findall(r"^\s*(?:```|~~~)\s*py", path.read_text(), re.MULTILINE)) for path in PAGES)
    assert len(BLOCKS) == fences > 5


def test_links_lead_somewhere():
    for path in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists() or target.startswith(GENERATED), (path, target)


SPECIAL = ("keras_lr.__main__", "keras_lr.curves", "keras_lr.fields")
"""The module that runs the command, and former names, which warn."""

MODULES = [m.name for m in pkgutil.walk_packages(klr.__path__, "keras_lr.") if m.name not in SPECIAL]

EXAMPLES = [
    (example.name, example)
    for module in [klr, *map(importlib.import_module, MODULES)]
    for example in doctest.DocTestFinder(exclude_empty=True).find(
        module, extraglobs=PUBLIC | {"keras": keras, "np": np}
    )
    if example.examples
]


@pytest.mark.parametrize("example", [example for _, example in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_docstring(example):
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_example_of_a_docstring_is_found():
    """A doctest that is not found would never run."""
    prompts = sum(
        len(re.findall(r"^\s*>>> ", path.read_text(), re.MULTILINE)) for path in (ROOT / "keras_lr").rglob("*.py")
    )
    assert sum(len(example.examples) for _, example in EXAMPLES) == prompts
