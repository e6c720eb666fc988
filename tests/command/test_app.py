"""The command: its output, its errors, and that it does not run code in its input."""

import json
import re
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest
from support.needs import needs
from typer.testing import CliRunner

import keras_lr as klr
from keras_lr.command import app as cli
from keras_lr.command import inspection, render, report
from keras_lr.schedules.installed import MADE_FOR_YOU
from keras_lr.tools import parsing

pytestmark = pytest.mark.once

RUNNER = CliRunner()


def run(*arguments, code=0):
    result = RUNNER.invoke(cli.app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


def refused(*arguments):
    return " ".join(run(*arguments, code=2).split())


def test_list_has_a_line_and_a_sparkline_for_every_schedule():
    text = run("list")
    for name, schedule_class in parsing.classes().items():
        if name in MADE_FOR_YOU:
            continue
        line = next(line for line in text.splitlines() if line.split("│")[1:2] and line.split("│")[1].strip() == name)
        assert any(bar in line for bar in render.BARS), line
        assert isinstance(cli.example_of(schedule_class)[0], schedule_class), name


def test_a_sparkline():
    assert render.sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert render.sparkline([0.0, 0.0]) == "▁▁"
    assert render.sparkline([0.3, 0.3]) == "██"
    assert render.sparkline([0.95, 0.9, 0.85]) == "█▅▁"


def test_show():
    text = run("show", "Warmup(CosineDecay(0.1, 900), 100)", "--steps", 1000)
    assert "A linear warmup from 0 over 100 steps, then a cosine" in text
    assert len(text.splitlines()) > 10
    assert text.split("┘")[1].split() == ["0", "249", "499", "749", "999", "step"]
    rows = run("show", "LinearDecay(0.5, 4)", "--csv").split()
    assert rows == ["step,learning_rate", "0,0.5", "1,0.375", "2,0.25", "3,0.125", "4,0.0"]
    assert len(run("show", "LinearDecay(0.5, 4)", "--csv", "--steps", 3).split()) == 4


def test_show_with_epochs(tmp_path):
    assert "--epochs and --steps-per-epoch" in refused("show", "CosineDecay(0.1, epochs(3))")
    rows = run("show", "LinearDecay(0.5, epochs(2))", "--csv", "--epochs", 2, "--steps-per-epoch", 2).split()
    assert rows[1:3] == ["0,0.5", "1,0.375"]
    picture = tmp_path / "curve.png"
    run("show", "LinearDecay(0.5, 4)", "--plot", picture)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "not supported" in refused("show", "LinearDecay(0.5, 4)", "--plot", tmp_path / "curve.xyz")


def test_show_reports_mistakes():
    assert "`decay_steps` must be a number of steps in [1, 2**31), got -5" in refused("show", "StepDecay(0.1, -5)")
    assert "there is no schedule 'Nothing'" in refused("show", "Nothing(0.1)")
    run("show", "Constant(0.1)", "--steps", 0, code=2)
    stock = "keras.optimizers.schedules."
    assert "are not all finite" in refused("show", stock + "PolynomialDecay(0.1, 100, 0.01, -1.0)", "--steps", 200)
    assert "ExponentialDecay cannot be evaluated: " in refused("show", stock + "ExponentialDecay('x', 10, 0.5)")


def saved(tmp_path, optimizer, callbacks=(), epochs=1):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    if optimizer is not None:
        model.compile(optimizer, loss="mse")
        model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, verbose=0, epochs=epochs, callbacks=list(callbacks))
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_inspect(tmp_path):
    path = saved(tmp_path, keras.optimizers.AdamW(klr.Warmup(klr.LinearDecay(0.1, 8), 2)))
    text = run("inspect", path, "--ahead", 4)
    assert "Step: 4" in text
    assert "learning_rate of AdamW: Warmup(LinearDecay(0.1, 8), 2)" in text
    assert "now 0.075" in text
    assert "0.075 at 4, 0.0625 at 5, 0.05 at 6" in text
    assert "0.025 at 8" in text
    over = saved(tmp_path, keras.optimizers.SGD(klr.LinearDecay(0.1, 3)))
    assert "at its end" in run("inspect", over)


