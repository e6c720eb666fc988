"""The rows of docs/migrating.md, and the curves of the schedulers in their left columns.

Run as a program, it records in `migrations.json` the curves of packages that are not in the test environment. It needs
a separate environment:

    pip install keras-lr[tensorflow-cpu] timm transformers fastai && pip install --no-deps tensorflow-addons typeguard
    python tests/support/migrations.py
"""

import importlib
import importlib.metadata
import importlib.util
import json
import math
import re
import sys
import types
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "migrating.md"
RECORDED = HERE / "migrations.json"
STEPS = 120
LIVE = ("Keras", "torch", "optax", "Papers")


@dataclass(frozen=True)
class Line:
    """One row: both sides as Python source, and how many steps they agree for."""

    package: str
    theirs: str
    ours: str
    steps: int

    @property
    def id(self) -> str:
        return f"{self.package}-{self.theirs}"


def lines():
    """All rows of the page's tables."""
    found, package = [], None
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            package = line[3:]
        row = re.fullmatch(r"\| `(.+?)` \| `(.+?)` \| ?(.*) ?\|", line)
        if row:
            until = re.search(r"until step (\d+)", row[3])
            steps = min(int(until[1]) + 1, STEPS) if until else STEPS
            found.append(Line(package, row[1], row[2], steps))
    return found


def curve(line):
    """The rates of the other package."""
    return CURVES[line.package](line.theirs, line.steps)


def keras_curve(source, steps):
    import keras

    schedule = eval(source, vars(keras.optimizers.schedules).copy())
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in range(steps)]


def torch_curve(source, steps):
    import torch

    return _of_scheduler(source, steps, {**vars(torch.optim.lr_scheduler), "SWALR": torch.optim.swa_utils.SWALR})


def transformers_curve(source, steps):
    import transformers.optimization

    return _of_scheduler(source, steps, vars(transformers.optimization))


def _of_scheduler(source, steps, names):
    return torch_curves(lambda optimizer: eval(source, {**names, "optimizer": optimizer}), steps)[0]


def torch_curves(make, steps):
    """Rates and momenta of the first steps. `make` returns the scheduler of an optimizer with a rate of 0.4."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4, momentum=0.9)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        momenta.append(float(optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rates, momenta


def optax_curve(source, steps):
    import optax

    schedule = eval(source, vars(optax).copy())
    return [float(schedule(step)) for step in range(steps)]


def timm_curve(source, steps):
    import timm.scheduler
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4)
    scheduler = eval(source, {**vars(timm.scheduler), "optimizer": optimizer})
    rates = []
    for step in range(steps):
        scheduler.step(step)
        rates.append(float(optimizer.param_groups[0]["lr"]))
    return rates


def fastai_curve(source, steps):
    import fastai.callback.schedule

    schedule = eval(source, vars(fastai.callback.schedule).copy())
    return [float(schedule(step / 100)) for step in range(steps)]


def addons_curve(source, steps):
    """The package cannot be imported with Keras 3. The one file can, once a stand-in provides its type alias."""
    folder = Path(str(importlib.metadata.distribution("tensorflow-addons").locate_file("tensorflow_addons")))
    for name in ("tensorflow_addons", "tensorflow_addons.utils", "tensorflow_addons.utils.types"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["tensorflow_addons.utils.types"].FloatTensorLike = float
    spec = importlib.util.spec_from_file_location("cyclical", folder / "optimizers" / "cyclical_learning_rate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    schedule = eval(source, vars(module).copy())
    return [float(schedule(float(step))) for step in range(steps)]


def paper_curve(source, steps):
    formula = eval(source, vars(math).copy())
    return [float(formula(step)) for step in range(steps)]


CURVES = {
    "Keras": keras_curve,
    "torch": torch_curve,
    "optax": optax_curve,
    "transformers": transformers_curve,
    "timm": timm_curve,
    "fastai": fastai_curve,
    "TensorFlow Addons": addons_curve,
    "Papers": paper_curve,
}

DISTRIBUTIONS = {"TensorFlow Addons": "tensorflow-addons"}


def record():
    """Record the curves of all packages that the tests do not run themselves."""
    recorded = {}
    for line in lines():
        if line.package not in LIVE:
            version = importlib.metadata.version(DISTRIBUTIONS.get(line.package, line.package))
            package = recorded.setdefault(line.package, {"version": version, "curves": {}})
            package["curves"][line.theirs] = curve(line)
    RECORDED.write_text(json.dumps(recorded, indent=1) + "\n")


if __name__ == "__main__":
    record()
