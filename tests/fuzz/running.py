"""Common parts of the fuzzers: settings, seeds, dictionary."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def start() -> Any:
    """Set what must be set before Keras is imported. Then import atheris, and Keras without instrumentation."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import atheris
    except ImportError:
        sys.exit('the fuzzers need atheris: pip install -e ".[fuzz]"')
    import h5py  # noqa: F401
    import keras  # noqa: F401
    import plotext  # noqa: F401

    return atheris


def fuzz(
    atheris: Any,
    arguments: list[str],
    one_input: Callable[[bytes], None],
    seeds: Callable[[Path], None],
    words: list[str],
) -> None:
    """Run libFuzzer on an invariant, with limits of time and memory for each input."""
    one_input(b"")  # trigger late imports
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder)
        seeds(corpus)
        dictionary = corpus.parent / f"{corpus.name}.dict"
        dictionary.write_text("".join(f'"{word}"\n' for word in words))
        for seed in sorted(corpus.iterdir()):
            one_input(seed.read_bytes())
        limits = ["-timeout=20", "-rss_limit_mb=3072", "-max_len=20000", f"-dict={dictionary}"]
        folders = [argument for argument in arguments[1:] if not argument.startswith("-")]
        options = [argument for argument in arguments[1:] if argument.startswith("-")]
        atheris.Setup([arguments[0], *limits, *options, *folders, str(corpus)], one_input)
        atheris.Fuzz()
