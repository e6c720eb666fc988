"""Fuzz `keras-lr show TEXT` with atheris (``pip install -e .[fuzz]``).

    python tests/fuzz/fuzz_show.py -max_total_time=60

An input is a text. If its first byte is 1, the rest are choices from a grammar, which give a text that is nearly
right. Other options are those of libFuzzer. To keep the corpus, name a folder.
"""

import os
import sys
from pathlib import Path

import running

atheris = running.start()

with atheris.instrument_imports(include=["keras_lr"]):
    import keras_lr
    import keras_lr.command.app
    import keras_lr.tools.parsing  # noqa: F401
import invariants  # noqa: E402 - the package is imported first, to be instrumented


def one_input(data: bytes) -> None:
    invariants.check_show(invariants.text_of(data))


def seeds(folder: Path) -> None:
    for number, text in enumerate(invariants.texts()):
        (folder / f"seed-{number}").write_bytes(text.encode("utf-8", "surrogatepass"))
        (folder / f"choices-{number}").write_bytes(b"\x01" + bytes((number * 37 + 11 * at) % 256 for at in range(60)))


if __name__ == "__main__":
    words = [
        *invariants.parsing.classes(),
        *invariants.parsing.METHODS,
        "epochs",
        "fraction",
        ">>",
        "keras.optimizers.schedules.",
    ]
    os.environ.setdefault("COLUMNS", "100")
    running.fuzz(atheris, sys.argv, one_input, seeds, words)