def test_inspect_other_optimizers(tmp_path):
    cycle = klr.OneCycle(0.1, 20)
    text = run("inspect", saved(tmp_path, klr.Scheduled(keras.optimizers.SGD(cycle), momentum=cycle.momentum())))
    assert "learning_rate of SGD: OneCycle(0.1, 20)" in text
    assert "momentum of SGD: OppositePhase(" in text
    thawing = klr.Sequential([0.0, 1.0], [5])
    groups = klr.Scheduled(keras.optimizers.SGD(0.25), multipliers={"kernel": 0.5, "bias": thawing})
    text = run("inspect", saved(tmp_path, groups))
    assert "multipliers[kernel] of SGD: 0.5\n" in text
    assert f"multipliers[bias] of SGD: {thawing!r}\n" in text
    assert "now 0\n" in text
    text = run("inspect", saved(tmp_path, keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25))))
    assert "Step: 4" in text
    assert "learning_rate of SGD: 0.25" in text
    chosen = keras.optimizers.OptimizerMap(
        default_optimizer=keras.optimizers.SGD(0.5, name="slow"),
        optimizer_map={"other/.*": keras.optimizers.Adam(klr.Constant(0.125), name="fast")},
    )
    text = run("inspect", saved(tmp_path, keras.optimizers.MultiOptimizer(chosen)))
    assert "learning_rate_slow of SGD: 0.5" in text
    assert "learning_rate_fast of Adam: Constant(0.125)" in text
    stock = keras.optimizers.schedules.ExponentialDecay(0.5, 4, 0.5)
    assert "now 0.25" in run("inspect", saved(tmp_path, keras.optimizers.SGD(stock)))
    assert "not compiled" in run("inspect", saved(tmp_path, None))
    unbound = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    unbound.compile(keras.optimizers.SGD(klr.LinearDecay(0.1, klr.epochs(2))), loss="mse")
    unbound.save(tmp_path / "unbound.keras")
    assert "not bound yet" in run("inspect", tmp_path / "unbound.keras")


def test_inspect_shows_the_state_of_callbacks(tmp_path):
    plateau = klr.ReduceOnPlateau("loss", patience=1, min_delta=100.0, factor=0.5)
    text = run("inspect", saved(tmp_path, keras.optimizers.SGD(klr.Constant(0.1)), [plateau], epochs=3))
    assert "Reduced(" in text
    (line,) = [line for line in text.splitlines() if line.startswith("ReduceOnPlateau/loss")]
    state = plateau.state
    assert state.n_reductions == 2
    assert line == (
        f"ReduceOnPlateau/loss: 2 reductions so far; learning_rate scaled by 0.25; best metric {state.best:.6g}; "
        "0 bad epochs in a row; last checked after epoch 3"
    )
    once = {
        "best": None,
        "wait": 1,
        "cooldown_counter": 2,
        "n_reductions": 1,
        "recent": [],
        "last_epoch": -1,
        "scales": {},
    }
    assert report._plateau(once) == (
        "1 reduction so far; no metric seen yet; 1 bad epoch in a row; 2 quiet epochs left"
    )
    assert "1 bad window in" in report._plateau({**once, "unfinished": [3, 0.5, 0.0]})
    for damaged in ({**once, "wait": "x"}, {"best": 1.0}, [1], None):
        assert report._plateau(damaged) == json.dumps(damaged)


def forged(tmp_path, change):
    path = saved(tmp_path, keras.optimizers.SGD(klr.Constant(0.1)))
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def with_rate(rate):
    def change(contents):
        config = json.loads(contents["config.json"])
        config["compile_config"]["optimizer"]["config"]["learning_rate"] = rate
        contents["config.json"] = json.dumps(config).encode()

    return change


def test_inspect_runs_no_code_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    evil = {"module": "evil_module", "class_name": "Evil", "config": {}, "registered_name": "Evil"}
    own = {
        "module": "keras_lr.schedules.combine",
        "class_name": "Warmup",
        "config": {"schedule": evil, "warmup_steps": 3},
        "registered_name": "keras_lr>Warmup",
    }
    lambdas = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}, "module": "builtins"}
    deep = {
        "class_name": "Warmup",
        "registered_name": "keras_lr>Warmup",
        "config": {"schedule": lambdas, "warmup_steps": 1},
    }
    for rate in (evil, own, lambdas, deep):
        text = run("inspect", forged(tmp_path, with_rate(rate)))
        assert "not loaded here" in text
    assert not (tmp_path / "ran").exists()
    stock = {
        "module": "keras.optimizers.schedules",
        "class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": evil},
        "registered_name": None,
    }
    assert "not plain" in run("inspect", forged(tmp_path, with_rate(stock)))
    wrong = {"class_name": "Constant", "registered_name": "keras_lr>Constant", "config": {"learning_rate": "x", "y": 1}}
    assert "'Constant' (" in run("inspect", forged(tmp_path, with_rate(wrong)))


