"""Schedules and callbacks in several threads and processes.

Forking a process in which TensorFlow, JAX or torch runs threads is not safe for the backend, and Python warns about
it. Many people still use a `DataLoader` or a `multiprocessing.Pool` whose workers evaluate a schedule. A worker
evaluates it on the host and starts no backend. So the tests fork such workers, from a small new process and from
this one.
"""

import copy
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from support.backend import BACKEND, compiled, counter
from support.training import Metric, Weight, assert_applied, fit, model_with

import keras_lr as klr

SCHEDULE = klr.Warmup(klr.CosineDecay(0.2, 40) >> klr.StepDecay(0.1, 9), 7) * klr.Noise(klr.Constant(1.0), 0.3, seed=5)
THEIRS = klr.Warmup(keras.optimizers.schedules.ExponentialDecay(0.2, 30, 0.5), 5)
UNBOUND = klr.Warmup(klr.LinearDecay(0.2, klr.epochs(7.2)), klr.fraction(0.1))
STEPS = np.arange(90)
SCHEDULES = {
    "ours": SCHEDULE,
    "restarts": klr.CosineDecayRestarts(0.2, 7, 1.5, 0.9),
    "Keras's": THEIRS,
    "units": UNBOUND,
}


# Threads.


class Meet(keras.callbacks.Callback):
    """Holds each training at the start of an epoch until all trainings are there, so that they run at the same time."""

    def __init__(self, barrier):
        super().__init__()
        self.barrier = barrier

    def on_epoch_begin(self, epoch, logs=None):
        self.barrier.wait(timeout=240)


def train(schedule, metrics, *more):
    """Train with new callbacks on a schedule that may be shared. Returns rates, log, plateau state and history."""
    weight, log = Weight(), klr.LearningRateLogger(audit=False)
    plateau = klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")
    history = fit(
        model_with(schedule),
        *more,
        klr.BindSchedule(),
        Metric(metrics),
        plateau,
        log,
        weight,
        epochs=len(metrics),
        batches=6,
    )
    return weight.applied, log.to_frame(), plateau.get_state(), history.history["learning_rate"]


def together(jobs):
    """Run each job in a separate thread. Returns their results, or raises the first error."""
    results, errors = [None] * len(jobs), []

    def run(number):
        try:
            results[number] = jobs[number]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


METRICS = ([1.0] * 8, [3.0, 2.0, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0])


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SCHEDULES)
def test_two_trainings_at_once_share_a_schedule(name):
    """The two trainings reduce at different epochs, so a mixed-up state would show in the rates."""
    schedule = SCHEDULES[name]
    alone = [train(schedule, metrics) for metrics in METRICS]
    barrier = threading.Barrier(2)
    both = together([lambda metrics=metrics: train(schedule, metrics, Meet(barrier)) for metrics in METRICS])
    for (applied, frame, state, rates), (applied_alone, frame_alone, state_alone, rates_alone) in zip(
        both, alone, strict=True
    ):
        np.testing.assert_allclose(applied, applied_alone, rtol=1e-6)
        pd.testing.assert_frame_equal(frame, frame_alone)
        assert state == state_alone
        assert rates == rates_alone
    assert alone[0][2]["n_reductions"] != alone[1][2]["n_reductions"]
    assert not np.allclose(alone[0][0], alone[1][0])


def test_a_schedule_is_evaluated_and_traced_in_many_threads():
    """The threads share caches (restarts, traces of equal schedules), and each gets the values of its own schedule."""
    schedules = [klr.CosineDecayRestarts(0.2, first, 1.5) for first in range(3, 11)]
    expected = [schedule.values(STEPS) for schedule in schedules]

    def look(number):
        schedule = schedules[number]
        got = [schedule.values(STEPS) for _ in range(30)]
        traced = compiled(schedule.rate)
        got += [keras.ops.convert_to_numpy(traced(counter(STEPS))) for _ in range(5)]
        return got

    for got, want in zip(together([lambda n=n: look(n) for n in range(8)]), expected, strict=True):
        for values in got:
            np.testing.assert_allclose(values, want, rtol=1e-5, atol=1e-7)


def test_schedules_can_be_made_and_compared_in_many_threads():
    def make():
        made = [eval(repr(SCHEDULE), vars(klr)) for _ in range(40)]
        config = keras.saving.serialize_keras_object(SCHEDULE)
        made += [keras.saving.deserialize_keras_object(copy.deepcopy(config)) for _ in range(20)]
        return dict.fromkeys(made)

    assert together([make] * 4) == [{SCHEDULE: None}] * 4


# Processes.


def values_in_a_worker(schedule):
    """The results of a worker: values, the schedule itself, and whether a copy has the same hash."""
    return schedule.values(STEPS), schedule, hash(schedule) == hash(copy.copy(schedule))


HOST = [SCHEDULE, SCHEDULES["restarts"], UNBOUND.bind(steps_per_epoch=6, epochs=8)]


