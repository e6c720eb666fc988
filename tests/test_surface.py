"""The public names, and what importing them costs."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import keras_lr

NAMES = [
    "BackupAndRestore",
    "BindSchedule",
    "Bound",
    "Chain",
    "Clip",
    "Constant",
    "Cooldown",
    "CosineDecay",
    "CosineDecayRestarts",
    "CyclicalLearningRate",
    "ExponentialDecay",
    "InverseSquareRootDecay",
    "KDecay",
    "LearningRateLogger",
    "LinearDecay",
    "MultiStepDecay",
    "Noise",
    "OneCycle",
    "OppositePhase",
    "Paced",
    "PerUpdate",
    "PiecewiseConstantDecay",
    "PiecewiseInterpolation",
    "PolynomialDecay",
    "PowerLawDecay",
    "Product",
    "REXDecay",
    "Comparison",
    "RangeTest",
    "ReduceOnPlateau",
    "Reduced",
    "Repeat",
    "Schedule",
    "ScheduleWarning",
    "Scheduled",
    "Sequential",
    "Shifted",
    "SinusoidalLearningRate",
    "StepDecay",
    "Sum",
    "Tabulated",
    "TanhDecay",
    "TimeBasedDecay",
    "Warmup",
    "WarmupStableDecay",
    "check_schedule",
    "epochs",
    "compare",
    "diff",
    "find_learning_rate",
    "fraction",
    "from_function",
    "get_learning_rate",
    "scaled",
    "set_learning_rate",
    "set_step",
    "steps_per_epoch",
]


def test_the_public_names():
    assert keras_lr.__all__ == sorted(NAMES)
    assert all(inspect.getdoc(getattr(keras_lr, name)) for name in NAMES)


def test_the_import_is_light():
    code = (
        "import sys, keras; before = set(sys.modules); import keras_lr; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new & {'matplotlib', 'pandas', 'rich', 'typer', 'sklearn', 'pyarrow'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ.copy()
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_no_backend_is_imported_by_name():
    for path in Path(keras_lr.__file__).parent.rglob("*.py"):
        found = re.findall(r"^\s*(?:import|from) (tensorflow|torch|jax)\b", path.read_text(), re.MULTILINE)
        assert found == (["jax"] if path.name == "optimizer.py" else []), path