def test_inspect_of_damaged_files(tmp_path):
    path = tmp_path / "model.keras"
    for content in (b"", b"PK\x03\x04 nothing", b"x" * 1000):
        path.write_bytes(content)
        assert "is not a `.keras` file" in refused("inspect", path)
    assert "No such file" in refused("inspect", tmp_path / "nothing.keras")
    assert "is not a file" in refused("inspect", tmp_path)
    locked = saved(tmp_path, keras.optimizers.SGD(0.1))
    content = bytearray(locked.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for start in [match.start() for match in re.finditer(mark, bytes(content))]:
            content[start + flags] |= 1
    locked.write_bytes(content)
    assert "encrypted" in refused("inspect", locked)
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    for name, content in (
        ("config.json", b"[1]"),
        ("config.json", b"{"),
        ("config.json", deep),
        ("metadata.json", b"3"),
        ("model.weights.h5", b"nothing"),
    ):
        damaged = forged(tmp_path, lambda contents, name=name, content=content: contents.update({name: content}))
        assert "keras-lr: " in refused("inspect", damaged)


def test_a_config_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "LARGEST", 100)
    assert "config.json has more than" in refused("inspect", saved(tmp_path, None))


def log(path, rates, losses):
    frame = pd.DataFrame({"step": range(len(rates)), "epoch": 0, "batch": range(len(rates)), "learning_rate": rates})
    frame = frame.assign(loss=losses)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    return path


@needs("pyarrow")
def test_compare_logs(tmp_path):
    one = log(tmp_path / "one.csv", [0.1, 0.2, 0.3, 0.2], [4.0, 3.0, 2.0, 1.5])
    same = log(tmp_path / "same.parquet", [0.1, 0.2, 0.3], [4.0, 3.0, 2.5])
    other = log(tmp_path / "other.csv", [0.1, 0.2, 0.25, 0.1], [4.0, 3.0, 2.0, 1.25])
    text = run("compare", one, same, other, "--plot", tmp_path / "all.png")
    assert text.splitlines() == [
        f"run 1  {one}",
        f"run 2  {same}",
        f"run 3  {other}",
        "",
        "                  run 1      run 2      run 3",
        "steps                 4          3          4",
        "epochs                1          1          1",
        "first rate          0.1        0.1        0.1",
        "highest rate        0.3        0.3       0.25",
        "last rate           0.2        0.3        0.1",
        "mean rate           0.2        0.2     0.1625",
        "last loss           1.5        2.5       1.25",
        "",
        "Rates of run 2 and run 1: the same in all of 3 common steps.",
        "Rates of run 3 and run 1: differ from step 2, most at step 3: 0.1 and 0.2.",
        f"Written: {tmp_path / 'all.png'}",
    ]
    assert (tmp_path / "all.png").stat().st_size > 1000


def test_compare_prints_names_in_files_as_plain_text(tmp_path):
    """Names of columns and of files are printed without markup, control sequences or traceback."""
    names = ["[/x]", "\x1b[31mred", "[bold]b[/bold]", "a\u202eb", "\x9b5m", "\\"]
    path = tmp_path / "[red]log[bold].csv"
    pd.DataFrame({"step": [0], "epoch": [0], "batch": [0], "learning_rate": [0.1]} | dict.fromkeys(names, 0.5)).to_csv(
        path, index=False
    )
    result = RUNNER.invoke(cli.app, ["compare", str(path)], env={"COLUMNS": "400"}, color=True)
    assert result.exit_code == 0, result.output
    for text in ("[/x]", "\\x1b[31mred", "[bold]b[/bold]", "[red]log[bold].csv"):
        assert text in result.output
    assert not {"\x1b", "\x9b", "\u202e"} & set(result.output)


def test_compare_shows_the_first_of_many_columns(tmp_path):
    names = [f"m{number}" for number in range(20_000)]
    path = tmp_path / "log.csv"
    path.write_text(f"step,epoch,batch,learning_rate,{','.join(names)}\n0,0,0,0.1{',0.5' * len(names)}\n")
    text = run("compare", path)
    assert "19,980 further columns are not shown" in text


