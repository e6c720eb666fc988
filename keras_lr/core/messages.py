"""Lines that callbacks print. Keras's switch for its own output applies to them too."""

from __future__ import annotations

import logging

import keras


def say(message: str) -> None:
    """Print a line, or log it if `keras.config.disable_interactive_logging()` was called.

    The line then goes to the logger "absl" at level INFO, as Keras's own lines do.
    """
    if keras.config.is_interactive_logging_enabled():
        print(message)
    else:
        logging.getLogger("absl").info(message)
