"""How the step size follows the updates."""

import pickle

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    STARS,
    TEXTS,
    assert_same_model,
    classifier,
    regressor,
    weights,
)
from numpy.testing import assert_allclose

LINEAR = {
    "learning_rate": 0.01,
    "learning_rate_schedule": "linear",
    "batch_size": 4,
    "epochs": 5,
}


class StepSizes(keras.callbacks.Callback):
    """Writes down every update's step size."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.optimizer.learning_rate))


def test_linear_rises_over_a_tenth_and_falls_to_zero():
    steps = StepSizes()
    classifier(**LINEAR, callbacks=steps).fit(TEXTS, LABELS)
    rise, fall = [0.005, 0.01], np.linspace(0.01, 0, 18, endpoint=False)
    assert_allclose(steps.seen, [*rise, *fall], rtol=1e-6)


def test_constant_is_constant():
    steps = StepSizes()
    params = {**LINEAR, "learning_rate_schedule": "constant"}
    classifier(**params, callbacks=steps).fit(TEXTS, LABELS)
    assert_allclose(steps.seen, 0.01)


def test_what_is_routed_to_the_optimizer_is_constant():
    steps = StepSizes()
    params = {**LINEAR, "optimizer__learning_rate": 0.02}
    classifier(**params, callbacks=steps).fit(TEXTS, LABELS)
    assert_allclose(steps.seen, 0.02)


@pytest.mark.parametrize("schedule", ["linear", "constant"])
@pytest.mark.parametrize("number", [1, np.float32(0.25), np.int64(1)])
def test_any_number_may_be_the_step_size(number, schedule):
    steps = StepSizes()
    params = {**LINEAR, "learning_rate": number, "learning_rate_schedule": schedule}
    classifier(**params, callbacks=steps).fit(TEXTS, LABELS)
    assert_allclose(max(steps.seen), float(number))


@pytest.mark.parametrize("compiled", [{}, {"compile__run_eagerly": False}])
def test_steps_are_taken_with_the_step_size_shown(compiled):
    # Of plain descent without clipping, the first update is in proportion to it.
    params = {
        **LINEAR,
        **compiled,
        "optimizer": "sgd",
        "clipnorm": None,
        "batch_size": 16,
        "dropout": 0,
        "embedding_dropout": 0,
    }

    def moved(**changed):
        fitted = classifier(**params | changed).initialize(TEXTS, LABELS)
        before = fitted.model_.head.get_weights()[1]
        return classifier(**params | changed).fit(TEXTS, LABELS).model_, before

    # One update of one: at its height, and nothing before.
    model, before = moved(epochs=1)
    constant, _ = moved(epochs=1, learning_rate_schedule="constant")
    assert np.abs(model.head.get_weights()[1] - before).max() > 0
    assert_allclose(model.head.get_weights()[1], constant.head.get_weights()[1])
    # Of many updates the decaying ones are shorter in sum.
    model, before = moved(epochs=20)
    constant, _ = moved(epochs=20, learning_rate_schedule="constant")
    distances = [
        np.linalg.norm(one.head.get_weights()[1] - before) for one in (model, constant)
    ]
    assert distances[0] < 0.8 * distances[1]


@pytest.mark.parametrize("compiled", [{}, {"compile__run_eagerly": False}])
def test_partial_fit_goes_on_at_full_height(compiled):
    steps = StepSizes()
    fitted = classifier(**LINEAR, **compiled, callbacks=steps).fit(TEXTS, LABELS)
    steps.seen.clear()
    before = fitted.model_.get_weights()
    fitted.partial_fit(TEXTS, LABELS)
    assert_allclose(steps.seen, 0.01)
    change = [
        np.abs(one - other).max()
        for one, other in zip(before, fitted.model_.get_weights(), strict=True)
    ]
    # Adam's first steps are about as long as the step size.
    assert max(change) > 0.01


@pytest.mark.parametrize("compiled", [{}, {"compile__run_eagerly": False}])
def test_warm_start_decays_again(compiled):
    steps = StepSizes()
    params = {**LINEAR, **compiled, "warm_start": True, "callbacks": steps}
    fitted = classifier(**params).fit(TEXTS, LABELS)
    first, steps.seen[:] = list(steps.seen), []
    before = np.concatenate([one.ravel() for one in fitted.model_.get_weights()])
    fitted.fit(TEXTS, LABELS)
    assert_allclose(steps.seen, first)
    after = np.concatenate([one.ravel() for one in fitted.model_.get_weights()])
    assert np.abs(after - before).max() > 0.01


def test_warm_start_with_gathered_gradients_trains():
    params = {**LINEAR, "optimizer__gradient_accumulation_steps": 4}
    fitted = classifier(**params, warm_start=True).fit(TEXTS, LABELS)
    for _ in range(2):
        before = weights(fitted)
        fitted.fit(TEXTS, LABELS)
        assert np.abs(weights(fitted) - before).max() > 0.001


def test_pickle_keeps_the_step_size():
    fitted = regressor(**LINEAR).fit(TEXTS, STARS)
    again = pickle.loads(pickle.dumps(fitted))
    assert_same_model(fitted.partial_fit(TEXTS, STARS), again.partial_fit(TEXTS, STARS))


def test_schedule_of_keras_is_taken_as_it_is():
    steps = StepSizes()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.02, 1, 0.5)
    params = {**LINEAR, "learning_rate": schedule, "epochs": 1}
    classifier(**params, callbacks=steps).fit(TEXTS, LABELS)
    assert_allclose(steps.seen, 0.02 * 0.5 ** np.arange(4))


def test_optimizer_instance_keeps_its_own_step_size():
    steps = StepSizes()
    params = {**LINEAR, "optimizer": keras.optimizers.SGD(0.03), "epochs": 1}
    classifier(**params, callbacks=steps).fit(TEXTS, LABELS)
    assert_allclose(steps.seen, 0.03)


# How long


@pytest.mark.parametrize(
    ("n_texts", "n_tokens", "n_epochs"),
    [
        (64, 1, 20),  # 750 updates would take more than the most
        (64 * 100, 10, 8),  # 750 updates
        (64 * 100, 120, 5),  # 60,000 / 120 = 500 updates
        (64 * 50, 300, 5),  # 250 updates
        (64 * 200, 300, 3),  # more than enough
        (64 * 24 + 1, 300, 10),  # 25 updates an epoch, the last of one text
    ],
)
def test_auto_epochs(n_texts, n_tokens, n_epochs):
    texts = [" ".join(["fine"] * n_tokens)] * n_texts
    params = {"epochs": "auto", "batch_size": 64, "hidden_size": 1, "embedding_size": 1}
    # Reading them is not what this is about.
    steps = StopAtOnce()
    classifier(**params, callbacks=steps, compile__run_eagerly=False).fit(
        texts, np.arange(n_texts) % 2
    )
    assert steps.params["epochs"] == n_epochs


class StopAtOnce(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = True
