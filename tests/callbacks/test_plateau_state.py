"""Which state `ReduceOnPlateau` uses, and how it treats an epoch that was saved before its decision.

The hooks are called by hand, as `fit` and a load of weights call them. `tests/training/test_resume.py` has whole trainings.
"""

import math

import keras
import numpy as np
import pytest
from support.training import Fail, Metric, Weight, assert_applied, calls, data, fit, model_with, two_optimizers

import keras_lr as klr
from keras_lr import ReduceOnPlateau
from keras_lr.callbacks.plateau_rule import PlateauRule
from keras_lr.training.saved_state import memory, of

KEY = "ReduceOnPlateau/metric"
FRESH = {
    "best": None, "wait": 0, "cooldown_counter": 0, "n_reductions": 0, "recent": [], "last_epoch": -1, "scales": {},
}  # fmt: skip
KNOWN = {**FRESH, "best": 1.0, "wait": 1, "last_epoch": 3}


def falling(**options):
    """A callback that reduces at the second epoch in a row without a lower metric."""
    return ReduceOnPlateau("metric", 0.5, 2, mode="min", **options)


def begin(plateau, model, **params):
    plateau.set_model(model)
    plateau.set_params({"epochs": 99, "steps": 5, "verbose": 0} | params)
    plateau.on_train_begin()


def run(plateau, epoch, metric):
    plateau.on_epoch_begin(epoch)
    plateau.on_train_batch_begin(0)
    plateau.on_train_batch_end(0, {})
    plateau.on_epoch_end(epoch, {"metric": metric})


def saved(state=None, **more):
    """The saved state of a model whose callback had a given state."""
    entry, store = (KNOWN if state is None else state) | more, {}
    scale = entry["scales"].get("learning_rate") if isinstance(entry.get("scales"), dict) else None
    model = model_with(0.5 if scale is None else klr.Reduced(klr.LinearDecay(0.5, 90), scale, by=KEY))
    memory(model)[KEY] = entry
    of(model).save_own_variables(store)
    return store


def loaded(model, store):
    of(model).load_own_variables(store)
    return model


# Which state is used


def test_a_loaded_model_provides_the_state():
    plateau = falling()
    begin(plateau, loaded(model_with(0.5), saved()))
    assert plateau.get_state() == KNOWN


def test_the_state_of_a_callback_on_another_metric_is_not_used():
    plateau = ReduceOnPlateau("other", mode="min")
    begin(plateau, loaded(model_with(0.5), saved()))
    assert plateau.get_state() == FRESH


def test_a_new_model_starts_with_a_new_state():
    first, plateau = loaded(model_with(0.5), saved()), falling()
    begin(plateau, first)
    run(plateau, 4, 2.0)
    plateau.on_train_end()
    begin(plateau, model_with(0.5))
    assert plateau.get_state() == FRESH


def test_another_loaded_model_provides_the_state_even_if_loaded_less_often():
    first, plateau = model_with(0.5), falling()
    for _ in range(3):
        loaded(first, saved())
    begin(plateau, first)
    plateau.on_train_end()
    begin(plateau, loaded(model_with(0.5), saved(best=7.0)))
    assert plateau.get_state() == KNOWN | {"best": 7.0}


@pytest.mark.parametrize("was_loaded", [False, True])
def test_another_compile_starts_with_a_new_state(was_loaded):
    model, plateau = model_with(0.5), falling()
    if was_loaded:
        loaded(model, saved())
    begin(plateau, model)
    run(plateau, 4, 2.0)
    plateau.on_train_end()
    assert memory(model)[KEY]["last_epoch"] == 4
    model.compile("sgd", "mse")
    begin(plateau, model)
    assert plateau.get_state() == FRESH


def test_the_same_model_continues():
    model, plateau = loaded(model_with(0.5), saved()), falling()
    begin(plateau, model)
    run(plateau, 4, 0.5)
    plateau.on_train_end()
    begin(plateau, model)
    assert plateau.get_state() == KNOWN | {"best": 0.5, "wait": 0, "last_epoch": 4}


