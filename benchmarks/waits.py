"""How often a training step waits for the device: reads of a tensor's value on the host, counted, and where they are.

    KERAS_BACKEND=jax python -m benchmarks waits

On a GPU each of them stops the queue of work. They are the same on a CPU, so that they can be counted there. A read is
the conversion of a tensor to a Python number or list, or to an array of NumPy, or a call that waits by its name
(`block_until_ready`, `jax.device_get`, `torch.cuda.synchronize`). On torch the counter of an optimizer, which is read
on a CPU, where it costs nothing, is taken for one on an accelerator.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np

import keras_lr as klr
from benchmarks import common
from benchmarks.steps import CASES as STEPS
from benchmarks.steps import CONSTANT, EMPTY, FAR, OURS
from keras_lr.core import evaluation

READS = ("__float__", "__int__", "__bool__", "__index__", "__complex__", "__array__", "item", "tolist", "numpy", "cpu")
"""Methods of tensors that return their value on the host."""

FUNCTIONS = {"jax": ("device_get", "block_until_ready"), "torch.cuda": ("synchronize",)}
"""Functions that wait, by module."""

STEP, THREAD, END = "in a step", "in a thread beside it", "at the end of an epoch"
ENDS = {"on_epoch_end", "on_train_end", "on_train_begin", "on_epoch_begin"}
LIBRARIES = {"waits.py", "core.py", "numpy.py", "mock.py"}
"""Files of arrays, behind which the line that reads is looked for."""


class Waits:
    """What was counted.

    Attributes:
        places: how often it was waited, by when and by "file:line".
    """

    def __init__(self) -> None:
        self.places: Counter[tuple[str, str]] = Counter()
        self._here = threading.local()
        self._thread = threading.get_ident()

    def count(self, when: str) -> int:
        return sum(count for (at, _), count in self.places.items() if at == when)

    def counting(self, function: Callable[..., Any], is_one: Callable[..., bool]) -> Callable[..., Any]:
        """A function whose calls are counted where they are a read; the calls within one are part of it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            if getattr(self._here, "is_within", False) or not is_one(*arguments):
                return function(*arguments, **named)
            self._here.is_within = True
            try:
                found = function(*arguments, **named)
            finally:
                self._here.is_within = False
            self.places[self._place()] += 1
            return found

        return counted

    def _place(self) -> tuple[str, str]:
        frames = []
        frame: Any = sys._getframe(2)
        while frame is not None:
            frames.append(frame)
            frame = frame.f_back
        outer = next(one for one in frames if Path(one.f_code.co_filename).name not in LIBRARIES)
        path = Path(outer.f_code.co_filename)
        line = f"{path.parent.name}/{path.name}:{outer.f_lineno}"
        if threading.get_ident() != self._thread:
            return THREAD, line
        return END if any(one.f_code.co_name in ENDS for one in frames) else STEP, line


def _is_tensor(value: Any = None, *_: Any) -> bool:
    """Whether this is a tensor of the backend that has a value."""
    backend = keras.config.backend()
    if backend == "jax":
        jax = sys.modules["jax"]
        return isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    if backend == "torch":
        return isinstance(value, sys.modules["torch"].Tensor)
    return keras.ops.is_tensor(value) and hasattr(value, "numpy")


def _not_at_hand(*_: Any) -> Any:
    raise evaluation.NoNumberYetError


@contextmanager
def counted() -> Iterator[Waits]:
    """Count the waits of this thread and of others while the body runs."""
    waits = Waits()
    kind = type(keras.ops.ones(()))
    with ExitStack() as patches:

        def patch(owner: Any, name: str, is_one: Callable[..., bool]) -> None:
            patches.enter_context(mock.patch.object(owner, name, waits.counting(getattr(owner, name), is_one)))

        for name in READS:
            if hasattr(kind, name):
                patch(kind, name, _is_tensor)
        for name in ("array", "asarray"):
            patch(np, name, _is_tensor)
        for module, names in FUNCTIONS.items():
            for name in names:
                if module in sys.modules:
                    patch(sys.modules[module], name, lambda *_: True)
        # As on an accelerator.
        patches.enter_context(mock.patch.object(evaluation, "_torch_steps", return_value=None))
        patches.enter_context(mock.patch.object(evaluation, "_in_memory", _not_at_hand))
        yield waits


def scheduled(rate: Any = 1e-3) -> Any:
    """AdamW with a schedule for `beta_1`."""
    return klr.Scheduled(keras.optimizers.AdamW(rate), beta_1=klr.CosineDecay(0.9, FAR))


def with_multipliers(rate: Any = 1e-3) -> Any:
    """AdamW with a factor for kernels and one for biases."""
    return klr.Scheduled(keras.optimizers.AdamW(rate), multipliers={"kernel": 0.5, "bias": 2.0})


Case = tuple[Callable[[], Any], Callable[[], list[Any]]]
"""What makes the optimizer, and the callbacks."""


def _of_steps(name: str) -> Case:
    rate, callbacks = STEPS[name]
    return lambda: keras.optimizers.AdamW(rate()), callbacks


CASES: dict[str, Case] = {
    **{name: _of_steps(name) for name in (CONSTANT, EMPTY, *OURS)},
    "Scheduled": (scheduled, list),
    "multipliers": (with_multipliers, list),
    "Keras's CosineDecay": _of_steps("Keras's CosineDecay"),
    "a rate set before each batch": _of_steps("a rate set before each batch"),
    "a naive logger, Keras's cosine": _of_steps("a naive logger, Keras's cosine"),
}
WARM, FEW = 3, 10


def of_case(name: str, jit_compile: Any = "auto") -> dict[str, Any]:
    """The waits of a step of `fit`: what twice as many batches have more of them."""
    make, callbacks = CASES[name]
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(make(), loss="mse", jit_compile=jit_compile)
    x, chosen = np.zeros((2 * FEW, 4), "float32"), callbacks()

    def fit(count: int) -> Waits:
        with counted() as waits:
            model.fit(x[:count], x[:count, :1], batch_size=1, verbose=0, shuffle=False, callbacks=chosen)
        return waits

    fit(WARM)
    few, many = fit(FEW), fit(2 * FEW)
    more = many.places - few.places
    lines = [f"{line} ({when})" for (when, line), count in more.most_common() if count >= FEW]
    row: dict[str, Any] = {"case": name, "where": lines}
    return row | {when: (many.count(when) - few.count(when)) / FEW for when in (STEP, THREAD, END)}


def main(quick: bool = False) -> None:
    rows = []
    for name in list(CASES)[: 4 if quick else None]:
        row = of_case(name)
        rows.append(row)
        print(f"{common.backend():10} {name:32} {row[STEP]:4.1f} {row[THREAD]:4.1f} {row[END]:4.1f} {row['where']}")
    common.save("waits", common.backend(), rows, quick)


if __name__ == "__main__":
    main()
