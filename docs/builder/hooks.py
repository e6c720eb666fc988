"""What MkDocs adds to the pages in docs/: gallery, API reference, examples, changelog, and the list of modules."""

from __future__ import annotations

import itertools
import json
import os
import re
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Keras takes TensorFlow, also where another backend is the only one.
os.environ.setdefault("KERAS_BACKEND", next(filter(find_spec, ("jax", "torch", "tensorflow")), "tensorflow"))

import docstrings
import gallery
import layout
import reference
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
GENERATED = {"GALLERY": ("gallery", reference.FAMILIES), "REFERENCE": ("reference", reference.GROUPS)}
LAYOUT = "design/layout.md"
PAIRS = "migrating.md"
FIRST_EXAMPLES = (
    "first_steps",
    "epochs_and_fractions",
    "plateau_over_warmup",
    "resume_after_a_kill",
    "range_test",
    "custom_schedule",
    "one_cycle_with_momentum",
)
"""What one learns first; the others follow by their names."""

LONG = 20
"""Characters of code from which a narrow column would break it within words."""


def on_config(config: Any) -> None:
    """Fill in the parts of the navigation that the code decides."""
    config.nav = [_filled(entry) for entry in config.nav]


def on_files(files: Any, config: Any) -> None:
    generated = gallery.pages() | reference.pages() | {"changelog.md": _changelog(), "examples.md": _examples()}
    for path, text in generated.items():
        files.append(File.generated(config, path, content=text))


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Public names in backticks lead to the reference, also from pages by hand; not in code, headings and tables."""
    if page.file.generated_by:
        return markdown
    if page.file.src_uri == LAYOUT:
        markdown = layout.filled(markdown)
    blocks = re.split(r"(^ *```.*?^ *```$|^#+ [^\n]*$|^\|[^\n]*$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(block if index % 2 else docstrings.linked(block) for index, block in enumerate(blocks))


def on_page_content(html: str, page: Any, **kwargs: Any) -> str:
    """Put the curves in their places; the pairs of lines of the migration page stand one under the other."""
    if page.file.src_uri == PAIRS:
        html = f'<div class="klr-pairs">{html}</div>'
    else:
        html = re.sub("<table>.*?</table>", lambda table: _with_heads(table[0]), html, flags=re.DOTALL)
    return re.sub(r"<p>(KLR-CURVE-.*?-)</p>", lambda place: f"<figure>{gallery.SVGS[place[1]]}</figure>", html)


def _with_heads(table: str) -> str:
    """A table with lines of code, whose cells know the heads of their columns: extra.css shows them on a phone."""
    if not any(len(unescape(code)) >= LONG for code in re.findall("<code>(.*?)</code>", table)):
        return table
    heads = re.findall("<th[^>]*>(.*?)</th>", table)
    columns = itertools.cycle(escape(re.sub("<.*?>", "", head)) for head in heads)
    return re.sub("<td", lambda _: f'<td data-head="{next(columns)}"', table)


def _filled(entry: dict[str, Any]) -> dict[str, Any]:
    title, content = next(iter(entry.items()))
    if isinstance(content, str) and content in GENERATED:
        folder, groups = GENERATED[content]
        return {title: [f"{folder}/index.md", *({group.title: f"{folder}/{group.page}.md"} for group in groups)]}
    return entry


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()


def _examples() -> str:
    """Every script in examples/, under the first line of its docstring, and the notebook."""
    parts = ["# Examples", "The scripts are in `examples/`. The tests run each on every backend that it supports."]
    parts += [_notebook(path) for path in sorted((ROOT / "examples").glob("*.ipynb"))]
    scripts = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
    for path in [scripts.pop(name) for name in FIRST_EXAMPLES] + list(scripts.values()):
        code = path.read_text()
        told = re.match(r'"""(.*?)"""\n+', code, re.DOTALL)
        assert told, path
        lines = " ".join(told[1].split())
        parts.append(f"## {path.name}\n\n{docstrings.linked(lines)}\n\n```python\n{code[told.end() :].rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _notebook(path: Path) -> str:
    """The cells of a notebook, with what they print and draw."""
    parts = [f"## {path.name}"]
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(docstrings.linked(re.sub(r"^#+ .*\n+", "", text)))
            continue
        parts.append(f"```python\n{text}\n```")
        for output in cell["outputs"]:
            if "text" in output:
                parts.append(f"```text\n{''.join(output['text']).rstrip()}\n```")
            if "text/html" in output.get("data", {}):
                parts.append("".join(output["data"]["text/html"]))
            if "image/png" in output.get("data", {}):
                picture = "".join(output["data"]["image/png"].split())
                parts.append(f"![The plot of the cell above](data:image/png;base64,{picture})")
    return "\n\n".join(parts)
