"""Settings that every test needs before Keras is imported."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import pytest
import site_checks


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
