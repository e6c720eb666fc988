"""The public names, and the cost of importing them."""

import ast
import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest
from support.processes import printed_lines

import keras_lr
from keras_lr import Schedule

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]

# All public names but the schedules. `test_every_exported_schedule_has_a_row` compares those with the catalogue.
NAMES = [
    "BackupAndRestore",
    "BatchNormMomentum",
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
    "Forecast",
    "Forecaster",
    "GreedyLearningRate",
    "InverseSquareRootDecay",
    "KDecay",
    "LearningRateLogger",
    "Comparison",
    "RangeTest",
    "ReduceOnPlateau",
    "RefreshBatchNorm",
    "SaveAtCycleEnds",
    "ScheduleWarning",
    "Scheduled",
    "check_schedule",
    "epochs",
    "compare",
    "diff",
    "find_learning_rate",
    "fit_forecast",
    "fraction",
    "from_epoch_function",
    "from_function",
    "get_learning_rate",
    "layerwise_decay",
    "norms_and_biases",
    "parse",
    "refine",
    "refresh_batch_norm",
    "samples",
    "scaled",
    "set_learning_rate",
    "set_step",
    "steps_per_epoch",
]


def is_ours(cls):
    return cls.__module__.split(".")[0] == "keras_lr"


def test_the_public_names():
    exported = {name: getattr(keras_lr, name) for name in keras_lr.__all__}
    schedules = [name for name, thing in exported.items() if isinstance(thing, type) and issubclass(thing, Schedule)]
    assert keras_lr.__all__ == sorted({*NAMES, *schedules})
    assert set(schedules) == {cls.__name__ for cls in Schedule.__subclasses__() if is_ours(cls)} | {"Schedule"}
    assert all(inspect.getdoc(getattr(keras_lr, name)) for name in NAMES)


def test_the_import_is_light():
    code = (
        "import sys, keras; before = set(sys.modules); import keras_lr; "
        "assert keras_lr.LinearDecay(0.1, 9)._repr_html_(); "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new & {'matplotlib', 'pandas', 'rich', 'typer', 'sklearn', 'pyarrow'}), "
        "sorted(name for name in sys.modules if name.startswith(('keras_lr.callbacks', 'keras_lr.tools', 'keras_lr.tuning'))))"
    )
    assert printed_lines(code)[-1] == "[] []"


def test_type_checkers_see_what_is_imported_later():
    tree = ast.parse(Path(keras_lr.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        name.name: node.module.removeprefix("keras_lr.")
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module != "keras_lr"
        for name in node.names
    }
    assert seen == keras_lr._LATER
    assert set(seen) <= set(keras_lr.__all__) & set(dir(keras_lr))


def test_a_name_that_does_not_exist_raises_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'keras_lr' has no attribute 'CosineDecy'"):
        keras_lr.CosineDecy  # noqa: B018


# Names in the README, the docs, the examples and the strings of the package

DOTTED = re.compile(r"(?<![\w./-])(?:keras_lr|klr)(?:\.[A-Za-z_]\w*)+")
IMPORT = re.compile(r"^[ >]*from (keras_lr[\w.]*) import (\([^)]*\)|[^\n#]*)", re.MULTILINE)


def spelled():
    """The places where each name ``keras_lr.x.y`` is written or imported."""
    texts = {path: path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]}
    texts |= {path: path.read_text() for path in (ROOT / "examples").glob("*.py")}
    for path in (ROOT / "examples").glob("*.ipynb"):
        texts[path] = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
    for path in Path(keras_lr.__file__).parent.rglob("*.py"):
        constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        texts[path] = "\n".join(value for value in constants if isinstance(value, str))
    names = {}
    for path, text in texts.items():
        for name in DOTTED.findall(text):
            names.setdefault(re.sub("^klr", "keras_lr", name), path)
        for module, imported in IMPORT.findall(text):
            for part in re.sub(r"#.*", "", imported).strip("() \n").split(","):
                if part.strip():
                    names.setdefault(f"{module}.{part.split()[0]}", path)
    return names


@pytest.mark.slow
@pytest.mark.once
def test_every_spelled_name_exists_after_the_import():
    names = spelled()
    assert {"keras_lr.tuning.schedule", "keras_lr.Warmup", "keras_lr.custom.power", "keras_lr.set_step"} <= set(names)
    assert len(names) > 30
    code = (
        "import functools, sys, keras_lr; missing, listed = [], 'tuning' in dir(keras_lr)\n"
        "for name in sys.argv[1:]:\n"
        "    try: functools.reduce(getattr, name.split('.')[1:], keras_lr)\n"
        "    except AttributeError as error: missing.append(f'{name}: {error}')\n"
        "import keras_lr.tuning as module\n"
        "print(missing, listed, module is keras_lr.tuning, hasattr(keras_lr, 'tunning'))"
    )
    assert printed_lines(code, *names)[-1] == "[] True True False", {name: str(path) for name, path in names.items()}
    assert set(dir(keras_lr)) >= {*keras_lr.__all__, *keras_lr._MODULES, "__version__"}
    with pytest.raises(AttributeError, match="module 'keras_lr' has no attribute 'tunning'"):
        keras_lr.tunning  # noqa: B018


def test_no_backend_is_imported_by_name():
    for path in Path(keras_lr.__file__).parent.rglob("*.py"):
        found = re.findall(r"^\s*(?:import|from) (tensorflow|torch|jax)\b", path.read_text(), re.MULTILINE)
        assert not found, path


@pytest.mark.parametrize(
    ("name", "objects"),
    [
        ("curves", {it: it for it in ("clip", "cosine", "mix", "since", "where")}),
        ("fields", {"Rate": "Rate", "Steps": "Steps", "Text": "String", "Name": "StringOrNone", "Fraction": "Share"}),
    ],
)
def test_a_former_module_has_the_objects_of_today_and_warns(name, objects):
    sys.modules.pop(f"keras_lr.{name}", None)
    with pytest.warns(DeprecationWarning, match=f"^keras_lr.{name} is `keras_lr.custom` now$"):
        former = importlib.import_module(f"keras_lr.{name}")
    today = importlib.import_module(f"keras_lr.core.{name}")
    assert all(getattr(former, old) is getattr(today, new) for old, new in objects.items())
