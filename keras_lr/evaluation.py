"""From whatever stands for a step to rates: on the host, in a trace, for foreign schedules.

The only module that asks where a step lives. It never imports a backend: it asks the
object itself, so it works with whichever backend Keras runs on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule
from numpy.typing import NDArray

from keras_lr.curves import Step, Value, on_host
from keras_lr.fields import shown

if TYPE_CHECKING:
    from keras_lr.schedule import Schedule

CHUNK = 16_384
"""Steps evaluated at once on the host, so that what lies between stays in the processor's cache."""

BLOCK = 256
"""Steps whose rates are computed together where they are asked for one by one: that takes as long as one."""


HOST_TYPES = (int, float, np.ndarray, np.generic)


def evaluate(schedule: Schedule, step: Any) -> Any:
    """What calling a schedule gives: a tensor in `floatx`.

    The counter of an optimizer is asked for again and again: by each callback, and for each variable that an
    optimizer decays. On torch, which trains eagerly, and in a graph of TensorFlow the tensor is remembered for as
    long as nobody has written to the counter. (XLA, and so JAX, finds by itself what was computed twice.)
    """
    if isinstance(step, keras.Variable):
        step = step.value
    floatx = keras.config.floatx()
    if keras.config.backend() == "tensorflow" and _is_in_graph(step):
        return _rate_in_graph(schedule, step, floatx)
    version = _version(step)
    if version is not None:
        known = vars(schedule).get("_recent_tensor")
        if known is not None and known[0] is step and known[1] == (version, floatx):
            return known[2]
    steps = host_steps(step) if version is None else _torch_counter(step)
    if steps is None:
        rate = _compiled(schedule, step, floatx)
    elif (isinstance(steps, int) or steps.ndim == 0) and not schedule.has_foreign:
        rate = _scalar(value_at(schedule, int(steps)), floatx)
    else:
        rate = ops.convert_to_tensor(schedule.values(steps), dtype=floatx)
    if version is not None:
        object.__setattr__(schedule, "_recent_tensor", (step, (version, floatx), rate))
    return rate


class _InGraph(NamedTuple):
    """A rate in a graph of TensorFlow, and the operation that reads its counter."""

    schedule: Schedule
    step: Any
    floatx: str
    read: Any
    rate: Any


def _is_in_graph(step: Any) -> bool:
    """Whether this is a variable of TensorFlow on one device, in a graph that is being traced."""
    tensorflow = sys.modules["tensorflow"]
    return isinstance(step, tensorflow.Variable) and not hasattr(step, "values") and not tensorflow.executing_eagerly()


def _rate_in_graph(schedule: Schedule, step: Any, floatx: str) -> Any:
    """The rate at a counter in a graph of TensorFlow, for which every read of a variable is another value.

    Keras's optimizers ask for the rate once for each variable that they decay.
    """
    graph = sys.modules["tensorflow"].compat.v1.get_default_graph()
    operations = graph.get_operations()
    known: list[_InGraph] = graph.get_collection_ref("keras_lr")
    for entry in known:
        if entry.schedule is schedule and entry.step is step and entry.rate.graph is graph and entry.floatx == floatx:
            if not _is_written(entry.read.inputs[0], operations[operations.index(entry.read) :]):
                return entry.rate
            known.remove(entry)
            break
    counter = traced_steps(step)
    rate = _compiled(schedule, counter, floatx)
    if counter.op.type == "ReadVariableOp":
        known.append(_InGraph(schedule, step, floatx, counter.op, rate))
    return rate


def _is_written(handle: Any, operations: list[Any]) -> bool:
    """Whether one of the operations may write to a variable: whatever else it does with it than to read it."""
    return any(one.type != "ReadVariableOp" and any(it is handle for it in one.inputs) for one in operations)


def _compiled(schedule: Schedule, step: Any, floatx: str) -> Any:
    """The rate at a step in a training step that is compiled, or that runs on an accelerator."""
    return keras.ops.cast(schedule.rate(traced_steps(step)), floatx)


def value_at(schedule: Schedule, step: int) -> float:
    """The rate at one step, out of those of its block, which starts at a multiple of its size."""
    first = step - step % BLOCK
    known = vars(schedule).get("_recent_block")
    if known is None or known[0] != first:
        known = (first, schedule.values(np.arange(first, first + BLOCK)).tolist())
        object.__setattr__(schedule, "_recent_block", known)
    return float(known[1][step - first])


def _scalar(number: float, dtype: str) -> Any:
    """A tensor of one number; on TensorFlow its `constant` takes a fifth of the time of Keras's conversion."""
    if keras.config.backend() == "tensorflow":
        return sys.modules["tensorflow"].constant(number, dtype)
    return ops.convert_to_tensor(number, dtype=dtype)


