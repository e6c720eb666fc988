"""Warnings that point at the user's line: the call of `fit`, or another call of this package."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

import keras

CALLERS = frozenset(["keras_hub", "keras_tuner", "mlflow", "scikeras", "sklearn", "wandb"])
"""Packages that call `fit` for their users, or wrap it in a function."""

LIBRARIES = CALLERS | {"keras_lr", "keras", "tensorflow", "jax", "jaxlib", "torch"}
"""Packages that do not contain the user's code."""

PLUMBING = frozenset(["concurrent", "contextlib", "functools", "threading"])
"""Modules of Python that may be between two calls. A warning points at them only if a thread has nothing else."""

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def warn_user(message: str, category: type[Warning] = UserWarning, *, again: bool = False) -> None:
    """Warn, as `warnings.warn` does, but at the user's line that led here.

    It is the nearest line outside of this package, Keras and the backends. A warning of a callback points at the line
    that started the training, even if a callback of the user is in between.

    Args:
        message: the text of the warning.
        category: the class of the warning.
        again: whether to repeat a warning for the same line, which Python leaves out by default. A notebook cell that
            is run again is the same line, but may use another schedule.
    """
    frame = frame_of_user(sys._getframe(1))
    # Not `warnings.warn`: its `stacklevel` skips the frames of imports, and cannot skip packages before Python 3.12.
    warnings.warn_explicit(
        message,
        category,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__") or "<string>",
        registry={} if again else frame.f_globals.setdefault("__warningregistry__", {}),
    )


def frame_of_user(frame: FrameType) -> FrameType:
    """The frame of the user's line, from the one that warns."""
    found, inside = _outside(frame)
    if _is_hook(inside):
        # A callback of the user may have called ours. The training was then started further out.
        outer: FrameType | None = found
        while outer is not None:
            if isinstance(outer.f_locals.get("self"), keras.callbacks.CallbackList):
                return _outside(outer)[0]
            outer = outer.f_back
    return found


def _outside(frame: FrameType) -> tuple[FrameType, FrameType]:
    """The nearest frame of the user's code, and the frame that it called.

    A user's method that calls the one it overrides (a `fit` with ``super().fit(…)``) is skipped. A thread whose first
    function is `fit` has no frame of the user. Then the nearest frame outside of `LIBRARIES` is used, or the outermost.
    """
    inside, outer = frame, frame.f_back
    passed = {_method(frame)}
    fallback: tuple[FrameType, FrameType] | None = None
    while outer is not None:
        if not _is_of(outer, LIBRARIES):
            method = _method(outer)
            if not _is_of(outer, PLUMBING) and (method is None or method not in passed):
                return outer, inside
            fallback = fallback or (outer, inside)
        passed.add(_method(outer))
        inside, outer = outer, outer.f_back
    return fallback or (inside, inside)


def _method(frame: FrameType) -> tuple[str, int] | None:
    """The name and the object of the method that a frame runs."""
    instance = frame.f_locals.get("self")
    return None if instance is None else (frame.f_code.co_name, id(instance))


def _is_of(frame: FrameType, packages: frozenset[str]) -> bool:
    """Whether a frame runs code of one of the packages.

    The name of the module decides, since generated code (dataclasses, TensorFlow's AutoGraph) is in no folder.
    """
    if str(frame.f_globals.get("__name__")).partition(".")[0] in packages:
        return True
    # `python -m keras_lr` runs as `__main__`.
    return packages is LIBRARIES and frame.f_code.co_filename.startswith(_FOLDER)


def _is_hook(frame: FrameType) -> bool:
    """Whether a frame runs a hook of a callback."""
    return frame.f_code.co_name.startswith("on_") and isinstance(frame.f_locals.get("self"), keras.callbacks.Callback)
