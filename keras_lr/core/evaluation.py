"""Rates from steps of any kind: on the host, in a trace, and for external schedules.

Only this module checks where a step is stored. It never imports a backend: it looks at
the object itself, so it works with every backend of Keras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_lr.core.by_backend import counter_dtype
from keras_lr.core.curves import Step, Value, on_host
from keras_lr.core.keras_versions import Variable
from keras_lr.core.plain import NoNumberYetError, as_array, torch_has_number
from keras_lr.core.refusals import shown
from keras_lr.core.tree import Formula, LearningRateSchedule

CHUNK = 16_384
"""Steps evaluated at once on the host, so that intermediate results stay in the processor's cache."""

BLOCK = 256
"""Steps whose rates are computed together when they are requested one by one: all take as long as one."""


PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
"""TensorFlow operations that run a Python function, which may write to any variable."""

HOST_TYPES = (int, float, np.ndarray, np.generic)


def evaluate(schedule: Formula, step: Any) -> Any:
    """The result of calling a schedule: a tensor in `floatx`, which the caller may write to.

    The rate at an optimizer's counter is requested many times: by each callback, and for each variable that an
    optimizer decays. In a TensorFlow graph the rate is cached until the counter is written to.
    (XLA, and thus JAX, removes duplicate computations itself.)
    """
    is_counter = isinstance(step, Variable)
    if is_counter:
        step = step.value
    floatx = keras.config.floatx()
    backend = keras.config.backend()
    if backend == "torch" and isinstance(step, sys.modules["torch"].Tensor):
        return _evaluate_in_torch(schedule, step, floatx, is_counter)
    if backend == "tensorflow" and _is_in_graph(step):
        return _rate_in_graph(schedule, step, floatx)
    steps = host_steps(step, owner=schedule)
    if steps is None:
        return _compiled(schedule, step, floatx)
    if steps.ndim == 0 and not schedule.has_external:
        return _scalar(value_at(schedule, int(steps)), floatx)
    return ops.convert_to_tensor(schedule.values(steps), dtype=floatx)


def plain_rate(schedule: Formula, step: Any) -> Any:
    """The rate at a step: a Python float or an array if the number is known, otherwise a tensor."""
    if keras.config.backend() != "jax" and "jax" in sys.modules and isinstance(step, sys.modules["jax"].core.Tracer):
        owner = type(schedule).__name__
        allowed = "a number that is known, unless Keras runs on JAX, with KERAS_BACKEND=jax"
        raise TypeError(f"{owner}: `step` must be {allowed}, got {shown(step)}")
    steps = host_steps(step, owner=schedule)
    if steps is None:
        return evaluate(schedule, step)
    if steps.ndim == 0 and not schedule.has_external:
        return value_at(schedule, int(steps))
    values = schedule.values(steps)
    return float(values) if steps.ndim == 0 else values


class _Remembered(NamedTuple):
    """A rate on torch and its step: a number, or a counter on an accelerator with its version."""

    step: Any
    version: int
    floatx: str
    rate: Any

    def is_of(self, step: Any, version: int, floatx: str) -> bool:
        same = self.step is step or (type(self.step) is type(step) is int and self.step == step)
        return same and self.version == version and self.floatx == floatx


def _evaluate_in_torch(schedule: Formula, step: Any, floatx: str, is_counter: bool) -> Any:
    """`evaluate` on torch, which trains eagerly, so that every call takes time.

    Most of it is spent on making a tensor from a number; copying a tensor takes half as long. So the last rate is kept,
    and callers get copies, which they may write to. On the CPU the step is read each time, since an array may share
    its memory. On an accelerator a read would have to wait for the device. There the rate at a counter of Keras
    stays valid as long as the counter's version (`Tensor._version`) is the same.
    """
    if sys.modules["torch"].compiler.is_compiling():  # the compiler traces this function line by line
        return _compiled(schedule, step, floatx)
    steps = _torch_steps(step, schedule)
    if steps is not None and (schedule.has_external or not isinstance(steps, int)):
        return ops.convert_to_tensor(schedule.values(steps), dtype=floatx)
    if steps is None and not (is_counter and _is_settled(step)):
        return _compiled(schedule, step, floatx)
    place, version = (step, int(step._version)) if steps is None else (steps, 0)
    known: _Remembered | None = schedule._cache.tensor
    if known is None or not known.is_of(place, version, floatx):
        made = _compiled(schedule, step, floatx) if steps is None else _scalar(value_at(schedule, steps), floatx)
        known = _Remembered(place, version, floatx, made)
        schedule._cache.tensor = known
    return known.rate.clone()


