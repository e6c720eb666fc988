"""The random states of a process as JSON values, so that another process can continue a training from them.

They determine the order of the data in `fit(shuffle=True)` (Python's generator for a `PyDataset`,
NumPy's for arrays on JAX, torch's on torch). On torch they also determine a Dropout without its own
seed. TensorFlow shuffles inside `tf.data`, whose state cannot be read.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import keras
import numpy as np

MERSENNE = "MT19937"
"""NumPy's usual generator for `np.random.…`. The state of any other is not saved."""


def capture() -> dict[str, Any]:
    """The current states."""
    version, words, gauss = random.getstate()
    found: dict[str, Any] = {"python": [version, list(words), gauss]}
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - Keras shuffles with it
    if isinstance(numpy, dict) and numpy["bit_generator"] == MERSENNE:
        words = numpy["state"]["key"].tolist()
        found["numpy"] = [words, int(numpy["state"]["pos"]), int(numpy["has_gauss"]), float(numpy["gauss"])]
    if keras.config.backend() == "torch":
        torch = sys.modules["torch"]
        found["torch"] = _text(torch.get_rng_state())
        if torch.cuda.is_initialized():
            found["cuda"] = [_text(state) for state in torch.cuda.get_rng_state_all()]
    return found


class RandomStates:
    """States that were captured by this process or another one.

    Raises:
        ValueError: the states are not valid.
    """

    def __init__(self, captured: dict[str, Any]) -> None:
        try:
            version, words, gauss = captured["python"]
            self._python = (version, tuple(words), gauss)
            random.Random().setstate(self._python)
            self._numpy = None
            if "numpy" in captured:
                words, position, has_gauss, gauss = captured["numpy"]
                self._numpy = (MERSENNE, np.array(words, np.uint32), position, has_gauss, gauss)
                np.random.RandomState().set_state(self._numpy)
            self._torch = None
            self._cuda: list[Any] = []
            # A file from torch may be loaded on another backend.
            if "torch" in captured and keras.config.backend() == "torch":
                self._torch = _tensor(captured["torch"])
                sys.modules["torch"].Generator().set_state(self._torch)
                self._cuda = [_tensor(text) for text in captured.get("cuda", [])]
        except Exception as error:  # the generators raise errors of many classes
            raise ValueError(f"its random states are damaged: {error}") from error

    def restore(self) -> None:
        """Set the states of this process."""
        random.setstate(self._python)
        if self._numpy is not None:
            np.random.set_state(self._numpy)  # noqa: NPY002
        if self._torch is not None:
            torch = sys.modules["torch"]
            torch.set_rng_state(self._torch)
            if torch.cuda.is_initialized():
                for number, state in enumerate(self._cuda[: torch.cuda.device_count()]):
                    torch.cuda.set_rng_state(state, number)


def _text(state: Any) -> str:
    return bytes(state.cpu().numpy()).hex()


def _tensor(text: str) -> Any:
    return sys.modules["torch"].frombuffer(bytearray.fromhex(text), dtype=sys.modules["torch"].uint8)
