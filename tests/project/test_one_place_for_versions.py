"""Differences between versions of Keras are handled in `keras_lr/core/keras_versions.py`, and nowhere else."""

import ast
import importlib
from pathlib import Path

import keras
import pytest

import keras_lr

PACKAGE = Path(keras_lr.__file__).parent
PLACE = PACKAGE / "core" / "keras_versions.py"
TREES = {
    str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
    for path in PACKAGE.rglob("*.py")
    if path != PLACE
}
LATER = {"MultiOptimizer", "OptimizerMap", "Muon", "RMSNormalization", "_record_training_state_sharding_spec"}
"""Classes and methods that Keras 3.5 does not have, or that a later version does not."""


def dotted(node):
    """The dotted name in an expression, for example "keras.optimizers.SGD", or None for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)) is not None:
        return f"{owner}.{node.attr}"
    return None


def of_keras(node):
    name = dotted(node)
    return name is not None and name.split(".")[0] == "keras"


def calls(tree, *functions):
    """The arguments of each call of these functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (dotted(node.func) or "").split(".")[-1] in functions:
            yield node.args


def constants(nodes):
    return [node.value for node in nodes if isinstance(node, ast.Constant)]


def reads_the_version(tree):
    named = any(dotted(node) == "keras.__version__" for node in ast.walk(tree))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "keras_lr.core.keras_versions"
        for alias in node.names
    }
    return named or bool(imported & {"VERSION", "version_of"}) or ["keras"] in map(constants, calls(tree, "version"))


def asks_whether_keras_has_it(tree):
    """It uses `hasattr`, or `getattr` with a default."""
    found = [*calls(tree, "hasattr"), *(given for given in calls(tree, "getattr") if len(given) == 3)]
    return any(of_keras(given[0]) for given in found)


def names_what_came_later(tree):
    return any(isinstance(node, ast.Attribute) and node.attr in LATER for node in ast.walk(tree))


def seeds_by_keras_itself(tree):
    """Before 3.13, `keras.utils.set_random_seed` does not reset the generator for operations without a seed."""
    return any(dotted(node) == "keras.utils.set_random_seed" for node in ast.walk(tree))


def asks_for_variables_of_keras(tree):
    """Before 3.7, `isinstance(it, keras.Variable)` is false for the variables of optimizers."""
    kinds = [kind for given in calls(tree, "isinstance") for kind in ast.walk(given[1])]
    return any(dotted(kind) == "keras.Variable" for kind in kinds)


FORBIDDEN = {
    reads_the_version: "keras.__version__ >= '3.9'",
    asks_whether_keras_has_it: "hasattr(keras.optimizers, 'Muon')",
    names_what_came_later: "keras.optimizers.MultiOptimizer",
    seeds_by_keras_itself: "keras.utils.set_random_seed(1)",
    asks_for_variables_of_keras: "isinstance(it, (int, keras.Variable))",
}


@pytest.mark.once
@pytest.mark.parametrize("forbidden", FORBIDDEN, ids=lambda check: check.__name__)
def test_only_one_module_depends_on_the_version(forbidden):
    assert forbidden(ast.parse(FORBIDDEN[forbidden]))
    assert [name for name, tree in TREES.items() if forbidden(tree)] == []


def names(tree):
    """The names of Keras that a module uses or imports, each in full."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner and of_keras(node):
            yield dotted(node)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def exists(name):
    found = keras
    path = ["keras"]
    for part in name.split(".")[1:]:
        path.append(part)
        if not hasattr(found, part):
            try:
                importlib.import_module(".".join(path))
            except ImportError:
                return False
        found = getattr(found, part)
    return True


def test_this_version_has_all_names_that_the_package_uses():
    """`.ci/versions` runs this test with the oldest and the newest version."""
    found = {(file, name) for file, tree in TREES.items() for name in names(tree)}
    assert len(found) > 100
    assert not exists("keras.optimizers.NoSuchOptimizer")
    assert [(file, name) for file, name in sorted(found) if not exists(name)] == []