def _torch_steps(step: Any, schedule: Formula) -> NDArray[np.int64] | int | None:
    """`host_steps` for a torch tensor. An optimizer's counter on the CPU is read without NumPy."""
    if step.ndim == 0 and step.dtype is sys.modules["torch"].int32 and step.is_cpu and torch_has_number(step):
        number: int = step.item()
        if number >= 0:
            return number
    steps = host_steps(step, schedule)
    return int(steps) if steps is not None and steps.ndim == 0 else steps


def _is_settled(counter: Any) -> bool:
    """Whether the version of a counter on an accelerator shows every change of its value."""
    torch = sys.modules["torch"]
    if not torch_has_number(counter) or counter.is_inference():
        return False
    return not (counter.is_cuda and torch.cuda.is_current_stream_capturing())


class _InGraph(NamedTuple):
    """A rate in a TensorFlow graph, and the operation that reads its counter."""

    schedule: Formula
    step: Any
    floatx: str
    read: Any
    rate: Any


def _is_in_graph(step: Any) -> bool:
    """Whether this is a TensorFlow variable on one device, in a graph that is being traced."""
    tensorflow = sys.modules["tensorflow"]
    return isinstance(step, tensorflow.Variable) and not hasattr(step, "values") and not tensorflow.executing_eagerly()


def _rate_in_graph(schedule: Formula, step: Any, floatx: str) -> Any:
    """The rate at a counter in a TensorFlow graph, in which every read of a variable is a separate value.

    Keras's optimizers request the rate once for each variable that they decay.
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
    """Whether one of the operations may write to a variable: it takes the variable and is no read, or runs Python."""
    return any(
        one.type != "ReadVariableOp" and (one.type in PYTHON or any(it is handle for it in one.inputs))
        for one in operations
    )


def _compiled(schedule: Formula, step: Any, floatx: str) -> Any:
    """The rate in a training step that is compiled or runs on an accelerator."""
    return keras.ops.cast(schedule.rate(traced_steps(step)), floatx)


def value_at(schedule: Formula, step: int) -> float:
    """The rate at one step, from the rates of its block. Blocks start at multiples of their size."""
    first = step - step % BLOCK
    block = schedule._cache.block
    if block is None or block[0] != first:
        block = schedule._cache.block = (first, schedule.values(np.arange(first, first + BLOCK)).tolist())
    return float(block[1][step - first])


def _scalar(number: float, dtype: str) -> Any:
    """A tensor of one number, in a fifth of the time that Keras's conversion takes (on JAX by a compiled function)."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        tensorflow = sys.modules["tensorflow"]
        return tensorflow.constant(number, getattr(tensorflow, dtype))  # the name of a type takes a third longer
    if backend == "jax" and dtype == "float32":
        return _jax_scalar()(number)
    return ops.convert_to_tensor(number, dtype=dtype)


@lru_cache(maxsize=1)
def _jax_scalar() -> Callable[[float], Any]:
    """A compiled function from a Python float to a float32."""
    jax = sys.modules["jax"]
    made: Callable[[float], Any] = jax.jit(lambda number: jax.numpy.asarray(number, "float32"))
    return made


