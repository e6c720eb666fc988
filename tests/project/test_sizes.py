"""No file, class or function is too long, because a long one contains more than one idea."""

import ast
from pathlib import Path

import pytest

import keras_lr

pytestmark = pytest.mark.once

PACKAGE = Path(keras_lr.__file__).parent

# Operators and the classes that they make cannot be separated without imports inside functions.
LONG_FILES = {"core/algebra.py"}


def is_function(node):
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def lines(node):
    """The lines of a definition, without the docstring of a function."""
    docstring = ast.get_docstring(node, clean=False) if is_function(node) else None
    return node.end_lineno - node.lineno + 1 - (docstring.count("\n") + 1 if docstring else 0)


def too_long(text, name):
    if text.count("\n") > 350 and name not in LONG_FILES:
        yield f"{name}: {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        limit = 250 if isinstance(node, ast.ClassDef) else 40 if is_function(node) else None
        if limit is not None and lines(node) > limit:
            yield f"{name}: {node.name} has {lines(node)} lines"


def test_files_classes_and_functions_are_short():
    files = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [line for name, text in sorted(files.items()) for line in too_long(text, name)] == []


def test_long_code_is_found():
    body = "    x = 1\n" * 40
    assert list(too_long(f"def f():\n{body}", "a.py")) == ["a.py: f has 41 lines"]
    assert list(too_long(f'def f():\n    """One line."""\n{body[10:]}', "a.py")) == []
    assert list(too_long("x = 1\n" * 351, "a.py")) == ["a.py: 351 lines"]
