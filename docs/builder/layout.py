"""The layers and modules of the package, from the syntax trees: a part of docs/design/layout.md."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "keras_lr"
GUARD = ROOT / "tests" / "project" / "test_layers.py"
MARK = "<!-- layout -->"


def filled(page: str) -> str:
    """The page with the layers in their place."""
    before, after = page.split(MARK)
    return before + text() + after


def text() -> str:
    """The order of the layers, and a table of modules for each."""
    layers = _layers()
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    parts = ["From the bottom to the top:", f"```text\n{' < '.join(layers)}\n```"]
    for layer in layers:
        inside = {path: tree for path, tree in trees.items() if _top(path) == layer}
        used = {_top_of_name(name) for tree in inside.values() for name in _imported(tree)} - {layer}
        below = ", ".join(f"`{name}`" for name in layers if name in used)
        parts += [f"### `{layer}`", f"Imports from: {below or 'no other layer'}.", _table(inside)]
    rest = {path: tree for path, tree in trees.items() if _top(path) not in layers}
    return "\n\n".join([*parts, "### Other modules", _table(rest)])


def _layers() -> list[str]:
    """The order that the test of the layers guards."""
    for node in ast.parse(GUARD.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["LAYERS"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise LookupError(f"{GUARD} has no list `LAYERS`")


def _top(path: Path) -> str:
    """The folder below the package that a file is in, or the name of a module beside these folders."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _top_of_name(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def _imported(tree: ast.Module) -> list[str]:
    """The modules of the package that a module imports, wherever in it, as far as their layer."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == PACKAGE.name:
            folders = [alias.name if _is_module(alias.name) else "" for alias in node.names]
            found += [f"{PACKAGE.name}.{name}".removesuffix(".") for name in folders]
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return [name for name in found if name.split(".")[0] == PACKAGE.name]


def _is_module(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


def _table(modules: dict[Path, ast.Module]) -> str:
    rows = [
        f"| `{path.relative_to(ROOT)}` | {(ast.get_docstring(tree) or '').splitlines()[0].replace('|', '&#124;')} |"
        for path, tree in modules.items()
    ]
    return "\n".join(["| module | what it contains |", "| --- | --- |", *rows])
