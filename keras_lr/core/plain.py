"""Plain Python and NumPy numbers from everything that holds one: arrays, variables, tensors of any framework.

No framework is imported: one that is not loaded cannot have made a tensor.
"""

from __future__ import annotations

import numbers
import sys
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_lr.core.keras_versions import Variable


class NoNumberYetError(Exception):
    """A tensor that is symbolic or is being traced: it has no values yet."""


def plain(value: Any) -> Any:
    """The number in an array, tensor or variable without dimensions. Anything else is returned unchanged.

    Raises:
        NoNumberYetError: the value is a symbolic or traced tensor.
    """
    if isinstance(value, numbers.Real):
        return value
    array = as_array(value)
    if array is None or array.ndim or array.dtype.kind not in "iuf":
        return value
    return array[()]


def as_array(value: Any) -> NDArray[Any] | None:
    """The values of an array, tensor or variable as NumPy; None for anything else.

    Raises:
        NoNumberYetError: the value is a symbolic or traced tensor.
    """
    if isinstance(value, np.ndarray | np.generic):
        return _wide(np.asarray(value))
    if isinstance(value, keras.KerasTensor):
        raise NoNumberYetError
    if isinstance(value, Variable):
        value = value.value
    for name, read in (("torch", _of_torch), ("jax", _of_jax), ("tensorflow", _of_tensorflow)):
        framework = sys.modules.get(name)
        array = None if framework is None else read(framework, value)
        if array is not None:
            return _wide(array)
    return None


def _wide(array: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 and float16 as float32. NumPy does not support the first, and the second ends at 65,504."""
    return array.astype(np.float32) if array.dtype.name in ("bfloat16", "float16") else array


def _of_torch(torch: Any, value: Any) -> NDArray[Any] | None:
    kind: Any = getattr(torch, "Tensor", ())
    if not isinstance(value, kind):
        return None
    if value.device.type == "meta" or not torch_has_number(value):
        raise NoNumberYetError
    tensor = value.detach().cpu().resolve_conj().resolve_neg()
    return np.asarray((tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy())


def _of_jax(jax: Any, value: Any) -> NDArray[Any] | None:
    kind: Any = getattr(jax, "Array", ())
    if not isinstance(value, kind):
        return None
    if isinstance(value, jax.core.Tracer):
        raise NoNumberYetError
    return np.asarray(value)


def _of_tensorflow(tensorflow: Any, value: Any) -> NDArray[Any] | None:
    kinds: Any = (getattr(tensorflow, "Tensor", ()), getattr(tensorflow, "Variable", ()))
    if not isinstance(value, kinds):
        return None
    try:
        return np.asarray(value.numpy())
    except (AttributeError, NotImplementedError):  # a symbolic tensor has no `numpy`; a variable refuses it in a graph
        raise NoNumberYetError from None


def torch_has_number(tensor: Any) -> bool:
    """Whether the values of a torch tensor can be read now: nothing is compiling, tracing or transforming it."""
    torch = sys.modules["torch"]
    internal = torch._C
    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)  # not a subclass: fake, functional, distributed
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        # `make_fx` and similar functions record operations, and would treat the number as a constant.
        and not internal._len_torch_dispatch_stack()
        # `vmap`, `grad` and `jvp` of torch.func.
        and not internal._functorch.is_functorch_wrapped_tensor(tensor)
    )
