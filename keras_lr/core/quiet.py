"""Keeps the start-up lines of TensorFlow out of the output of the command `keras-lr`.

TensorFlow 2.21 writes them to standard error during its import and ignores TF_CPP_MIN_LOG_LEVEL. So this module is
imported before Keras. It does nothing in other programs.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

STARTUP = re.compile(
    rb"^(WARNING: All log messages before absl|[IW]0000 |To enable the following instructions).*\n?", re.M
)


def is_command() -> bool:
    """Whether this process was started as ``keras-lr`` or ``python -m keras_lr``."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name.removesuffix(".exe") == "keras-lr" or (name == "-m" and "keras_lr" in sys.orig_argv)


@contextlib.contextmanager
def without_startup_lines() -> Iterator[None]:
    """Hold back the standard error, and write it afterwards without the lines of TensorFlow."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        shown = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
            held.seek(0)
            os.write(2, STARTUP.sub(b"", held.read()))


if is_command():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_startup_lines():
        import keras as keras
