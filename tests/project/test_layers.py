"""Imports go only to lower layers of the package, also inside functions and for type checkers."""

import ast
from pathlib import Path

import pytest

import keras_lr

pytestmark = pytest.mark.once

PACKAGE = Path(keras_lr.__file__).parent
LAYERS = [
    "core",
    "schedules",
    "optimizers",
    "training",
    "callbacks",
    "tools",
    "tuning",
    "custom",
    "__init__",
    "command",
]
"""From the bottom to the top."""

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports(path):
    """The modules of the package that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "keras_lr")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras_lr":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


GRAPH = {name: sorted(set(imports(path)) - {name}) for name, path in MODULES.items()}


def layer(module):
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    return LAYERS.index({"__main__": "command", "curves": "custom", "fields": "custom"}.get(name, name))


def test_no_module_imports_from_a_higher_layer():
    wrong = [(a, b) for a, found in GRAPH.items() for b in found if layer(b) > layer(a)]
    assert wrong == []


def test_no_modules_import_one_another_in_a_circle():
    done, way = set(), []

    def visit(module):
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            way.append(module)
            for other in GRAPH[module]:
                visit(other)
            way.pop()
            done.add(module)

    for module in GRAPH:
        visit(module)
