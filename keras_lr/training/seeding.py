"""The random numbers of one training, not disturbed by other threads of its process.

Weights, dropout and the order of the data come from generators of the whole process: Python's (for the seeds of
initializers and layers, and the order of a `PyDataset`), NumPy's (for the order of arrays on JAX), TensorFlow's and
torch's. Any draw from one of them between the seed and the last batch changes the training. A Dask worker draws: it
trains in one thread, while its event loop in another thread measures messages by samples of their parts, with
``random.sample`` (`dask.sizeof`). Most messages arrive while the first training imports its libraries.

So trainings and range tests in one process run one at a time. While one runs, only its threads draw from Python's and
NumPy's generators. All other threads get numbers from unseeded generators.
"""

from __future__ import annotations

import functools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakSet

import numpy as np

from keras_lr.core.keras_versions import set_random_seed

# Keras has no public access to its counters of names.
from keras.src.backend.common import global_state  # isort: skip

NAMES = "object_name_uids"

BEGUN = 0.01
"""Seconds to wait until a draw of another thread has ended. A draw takes microseconds."""

ALIASES = {"ranf": "random_sample", "sample": "random_sample"}
"""Functions of `numpy.random` that have another name in the generator."""

_turn = threading.RLock()
_threads: WeakSet[threading.Thread] = WeakSet()
"""Threads that train, and the threads that they started: a `PyDataset` is shuffled in a separate thread."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A context for a training: with this seed, undisturbed, and with fresh counters of names.

    Otherwise, a metric without a name would be "auc" in the first training of a process, and "auc_1" in the second.
    """
    with undisturbed():
        names = global_state.get_global_attribute(NAMES)
        global_state.set_global_attribute(NAMES, None)
        try:
            # Twice: the first call in a process imports TensorFlow, and a library may draw during its import.
            set_random_seed(seed)
            set_random_seed(seed)
            yield
        finally:
            global_state.set_global_attribute(NAMES, names)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A context for training, one thread at a time. Threads that it did not start draw from other generators."""
    this = threading.current_thread()
    with _turn, ExitStack() as stack:
        if this not in _threads:
            _threads.add(this)
            stack.callback(_threads.discard, this)
        _change(stack, threading.Thread, "start", _noting(threading.Thread.start))
        for module, others in ((random, random.Random()), (np.random, np.random.RandomState())):
            for name in module.__all__:
                method = getattr(others, name, None) or getattr(others, ALIASES.get(name, ""), None)
                if method is not None:  # the classes are not part of a generator
                    _change(stack, module, name, _by_thread(stack, getattr(module, name), method))
        time.sleep(BEGUN)
        yield


def _change(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _noting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """`Thread.start`, which also records the threads that a training starts."""

    @functools.wraps(start)
    def noted(thread: threading.Thread) -> None:
        if threading.current_thread() in _threads:
            _threads.add(thread)
        start(thread)

    return noted


def _by_thread(stack: ExitStack, own: Callable[..., Any], others: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one generator for the training's threads, and of another generator for all other threads."""
    training = [True]
    stack.callback(training.clear)  # code that imported the function meanwhile keeps it

    @functools.wraps(own)
    def draw(*args: Any, **kwargs: Any) -> Any:
        thread = threading.current_thread()
        # Threads that Python did not start are TensorFlow's. In them a data set of the training calls Python.
        is_other = thread not in _threads and not isinstance(thread, threading._DummyThread)
        return (others if training and is_other else own)(*args, **kwargs)

    return draw
