"""Settings that every test needs before Keras is imported."""

import os
from importlib.util import find_spec
from pathlib import Path

if "KERAS_BACKEND" not in os.environ:
    # Keras takes TensorFlow, also where another backend is the only one.
    os.environ["KERAS_BACKEND"] = next(filter(find_spec, ("tensorflow", "jax", "torch")), "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
# Processes that tests start find what the tests share.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))

import keras
import pytest
from hypothesis import settings
from support import site_checks

LONG = os.environ.get("KERAS_LR_LONG") == "1"

# The same examples in each run, so that a red run is a fault of the change; the long mode draws new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("drawn", deadline=None)
settings.load_profile("drawn" if LONG else "fixed")

LEFT_OUT = "left_out"


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(1234)


@pytest.fixture
def floatx():
    """A function that sets `floatx`; the old one comes back after the test."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium; where it is missing, the test is skipped, and in CI it fails."""
    programs = site_checks.chromium()
    if programs is None:
        pytest.skip("chromium and chromium-driver are not installed, and CI is not set")
    with site_checks.browser(programs, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked ``few(n)`` only n cases are quick, evenly spread; the others are slow and wide."""
    cases = {}
    for item in items:
        if (mark := item.get_closest_marker("few")) is not None:
            cases.setdefault((item.function, mark.args[0]), []).append(item)
    for (_, count), group in cases.items():
        quick = {round(place * (len(group) - 1) / max(count - 1, 1)) for place in range(count)}
        for place, item in enumerate(group):
            if place not in quick:
                item.add_marker(pytest.mark.slow)
                item.add_marker(pytest.mark.wide)


def pytest_deselected(items):
    """Count what `-m` leaves out; with xdist each worker does, and all of them see the same tests."""
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
    """Say what was left out, and how to run it."""
    count = config.stash.get(COUNTED, 0)
    if count and config.option.markexpr == config.getini("addopts")[-1]:
        terminalreporter.write_line(
            f"Left out: {count} tests that take long or look at the site in a browser. `pytest -m slow` and "
            "`pytest -m site` run them, `pytest -m ''` all of them, and `.ci/run` is the whole check on three backends."
        )
