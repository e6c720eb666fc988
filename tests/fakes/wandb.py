"""A fake of Weights & Biases with the functions that an example calls, to test the example without the package.

Steps must increase. The real package accepts the same step twice; this one does not.
When the run ends, it writes the logged values to wandb.json in the current folder.
"""

import json
from pathlib import Path


class Run:
    def __init__(self, **args):
        self.args, self.rows = args, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        Path("wandb.json").write_text(json.dumps({"init": self.args, "rows": self.rows}))

    def log(self, data, *, step):
        if self.rows and step <= self.rows[-1][0]:
            raise ValueError(f"step {step} after step {self.rows[-1][0]}")
        if not all(isinstance(name, str) and isinstance(value, float) for name, value in data.items()):
            raise TypeError(f"not names and numbers: {data}")
        self.rows.append((int(step), data))


def init(*, project, mode, config):
    if mode != "offline":
        raise ValueError("the tests must not reach the internet")
    return Run(project=project, mode=mode, config=config)