def test_loading_the_same_model_again_restores_its_state():
    model, plateau = loaded(model_with(0.5), saved()), falling()
    begin(plateau, model)
    run(plateau, 4, 0.5)
    plateau.on_train_end()
    begin(plateau, loaded(model, saved()))
    assert plateau.get_state() == KNOWN


@pytest.mark.parametrize("epoch", [0, 4])
def test_weights_that_are_loaded_after_the_start_provide_the_state(epoch):
    """A later callback in the list may load them, or a callback within the training."""
    model, plateau = model_with(0.5), falling()
    begin(plateau, model)
    for done in range(epoch):
        run(plateau, done, 9.0)
    loaded(model, saved())
    plateau.on_epoch_begin(epoch)
    assert plateau.get_state() == KNOWN


def test_a_state_from_set_state_is_used_once():
    plateau = falling()
    plateau.set_state(KNOWN)
    begin(plateau, loaded(model_with(0.5), saved(best=7.0)))
    assert plateau.get_state() == KNOWN
    plateau.on_train_end()
    begin(plateau, model_with(0.5))
    assert plateau.get_state() == FRESH


@pytest.mark.parametrize("ends", [False, True])
def test_a_loaded_state_is_used_once(ends):
    """That holds even if its training fails before the first epoch."""
    plateau = falling()
    begin(plateau, loaded(model_with(0.5), saved()))
    if ends:
        plateau.on_train_end()
    begin(plateau, model_with(0.5))
    assert plateau.get_state() == FRESH


@pytest.mark.parametrize("reset", [True, False])
def test_a_new_training_forgets_the_best_weights(reset):
    """Either `reset_on_train_begin` or another `compile` begins it."""
    model, weight = model_with(0.125), Weight()
    plateau = falling(restore_best_weights=True, reset_on_train_begin=reset)
    fit(model, Metric([1.0]), plateau, weight, epochs=1)
    if not reset:
        model.compile(keras.optimizers.SGD(0.125), model.loss)
    fit(model, Metric([math.nan] * 2), plateau, weight, epochs=2)
    assert plateau.get_state() == FRESH | {"n_reductions": 1, "last_epoch": 1}
    # At the reduction in the second training, there are no best weights to restore.
    assert_applied(weight, [0.125] * 15)
    assert float(model.get_weights()[0].item()) == weight.seen[-1]


def test_scales_are_those_of_the_state():
    model, plateau = model_with(klr.LinearDecay(0.5, 90)), falling()
    begin(plateau, loaded(model, saved(scales={"learning_rate": 0.25})))
    assert klr.get_learning_rate(model) == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("scales", "compilations"),
    [((0.5, 0.5), 1), ((0.25, 0.5), 1), ((0.5, 0.25), 1), ((None, 0.5), 0), ((0.5, None), 1), ((None, None), 0)],
)
def test_the_scales_of_several_optimizers_take_one_compilation(monkeypatch, scales, compilations):
    """The first optimizer has no scale yet, and the second has a scale of 0.5."""
    plain = klr.LinearDecay(0.5, 90)
    model = two_optimizers(plain, klr.Reduced(plain, 0.5, by=KEY))
    made = calls(monkeypatch, "retrace", "replace", "set_scale", "sync")
    plateau = falling()
    named = zip(("learning_rate_number", "learning_rate_schedule"), scales, strict=True)
    given = {column: scale for column, scale in named if scale is not None}
    plateau.set_state({**FRESH, "scales": given})
    begin(plateau, model)
    assert [name for name, _ in made].count("retrace") == compilations
    plateau.on_epoch_begin(0)
    assert [name for name, _ in made].count("retrace") == compilations
    assert all(one is model for _, one in made)


