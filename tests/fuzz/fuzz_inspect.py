"""Fuzz `keras-lr inspect FILE` with atheris (``pip install -e .[fuzz]``).

    python tests/fuzz/fuzz_inspect.py -max_total_time=60

The first byte of an input chooses what the rest is: a whole file, or its config, a learning rate, its weights, the
state of callbacks, or its metadata. Other options are those of libFuzzer. To keep the corpus, name a folder.
"""

import sys
import tempfile
from pathlib import Path

import running

atheris = running.start()

with atheris.instrument_imports(include=["keras_lr"]):
    import keras_lr
    import keras_lr.command.app
    import keras_lr.command.inspection  # noqa: F401
import invariants  # noqa: E402 - the package is imported first, to be instrumented

FOLDER = tempfile.TemporaryDirectory()


def one_input(data: bytes) -> None:
    invariants.check_inspect(invariants.form(data), Path(FOLDER.name))


def seeds(folder: Path) -> None:
    for number, (form, data) in enumerate(invariants.files()):
        (folder / f"seed-{number}").write_bytes(bytes([form]) + data)


if __name__ == "__main__":
    words = [
        "class_name",
        "registered_name",
        "config",
        "module",
        "learning_rate",
        "compile_config",
        "optimizer",
        "entries",
    ]
    running.fuzz(
        atheris, sys.argv, one_input, seeds, words + [f"keras_lr>{name}" for name in invariants.parsing.classes()]
    )
