"""Scripts in new processes that have already imported the libraries.

Each process is forked from one that has imported them and done nothing else. The imports are half the time of a short
script, and this way they happen only once.
"""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

CONTEXT = multiprocessing.get_context("forkserver")
# Keras tries to import TensorFlow in every `fit`, on every backend.
CONTEXT.set_forkserver_preload(["keras", "tensorflow", "keras_lr", "pandas", "sklearn.datasets"])


class Done(NamedTuple):
    """The exit status and the output of a process."""

    returncode: int
    stdout: str
    stderr: str


def run(script, folder, environment, timeout):
    """Run a script as `python script` in a folder, with these environment variables."""
    outputs = [Path(folder) / f"{name}-of-{Path(script).stem}.txt" for name in ("stdout", "stderr")]
    process = CONTEXT.Process(target=_script, args=(str(script), str(folder), dict(environment), *map(str, outputs)))
    process.start()
    process.join(timeout)
    if process.exitcode is None:
        process.kill()
        process.join()
    texts = [output.read_text() for output in outputs]
    for output in outputs:
        output.unlink()
    return Done(process.exitcode, *texts)


def _script(script, folder, environment, stdout, stderr):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((sys.stdout, stdout), (sys.stderr, stderr)):
        with open(path, "w") as file:
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = [script]
    sys.path[:0] = [str(Path(script).parent), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    runpy.run_path(script, run_name="__main__")