@pytest.mark.parametrize("every", ["epoch", 3])
def test_all_calls_get_the_model(monkeypatch, every):
    made = calls(monkeypatch, "retrace", "replace", "set_scale", "rescale", "sync")
    plateau = ReduceOnPlateau("loss", 0.5, 1, min_delta=1e9, every=every, restore_best_weights=True)
    for model in (model_with(0.5), model_with(klr.LinearDecay(0.5, 90))):
        made.clear()
        fit(model, plateau)
        names = [name for name, _ in made]
        assert {"sync", "rescale", "replace"} <= set(names)
        assert names.count("retrace") == names.count("set_scale")
        assert all(one is model for _, one in made)


def test_two_callbacks_on_one_metric_have_the_same_state():
    first, second = falling(), falling()
    fit(model_with(0.5), Metric([1.0, 2.0]), first, second, epochs=2)
    assert first.state == second.state


@pytest.mark.parametrize("rate", [0.5, klr.Constant(0.5)], ids=["number", "schedule"])
@pytest.mark.parametrize("then", ["the same", "a new one", "loaded", "given"])
def test_a_decision_within_a_failed_epoch_applies_only_to_that_model(rate, then):
    """Such a decision applies only to the model of that epoch."""
    model, plateau, weight = model_with(rate), ReduceOnPlateau("loss", 0.5, 1, min_delta=1e9, every=2), Weight()
    with pytest.raises(RuntimeError, match="out of power"):
        fit(model, plateau, Fail(), epochs=1)  # after the batch in which the plateau has decided
    assert plateau.state.n_reductions == 1
    if then == "given":
        plateau.set_state({**plateau.get_state(), "n_reductions": 7, "scales": {}})
    if then != "the same":
        model = model_with(rate)
    if then == "loaded":
        store, other = {}, model_with(rate)
        memory(other)["ReduceOnPlateau/loss"] = KNOWN
        of(other).save_own_variables(store)
        loaded(model, store)
    weight.seen = [float(model.get_weights()[0].item())]
    fit(model, plateau, weight, epochs=1, batches=1)
    assert_applied(weight, [0.25 if then == "the same" else 0.5])


# An epoch that was saved before the decision


PENDING = {"epoch": 4, "metric": 2.0}


@pytest.mark.parametrize(
    ("last", "at", "is_decided"),
    [(3, 5, True), (3, 9, True), (-1, 5, True), (3, 4, False), (3, 0, False), (4, 5, False), (5, 6, False)],
)
def test_an_epoch_is_decided_on_once_and_only_if_it_was_over(last, at, is_decided):
    plateau = falling()
    begin(plateau, loaded(model_with(0.5), saved(last_epoch=last, pending=PENDING)))
    plateau.on_epoch_begin(at)
    decided = {"wait": 0, "n_reductions": 1, "last_epoch": 4}
    assert plateau.get_state() == KNOWN | {"last_epoch": last} | (decided if is_decided else {})
    assert klr.get_learning_rate(plateau.model) == (0.25 if is_decided else 0.5)


@pytest.mark.parametrize(
    ("params", "reset", "is_decided"),
    [
        ({"epochs": 5}, False, True),
        ({"epochs": 4}, False, False),
        ({}, False, False),
        ({"epochs": 5}, True, False),
    ],
)
def test_a_finished_training_only_makes_the_pending_decision(params, reset, is_decided):
    plateau, model = falling(reset_on_train_begin=reset), loaded(model_with(0.5), saved(pending=PENDING))
    plateau.set_model(model)
    plateau.set_params(params)
    plateau.on_train_begin()
    plateau.on_train_end()
    decided = {"wait": 0, "n_reductions": 1, "last_epoch": 4}
    assert plateau.get_state() == (FRESH if reset else KNOWN | (decided if is_decided else {}))
    if is_decided:
        assert memory(model)[KEY] == plateau.get_state()