def test_compare_logs_of_several_trainings(tmp_path):
    path, other = tmp_path / "one.csv", tmp_path / "two.csv"
    head, rows = "training,step,epoch,batch,learning_rate\n", ["0,0,0,0,0.1\n", "0,1,0,1,0.1\n", "1,0,0,0,0.2\n"]
    path.write_text(head + "".join(rows))
    other.write_text(head + "".join([*rows[:2], "1,0,0,0,0.4\n"]))
    (tmp_path / "same.csv").write_text(path.read_text())
    text = " ".join(run("compare", path, other, tmp_path / "same.csv").split())
    assert "differ from step 0, most at step 0: 0.4 and 0.2" in text
    assert "the same in all of 3 common steps" in text


def test_compare_refuses_files_that_are_not_logs(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    assert "it has no column 'step'" in refused("compare", bad)
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "is not a log" in refused("compare", empty)
    assert "must end in .csv or .parquet" in refused("compare", tmp_path / "x.txt")
    assert "No such file" in refused("compare", tmp_path / "x.csv")


def test_compare_logs_without_rates_or_with_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,epoch,batch,loss\n0,0,0,1\n")
    assert "it has no column 'learning_rate'" in refused("compare", path, "--plot", tmp_path / "x.png")
    for text in ("a,0,0,0.1,1", "0,0,0,b,1", "0,0,0,0.1,c"):
        path.write_text(f"step,epoch,batch,learning_rate,loss\n{text}\n")
        assert "has other values than numbers" in refused("compare", path)
    path.write_text("step,epoch,batch,learning_rate,loss\n")
    assert "log.csv" in run("compare", path)


def test_compare_runs_with_other_columns_of_rates(tmp_path):
    one = log(tmp_path / "one.csv", [0.1, 0.2], [4.0, 3.0])
    two = log(tmp_path / "two.csv", [0.3, 0.4], [4.0, 3.0])
    two.write_text(two.read_text().replace("learning_rate", "learning_rate_a"))
    lines = run("compare", one, two).splitlines()
    assert "first rate          0.1        0.3" in lines
    assert "last rate           0.2        0.4" in lines
    assert lines[-1] == "Rates of run 2 and run 1: no common steps."


def test_compare_fits_into_80_columns_and_a_pipe(tmp_path):
    """With nine runs of long names, only lines with paths are wider, and nothing is cut off."""
    metric = "val_sparse_categorical_accuracy"
    paths = []
    for number in range(9):
        paths.append(tmp_path / f"a_run_with_a_long_name_{number}.csv")
        rate = 1.2345678e-7 * (number + 1)
        paths[-1].write_text(f"step,epoch,batch,learning_rate,{metric}\n0,0,0,{rate},-0.000123456\n")
    done = RUNNER.invoke(cli.app, ["compare", *map(str, paths)], env={"COLUMNS": "80"})
    lines = done.output.splitlines()
    assert [f"run {number + 1}  {path}" for number, path in enumerate(paths)] == lines[:9]
    assert all(len(line) <= 80 for line in lines[9:])
    assert lines.count(f"last {metric}") == 3
    assert "".join(lines).count("-0.0001235") == 9
    assert all(f"{1.2345678e-7 * (number + 1):.4g}" in done.output for number in range(9))
    assert "…" not in done.output


def test_pictures_that_cannot_be_written_are_refused(tmp_path):
    for name in (".", tmp_path, "picture"):
        assert "the name of a picture ends in" in refused("show", "Constant(0.1)", "--plot", name)
    assert "not supported" in refused("show", "Constant(0.1)", "--plot", tmp_path / "x.xyz")
    assert "cannot be used together" in refused("show", "Constant(0.1)", "--csv", "--plot", tmp_path / "x.png")


def test_a_folder_of_the_demo_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "File exists" in refused("demo", "--out", tmp_path / "file", "--epochs", 4)


def test_a_version_is_its_first_two_numbers():
    assert run("--version").strip() == f"keras-lr {klr.__version__}"


def test_every_command_has_help():
    assert {"list", "show", "inspect", "compare", "demo"} <= set(run("--help").split())
    for command in ("list", "show", "inspect", "compare", "demo"):
        assert "Usage" in run(command, "--help")
