"""`keras-lr forecast`."""

import pytest
from support.loss_laws import log
from support.needs import needs
from typer.testing import CliRunner

import keras_lr as klr
from keras_lr.command import forecasting

pytestmark = [pytest.mark.once, needs("scipy")]

STEPS = 600
LINEAR, STAIRS = "LinearDecay(0.002, 600)", "StepDecay(0.002, 200, 0.3)"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs")
    paths = []
    for name, schedule in {"a": klr.Constant(2e-3), "b": klr.CosineDecay(2e-3, STEPS)}.items():
        paths.append(str(folder / f"{name}.csv"))
        log("annealing", schedule, STEPS, noise=0.003).assign(epoch=0).to_csv(paths[-1], index=False)
    return paths


def run(*arguments, code=0):
    result = CliRunner().invoke(forecasting.app, ["forecast", *map(str, arguments)], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def options(*schedules, loss="held_out"):
    given = [part for schedule in schedules for part in ("--schedule", schedule)]
    return [*given, "--steps", STEPS, "--law", "annealing", "--loss", loss]


@needs("plotext")
def test_the_command_prints_a_table_and_a_curve(files):
    text = run(*files, *options(STAIRS, LINEAR))
    assert "<Forecast of 'held_out' by the annealing law: L0=" in text
    assert text.index(f"│ {LINEAR}") < text.index(f"│ {STAIRS}")  # the lower loss comes first
    assert "100%" in text


@needs("matplotlib")
def test_the_command_designs_a_schedule_and_writes_a_picture(files, tmp_path):
    picture = tmp_path / "forecast.png"
    text = run(*files, *options(LINEAR), "--best", "--plot", picture)
    assert "PiecewiseInterpolation(" in text
    assert picture.stat().st_size > 1_000


def test_wrong_logs_and_schedules_are_refused(files, tmp_path):
    assert "a run at a constant rate does not show" in run(files[0], *options(LINEAR), code=2)
    assert "`loss` must be a column of every log, got 'loss'" in run(*files, *options(LINEAR, loss="loss"), code=2)
    assert "write them in steps" in run(*files, *options("LinearDecay(0.1, epochs(3))"), code=2)
    assert "there is no schedule" in run(*files, *options("Linear(0.1, 3)"), code=2)
    assert "No such file" in run(tmp_path / "no.csv", *options(LINEAR), code=2)
