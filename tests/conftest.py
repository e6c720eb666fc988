"""Settings that every test needs before Keras is imported."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import pytest


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(1234)


@pytest.fixture
def floatx():
    """A function that sets `floatx`; the old one comes back after the test."""
    before = keras.config.floatx()
    yield keras.config.set_floatx
    keras.config.set_floatx(before)
