"""Nothing in a malicious file is run or imported, nothing hangs or fills the memory, and errors are sentences.

`keras.saving.load_model` belongs to Keras. The tests only check that our schedules refuse wrong configs in it.
"""

import io
import json
import signal
import struct
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from support.needs import needs

import keras_lr as klr
from keras_lr.callbacks import log_reader, logfile, parquet
from keras_lr.command import app as cli
from keras_lr.command import inspection
from keras_lr.core import serialization, tree
from keras_lr.tools.comparison.journal import Journal
from keras_lr.training.saved_state import TrainingState, memory, of

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))
import invariants

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _in_time():
    """End a test that hangs."""

    def late(*_):
        raise TimeoutError("longer than 60 seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A module that leaves a mark when it is imported. Then the test fails."""
    (tmp_path / "trap_module.py").write_text(
        "import pathlib\npathlib.Path(__file__).with_name('sprung').touch()\nEvil = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert not (tmp_path / "sprung").exists()
    assert "trap_module" not in sys.modules


def config_of(name, **arguments):
    return {"module": "keras_lr", "class_name": name, "config": arguments, "registered_name": f"keras_lr>{name}"}


def deep(depth):
    made = 0.1
    for _ in range(depth):
        made = config_of("Warmup", schedule=made, warmup_steps=1)
    return made


EVIL = {
    "a module that is imported": {"module": "trap_module", "class_name": "Evil", "config": {}, "registered_name": None},
    "a registered name": {"module": "trap_module", "class_name": "Evil", "config": {}, "registered_name": "x>Evil"},
    "os.system": {
        "module": "os",
        "class_name": "system",
        "config": {"command": "touch sprung"},
        "registered_name": None,
    },
    "a lambda": {
        "module": "builtins",
        "class_name": "__lambda__",
        "config": {"value": "4wEAAAA="},
        "registered_name": None,
    },
    "a function": {"module": "builtins", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
    "a layer": {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": None},
    "deserialize itself": {
        "module": "keras.optimizers.schedules",
        "class_name": "deserialize",
        "config": {"config": [{"module": "trap_module", "class_name": "Evil", "config": {}, "registered_name": None}]},
        "registered_name": None,
    },
    "the base class": {
        "module": "keras.optimizers.schedules",
        "class_name": "LearningRateSchedule",
        "config": {},
        "registered_name": None,
    },
    "our optimizer": {**config_of("Scheduled"), "config": {}},
    "a stock schedule that is not plain": {
        "module": "keras.optimizers.schedules",
        "class_name": "ExponentialDecay",
        "config": {"initial_learning_rate": {"class_name": "x"}, "decay_steps": 1, "decay_rate": 0.5},
        "registered_name": None,
    },
    "no class": {"class_name": None, "config": {}},
    "a number as class": {"class_name": 3, "config": {}},
    "no config": {"class_name": "Constant", "registered_name": "keras_lr>Constant"},
    "a list as config": {"class_name": "Constant", "registered_name": "keras_lr>Constant", "config": [0.1]},
    "an extra argument": config_of("Constant", learning_rate=0.1, more=1),
    "a missing argument": config_of("LinearDecay", initial_learning_rate=0.1),
    "a giant number": config_of("Constant", learning_rate=10**400),
    "NaN": config_of("Constant", learning_rate=float("nan")),
    "Infinity": config_of("StepDecay", initial_learning_rate=0.1, decay_steps=float("inf")),
    "a unit with a giant number": config_of("LinearDecay", initial_learning_rate=0.1, decay_steps={"epochs": 10**400}),
    "a deep list": config_of("Tabulated", values=json.loads("[" * 900 + "]" * 900)),
}
DEPTHS = (70, 300)


@pytest.mark.parametrize("name", EVIL)
def test_a_config_may_only_contain_registered_schedules(name, trap):
    for owner, argument in ((klr.Warmup, "schedule"), (klr.Sum, "schedules")):
        given = EVIL[name] if argument == "schedule" else [EVIL[name], 0.1]
        config = {argument: given} | ({"warmup_steps": 3} if owner is klr.Warmup else {})
        with invariants.watched(), pytest.raises((TypeError, ValueError)) as caught:
            owner.from_config(config)
        assert len(str(caught.value)) > 20


@pytest.mark.parametrize("depth", [*DEPTHS, 10_000])
def test_deep_configs_are_refused(depth):
    with pytest.raises(ValueError, match="nested at most 6"):
        klr.Warmup.from_config(deep(depth)["config"])
    with pytest.raises(ValueError, match="nested at most 6"):
        serialization.from_serialized(deep(depth))


def test_the_deepest_allowed_schedule_works():
    made = klr.LinearDecay(0.1, 8)
    for _ in range(tree.DEEPEST - 1):
        made = klr.Warmup(made, 1, 0.5)
    assert (
        keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(made)))) == made
    )
    assert made.values(tree.DEEPEST - 1 + 4) == pytest.approx(0.05)
    with pytest.raises(ValueError, match="`schedule` must be nested at most 63 schedules deep"):
        klr.Warmup(made, 1)


def test_invalid_configs_are_refused():
    for config in (None, 3, [], "x", {1: 2}):
        with pytest.raises(TypeError, match="`config` must be a dict"):
            klr.Constant.from_config(config)
    for config in (None, 3, {}, {"optimizer": 1}, {"optimizer": EVIL["os.system"], "hyperparameters": {}}):
        with pytest.raises((TypeError, ValueError), match="Scheduled: `config`"):
            klr.optimizers.scheduled.ScheduledOptimizer.from_config(config)


@pytest.mark.parametrize("name", EVIL)
def test_scheduled_creates_only_keras_optimizers_and_schedules(name, trap):
    good = klr.Scheduled(keras.optimizers.SGD(0.1), momentum=klr.Constant(0.5)).get_config()
    assert klr.optimizers.scheduled.ScheduledOptimizer.from_config(good).hyperparameters["momentum"] == klr.Constant(
        0.5
    )
    for change in ({"optimizer": EVIL[name]}, {"hyperparameters": {"momentum": EVIL[name]}}):
        with pytest.raises((TypeError, ValueError)):
            klr.optimizers.scheduled.ScheduledOptimizer.from_config({**good, **change})


# `keras-lr inspect`.


def refused(content, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a `.keras` file, or is damaged: .") as caught:
        inspection.inspect_file(path)
    assert "\n" not in str(caught.value)
    assert invariants.command(cli.inspect, path, ahead=None) == "refused"
    return str(caught.value)


def inspected(content, tmp_path):
    assert invariants.check_inspect(content, tmp_path) == "accepted"
    return inspection.inspect_file(tmp_path / "model.keras")


def test_the_archives_of_these_tests_are_otherwise_valid(tmp_path):
    found = inspected(invariants.archive(weights=invariants.state(step=7)), tmp_path)
    assert (found.step, found.rates[0].source) == (7, 0.1)


@pytest.mark.parametrize("name", EVIL)
def test_inspect_runs_no_code(name, trap, tmp_path):
    for rate in (EVIL[name], config_of("Warmup", schedule=EVIL[name], warmup_steps=2)):
        found = inspected(invariants.archive(invariants.with_rate(rate)), tmp_path)
        assert isinstance(found.rates[0].source, str)


@pytest.mark.parametrize(
    "rate", [b"1" + b"0" * 400, b"1" + b"0" * 5000, b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"nul"]
)
def test_rates_that_cannot_be_read_are_refused(rate, tmp_path):
    refused(invariants.archive(invariants.with_rate_text(rate)), tmp_path)


def test_rates_that_are_not_numbers_are_unknown(tmp_path):
    for rate in (b"true", b'"x"', b"[1]", b"null"):
        assert inspected(invariants.archive(invariants.with_rate_text(rate)), tmp_path).rates[0].source == "unknown"
    for rate in (b"NaN", b"Infinity"):
        assert not np.isfinite(inspected(invariants.archive(invariants.with_rate_text(rate)), tmp_path).rates[0].source)


def test_no_control_sequence_reaches_the_terminal(tmp_path, capsys):
    path = tmp_path / "model.keras"
    optimizer = {"class_name": "SGD\x1b[2J\x07", "config": {"learning_rate": 0.1}}
    path.write_bytes(invariants.archive(json.dumps({"compile_config": {"optimizer": optimizer}}).encode()))
    cli.inspect(path, ahead=None)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "SGD" in out


def entries(*parts, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", compression) as file,
        pytest.warns(UserWarning, match="Duplicate") if len({name for name, _ in parts}) < len(parts) else _nothing(),
    ):
        for name, content in parts:
            file.writestr(name, content)
    return buffer.getvalue()


class _nothing:  # noqa: N801 - a context
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


META = ("metadata.json", b'{"keras_version": "3"}')


def test_malicious_zip_files_are_refused(tmp_path):
    config = ("config.json", invariants.with_rate(0.1))
    twice = entries(META, config, ("config.json", invariants.with_rate(0.2)))
    assert "several entries named config.json" in refused(twice, tmp_path)
    outside = entries(META, config, ("../outside", b"x"), ("/tmp/outside", b"x"), ("a/../../outside", b"x"))
    assert inspected(outside, tmp_path).rates[0].source == 0.1
    assert not (tmp_path.parent / "outside").exists()
    assert "There is no item" in refused(entries(META, ("./config.json", b"{}")), tmp_path)
    link = zipfile.ZipInfo("config.json")
    link.external_attr = 0o120777 << 16
    refused(entries(META, (link, b"/etc/passwd")), tmp_path)
    whole = entries(META, config)
    for end in range(0, len(whole) - 1, 41):
        refused(whole[:end], tmp_path)
    encrypted = bytearray(whole)
    for at in (whole.index(b"PK\x03\x04") + 6, whole.index(b"PK\x01\x02") + 8):
        encrypted[at] |= 1
    assert "password" in refused(bytes(encrypted), tmp_path)
    unknown = bytearray(whole)
    struct.pack_into("<H", unknown, whole.index(b"PK\x01\x02") + 10, 99)
    refused(bytes(unknown), tmp_path)


@pytest.mark.slow
def test_zip_bombs(tmp_path):
    import resource
    import tracemalloc

    zeros = b" " * (300 * 2**20)
    for name in ("config.json", "metadata.json"):
        parts = [(key, zeros if key == name else value) for key, value in (META, ("config.json", b"{}"))]
        bomb = entries(*parts, compression=zipfile.ZIP_DEFLATED)
        assert len(bomb) < 2**20
        tracemalloc.start()
        assert "more than 16 MiB" in refused(bomb, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
        tracemalloc.stop()
    weights = entries(
        META, ("config.json", invariants.with_rate(0.1)), ("model.weights.h5", zeros), compression=zipfile.ZIP_DEFLATED
    )
    del zeros
    tracemalloc.start()
    assert "more than 256 MiB" in refused(weights, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0


# HDF5.


def weights(change):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["optimizer/vars/0"] = np.int64(7)
        file["keras_lr_state/vars/json"] = np.frombuffer(b'{"version": 1, "entries": {}}', np.uint8)
        change(file)
    return invariants.archive(weights=buffer.getvalue())


def replaced(path, make):
    def change(file):
        del file[path]
        make(file)

    return change


COUNTER, NOTE = "optimizer/vars/0", "keras_lr_state/vars/json"


def external(file):
    Path("secret").write_bytes(b"12345 is secret")
    file.create_dataset(NOTE, (8,), "u1", external=[(str(Path("secret").resolve()), 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((1,), "i8")
    layout[:] = h5py.VirtualSource("secret.h5", "x", (1,))
    file.create_virtual_dataset(NOTE, layout)


HDF5 = {
    "an external link": (
        COUNTER,
        lambda f: f.__setitem__(COUNTER, h5py.ExternalLink("secret.h5", "x")),
        "a link to another",
    ),
    "an external link to a group": (
        "optimizer",
        lambda f: f.__setitem__("optimizer", h5py.ExternalLink("secret.h5", "/")),
        "a link",
    ),
    "a soft link": (NOTE, lambda f: f.__setitem__(NOTE, h5py.SoftLink("/optimizer/vars/0")), "a link to another place"),
    "a soft link to itself": (
        COUNTER,
        lambda f: f.__setitem__(COUNTER, h5py.SoftLink("/" + COUNTER)),
        "a link to another",
    ),
    "data in another file": (NOTE, external, "are in another file"),
    "virtual data": (NOTE, virtual, "are in another file"),
    "a negative step": (COUNTER, lambda f: f.__setitem__(COUNTER, -5), "step counter is at -5"),
    "a giant step": (COUNTER, lambda f: f.__setitem__(COUNTER, np.uint64(2**63)), "step counter is at"),
    "a step that is no number": (COUNTER, lambda f: f.__setitem__(COUNTER, np.float64("nan")), "NaN"),
    "a step in words": (COUNTER, lambda f: f.__setitem__(COUNTER, "many"), "many"),
    "a state that is a group": (NOTE, lambda f: f.create_group(NOTE), "is not a dataset"),
    "a state of floats": (NOTE, lambda f: f.__setitem__(NOTE, np.zeros(9)), "not text"),
    "a state in a table": (NOTE, lambda f: f.__setitem__(NOTE, np.zeros((3, 3), np.uint8)), "not text"),
    "a state of strings": (NOTE, lambda f: f.__setitem__(NOTE, ["a", "b"]), "not text"),
    "a state that is no JSON": (NOTE, lambda f: f.__setitem__(NOTE, np.frombuffer(b"{", np.uint8)), "Expecting"),
    "a state that is no UTF-8": (NOTE, lambda f: f.__setitem__(NOTE, np.frombuffer(b"\xff\xfe", np.uint8)), "utf-8"),
    "a state that is deep": (NOTE, lambda f: f.__setitem__(NOTE, np.frombuffer(b"[" * 10**5, np.uint8)), "recursion"),
    "a large state": (
        NOTE,
        lambda f: f.create_dataset(NOTE, (2**40,), "u1", chunks=(2**10,), compression="gzip"),
        "more than 16 MiB",
    ),
    "a large chunk": (
        NOTE,
        lambda f: f.create_dataset(NOTE, (4,), "u1", chunks=(2**28,), maxshape=(None,), compression="gzip"),
        "16 MiB",
    ),
}


@pytest.mark.parametrize("name", HDF5)
def test_malicious_hdf5_files_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("secret.h5", "w") as file:
        file["x"] = np.int64(12345)
        file["vars/0"] = np.int64(12345)
    path, make, message = HDF5[name]
    text = refused(weights(replaced(path, make)), tmp_path)
    assert message.lower() in text.lower()
    assert "12345" not in text


def test_truncated_hdf5_files_do_not_crash_inspect(tmp_path):
    whole = invariants.state()
    for end in range(8, len(whole) - 1, 211):
        path = tmp_path / "model.keras"
        path.write_bytes(invariants.archive(weights=whole[:end]))
        assert invariants.command(cli.inspect, path, ahead=None) in ("accepted", "refused")


def test_a_large_file_is_read_in_place(tmp_path):
    """Before the counter are 500 megabytes of weights, which are not read."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers", (2**26,), "f8", fillvalue=0.0, chunks=None)[0] = 1.0
        file["optimizer/vars/0"] = np.int64(7)
    assert path.stat().st_size > 2**29
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as file:
        file.writestr(*META)
        file.writestr("config.json", invariants.with_rate(0.1))
        file.write(path, "model.weights.h5")
    assert inspection.inspect_file(tmp_path / "model.keras").step == 7


# The state of callbacks in a file of weights.


class Store(dict):
    """The object that Keras passes to `load_own_variables`."""


def stored(entries, **arrays):
    text = json.dumps({"version": 1, "entries": entries}) if not isinstance(entries, bytes) else None
    return Store(json=np.frombuffer(entries if text is None else text.encode(), np.uint8), **arrays)


DAMAGED = {
    "no JSON": stored(b"{"),
    "no UTF-8": stored(b"\xff\xff"),
    "deep": stored(b"[" * 100_000),
    "no dict": stored(b"[1, 2]"),
    "no entries": stored(b'{"version": 1}'),
    "entries in a list": stored([1]),
    "entries that are numbers": stored({"a": 1}),
    "rates that are numbers": stored({"rates": {"learning_rate": 3}}),
    "rates in words": stored({"rates": {"learning_rate": {"rate": "x"}}}),
    "giant rates": stored(b'{"version": 1, "entries": {"rates": {"learning_rate": {"rate": 1' + b"0" * 400 + b"}}}}"),
    "rates that are NaN": stored({"rates": {"learning_rate": {"rate": float("nan")}}}),
    "a schedule without config": stored({"rates": {"learning_rate": {"schedule": {"class_name": "x"}}}}),
    "rates that are empty": stored({"rates": {"learning_rate": {}}}),
    "numbers of arrays": stored({}, **{"a:x": np.zeros(2)}),
    "floats": Store(json=np.full(9, np.nan)),
    "another shape": Store(json=np.array({}, object)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_state_is_refused(name):
    model = built()
    state = TrainingState(model)
    state.entries = {"mine": {"a": 1}}
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(ValueError, match="the state of keras_lr's callbacks in this file is damaged"),
    ):
        state.load_own_variables(DAMAGED[name])
    assert (state.entries, state.loads) == ({"mine": {"a": 1}}, 0)


def test_a_state_of_a_later_version_is_refused():
    with pytest.raises(ValueError, match="version 2"):
        TrainingState().load_own_variables(stored(b'{"version": 2, "entries": {}}'))


def built(rate=0.1):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


def fit(model, *callbacks):
    data = np.ones((8, 1), np.float32)
    model.fit(data, data, batch_size=4, epochs=2, verbose=0, callbacks=list(callbacks))


STATE = {"best": 1.0, "wait": 0, "cooldown_counter": 0, "n_reductions": 0, "recent": [], "last_epoch": 0, "scales": {}}
STATES = [
    {},
    {**STATE, "more": 1},
    {**STATE, "best": float("nan")},
    {**STATE, "best": 10**400},
    {**STATE, "best": "x"},
    {**STATE, "best": True},
    {**STATE, "wait": -5},
    {**STATE, "wait": 0.5},
    {**STATE, "wait": 2**40},
    {**STATE, "recent": {"a": 1}},
    {**STATE, "recent": [[1]]},
    {**STATE, "scales": [1]},
    {**STATE, "scales": {"learning_rate": 5.0}},
    {**STATE, "scales": {"learning_rate": -1.0}},
    {**STATE, "scales": {"learning_rate": float("inf")}},
    {**STATE, "unfinished": [1, 2]},
    {**STATE, "unfinished": "abc"},
    {**STATE, "unfinished": [-1, 0.0, 0.0]},
    {**STATE, "pending": 3},
    {**STATE, "pending": {"epoch": "x", "metric": 1.0}},
    {**STATE, "pending": {"epoch": 1, "metric": "x"}},
    {**STATE, "pending": {"epoch": 1}},
]


@pytest.mark.parametrize("number", range(len(STATES)))
def test_plateau_refuses_a_wrong_state(number):
    model = built()
    of(model).entries = {"ReduceOnPlateau/loss": dict(STATES[number])}
    of(model).loads = 1
    with pytest.raises(ValueError, match="ReduceOnPlateau: `(state|unfinished|pending)` must be"):
        fit(model, klr.ReduceOnPlateau("loss"))


@pytest.mark.parametrize(
    "entry",
    [
        {"seconds": "x", "clocks": {}},
        {"seconds": -1.0, "clocks": {}},
        {"clocks": {}},
        {"seconds": 1.0, "clocks": [1]},
        {"seconds": 1.0, "clocks": {"learning_rate": {"steps": [0], "__class__": 1}}},
        {"seconds": 1e400, "clocks": {}},
    ],
    ids=str,
)
def test_a_time_budget_refuses_a_wrong_state(entry):
    model = built(klr.LinearDecay(0.1, 100))
    memory(model)["time_budget"] = entry
    with pytest.raises((TypeError, ValueError), match="BindSchedule: `(seconds|clocks)` must be"):
        fit(model, klr.BindSchedule(60.0))


@pytest.mark.parametrize("epoch", [-1, 2.5, "1", None, True, 2**40, float("nan")])
def test_a_backup_with_a_wrong_epoch_is_refused(epoch, tmp_path):
    model = built()
    model.optimizer.build(model.trainable_variables)
    memory(model)["backup"] = {"epoch": epoch}
    model.save_weights(tmp_path / "latest.weights.h5")
    with pytest.raises(ValueError, match="is damaged, or is not a backup of this model: its epoch is"):
        fit(built(), klr.BackupAndRestore(tmp_path))


def test_backups_that_are_not_files_of_weights_are_refused(tmp_path):
    path = tmp_path / "latest.weights.h5"
    model = built()
    model.save_weights(path)
    whole = path.read_bytes()
    for content in (b"", b"nothing", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged, or is not a backup of this model"):
            fit(built(), klr.BackupAndRestore(tmp_path))


def test_a_checkpoint_may_only_contain_registered_schedules(trap):
    for name in ("a module that is imported", "os.system", "a lambda", "deserialize itself", "a layer"):
        model = built(klr.Constant(0.2))
        noted = {"rates": {"learning_rate": {"schedule": EVIL[name]}}}
        of(model).load_own_variables(stored(noted))
        with pytest.raises((TypeError, ValueError)):
            fit(model, klr.BindSchedule(on_mismatch="checkpoint"))


# Schedules in Keras's `load_model`.


@pytest.mark.parametrize(
    "name", ["an extra argument", "a missing argument", "a giant number", "NaN", "Infinity", "a deep list"]
)
def test_load_model_reports_the_mistake_in_a_schedule(name, tmp_path):
    path = tmp_path / "model.keras"
    built(klr.Constant(0.1)).save(path)
    with zipfile.ZipFile(path) as archive:
        contents = {entry: archive.read(entry) for entry in archive.namelist()}
    config = json.loads(contents["config.json"])
    config["compile_config"]["optimizer"]["config"]["learning_rate"] = EVIL[name]
    contents["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in contents.items():
            archive.writestr(entry, content)
    with pytest.raises((TypeError, ValueError), match=EVIL[name]["class_name"] + ": "):
        keras.saving.load_model(path)


def doubled(levels):
    """A schedule that is repeatedly added to itself. A file of a few megabytes may have millions of parts."""
    config = keras.saving.serialize_keras_object(klr.LinearDecay(0.1, 100))
    for _ in range(levels):
        config = {
            "module": "keras_lr",
            "class_name": "Sum",
            "registered_name": "keras_lr>Sum",
            "config": {"schedules": [config, config]},
        }
    return config


@pytest.mark.once
@pytest.mark.parametrize("levels", [10, 13, 20, 40])
def test_a_schedule_that_doubles_itself_is_refused(levels):
    with pytest.raises(ValueError, match="made of at most 1,000 schedules"):
        serialization.from_serialized(doubled(levels))
    with pytest.raises(ValueError, match="made of at most 1,000 schedules"):
        klr.Sum.from_config(doubled(levels)["config"])


@pytest.mark.once
def test_the_largest_number_of_parts_can_be_made_and_no_more():
    part = klr.LinearDecay(0.1, 100)
    whole = klr.Sum([part] * (tree.MOST_PARTS - 1))
    assert serialization.from_serialized(keras.saving.serialize_keras_object(whole)) == whole
    with pytest.raises(ValueError, match="Sum: `schedules` must be made of at most 999 schedules, got"):
        klr.Sum([part] * tree.MOST_PARTS)
    for _ in range(8):
        part = klr.Product([part, klr.Warmup(part, 10)])
    with pytest.raises(ValueError, match="must be made of at most 999 schedules, got"):
        klr.Product([part, part])


# Logs and journals.

LOGS = {
    "empty": b"",
    "no UTF-8": b"step,epoch,batch,learning_rate\n\xff\xfe,0,0,0.1\n",
    "NUL": b"step,epoch,batch,learning_rate\n\x00,0,0,0.1\n",
    "words": b"step,epoch,batch,learning_rate\na,b,c,d\n",
    "a rate in words": b"step,epoch,batch,learning_rate\n0,0,0,x\n",
    "a fraction of a step": b"step,epoch,batch,learning_rate\n0.5,0,0,0.1\n",
    "a giant step": b"step,epoch,batch,learning_rate\n1" + b"0" * 400 + b",0,0,0.1\n",
    "a row that is too long": b"step,epoch,batch,learning_rate\n0,0,0,0.1,5,6,7\n1,0,0,0.1\n2,2\n3,3,3,3,3,3,3,3,3\n",
    "a quote without end": b'step,epoch,batch,learning_rate\n0,0,0,"0.1\n',
    "a formula": b"step,epoch,batch,learning_rate\n=cmd(),0,0,0.1\n",
}


@pytest.mark.parametrize("name", LOGS)
def test_files_that_are_not_logs_are_refused(name, tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(LOGS[name])
    with pytest.raises(ValueError, match="is not a log: ."):
        log_reader.read_frame(path)
    assert invariants.command(cli.compare, [path], plot=None) == "refused"
    if name not in ("empty", "a rate in words", "a quote without end"):  # a resumed training reads only the steps
        with pytest.raises(ValueError, match="is not a complete log of this training"):
            logfile.CsvLog(path).cut(0, 5)


@needs("pyarrow")
def test_invalid_parquet_files_are_refused(tmp_path):
    path = tmp_path / "log.parquet"
    frame = pd.DataFrame({"step": [0, 1], "epoch": [0, 0], "batch": [0, 1], "learning_rate": [0.1, 0.2]})
    frame.to_parquet(path)
    whole = path.read_bytes()
    for content in (b"", b"PAR1", b"PAR1" + b"\xff" * 50 + b"PAR1", whole[:-9], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a log: ."):
            log_reader.read_frame(path)
        with pytest.raises(ValueError, match="is not a complete log of this training"):
            logfile.ParquetLog(path).cut(0, 5)
    for wrong in (frame.assign(step=["a", "b"]), frame.assign(step=[0.5, 1.5])):
        wrong.to_parquet(path)
        with pytest.raises(ValueError, match="other values than numbers"):
            log_reader.read_frame(path)
        with pytest.raises(ValueError, match="no column `step` of whole numbers"):
            logfile.ParquetLog(path).cut(0, 5)


@needs("pyarrow")
def test_parquet_bombs_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "log.parquet"
    rows = 3_000_000
    pd.DataFrame({"step": np.zeros(rows, np.int64), "epoch": 0}).to_parquet(path, compression="gzip")
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(parquet, "MOST_CELLS", 2 * rows - 1)
    with pytest.raises(ValueError, match="6,000,000 values"):
        log_reader.read_frame(path)


HEAD = b'{"keras_lr journal": 1}\n'
JOURNALS = {
    "no UTF-8": b"\xff\xfe\n",
    "no JSON": b"{\n",
    "another version": b'{"keras_lr journal": 2}\n',
    "deep": HEAD + b"[" * 100_000 + b"\n",
    "no dict": HEAD + b"[1]\n",
    "no rows": HEAD + b'{"trial": "a", "error": ""}\n',
    "empty rows": HEAD + b'{"trial": "a", "rows": [], "error": ""}\n',
    "rows of numbers": HEAD + b'{"trial": "a", "rows": [1], "error": ""}\n',
    "rows without epochs": HEAD + b'{"trial": "a", "rows": [{"loss": 1.0}], "error": ""}\n',
    "words": HEAD + b'{"trial": "a", "rows": [{"epoch": 1, "seconds": "x", "learning_rate": 0.1}], "error": ""}\n',
    "giant numbers": HEAD
    + b'{"trial": "a", "rows": [{"epoch": 1'
    + b"0" * 400
    + b', "seconds": 1, "learning_rate": 0.1}], "error": ""}\n',
}


@pytest.mark.parametrize("name", JOURNALS)
def test_a_file_that_is_not_a_journal_is_refused_and_unchanged(name, tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(JOURNALS[name])
    with pytest.raises(ValueError, match="is not a journal of this version"):
        Journal(path).read()
    assert path.read_bytes() == JOURNALS[name]


# `keras-lr show`.


@pytest.mark.parametrize(
    "text",
    [
        "Warmup(" * 200 + "Constant(0.1)" + ", 1)" * 200,
        "Warmup(" * 70 + "Constant(0.1)" + ", 1)" * 70,
        "Constant(0.1)" + ".clip()" * 2000,
        "Constant(0.1)" + " * Constant(0.1)" * 1000,
        "Constant(0x" + "f" * 19_000 + ")",
        "Constant(1" + "0" * 4000 + ")",
        "PerUpdate(PerUpdate(PerUpdate(LinearDecay(0.1, 2147483647), 2147483647), 2147483647), 2147483647)",
        "LinearDecay(0.1, 2147483647) >> LinearDecay(0.1, 2147483647) >> Constant(0.1)",
        "LinearDecay(0.1, epochs(1e308))",
        "CosineDecayRestarts(0.1, 10, t_mul=1e308)",
        "OneCycle(0.1, 10, div_factor=1e-320)",
        "TanhDecay(0.1, 10, lower=-1e300, upper=1e300)",
        "keras.optimizers.schedules.ExponentialDecay('a', [], None)",
        "keras.optimizers.schedules.ExponentialDecay(0.1, 0, 0.5)",
        "keras.optimizers.schedules.deserialize({})",
        "Constant(\ud800)",
        "\x1b[2J",
        "1if 2else 3",
    ],
    ids=lambda text: ascii(text)[:50],
)
def test_malicious_texts_are_parsed_or_refused_quickly(text):
    assert invariants.check_show(text) in ("accepted", "refused")


def test_nested_warmups_do_not_double_the_work():
    made = klr.LinearDecay(0.1, 5)
    for _ in range(40):
        made = klr.Warmup(made, 1, 0.5).cooldown(50, 5) if _ % 8 == 7 else klr.Warmup(made, 1, 0.5)
    assert np.isfinite(made.values(range(100))).all()  # 2**40 evaluations would take forever
