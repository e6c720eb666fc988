"""Lines that callbacks print, through the switch that Keras has for its own."""

from __future__ import annotations

import logging

import keras


def say(message: str) -> None:
    """Print a line, or log it where `keras.config.disable_interactive_logging()` was called.

    Keras then writes its own lines to the logger "absl", at the level INFO; so does this.
    """
    if keras.config.is_interactive_logging_enabled():
        print(message)
    else:
        logging.getLogger("absl").info(message)