@pytest.mark.few(1)
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_of_workers_evaluates_schedules(method):
    context = multiprocessing.get_context(method)
    with warnings.catch_warnings():
        # Python 3.12 and JAX warn about a fork while threads run. The worker uses no backend.
        warnings.simplefilter("ignore")
        with context.Pool(1 if method == "spawn" else 2) as pool:
            results = pool.map_async(values_in_a_worker, HOST).get(timeout=280)
    for schedule, (values, back, consistent) in zip(HOST, results, strict=True):
        np.testing.assert_array_equal(values, schedule.values(STEPS))
        assert back == schedule
        assert hash(back) == hash(schedule)
        assert consistent


SMALL = """
import multiprocessing, os, pickle, sys
import numpy as np
import keras_lr as klr

schedule = pickle.load(open(sys.argv[1], "rb"))

def values(first):
    return schedule.values(np.arange(first, first + 9)).tolist()

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(sum(pool.map(values, range(0, 90, 9)), []))
"""


@pytest.mark.slow
def test_a_fresh_process_forks(tmp_path):
    """A new script that reads a pickled schedule and forks its workers."""
    (tmp_path / "script.py").write_text(SMALL)
    (tmp_path / "schedule.pickle").write_bytes(pickle.dumps(SCHEDULE))
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "schedule.pickle")]
    output = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, timeout=280, env=dict(os.environ)
    ).stdout
    np.testing.assert_array_equal(json.loads(output.splitlines()[-1]), SCHEDULE.values(STEPS))


def trained_in_a_worker(schedule, state, metrics):
    """A training that continues with the state of a plateau. Returns rates, state and log."""
    plateau, log, weight = (
        klr.ReduceOnPlateau("metric", 0.5, 2, mode="min"),
        klr.LearningRateLogger(audit=False),
        Weight(),
    )
    if state is not None:
        plateau.set_state(state)
    fit(model_with(schedule), Metric(metrics), plateau, log, weight, epochs=len(metrics), batches=6)
    return weight.applied, plateau.get_state(), log.to_frame()


@pytest.mark.slow
def test_a_spawned_process_continues_with_schedule_and_state():
    """Schedule, plateau state and log are sent to another process and back. The second half is trained there."""
    schedule, metrics = SCHEDULE, [1.0] * 8
    applied, whole, log = trained_in_a_worker(schedule, None, metrics)
    _, state, _ = trained_in_a_worker(schedule, None, metrics[:4])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        job = pool.apply_async(trained_in_a_worker, (schedule.from_step(24), state, metrics[4:]))
        there, after, frame = job.get(timeout=280)
    assert_applied(Fallen(there), applied[24:])
    np.testing.assert_allclose(frame.learning_rate, log.learning_rate[24:], rtol=1e-12)
    assert {**after, "last_epoch": 7} == whole


class Fallen:
    """Applied rates that came from another process."""

    def __init__(self, applied):
        self.applied = applied
        self.seen = -np.cumsum(applied)


@pytest.mark.slow
def test_results_and_logs_are_pickled():
    """A callback that has trained holds a model, so its results are pickled and not the callback."""
    _, frame, state, _ = train(SCHEDULE, METRICS[0])
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)
    assert pickle.loads(pickle.dumps(state)) == json.loads(json.dumps(state)) == state
    for callback in (
        klr.ReduceOnPlateau("loss", 0.5, start_after=klr.epochs(2)),
        klr.LearningRateLogger(["loss"]),
        klr.BindSchedule(),
    ):
        again = pickle.loads(pickle.dumps(callback))
        assert type(again) is type(callback)
        plain = {name: value for name, value in vars(callback).items() if isinstance(value, (int, float, str, tuple))}
        assert {name: vars(again)[name] for name in plain} == plain
    # A callback that was pickled before its training trains like any other.
    fresh = pickle.loads(pickle.dumps(klr.ReduceOnPlateau("metric", 0.5, 2, mode="min")))
    fit(model_with(SCHEDULE), Metric(METRICS[0]), fresh, epochs=8, batches=6)
    assert fresh.get_state() == state


@pytest.mark.skipif(BACKEND != "torch", reason="torch's own workers")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_evaluate_a_schedule(method):
    """A curriculum or an augmentation follows a schedule in this way: the data set evaluates it in the worker."""
    from torch.utils.data import DataLoader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = DataLoader(Follows(SCHEDULE), batch_size=5, num_workers=2, multiprocessing_context=method)
        rates = np.concatenate([batch.numpy() for batch in loader])
    np.testing.assert_array_equal(rates, SCHEDULE.values(STEPS))


class Follows:
    """A data set whose samples are the rates of a schedule."""

    def __init__(self, schedule):
        self.schedule = schedule

    def __len__(self):
        return len(STEPS)

    def __getitem__(self, step):
        return self.schedule.values(step).item()


def test_the_package_is_imported_from_where_it_is_tested():
    """Otherwise the spawned processes would test another package."""
    assert Path(klr.__file__).is_file()
