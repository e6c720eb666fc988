"""Optional libraries of tests. Without its library, a test is skipped with the reason.

With `KERAS_LR_COMPLETE=1`, as in `.ci/run`, a missing library is an error.
"""

import importlib.util
import os
import shutil
import traceback
from pathlib import Path

import keras
import pytest

from keras_lr.core.keras_versions import VERSION

TESTS = Path(__file__).parents[1]

COMPLETE = os.environ.get("KERAS_LR_COMPLETE") == "1"
INSTALL = "pip install -e '.[test-all]'"
BY_HAND = ("keras_hub",)
"""Libraries that are not even in `test-all`. The module of the test explains how to install them."""


def _is_there(name):
    return importlib.util.find_spec(name.partition(".")[0]) is not None


def needs(*names):
    """A mark for a test or, as `pytestmark`, for a module, which needs all these libraries."""
    return pytest.mark.needs(*names)


def skip_where_missing(item):
    """Skip a test that has the mark, if one of its libraries is missing."""
    names = [name for mark in item.iter_markers("needs") for name in mark.args]
    missing = [name for name in names if not _is_there(name)]
    required = [name for name in missing if name not in BY_HAND]
    if required and COMPLETE:
        raise ImportError(f"missing with KERAS_LR_COMPLETE=1: {', '.join(required)}")
    if missing:
        how = INSTALL if required else "see its docstring"
        item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}: {how}"))


def library(name):
    """An optional library, for a module that cannot be imported without it. Use it together with `needs`."""
    if COMPLETE or _is_there(name):
        return importlib.import_module(name)
    return pytest.skip(f"needs {name}: {INSTALL}", allow_module_level=True)


def program(name):
    """The path of a program. Without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        if COMPLETE:
            raise FileNotFoundError(f"missing with KERAS_LR_COMPLETE=1: {name}")
        pytest.skip(f"needs the program {name}")
    return path


SINCE = {"Muon": (3, 10), "MultiOptimizer": (3, 15), "OptimizerMap": (3, 15)}
"""The version of Keras that introduced an optimizer."""


def skip_where_keras_is_older(error):
    """Skip a test that makes an optimizer which this version of Keras does not have.

    If the package itself needs it, the test fails.
    """
    if not isinstance(error, AttributeError) or error.obj is not keras.optimizers:
        return
    since, last = SINCE.get(error.name), traceback.extract_tb(error.__traceback__)[-1]
    if since is not None and since > VERSION and Path(last.filename).is_relative_to(TESTS):
        pytest.skip(f"keras.optimizers.{error.name} came with Keras {since[0]}.{since[1]}")
