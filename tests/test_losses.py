"""What a classifier minimizes, and which losses are refused."""

import dataclasses
import pickle

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    LEARNS,
    MULTILABEL,
    STARS,
    TEXTS,
    TOPIC_TEXTS,
    TOPICS,
    assert_same_model,
    classifier,
    regressor,
)
from scipy.special import expit
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss


def one_half_squared(y_true, y_pred):
    return keras.ops.mean((2 * y_true - 1 - y_pred) ** 2, axis=-1) / 2


class Distance(keras.losses.Loss):
    """Of the scores from -1 and 1."""

    def __init__(self, power=2, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        distance = keras.ops.abs(2 * y_true - 1 - y_pred)
        return keras.ops.mean(distance**self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@pytest.mark.parametrize(
    "loss",
    [
        "hinge",
        "squared_hinge",
        keras.losses.Hinge,
        keras.losses.CategoricalHinge(),
        keras.losses.squared_hinge,
        keras.losses.categorical_hinge,
    ],
)
def test_hinges_learn_and_give_no_probabilities(loss):
    fitted = classifier(loss=loss, **LEARNS).fit(TEXTS, LABELS)
    assert fitted.score(TEXTS, LABELS) == 1.0
    assert not hasattr(fitted, "predict_proba")
    assert not hasattr(fitted, "predict_log_proba")
    fitted = classifier(loss=loss, **LEARNS).fit(TOPIC_TEXTS, TOPICS)
    assert fitted.decision_function(TOPIC_TEXTS).shape == (16, 3)
    assert fitted.score(TOPIC_TEXTS, TOPICS) == 1.0


@pytest.mark.parametrize(
    ("texts", "y"), [(TEXTS, LABELS), (TOPIC_TEXTS, TOPICS), (TOPIC_TEXTS, MULTILABEL)]
)
def test_labels_can_be_smoothed(texts, y):
    sure, unsure = (
        classifier(**params, **LEARNS).fit(texts, y)
        for params in ({}, {"loss__label_smoothing": 0.4})
    )
    np.testing.assert_array_equal(unsure.predict(texts), y)
    highest = [one.predict_proba(texts).max() for one in (sure, unsure)]
    assert highest[1] < 0.9 < highest[0]


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge"])
def test_losses_take_several_labels(loss):
    fitted = classifier(loss=loss, **LEARNS).fit(TOPIC_TEXTS, MULTILABEL)
    np.testing.assert_array_equal(fitted.predict(TOPIC_TEXTS), MULTILABEL)


def test_hinge_is_that_of_the_scores():
    fitted = classifier(loss="hinge", epochs=1, batch_size=16, dropout=0)
    fitted.set_params(embedding_dropout=0).initialize(TEXTS, LABELS)
    signs = np.where(LABELS == "good", 1, -1)
    before = np.maximum(0, 1 - signs * fitted.decision_function(TEXTS)).mean()
    fitted.fit(TEXTS, LABELS)
    np.testing.assert_allclose(fitted.history_["loss"], [before], rtol=1e-5)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": keras.losses.BinaryFocalCrossentropy(from_logits=True)},
        {"loss": keras.losses.BinaryCrossentropy},
        {"loss": Distance(power=1)},
        {"loss": Distance, "loss__power": 4},
        {"loss": one_half_squared},
    ],
)
@pytest.mark.parametrize("y", [LABELS, TOPICS], ids=["binary", "multiclass"])
def test_losses_of_keras_and_own_ones(params, y):
    texts = TEXTS if y is LABELS else TOPIC_TEXTS
    fitted = classifier(**LEARNS | params).fit(texts, y)
    assert fitted.history_["loss"][-1] < fitted.history_["loss"][0]
    assert fitted.score(texts, y) == 1.0
    probabilities = fitted.predict_proba(texts)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy,
        keras.losses.BinaryFocalCrossentropy(from_logits=True),
    ],
)
def test_classes_against_all_others_have_probabilities_that_are_scaled(loss):
    params = {"metrics": [keras.metrics.CategoricalCrossentropy(name="log_loss")]}
    fitted = classifier(**params, loss=loss, dropout=0, embedding_dropout=0, epochs=1)
    fitted.set_params(batch_size=len(TOPICS)).initialize(TOPIC_TEXTS, TOPICS)
    of_each = expit(fitted.decision_function(TOPIC_TEXTS).astype(float))
    expected = of_each / of_each.sum(axis=1, keepdims=True)
    before = fitted.predict_proba(TOPIC_TEXTS)
    np.testing.assert_allclose(before, expected, rtol=1e-6)
    np.testing.assert_allclose(
        fitted.predict_log_proba(TOPIC_TEXTS), np.log(expected), rtol=1e-6
    )
    # What metrics see of the network as it was before its first update.
    fitted.set_params(warm_start=True).fit(TOPIC_TEXTS, TOPICS)
    np.testing.assert_allclose(
        fitted.history_["log_loss"], [log_loss(TOPICS, before)], rtol=1e-5
    )
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        copied.predict_proba(TOPIC_TEXTS), fitted.predict_proba(TOPIC_TEXTS)
    )


