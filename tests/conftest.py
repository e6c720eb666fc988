"""Settings that every test needs before Keras is imported."""

import os
import shutil
import tempfile
import zlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

if "KERAS_BACKEND" not in os.environ:
    # Keras chooses TensorFlow by default, even if only another backend is installed.
    os.environ["KERAS_BACKEND"] = next(filter(find_spec, ("tensorflow", "jax", "torch")), "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Many tests compile the same small step, so JAX has a cache of compiled steps for one run and its workers.
# Before JAX 0.6 there is none: cached steps write into arrays of NumPy in 0.4.35, 0.4.38 and 0.5.3, but not in 0.6.2.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ and not (
    find_spec("jax") and version("jax").startswith(("0.4.", "0.5."))
):
    os.environ["JAX_COMPILATION_CACHE_DIR"] = os.environ["KERAS_LR_JAX_CACHE"] = tempfile.mkdtemp(prefix="jax-cache-")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# Processes that tests start can import `support`.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))

import keras
import pytest
from hypothesis import settings
from support import needs, site_checks
from support.generated import LONG

CACHE = os.environ.pop("KERAS_LR_JAX_CACHE", None)
"""The folder that this process made and deletes."""

# Each run has the same examples, so a failure is caused by the change. The long mode draws new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("drawn", deadline=None)
settings.load_profile("drawn" if LONG else "fixed")

LEFT_OUT = "left_out"


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(1234)


@pytest.fixture
def floatx():
    """A function that sets `floatx`, which is restored after the test."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium. Without it, the test is skipped. If CI is set, it fails."""
    programs = site_checks.chromium()
    if programs is None:
        pytest.skip("chromium and chromium-driver are not installed, and CI is not set")
    with site_checks.browser(programs, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


BACKENDS = ("tensorflow", "torch", "jax")
PLACE = BACKENDS.index(keras.config.backend())
"""Of a test with many cases, CI runs the first on TensorFlow, one in the middle on torch, and the last on JAX."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the cases that are left out of some runs, as described in docs/contributing.md."""
    functions = {}
    for item in items:
        needs.skip_where_missing(item)
        functions.setdefault(item.function, []).append(item)
    for cases in functions.values():
        few = cases[0].get_closest_marker("few")
        if few is not None:
            count = few.args[0]
            quick = [cases[round(place * (len(cases) - 1) / max(count - 1, 1))] for place in range(count)]
            mark_all_but(quick, cases, "slow", "wide")
            cases = quick
        if is_law(cases[0]):
            slow = [item for item in cases if item.get_closest_marker("slow")]
            if len(slow) >= len(BACKENDS):
                mark_all_but(slow[PLACE :: len(BACKENDS)], slow, "elsewhere")
        else:
            mark_all_but(cases[PLACE * (len(cases) - 1) // 2 :][:1], cases, "wide")
            if runs_elsewhere(cases[0]):
                mark_all_but([], cases, "elsewhere")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except AttributeError as error:
        needs.skip_where_keras_is_older(error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    try:
        return (yield)
    except AttributeError as error:
        needs.skip_where_keras_is_older(error)
        raise


def mark_all_but(kept, cases, *marks):
    """Mark all cases of a test except some."""
    for item in cases:
        if item not in kept:
            for mark in marks:
                item.add_marker(mark)


def is_law(item):
    """Whether a test is a law with a case for each schedule."""
    return "laws" in item.path.parts


def runs_elsewhere(item):
    """Whether CI runs this slow test on another backend: each backend has a third of them."""
    only_some = any(item.get_closest_marker(name) for name in ("skipif", "once", "needs"))
    if only_some or not item.get_closest_marker("slow"):
        return False
    return zlib.crc32(item.originalname.encode()) % len(BACKENDS) != PLACE


def pytest_unconfigure(config):
    if CACHE is not None:
        shutil.rmtree(CACHE, ignore_errors=True)


def pytest_deselected(items):
    """Count the tests that `-m` leaves out. Each worker of xdist counts the same tests."""
    stash = items[0].config.stash
    count = sum(any(item.get_closest_marker(name) for name in ("slow", "site")) for item in items)
    stash[COUNTED] = stash.get(COUNTED, 0) + count


COUNTED = pytest.StashKey[int]()


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[LEFT_OUT] = session.config.stash.get(COUNTED, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.stash[COUNTED] = getattr(node, "workeroutput", {}).get(LEFT_OUT, 0)


def pytest_terminal_summary(terminalreporter, config):
    """Print what was left out, and how to run it."""
    count = config.stash.get(COUNTED, 0)
    if count and config.option.markexpr == config.getini("addopts")[-1]:
        terminalreporter.write_line(
            f"Left out: {count} tests that take long or look at the site in a browser. `pytest -m slow` and "
            "`pytest -m site` run them, `pytest -m ''` all of them, and `.ci/run` is the whole check on three backends."
        )
