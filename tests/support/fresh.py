"""Scripts in new processes that have imported the libraries already.

Each process is forked from one that has imported them and has done nothing else. So the imports, half of what a short script
takes, are paid for once.
"""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

CONTEXT = multiprocessing.get_context("forkserver")
# Keras looks for TensorFlow in every `fit`, whatever the backend is.
CONTEXT.set_forkserver_preload(["keras", "tensorflow", "keras_lr", "pandas", "sklearn.datasets"])


class Done(NamedTuple):
    """What a process left."""

    returncode: int
    stdout: str
    stderr: str


def run(script, folder, environment, timeout):
    """Run a script in a folder, as `python script` does there, with these variables of the environment."""
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