def in_chunks(rate: Callable[[Step], Value], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """An elementwise formula over many steps."""
    if steps.size <= CHUNK:
        return np.asarray(rate(steps), np.float64)
    flat, values = steps.reshape(-1), np.empty(steps.size)
    for start in range(0, steps.size, CHUNK):
        values[start : start + CHUNK] = rate(flat[start : start + CHUNK])
    return values.reshape(steps.shape)


def _version(step: Any) -> int | None:
    """How often a torch tensor has been written to; None for anything else, and while torch compiles."""
    if keras.config.backend() != "torch" or not isinstance(step, sys.modules["torch"].Tensor):
        return None
    if sys.modules["torch"].compiler.is_compiling() or step.is_inference():
        return None
    return int(step._version)


def _torch_counter(step: Any) -> NDArray[np.int64] | int | None:
    """`host_steps` of a torch tensor, without NumPy for the counter of an optimizer on the CPU."""
    if step.ndim == 0 and step.dtype is sys.modules["torch"].int32 and step.device.type == "cpu":
        number: int = step.item()
        if number >= 0:
            return number
    return host_steps(step)


def whole_steps(steps: Any) -> NDArray[np.int64]:
    """`steps` as an int64 array; refuses what is not a whole number >= 0."""
    try:
        array = np.asarray(steps)
    except Exception:  # sequences of different lengths, and whatever an object's own `__array__` raises
        array = np.asarray(None)
    if array.dtype.kind == "i" and (array >= 0).all():
        return array.astype(np.int64, copy=False)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"`steps` must be whole numbers >= 0, got {shown(steps)}")
    if not np.all((array >= 0) & (array < 2**63)) or not np.array_equal(array.astype(np.int64), array):
        raise ValueError(f"`steps` must be whole numbers >= 0, got {shown(steps)}")
    return array.astype(np.int64)


def host_steps(step: Any) -> NDArray[np.int64] | None:
    """The steps as NumPy if their numbers are known on the host now, else None.

    None for a tracer or a symbolic tensor, and for a torch tensor on an accelerator, whose
    value would have to be waited for.
    """
    if isinstance(step, keras.Variable):
        step = step.value
    if isinstance(step, HOST_TYPES) or not ops.is_tensor(step):
        return whole_steps(step)
    backend = keras.config.backend()
    if backend == "torch":
        if step.device.type != "cpu" or sys.modules["torch"].compiler.is_compiling():
            return None
        return whole_steps(step.detach().numpy())
    try:
        # TensorFlow: symbolic tensors have no `numpy`, and a variable refuses it in a graph.
        # JAX: a tracer raises its own TypeError when it is asked for its value.
        return whole_steps(tensorflow_read(step).numpy() if backend == "tensorflow" else np.asarray(step))
    except (AttributeError, NotImplementedError):
        return None
    except TypeError:
        if backend == "jax" and isinstance(step, sys.modules["jax"].core.Tracer):
            return None
        raise


def tensorflow_read(variable: Any) -> Any:
    """An eager tensor or variable as a tensor, which may share its memory.

    Keras's conversion of a variable takes five times as long as the operation that it comes down to, and
    the variable's own `numpy` two and a half times.
    """
    tensorflow = sys.modules["tensorflow"]
    if tensorflow.executing_eagerly():
        with suppress(AttributeError, ValueError):  # a tensor; and a variable mirrored over devices
            return tensorflow.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)
    return variable


def traced_steps(step: Any) -> Step:
    """A backend tensor of steps as integers that hold every step (a float one is truncated)."""
    tensor = ops.convert_to_tensor(step)
    if keras.config.backend() == "tensorflow":
        # For Keras a variable is a tensor already, but each use of it would be another read.
        tensor = sys.modules["tensorflow"].convert_to_tensor(tensor)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return tensor if dtype in ("int32", "int64") else ops.cast(tensor, counter_dtype())


def counter_dtype() -> str:
    """The dtype in which the backend's optimizers count steps."""
    return "int64" if keras.config.backend() == "tensorflow" else "int32"


def foreign_rate(schedule: LearningRateSchedule, step: Step) -> Value:
    """The rate of a schedule that is not ours, within a formula of ours."""
    return _foreign_values(schedule, step) if on_host(step) else ops.cast(schedule(step), "float32")


def _foreign_values(schedule: LearningRateSchedule, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Evaluate a foreign schedule over an array of steps on the host.

    Keras promises only scalar steps. Most formulas are elementwise all the same, and a
    vector costs what a scalar does; `ops.vectorized_map` serves those with `ops.cond`
    inside (64 ms for each eager call on JAX otherwise). A result is taken only if its
    first, middle and last value are those of scalar calls.
    """

    def tensor(numbers: Any) -> Any:
        return ops.convert_to_tensor(np.asarray(numbers), dtype=counter_dtype())

    def scalar(number: int) -> float:
        return float(ops.convert_to_numpy(schedule(tensor(number))))

    flat = steps.reshape(-1)
    if flat.size < 8:
        return np.array([scalar(number) for number in flat.tolist()], np.float64).reshape(steps.shape)
    probes = [0, flat.size // 2, flat.size - 1]
    expected = [scalar(int(flat[probe])) for probe in probes]
    for whole in (schedule, lambda numbers: ops.vectorized_map(schedule, numbers)):
        try:
            values = np.asarray(ops.convert_to_numpy(whole(tensor(flat))), np.float64)
        except Exception:  # a scalar-only schedule fails in as many ways as there are schedules
            continue
        if values.shape == flat.shape and np.allclose(values[probes], expected, rtol=1e-6, atol=0.0, equal_nan=True):
            return values.reshape(steps.shape)
    return np.array([scalar(number) for number in flat.tolist()], np.float64).reshape(steps.shape)
