"""The gallery: every schedule with its curves, formula, source, arguments, and its like in other frameworks.

Curves are those of the rows in tests/support/catalogue.py, texts those of the docstrings: a schedule that is added
appears by itself.
"""

from __future__ import annotations

import html
import inspect
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import docstrings
import drawing
import frameworks  # puts tests/ on the path
import reference
from support.catalogue import ROWS, Row

import keras_lr
from keras_lr.core.frozen import declared_arguments
from keras_lr.tools import parsing

sys.path.append(str(Path(__file__).parents[1]))

import playground_spec

SVGS: dict[str, str] = {}
"""Marks in the Markdown → curves; `hooks.py` puts them into the finished page."""

HEROES = {
    "GALLERY": keras_lr.CosineDecayRestarts(0.1, 150, m_mul=0.8),
    "PLAYGROUND": keras_lr.Warmup(keras_lr.CosineDecay(0.1, 900), 100),
}
"""Curves of the landing page."""


def pages() -> dict[str, str]:
    """Path → Markdown of each page of the gallery."""
    for name, schedule in HEROES.items():
        SVGS[f"KLR-CURVE-HERO-{name}-"] = drawing.curve(schedule, 1000)
    found = {"gallery/index.md": index()}
    for group in reference.FAMILIES:
        sections = "\n\n".join(section(name) for name in family(group))
        found[f"gallery/{group.page}.md"] = f"# {group.title}\n\n{group.about}\n\n{sections}\n"
    return found


def family(group: reference.Group) -> list[str]:
    return [name for name in reference.members(group) if name in parsing.classes()]


def index() -> str:
    """All schedules at a glance."""
    parts = [
        "# Gallery\n\nEvery schedule of the package. Curves are drawn from the rows with which the tests check the "
        "formulas (`tests/support/catalogue.py`), texts are those of the docstrings. A step is one batch, and the "
        "first update has the rate of step 0."
    ]
    for group in reference.FAMILIES:
        if group.page == "installed":
            parts.append(f"## {group.title}\n\n[{group.about}]({group.page}.md)")
            continue
        cards = "\n".join(_card(group, name) for name in family(group))
        parts.append(f'## {group.title}\n\n{group.about}\n\n<div class="klr-cards" markdown>\n{cards}\n</div>')
    return "\n\n".join(parts) + "\n"


def _card(group: reference.Group, name: str) -> str:
    text = docstrings.linked(reference.summary(parsing.classes()[name]), name)
    link = f"[{name}]({group.page}.md#{name.lower()})"
    return f'<div class="klr-card" markdown>\n\n{mark(rows(name)[0])}\n\n**{link}**\n\n{text}\n\n</div>'


def rows(name: str) -> list[Row]:
    """The catalogue's rows of a schedule.

    Raises:
        LookupError: it has none.
    """
    found = [row for row in ROWS if type(row.schedule).__name__ == name]
    if not found:
        raise LookupError(f"{name} has no row in tests/support/catalogue.py, from which its curve would be drawn")
    return found


def section(name: str) -> str:
    """One schedule."""
    schedule_class = parsing.classes()[name]
    panels = "\n".join(
        f'<div class="klr-panel" markdown>\n\n{mark(row)}\n\n```python\n{row.schedule!r}\n```\n\n</div>'
        for row in rows(name)
    )
    return "\n\n".join(
        [
            f"## {name}",
            docstrings.linked(reference.summary(schedule_class), name),
            f'<div class="klr-panels" markdown>\n{panels}\n</div>',
            *text(schedule_class),
            f"Source: {source(schedule_class)}.",
            arguments(schedule_class),
            elsewhere(name),
            in_playground(rows(name)[0]),
            f"[API reference][keras_lr.{name}]",
        ]
    )


def in_playground(row: Row) -> str:
    """A link to the playground with the arguments of a row, if its schedule is there."""
    schedule, name = row.schedule, type(row.schedule).__name__
    if name not in playground_spec.on_the_page():
        return ""
    given = schedule.arguments()
    fields = [key for key in given if (name, key) not in playground_spec.NO_FIELD and key != "name"]
    texts = {f"a.{key}": playground_spec.text_of(given[key]) for key in fields}
    address = urlencode({"a": name, **texts, "shown": max(last_step(row), 10)})
    return f'<a href="../playground.html#{html.escape(address)}">Open it in the playground</a>'


def mark(row: Row) -> str:
    """A place in the page for the curve of a row."""
    key = f"KLR-CURVE-{row.id}-"
    SVGS[key] = drawing.curve(row.schedule, last_step(row))
    return key


def last_step(row: Row) -> int:
    """To the end and somewhat further; without an end, beyond the points that the tests look at."""
    end = row.schedule.duration
    if end is not None:
        return round(1.15 * end) + 1
    changes = row.schedule.changes()
    if len(changes) > 1:
        return round(1.4 * max(changes)) + 1
    return 3 * max(row.points)


def text(schedule_class: type[keras_lr.Schedule]) -> Iterable[str]:
    """Formula and explanation: the docstring without its first sentence and its sections."""
    for part in docstrings.paragraphs(schedule_class.__doc__ or "")[1:]:
        if re.match(rf"({'|'.join(docstrings.SECTIONS)}):", part):
            return
        formula = docstrings.is_formula(part)
        yield docstrings.as_block(part) if formula else docstrings.linked(part, schedule_class.__name__)


def source(schedule_class: type[keras_lr.Schedule]) -> str:
    """The papers that the docstring names, or the framework whose meaning it has."""
    told = " ".join((schedule_class.__doc__ or "").split("Args:")[0].split())
    papers = [docstrings.linked(f"arXiv {number}") for number in re.findall(r"arXiv (\d{4}\.\d{5})", told)]
    theirs = re.findall(r"\b(Keras|torch|optax|timm|fastai)(?:'s\b|\b)", told)
    if papers:
        return ", ".join(papers)
    return f"no paper; the meaning is that of {' and '.join(dict.fromkeys(theirs))}" if theirs else "no paper"


def arguments(schedule_class: type[keras_lr.Schedule]) -> str:
    """A table of the arguments: what they may be, and what they mean."""
    meanings = playground_spec.argument_texts(schedule_class)
    rows = ["| argument | default | what | must be |", "| --- | --- | --- | --- |"]
    for name, parameter in schedule_class._signature.parameters.items():
        default = "" if parameter.default is inspect.Parameter.empty else f"`{parameter.default!r}`"
        meaning = docstrings.linked(meanings[name], schedule_class.__name__)
        rows.append(f"| `{name}` | {default} | {meaning} | {declared_arguments(schedule_class)[name].kind.allowed} |")
    return "\n".join(rows)


def elsewhere(name: str) -> str:
    """A table of the same schedule in other frameworks."""
    found = frameworks.same(name)
    rows = ["| framework | the same there | which is |", "| --- | --- | --- |"]
    rows.extend(f"| {framework} | {same.theirs} | {same.ours} |" for framework in found for same in found[framework])
    without = [framework for framework in found if not found[framework]]
    if without:
        rows.append(f"| {', '.join(without)} | none | |")
    return "\n".join(rows)
