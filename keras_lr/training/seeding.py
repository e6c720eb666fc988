"""The random numbers of one training, undisturbed by other threads of its process.

Weights, dropout and the order of the data come from generators that belong to the whole process: Python's (Keras takes
the seeds of initializers and of layers from it, and the order of a `PyDataset`), NumPy's (the order of arrays on JAX),
TensorFlow's and torch's. Any draw from one of them between the seed and the last batch changes the training. A
worker of Dask does: it trains in one thread, and in another its event loop measures messages by samples of their parts,
taken with ``random.sample`` (`dask.sizeof`); most of them come while the first training imports its libraries.

So trainings of one process, and range tests, take turns; and while one goes on, its threads alone draw from Python's
and NumPy's generators. Threads that do not belong to it get numbers from unseeded generators.
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

# Keras has no public way to its counters of names.
from keras.src.backend.common import global_state  # isort: skip

NAMES = "object_name_uids"

BEGUN = 0.01
"""Seconds after which a draw that another thread had begun before has ended: they take microseconds."""

ALIASES = {"ranf": "random_sample", "sample": "random_sample"}
"""Functions of `numpy.random` whose name is not the generator's."""

_turn = threading.RLock()
_threads: WeakSet[threading.Thread] = WeakSet()
"""Threads that train, and those that they have started: a `PyDataset` is shuffled in a thread of its own."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Train in here: from this seed, undisturbed, and with Keras's first names.

    A metric without a name would be "auc" in the first training of a process, and "auc_1" in the second.
    """
    with undisturbed():
        names = global_state.get_global_attribute(NAMES)
        global_state.set_global_attribute(NAMES, None)
        try:
            # Twice: the first call of a process imports TensorFlow, and a library may draw as it is imported.
            set_random_seed(seed)
            set_random_seed(seed)
            yield
        finally:
            global_state.set_global_attribute(NAMES, names)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Train in here, one thread at a time. Other threads, except those that it starts, draw from other generators."""
    this = threading.current_thread()
    with _turn, ExitStack() as stack:
        if this not in _threads:
            _threads.add(this)
            stack.callback(_threads.discard, this)
        _change(stack, threading.Thread, "start", _noting(threading.Thread.start))
        for module, others in ((random, random.Random()), (np.random, np.random.RandomState())):
            for name in module.__all__:
                method = getattr(others, name, None) or getattr(others, ALIASES.get(name, ""), None)
                if method is not None:  # the classes are no part of a generator
                    _change(stack, module, name, _by_thread(stack, getattr(module, name), method))
        time.sleep(BEGUN)
        yield


def _change(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _noting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """`Thread.start`, which also notes what a training starts."""

    @functools.wraps(start)
    def noted(thread: threading.Thread) -> None:
        if threading.current_thread() in _threads:
            _threads.add(thread)
        start(thread)

    return noted


def _by_thread(stack: ExitStack, own: Callable[..., Any], others: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a generator, for the training's threads; and the same of another generator, for all others."""
    training = [True]
    stack.callback(training.clear)  # code that has imported the function meanwhile keeps it

    @functools.wraps(own)
    def draw(*args: Any, **kwargs: Any) -> Any:
        thread = threading.current_thread()
        # Threads that Python has not started are TensorFlow's, in which a data set calls Python: the training's.
        is_other = thread not in _threads and not isinstance(thread, threading._DummyThread)
        return (others if training and is_other else own)(*args, **kwargs)

    return draw