def test_a_class_of_keras_is_told_that_scores_are_log_odds():
    params = {"wide": False, "epochs": 3}
    ours = classifier(**params).fit(TEXTS, LABELS)
    theirs = classifier(**params, loss=keras.losses.BinaryCrossentropy)
    np.testing.assert_array_equal(
        theirs.fit(TEXTS, LABELS).decision_function(TEXTS),
        ours.decision_function(TEXTS),
    )


@pytest.mark.parametrize(
    ("loss", "named"),
    [
        (keras.losses.MeanSquaredError, "does not fit a classifier"),
        (keras.losses.Huber(0.5), "does not fit a classifier"),
        (keras.losses.mean_absolute_error, "does not fit a classifier"),
        (keras.losses.binary_crossentropy, "does not fit a classifier"),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "does not fit a classifier",
        ),
        (keras.losses.Loss, "does not fit a classifier"),
        (keras.losses.BinaryCrossentropy(), "from_logits=True"),
        (keras.losses.CategoricalCrossentropy, "keras.losses.BinaryCrossentropy"),
    ],
)
def test_losses_of_keras_that_do_not_fit_two_classes_are_refused(loss, named):
    with pytest.raises(ValueError, match=named):
        classifier(loss=loss).fit(TEXTS, LABELS)


@pytest.mark.parametrize("loss", ["log_loss", keras.losses.BinaryCrossentropy])
def test_scores_are_not_said_to_be_probabilities(loss):
    with pytest.raises(ValueError, match="leave out loss__from_logits"):
        classifier(loss=loss, loss__from_logits=False).fit(TEXTS, LABELS)
    told = classifier(loss=loss, loss__from_logits=True).fit(TEXTS, LABELS)
    assert_same_model(told, classifier(loss=loss).fit(TEXTS, LABELS))


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, "a"])
@pytest.mark.parametrize("loss", ["log_loss", keras.losses.BinaryCrossentropy])
def test_labels_are_smoothed_by_a_share(loss, share):
    with pytest.raises(ValueError, match=r"'loss__label_smoothing' .*\[0.0, 1.0\)"):
        classifier(loss=loss, loss__label_smoothing=share).fit(TEXTS, LABELS)


def test_own_subclasses_of_keras_losses_are_not_looked_at():
    class OfProbabilities(keras.losses.BinaryCrossentropy):
        def call(self, y_true, y_pred):
            return super().call(y_true, keras.ops.sigmoid(y_pred))

    fitted = classifier(loss=OfProbabilities(), **LEARNS).fit(TEXTS, LABELS)
    assert fitted.score(TEXTS, LABELS) == 1.0


def test_a_softmax_loss_of_keras_takes_several_classes():
    fitted = classifier(loss=keras.losses.CategoricalCrossentropy, **LEARNS)
    assert fitted.fit(TOPIC_TEXTS, TOPICS).score(TOPIC_TEXTS, TOPICS) == 1.0
    with pytest.raises(ValueError, match="one a text"):
        fitted.fit(TOPIC_TEXTS, MULTILABEL)


def test_arguments_of_a_loss_are_routed():
    routed = classifier(loss=Distance, loss__power=1).fit(TEXTS, LABELS)
    assert_same_model(routed, classifier(loss=Distance(1)).fit(TEXTS, LABELS))


class _Wider(keras.losses.Hinge):
    def __init__(self, lambda_=1.0, **kwargs):
        super().__init__(**kwargs)
        self.lambda_ = lambda_

    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred / self.lambda_)


@pytest.mark.parametrize("loss", [_Wider, _Wider()])
def test_a_hinge_of_ones_own_gives_no_probabilities(loss):
    assert not hasattr(classifier(loss=loss), "predict_proba")


def test_an_argument_may_be_named_as_fitted_attributes_are():
    routed = classifier(loss=_Wider, loss__lambda_=2.0)
    with pytest.raises(NotFittedError):
        routed.decision_function(TEXTS)
    assert_same_model(
        routed.fit(TEXTS, LABELS), classifier(loss=_Wider(2.0)).fit(TEXTS, LABELS)
    )


@pytest.mark.parametrize(("make", "y"), [(classifier, LABELS), (regressor, STARS)])
def test_a_loss_need_not_be_hashable(make, y):
    @dataclasses.dataclass
    class Power:
        exponent: float = 3.0

        def __call__(self, y_true, y_pred):
            return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** self.exponent)

    fitted = make(loss=Power()).fit(TEXTS, y)
    assert np.isfinite(fitted.history_["loss"]).all()