def in_chunks(rate: Callable[[Step], Value], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Evaluate an elementwise formula at many steps, in chunks."""
    if steps.size <= CHUNK:
        return np.array(rate(steps), np.float64)  # a copy: a user's formula may return an array that it keeps
    flat, values = steps.reshape(-1), np.empty(steps.size)
    for start in range(0, steps.size, CHUNK):
        values[start : start + CHUNK] = rate(flat[start : start + CHUNK])
    return values.reshape(steps.shape)


def whole_steps(steps: Any, owner: object = None, name: str = "steps") -> NDArray[np.int64]:
    """`steps` as an int64 array. Everything but whole numbers >= 0 is refused."""
    if isinstance(steps, np.ndarray) and steps.dtype.kind == "i" and _is_positive(steps):
        return steps.astype(np.int64, copy=False)
    try:
        array = as_array(steps)
        array = np.asarray(steps) if array is None else array
    except Exception:  # a ragged sequence, a traced tensor, or any error of an object's `__array__`
        array = np.asarray(None)
    if array.dtype.kind == "i" and (array >= 0).all():
        return array.astype(np.int64, copy=False)
    if array.dtype.kind not in "iuf":
        _refuse_steps(steps, owner, name, TypeError)
    # Every comparison with NaN is false.
    is_whole = (array >= 0) & (array < 2**63) & (np.floor(array) == array)
    if not np.all(is_whole):
        wrong = array[~is_whole].flat[0].item()
        _refuse_steps(wrong, owner, name, ValueError, "" if array.ndim == 0 else f" in {shown(steps)}")
    return array.astype(np.int64)


def _is_positive(steps: NDArray[np.int64]) -> bool:
    return bool(steps >= 0 if steps.ndim == 0 else (steps >= 0).all())


def _refuse_steps(value: Any, owner: object, name: str, error: type[Exception], where: str = "") -> NoReturn:
    allowed = "a whole number >= 0, or an array of them" if name == "step" else "whole numbers >= 0"
    prefix = "" if owner is None else f"{type(owner).__name__}: "
    raise error(f"{prefix}`{name}` must be {allowed}, got {shown(value)}{where}")


def host_steps(step: Any, owner: object = None) -> NDArray[np.int64] | None:
    """The steps as NumPy if their numbers are known on the host now, otherwise None.

    They are not known for a tensor that is traced, symbolic or transformed. Nor are they read from a torch tensor on
    an accelerator, since that would have to wait for the device.
    """
    if isinstance(step, Variable):
        step = step.value
    elif isinstance(step, HOST_TYPES) or not ops.is_tensor(step):
        return whole_steps(step, owner, "step")
    backend = keras.config.backend()
    try:
        if backend == "tensorflow":
            array = np.asarray(tensorflow_read(step).numpy())
        elif backend == "jax":
            array = np.asarray(step)
        else:
            array = _in_memory(step)
    except (AttributeError, NotImplementedError, NoNumberYetError, RuntimeError):
        # TensorFlow: symbolic tensors have no `numpy`, and a variable refuses it in a graph. torch: while a function
        # is transformed, its tensors have no memory that could be read.
        return None
    except TypeError:
        # A JAX tracer raises its own TypeError when its value is read.
        if backend == "jax" and isinstance(step, sys.modules["jax"].core.Tracer):
            return None
        raise
    return whole_steps(array, owner, "step")


def _in_memory(step: Any) -> NDArray[Any]:
    """The values of a torch tensor on the CPU. This is the fastest way; NumPy does not support bfloat16."""
    torch = sys.modules["torch"]
    if step.device.type != "cpu" or not torch_has_number(step):
        raise NoNumberYetError
    return np.asarray((step.float() if step.dtype is torch.bfloat16 else step).detach().numpy())


def tensorflow_read(variable: Any) -> Any:
    """An eager tensor or variable as a tensor, which may share its memory.

    Keras's conversion of a variable takes five times as long as the operation that it calls in the end, and
    the variable's own `numpy` two and a half times as long.
    """
    tensorflow = sys.modules["tensorflow"]
    if tensorflow.executing_eagerly():
        try:
            return tensorflow.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype)
        except (AttributeError, ValueError):  # a tensor, and a variable mirrored over devices
            return variable
    return variable


def traced_steps(step: Any) -> Step:
    """A backend tensor of steps as integers that can hold every step (floats are truncated)."""
    tensor = ops.convert_to_tensor(step)
    if keras.config.backend() == "tensorflow":
        # Keras treats a variable as a tensor, but would read it again for each use.
        tensor = sys.modules["tensorflow"].convert_to_tensor(tensor)
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return tensor if dtype in ("int32", "int64") else ops.cast(tensor, counter_dtype())


def external_rate(schedule: LearningRateSchedule, step: Step) -> Value:
    """The rate of an external schedule, inside a formula of this package."""
    return _external_values(schedule, step) if on_host(step) else ops.cast(schedule(step), "float32")


def _external_values(schedule: LearningRateSchedule, steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Evaluate an external schedule over an array of steps on the host.

    Keras guarantees only scalar steps. Still, most formulas are elementwise, and then a
    vector takes as long as a scalar. `ops.vectorized_map` is for formulas with `ops.cond`
    (64 ms for each eager call on JAX otherwise). A result is used only if its first,
    middle and last value equal those of scalar calls.
    """

    def tensor(numbers: Any) -> Any:
        return ops.convert_to_tensor(np.asarray(numbers), dtype=counter_dtype())

    def scalar(number: int) -> float:
        return float(ops.convert_to_numpy(schedule(tensor(number))))

    flat = steps.reshape(-1)
    if flat.size >= 8:
        probes = [0, flat.size // 2, flat.size - 1]
        expected = [scalar(int(flat[at])) for at in probes]
        ways: list[Callable[[Any], Any]] = [schedule, lambda numbers: ops.vectorized_map(schedule, numbers)]
        for whole in ways:
            try:
                values = np.asarray(ops.convert_to_numpy(whole(tensor(flat))), np.float64)
            except Exception:  # a scalar-only schedule may raise anything
                continue
            if values.shape == flat.shape and np.allclose(values[probes], expected, 1e-6, atol=0.0, equal_nan=True):
                return values.reshape(steps.shape)
    return np.array([scalar(number) for number in flat.tolist()], np.float64).reshape(steps.shape)