def test_a_pending_first_epoch_sets_the_best_value():
    plateau = falling()
    begin(plateau, loaded(model_with(0.5), saved(FRESH, pending={"epoch": 0, "metric": 2.0})), epochs=1)
    plateau.on_train_end()
    assert plateau.get_state() == FRESH | {"best": 2.0, "last_epoch": 0}
    nothing = falling()
    nothing.set_model(loaded(model_with(0.5), saved(FRESH, pending={"epoch": 0, "metric": 2.0})))
    nothing.on_train_begin()
    nothing.on_train_end()  # a loop may not pass the number of epochs
    assert nothing.get_state() == FRESH


def test_an_unfinished_epoch_is_not_decided_on():
    model, plateau = model_with(0.5), ReduceOnPlateau("loss", 0.5, 1)
    begin(plateau, model, epochs=2)
    plateau.on_epoch_begin(0)
    plateau.on_train_batch_begin(0)
    plateau.on_train_batch_end(0, {"loss": 2.0})
    of(model).hooks["ReduceOnPlateau/loss"]()  # as when a checkpoint is written
    assert memory(model)["ReduceOnPlateau/loss"]["pending"] == {"epoch": 0, "metric": 2.0}
    plateau.on_train_end()
    assert plateau.get_state() == FRESH


def test_a_file_cannot_be_written_with_a_metric_that_is_no_number():
    model, plateau = model_with(0.5), falling()
    begin(plateau, model)
    plateau.on_epoch_begin(0)
    plateau.on_train_batch_begin(0)
    plateau.on_train_batch_end(0, {"metric": "low"})
    message = "^ReduceOnPlateau: the metric 'metric' must be one number in the logs, got 'low'$"
    with pytest.raises(TypeError, match=message):
        of(model).hooks[KEY]()


def test_a_batch_without_logs_is_no_error():
    plateau = falling()
    begin(plateau, model_with(0.5))
    plateau.on_epoch_begin(0)
    plateau.on_train_batch_begin(0)
    plateau.on_train_batch_end(0, None)
    plateau.on_epoch_end(0, {"metric": 1.0})
    assert plateau.get_state() == FRESH | {"best": 1.0, "last_epoch": 0}


def test_the_current_window_is_saved_and_continued():
    model, plateau = model_with(0.5), ReduceOnPlateau("loss", 0.5, 9, every=4)
    fit(model, plateau, epochs=1)
    # The loss is the prediction. At the fifth batch of four rows the weight has fallen four times.
    unfinished = memory(model)["ReduceOnPlateau/loss"]["unfinished"]
    np.testing.assert_allclose(unfinished, [1, -2.0 * 4, 4], rtol=1e-5)
    fit(model, plateau, epochs=1)
    np.testing.assert_allclose(memory(model)["ReduceOnPlateau/loss"]["unfinished"][:1], [2])
    assert "unfinished" not in memory(fit_by_epoch())[KEY]


def fit_by_epoch():
    model = model_with(0.5)
    fit(model, Metric([1.0]), falling(), epochs=1)
    return model


# Rates


def test_the_configured_rate_is_saved_before_a_reduction():
    model = model_with(0.5)
    fit(model, Metric([math.nan] * 2), falling(on_nan="reduce"), epochs=2)
    assert memory(model)["rates"]["learning_rate"] == {"rate": 0.5, "now": 0.5}
    of(model).save_own_variables({})
    assert memory(model)["rates"]["learning_rate"] == {"rate": 0.5, "now": 0.125}


def test_an_epoch_of_one_batch_has_its_rate_in_the_logs():
    model = model_with(klr.LinearDecay(0.5, 5))
    seen = fit(model, Metric([1.0] * 3), falling(), batches=1, epochs=3).history
    np.testing.assert_allclose(seen["learning_rate"], [0.5, 0.4, 0.3])


def test_a_rate_of_0_is_not_at_min_lr(recwarn):
    fit(model_with(0.0), Metric([1.0]), falling(), epochs=1)
    assert [str(warning.message) for warning in recwarn if "ReduceOnPlateau" in str(warning.message)] == []


def test_the_rule_gets_the_arguments():
    plateau = ReduceOnPlateau(
        "val_loss", 0.5, 3, "max", 0.25, "rel", cooldown=2, window=4, on_nan="ignore",
    )  # fmt: skip
    begin(plateau, model_with(0.5))
    plateau.on_epoch_end(0, {"val_loss": 1.0})
    assert plateau.rule == PlateauRule("max", 3, 0.25, "rel", 2, 4, "ignore")


# Whole error messages


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
        begin(falling(optimizers=["number", "third"]), two_optimizers(0.5, klr.LinearDecay(0.5, 90)))
    sentence = "ReduceOnPlateau: `optimizers` must be one of 'number', 'schedule', got 'third'"
    assert str(raised.value) == sentence


def test_a_rate_that_is_a_function_is_refused():
    model = model_with(None, keras.optimizers.SGD(lambda: 0.1, name="by_hand"))
    with pytest.raises(TypeError) as raised:
        begin(falling(), model)
    assert str(raised.value) == (
        "ReduceOnPlateau: the learning rate of optimizer 'by_hand' is a function, which cannot be scaled; give the "
        "optimizer a number or a schedule"
    )


def test_an_object_that_is_no_keras_model_is_refused():
    class Other:
        optimizer = None

    with pytest.raises(TypeError) as raised:
        begin(falling(), Other())
    assert str(raised.value) == "ReduceOnPlateau: Other has no `make_train_function`; it needs a `keras.Model`"


def test_a_start_in_epochs_of_unknown_length_is_refused():
    for params in ({"steps": None}, {}, None):
        plateau = falling(start_after=klr.epochs(2))
        plateau.set_model(model_with(0.5))
        plateau.set_params(params)
        plateau.on_train_begin()
        with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
            plateau.on_epoch_begin(0)
        assert str(raised.value) == (
            "ReduceOnPlateau: `start_after` must be in steps for a data set of unknown length, unless "
            "`BindSchedule` gets `steps_per_epoch`, got epochs(2)"
        )
    begin(falling(start_after=klr.epochs(2)), model_with(0.5))


def test_windows_of_batches_of_a_validation_metric_are_refused():
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is compared
        ReduceOnPlateau("val_loss", every=3)
    assert str(raised.value) == (
        "ReduceOnPlateau: `monitor` must be a metric of the training data when `every` counts batches, got 'val_loss'"
    )


def test_a_mismatch_warns_once(recwarn):
    model, store = model_with(0.5), {}
    fit(model, Metric([1.0]), falling(), epochs=1)
    of(model).save_own_variables(store)
    fit(loaded(model_with(0.25), store), Metric([1.0] * 2), falling(), epochs=2)
    (message,) = [str(warning.message) for warning in recwarn if issubclass(warning.category, klr.ScheduleWarning)]
    assert "0.25" in message


def test_evaluating_outside_of_an_epoch_leaves_no_pending_metric():
    model, plateau = model_with(0.5, metrics=["mae"]), ReduceOnPlateau("val_mae", 0.5, 2, mode="min")
    x, y = data()
    model.evaluate(x, y, verbose=0, callbacks=[plateau])
    begin(plateau, model)
    of(model).hooks["ReduceOnPlateau/val_mae"]()  # as when a file is written before the first epoch
    assert "pending" not in memory(model)["ReduceOnPlateau/val_mae"]
    plateau.on_epoch_begin(0)
    model.evaluate(x, y, verbose=0, callbacks=[plateau])
    of(model).hooks["ReduceOnPlateau/val_mae"]()
    assert memory(model)["ReduceOnPlateau/val_mae"]["pending"] == {"epoch": 0, "metric": 0.0}
