"""What `RNNTextClassifier` learns, and what each of its parameters does."""

import itertools
import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from corpus import (
    EAGER,
    LABELS,
    LEARNS,
    TEXTS,
    TINY,
    TOPIC_TEXTS,
    TOPICS,
    assert_same_model,
    classifier,
    weights,
)
from scipy.sparse import csr_array, csr_matrix
from scipy.special import expit, softmax
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, log_loss
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

import skrnn.base
from skrnn import RNNTextClassifier
from skrnn.inspection import TrainingCurveDisplay

MULTILABEL = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1]] * 4)


@pytest.fixture(scope="module")
def binary():
    return RNNTextClassifier(**TINY | LEARNS).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def multiclass():
    return RNNTextClassifier(**TINY | LEARNS).fit(TOPIC_TEXTS, TOPICS)


@pytest.fixture(scope="module")
def multilabel():
    return classifier(**LEARNS).fit(TOPIC_TEXTS, MULTILABEL)


# Targets


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["no", "yes"] * 8, ["no", "yes"]),
        (np.array(["no", "yes"] * 8, dtype=object), ["no", "yes"]),
        (np.array([True, False] * 8), [False, True]),
        ([3, -7] * 8, [-7, 3]),
        (np.array([3, -7] * 8, dtype=np.int8), [-7, 3]),
        ([1.0, 0.0] * 8, [0.0, 1.0]),
        (pd.Series(["no", "yes"] * 8, index=range(100, 116)), ["no", "yes"]),
        (pd.Series(["no", "yes"] * 8, dtype="category"), ["no", "yes"]),
        (pd.Series([0, 1] * 8, dtype="category"), [0, 1]),
        (pd.Series(["no", "yes"] * 8, dtype="string"), ["no", "yes"]),
        (pd.Series([5, 6] * 8, dtype="Int64"), [5, 6]),
        (pd.Series([True, False] * 8, dtype="boolean"), [False, True]),
        (pd.Categorical(["no", "yes"] * 8, categories=["yes", "no", "?"]), None),
    ],
)
def test_labels_of_any_kind(y, classes):
    fitted = classifier().fit(TEXTS, y)
    assert fitted.classes_.tolist() == (classes or ["no", "yes"])
    predicted = fitted.predict(TEXTS)
    assert predicted.shape == (16,)
    assert predicted.dtype == fitted.classes_.dtype
    assert set(predicted) <= set(fitted.classes_)


def test_kind_of_label_does_not_matter(binary):
    numbers = RNNTextClassifier(**TINY | LEARNS).fit(TEXTS, LABELS == "good")
    np.testing.assert_array_equal(weights(numbers), weights(binary))


def test_column_of_labels_is_flattened_with_a_warning():
    with pytest.warns(UserWarning, match="column-vector"):
        fitted = classifier().fit(TEXTS, LABELS[:, None])
    assert_same_model(fitted, classifier().fit(TEXTS, LABELS))


def test_learns_two_classes(binary):
    assert binary.score(TEXTS, LABELS) == 1.0
    assert binary.classes_.tolist() == ["bad", "good"]
    assert binary.history_["loss"][-1] < binary.history_["loss"][0] / 2
    assert binary.n_iter_ == len(binary.history_["loss"]) == 8


def test_learns_several_classes(multiclass):
    assert multiclass.score(TOPIC_TEXTS, TOPICS) == 1.0
    assert multiclass.classes_.tolist() == ["politics", "sport", "weather"]


def test_learns_several_labels_a_text(multilabel):
    predicted = multilabel.predict(TOPIC_TEXTS)
    np.testing.assert_array_equal(predicted, MULTILABEL)
    assert predicted.dtype.kind == "i"
    assert multilabel.score(TOPIC_TEXTS, MULTILABEL) == 1.0
    assert multilabel.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "convert", [csr_array, csr_matrix, pd.DataFrame, np.ndarray.tolist]
)
def test_containers_of_a_multilabel_indicator(multilabel, convert):
    fitted = classifier(**LEARNS).fit(TOPIC_TEXTS, convert(MULTILABEL))
    assert_same_model(fitted, multilabel, TOPIC_TEXTS)


def test_score_weighs_texts(binary):
    wrong = LABELS.copy()
    wrong[0] = "bad"
    weight = np.ones(16)
    weight[0] = 15
    assert binary.score(TEXTS, wrong, sample_weight=weight) == 0.5


# Scores and probabilities


def test_two_classes_have_one_score(binary):
    scores = binary.decision_function(TEXTS)
    assert scores.shape == (16,)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(
        binary.predict(TEXTS), binary.classes_[(scores > 0).astype(int)]
    )
    probabilities = binary.predict_proba(TEXTS)
    assert probabilities.shape == (16, 2)
    np.testing.assert_allclose(probabilities[:, 1], expit(scores.astype(float)))


def test_several_classes_have_a_score_each(multiclass):
    scores = multiclass.decision_function(TOPIC_TEXTS)
    assert scores.shape == (16, 3)
    assert scores.dtype == np.float32
    best = multiclass.classes_[scores.argmax(axis=1)]
    np.testing.assert_array_equal(multiclass.predict(TOPIC_TEXTS), best)


def test_several_labels_learned_in_parts():
    names = ["film", "praise", "weather"]
    fitted = classifier().partial_fit(TOPIC_TEXTS, MULTILABEL, classes=names)
    fitted.partial_fit(TOPIC_TEXTS, MULTILABEL, classes=names)
    assert fitted.n_iter_ == 2
    with pytest.raises(ValueError, match="not the same as on last call"):
        fitted.partial_fit(TOPIC_TEXTS, MULTILABEL, classes=names[:2])


def test_several_labels_have_a_score_each(multilabel):
    scores = multilabel.decision_function(TOPIC_TEXTS)
    assert scores.shape == (16, 3)
    np.testing.assert_array_equal(multilabel.predict(TOPIC_TEXTS), scores > 0)
    probabilities = multilabel.predict_proba(TOPIC_TEXTS)
    np.testing.assert_allclose(probabilities, expit(scores.astype(float)))


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_probabilities_sum_to_one(name, request):
    fitted = request.getfixturevalue(name)
    probabilities = fitted.predict_proba(TEXTS)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["binary", "multiclass", "multilabel"])
def test_log_probabilities(name, request):
    fitted = request.getfixturevalue(name)
    logs = fitted.predict_log_proba(TEXTS)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs), fitted.predict_proba(TEXTS))


def test_loss_in_history_is_the_log_loss_of_the_probabilities():
    fitted = classifier(epochs=1, batch_size=16, dropout=0, embedding_dropout=0)
    fitted.initialize(TEXTS, LABELS)
    before = log_loss(LABELS, fitted.predict_proba(TEXTS))
    fitted.fit(TEXTS, LABELS)
    np.testing.assert_allclose(fitted.history_["loss"], [before], rtol=1e-5)


# Losses


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


# Weights


def test_class_weight_multiplies_the_samples_weights():
    weight = np.linspace(0.5, 1.5, 16)
    before = weight.copy()
    weighted = classifier(class_weight={"bad": 3.0, "good": 0.5})
    weighted.fit(TEXTS, LABELS, sample_weight=weight)
    np.testing.assert_array_equal(weight, before)
    by_hand = weight * np.where(LABELS == "bad", 3.0, 0.5)
    assert_same_model(weighted, classifier().fit(TEXTS, LABELS, by_hand))


def test_balanced_class_weight():
    texts, y = TEXTS + TEXTS[1::2], [*LABELS, *LABELS[1::2]]
    classes = np.array(["bad", "good"])
    by_hand = compute_class_weight("balanced", classes=classes, y=y)
    balanced = classifier(class_weight="balanced").fit(texts, y)
    weighted = classifier(class_weight=dict(zip(classes, by_hand, strict=True)))
    assert_same_model(balanced, weighted.fit(texts, y))


@pytest.mark.parametrize(
    "class_weight", ["balanced", [{0: 1.0, 1: 3.0}, {1: 2.0}, {0: 0.5}]]
)
def test_class_weight_of_a_multilabel_indicator(class_weight):
    by_class = classifier(class_weight=class_weight).fit(TOPIC_TEXTS, MULTILABEL)
    weight = compute_sample_weight(class_weight, MULTILABEL)
    assert np.ptp(weight) > 0
    assert_same_model(by_class, classifier().fit(TOPIC_TEXTS, MULTILABEL, weight))


def test_a_class_of_much_weight_is_predicted_more():
    texts = ["same text"] * 16
    low = classifier(class_weight={"bad": 0.05}, **LEARNS).fit(texts, LABELS)
    high = classifier(class_weight={"bad": 20.0}, **LEARNS).fit(texts, LABELS)
    assert set(low.predict(texts)) == {"good"}
    assert set(high.predict(texts)) == {"bad"}


def test_class_weight_of_a_class_that_a_later_call_lacks():
    weighted = classifier(class_weight={"bad": 3.0})
    weighted.partial_fit(TEXTS, LABELS, classes=["bad", "good"])
    weighted.partial_fit(TEXTS[::2], LABELS[::2])
    assert weighted.n_iter_ == 2


def test_balanced_class_weight_of_a_class_that_a_warm_start_lacks():
    weighted = classifier(class_weight="balanced", warm_start=True)
    weighted.fit(TEXTS, LABELS).fit(TEXTS[::2], LABELS[::2])
    assert weighted.n_iter_ == 4


@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}])
def test_text_of_weight_zero_is_left_out(params):
    weight = np.ones(18)
    weight[[0, 17]] = 0
    texts = ["neverseen", *TEXTS, "unheard"]
    labels = ["bad", *LABELS, "bad"]
    weighted = classifier(**params).fit(texts, labels, sample_weight=weight)
    assert "neverseen" not in weighted.tokenizer_.vocabulary_
    assert_same_model(weighted, classifier(**params).fit(TEXTS, LABELS))


def test_a_class_of_weight_zero_is_left_out_like_texts_of_weight_zero():
    texts, labels = [*TEXTS, "neverseen"] * 2, np.array([*LABELS, "odd"] * 2)
    by_class = classifier(class_weight={"odd": 0}).fit(texts, labels)
    by_text = classifier().fit(texts, labels, np.where(labels == "odd", 0, 1))
    assert "neverseen" not in by_class.tokenizer_.vocabulary_
    assert_same_model(by_class, by_text)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["1", "5"]),
        np.array(["1", "5"], object),
        np.array([1, 5]),
        np.array([1.0, 5.0]),
        np.array([False, True]),
        np.array(["2020-01-01", "2021-01-01"], "datetime64[D]"),
        np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]"),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_class_weight_is_by_the_labels_themselves(labels):
    y = np.resize(labels, 16)
    by_class = classifier(class_weight=dict(zip(labels, (3.0, 1.0), strict=True)))
    by_text = classifier().fit(TEXTS, y, np.where(y == labels[0], 3.0, 1.0))
    assert_same_model(by_class.fit(TEXTS, y), by_text)


def test_a_label_of_weight_zero_alone_is_a_class():
    weight = np.array([0] + [1] * 16)
    fitted = classifier(**LEARNS).fit(["odd", *TEXTS], ["odd", *LABELS], weight)
    assert fitted.classes_.tolist() == ["bad", "good", "odd"]
    assert "odd" not in fitted.predict(["odd", *TEXTS])
    assert "odd" not in fitted.tokenizer_.vocabulary_


@pytest.mark.parametrize("wide", [True, False])
def test_one_of_two_classes_may_have_weight_zero(wide):
    texts, labels = TEXTS * 16, np.tile(LABELS, 16)
    weight = np.where(labels == "bad", 1.0, 0.0)
    fitted = classifier(wide=wide, **LEARNS).fit(texts, labels, weight)
    assert fitted.classes_.tolist() == ["bad", "good"]
    assert set(fitted.predict(texts)) == {"bad"}


def test_estimators_that_hold_classifiers_know_a_class_of_weight_zero():
    labels = np.resize(["bad", "good", "mid"], 48)
    weight = np.where(labels == "good", 0.0, 1.0)
    voters = [("a", classifier(**LEARNS)), ("b", classifier(**LEARNS))]
    vote = VotingClassifier(voters, voting="soft")
    vote.fit(TEXTS * 3, labels, sample_weight=weight)
    assert vote.predict_proba(TEXTS).shape == (16, 3)
    assert "good" not in vote.predict(TEXTS)


def test_a_later_call_may_have_labels_of_no_weight_alone():
    fitted = classifier(class_weight={"odd": 0})
    fitted.partial_fit(["odd"], ["odd"], classes=["bad", "good", "odd"])
    assert fitted.n_iter_ == 0
    before = fitted.partial_fit(TEXTS, LABELS).predict_proba(TEXTS)
    fitted.partial_fit(TEXTS, ["odd"] * 16)
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), before)
    assert fitted.n_iter_ == 1


@pytest.mark.parametrize("scale", [1.0, 2.0**-20, 2.0**20])
def test_scale_of_the_weights_does_not_matter(scale):
    weight = np.tile([1.0, 2.0, 3.0, 4.0], 4)
    fitted = classifier().fit(TEXTS, LABELS, sample_weight=weight * scale)
    unscaled = classifier().fit(TEXTS, LABELS, sample_weight=weight)
    assert_same_model(fitted, unscaled)


def test_weights_count_between_calls_of_partial_fit():
    bad, good = (
        [t for t, one in zip(TEXTS, LABELS, strict=True) if one == label]
        for label in ("bad", "good")
    )

    def taught(weight=None, **params):
        fitted = classifier(learning_rate=0.1, **params)
        for _ in range(10):
            of_bad = None if weight is None else [weight] * len(bad)
            fitted.partial_fit(bad, ["bad"] * len(bad), ["bad", "good"], of_bad)
            fitted.partial_fit(good, ["good"] * len(good))
        return fitted.decision_function(["so so"])[0]

    # Of the second class, "good".
    assert taught(class_weight={"bad": 0.01}) > taught() + 1
    assert taught(class_weight={"bad": 0.01}) == taught(weight=0.01)


def test_weights_too_large_for_the_loss():
    fitted = classifier().fit(TEXTS, LABELS, [1e300] * 16)
    with pytest.raises(ValueError, match="too large for dtype"):
        fitted.partial_fit(TEXTS, LABELS, sample_weight=[1e300] * 16)


def test_equal_weights_are_no_weights():
    fitted = classifier().fit(TEXTS, LABELS, sample_weight=np.full(16, 0.5))
    assert_same_model(fitted, classifier().fit(TEXTS, LABELS))


# Going on


def test_first_partial_fit_is_a_fit_of_one_epoch():
    partial = classifier(epochs=7).partial_fit(TEXTS, LABELS, classes=["good", "bad"])
    assert_same_model(partial, classifier(epochs=1).fit(TEXTS, LABELS))


def test_partial_fit_goes_on():
    partial = classifier(epochs=1).fit(TEXTS, LABELS)
    first = weights(partial)
    partial.partial_fit(TEXTS, LABELS)
    assert partial.n_iter_ == len(partial.history_["loss"]) == 2
    assert not np.array_equal(weights(partial), first)
    assert_same_model(partial, classifier(epochs=2).fit(TEXTS, LABELS))


def test_first_partial_fit_needs_the_classes():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(TEXTS, LABELS)


def test_partial_fit_knows_classes_it_has_not_met():
    partial = classifier()
    partial.partial_fit(["a fine film"], ["fine"], classes=["excellent", "fine"])
    assert partial.classes_.tolist() == ["excellent", "fine"]
    partial.partial_fit(["a film to remember"], ["excellent"])
    assert partial.predict_proba(TEXTS).shape == (16, 2)


def test_partial_fit_refuses_labels_unseen_before():
    partial = classifier().fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        partial.partial_fit(TEXTS[:2], ["good", "fair"])


def test_partial_fit_refuses_labels_unseen_before_whatever_they_weigh():
    with pytest.raises(ValueError, match=r"`y` has classes not in `self\.classes_`"):
        classifier().partial_fit(TEXTS[:2], ["good", "typo"], ["bad", "good"], [1, 0])


def test_partial_fit_refuses_other_classes():
    partial = classifier().partial_fit(TEXTS, LABELS, classes=["bad", "good"])
    partial.partial_fit(TEXTS, LABELS, classes=["good", "bad"])
    with pytest.raises(ValueError, match="is not the same as on last call"):
        partial.partial_fit(TEXTS, LABELS, classes=["bad", "good", "fair"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"early_stopping": True}, "early_stopping should be False"),
        ({"class_weight": "balanced"}, "'balanced' is not supported for partial_fit"),
    ],
)
def test_partial_fit_refuses_what_needs_all_texts(params, message):
    with pytest.raises(ValueError, match=message):
        classifier(**params).partial_fit(TEXTS, LABELS, classes=["bad", "good"])


def test_partial_fit_refuses_another_number_of_columns():
    partial = classifier().fit(TOPIC_TEXTS, MULTILABEL)
    with pytest.raises(ValueError, match=r"2 columns, but .* fitted with 3"):
        partial.partial_fit(TOPIC_TEXTS, MULTILABEL[:, :2])
    with pytest.raises(ValueError, match="single labels"):
        partial.partial_fit(TOPIC_TEXTS, TOPICS)


def test_warm_start_goes_on():
    warm = classifier(warm_start=True).fit(TEXTS[:8], LABELS[:8])
    vocabulary = warm.tokenizer_.vocabulary_
    warm.fit(TEXTS[:8] + ["unheard of"], [*LABELS[:8], "bad"])
    assert warm.n_iter_ == len(warm.history_["loss"]) == 4
    assert warm.tokenizer_.vocabulary_ == vocabulary


def test_warm_start_twice_is_one_long_fit():
    warm = classifier(warm_start=True).fit(TEXTS, LABELS).fit(TEXTS, LABELS)
    assert_same_model(warm, classifier(epochs=4).fit(TEXTS, LABELS))


def test_fit_without_warm_start_begins_anew():
    again = classifier().fit(TOPIC_TEXTS, TOPICS).fit(TEXTS, LABELS)
    assert_same_model(again, classifier().fit(TEXTS, LABELS))


# Early stopping


# The first word tells which texts were learned from, the second one misleads.
NOISE = np.random.RandomState(0)
WORDS = [f"word{i} {NOISE.choice(['left', 'right'])}" for i in range(40)]


def held_out(fitted):
    """Give the numbers of the texts that were not learned from."""
    known = fitted.tokenizer_.vocabulary_
    return [i for i in range(len(WORDS)) if f"word{i}" not in known]


def test_held_out_texts_are_stratified():
    y = np.array(["a"] * 24 + ["b"] * 12 + ["c"] * 4)
    fitted = classifier(early_stopping=True, validation_fraction=0.25).fit(WORDS, y)
    labels, counts = np.unique(y[held_out(fitted)], return_counts=True)
    assert dict(zip(labels, counts, strict=True)) == {"a": 6, "b": 3, "c": 1}


@pytest.mark.parametrize(
    ("n_iter_no_change", "epochs"), [(2, 30), (50, 6)], ids=["stopped", "run out"]
)
def test_best_weights_are_restored(n_iter_no_change, epochs):
    y = np.array(["no", "yes"] * 20)
    fitted = classifier(
        early_stopping=True,
        validation_fraction=0.25,
        n_iter_no_change=n_iter_no_change,
        learning_rate=0.1,
        epochs=epochs,
    ).fit(WORDS, y)
    losses = fitted.history_["val_loss"]
    best = int(np.argmin(losses))
    assert fitted.n_iter_ == len(losses) == len(fitted.history_["loss"])
    assert fitted.n_iter_ == min(best + 1 + n_iter_no_change, epochs)
    rows = held_out(fitted)
    assert len(rows) == 10
    restored = log_loss(y[rows], fitted.predict_proba([WORDS[i] for i in rows]))
    np.testing.assert_allclose(restored, losses[best], rtol=1e-5)
    assert abs(restored - losses[-1]) > 1e-4


def test_held_out_part_too_small_for_the_classes():
    with pytest.raises(ValueError, match=r"validation_fraction=0\.05 of 16 texts"):
        classifier(early_stopping=True, validation_fraction=0.05).fit(
            TOPIC_TEXTS, TOPICS
        )


# Metrics and callbacks


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"metrics": "accuracy"}, {"accuracy"}),
        ({"metrics": ["accuracy", "auc"]}, {"accuracy", "auc"}),
        ({"metrics": [keras.metrics.AUC(name="area")]}, {"area"}),
        ({"metrics": (keras.metrics.AUC(name="area"),)}, {"area"}),
        ({"metrics": [keras.metrics.AUC], "metrics__name": "area"}, {"area"}),
    ],
)
def test_metrics_are_followed(params, names):
    fitted = classifier(**params, early_stopping=True).fit(TEXTS, LABELS)
    expected = {"loss", *names}
    expected |= {f"val_{name}" for name in expected}
    assert set(fitted.history_) == expected
    assert all(len(values) == 2 for values in fitted.history_.values())


def test_metrics_see_probabilities():
    class Highest(keras.metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.value = self.add_variable((), initializer="zeros", name="value")

        def update_state(self, y_true, y_pred, sample_weight=None):
            top = keras.ops.maximum(keras.ops.max(y_pred), -keras.ops.min(y_pred))
            self.value.assign(keras.ops.maximum(self.value, top))

        def result(self):
            return self.value + 0.0

    fitted = classifier(metrics=[Highest(name="highest")], learning_rate=1.0, epochs=4)
    fitted.fit(TEXTS, LABELS)
    assert np.abs(fitted.decision_function(TEXTS)).max() > 1
    assert 0.5 < max(fitted.history_["highest"]) <= 1


class Forgets(keras.metrics.Metric):
    """What most people write: no configuration of its own."""

    def __init__(self, value=1.0, name="constant", **kwargs):
        super().__init__(name=name, **kwargs)
        self.held = value

    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        return keras.ops.convert_to_tensor(self.held)


class Boost(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.01, boost=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.boost = boost


class NeedsOne(Forgets):
    def __init__(self, value, **kwargs):
        super().__init__(value, **kwargs)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"metrics": [Forgets(7.0)]}, "Forgets in `metrics`.*another 'held'.*'value'"),
        ({"metrics": [Forgets], "metrics__value": 7.0}, "lacks 'value'"),
        ({"metrics": [keras.metrics.CosineSimilarity(axis=0)]}, "lacks 'axis'"),
        ({"metrics": [NeedsOne(1.0)]}, "NeedsOne in `metrics` cannot be copied"),
        ({"compile__weighted_metrics": [Forgets(7.0)]}, "`weighted_metrics`"),
        ({"optimizer": Boost(boost=0.0)}, "Boost in `optimizer`.*lacks 'boost'"),
        ({"optimizer": Boost, "optimizer__boost": 0.0}, "lacks 'boost'"),
    ],
)
def test_objects_whose_copies_would_lose_arguments_are_refused(params, named):
    with pytest.raises(ValueError, match=named):
        classifier(**params).fit(TEXTS, LABELS)


def test_objects_whose_copies_are_whole_are_taken():
    fitted = classifier(metrics=[Forgets()], optimizer=Boost(0.1), epochs=2)
    assert fitted.fit(TEXTS, LABELS).history_["constant"] == [1.0, 1.0]


@pytest.mark.parametrize("kind", [keras.optimizers.SGD, keras.optimizers.RMSprop])
def test_an_optimizer_that_trained_another_model_is_taken(kind):
    optimizer = kind(0.1)
    optimizer.build([keras.Variable(np.ones(3))])
    optimizer.apply([keras.ops.ones(3)])
    fitted = classifier(optimizer=optimizer, epochs=1).fit(TEXTS, LABELS)
    new = classifier(optimizer=kind(0.1), epochs=1).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), new.predict_proba(TEXTS))


@pytest.mark.parametrize(
    "metric",
    [keras.metrics.AUC(multi_label=True), keras.metrics.F1Score(), Forgets()],
    ids=lambda metric: type(metric).__name__,
)
def test_a_metric_that_was_used_is_taken(metric):
    metric.update_state(np.eye(2), np.eye(2))
    fitted = classifier(metrics=[metric], epochs=1).fit(TEXTS, LABELS)
    assert metric.name in fitted.history_


class Nameless(keras.metrics.Metric):
    """Its configuration is what its ``__init__`` takes, and it counts its calls."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.label = f"{self.name}, {factor}"
        self.n_calls = 0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.n_calls += 1

    def result(self):
        return keras.ops.convert_to_tensor(self.factor)

    def get_config(self):
        return {"factor": self.factor}


def test_a_metric_may_take_no_name():
    metric = Nameless(3.0)
    metric.update_state(None, None)
    for _ in range(2):
        fitted = classifier(metrics=[metric], epochs=1).fit(TEXTS, LABELS)
        assert fitted.history_[metric.name] == [3.0]
        routed = classifier(metrics=(Nameless,), metrics__factor=2.0, epochs=1)
        assert routed.fit(TEXTS, LABELS).history_["nameless"] == [2.0]
        loaded = pickle.loads(pickle.dumps(routed))
        assert loaded.partial_fit(TEXTS, LABELS).history_["nameless"] == [2.0, 2.0]


class Falls(keras.optimizers.schedules.LearningRateSchedule):
    """As Keras' documentation has it, without a configuration."""

    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))


def test_a_schedule_without_a_configuration_trains():
    fitted = classifier(learning_rate=Falls(), epochs=2).fit(TEXTS, LABELS)
    assert np.isfinite(fitted.history_["loss"]).all()


@pytest.mark.parametrize("name", ["loss", "val_accuracy"])
def test_metrics_with_names_of_other_things_are_refused(name):
    metric = keras.metrics.BinaryAccuracy(name=name)
    with pytest.raises(ValueError, match=f"named '{name}'"):
        classifier(metrics=[metric], early_stopping=True).fit(TEXTS, LABELS)


def test_epochs_that_a_metric_did_not_follow_are_nan_in_the_history():
    fitted = classifier(epochs=2, early_stopping=True, validation_fraction=0.25)
    fitted.fit(TEXTS, LABELS)
    fitted.set_params(early_stopping=False).partial_fit(TEXTS, LABELS)
    fitted.set_params(early_stopping=True, warm_start=True).fit(TEXTS, LABELS)
    assert {len(values) for values in fitted.history_.values()} == {5}
    np.testing.assert_array_equal(
        np.isnan(fitted.history_["val_loss"]), [False, False, True, False, False]
    )
    of_classes = classifier(metrics=["f1_score"], epochs=1).fit(TOPIC_TEXTS, TOPICS)
    of_classes.set_params(early_stopping=True, validation_fraction=0.25)
    of_classes.set_params(warm_start=True).fit(TOPIC_TEXTS, TOPICS)
    shown = np.isfinite(of_classes.history_["val_f1_score"])
    np.testing.assert_array_equal(shown, [[False] * 3, [True] * 3])
    assert fitted.history_["val_loss"][fitted.best_epoch_ - 1] == np.nanmin(
        fitted.history_["val_loss"][3:]
    )


def test_names_of_metrics_do_not_depend_on_earlier_fits():
    metrics = ["AUC", "accuracy", keras.metrics.Precision, keras.metrics.AUC]
    for _ in range(2):
        fitted = classifier(metrics=metrics, epochs=1).fit(TEXTS, LABELS)
        assert {*fitted.history_} == {"loss", "accuracy", "auc", "precision", "auc_1"}
    chosen = classifier(
        metrics=[keras.metrics.AUC], metrics__0__name="auc_7", epochs=1
    ).fit(TEXTS, LABELS)
    assert "auc_7" in chosen.history_
    own = keras.metrics.AUC()
    fitted = classifier(metrics=[own], epochs=1).fit(TEXTS, LABELS)
    assert own.name in fitted.history_


def test_a_metric_with_a_value_a_class():
    fitted = classifier(metrics=["f1_score"], epochs=3)
    values = fitted.fit(TOPIC_TEXTS, MULTILABEL).history_["f1_score"]
    assert np.shape(values) == (3, 3)


@pytest.mark.parametrize(
    ("texts", "y"),
    [(TEXTS, LABELS), (TOPIC_TEXTS, TOPICS)],
    ids=["binary", "multiclass"],
)
def test_accuracy_is_the_share_of_right_labels(texts, y):
    fitted = classifier(metrics=["accuracy"], epochs=1, learning_rate=1e-9)
    fitted.set_params(dropout=0, embedding_dropout=0).fit(texts, y)
    np.testing.assert_allclose(
        fitted.history_["accuracy"], [fitted.score(texts, y)], rtol=1e-6
    )


def test_metrics_see_a_column_a_class_under_either_loss():
    metrics = [
        "accuracy",
        keras.metrics.CategoricalCrossentropy(name="surprise"),
        keras.metrics.F1Score(name="f1"),
    ]
    for loss in ("log_loss", "squared_hinge"):
        fitted = classifier(metrics=metrics, loss=loss, epochs=1, learning_rate=1e-9)
        fitted.set_params(dropout=0, embedding_dropout=0, wide=False)
        history = fitted.fit(TOPIC_TEXTS, TOPICS).history_
        proba = softmax(fitted.decision_function(TOPIC_TEXTS), axis=1)
        columns = TOPICS[:, None] == fitted.classes_
        np.testing.assert_allclose(
            history["surprise"], [log_loss(columns, proba)], rtol=1e-5
        )
        of_sklearn = f1_score(TOPICS, fitted.predict(TOPIC_TEXTS), average=None)
        np.testing.assert_allclose(history["f1"], [of_sklearn], rtol=1e-5)


@pytest.mark.parametrize(
    "metric",
    [
        "sparse_categorical_accuracy",
        keras.metrics.SparseTopKCategoricalAccuracy(2),
        keras.metrics.sparse_categorical_crossentropy,
    ],
    ids=["name", "instance", "function"],
)
def test_metrics_of_class_numbers_are_refused(metric):
    metrics = ["accuracy", metric]
    for params in ({"metrics": metrics}, {"compile__weighted_metrics": metrics}):
        with pytest.raises(ValueError, match=r"metrics' parameter .*(?i:sparse)"):
            classifier(**params).fit(TOPIC_TEXTS, TOPICS)


class Recorder(keras.callbacks.Callback):
    def __init__(self, suffix=""):
        super().__init__()
        self.suffix = suffix
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(f"{epoch}{self.suffix}")


def test_callbacks_are_called_and_hold_no_model_afterwards():
    recorder = Recorder()
    for callbacks in (recorder, [recorder], {"one": recorder}):
        recorder.epochs = []
        fitted = classifier(callbacks=callbacks).fit(TEXTS, LABELS)
        assert recorder.epochs == ["0", "1"]
        assert recorder.model is None
    fitted.partial_fit(TEXTS, LABELS)
    assert recorder.epochs == ["0", "1", "2"]


def test_arguments_of_a_callback_class_are_routed():
    messages = []

    class Noisy(Recorder):
        def on_train_end(self, logs=None):
            messages.extend(self.epochs)

    classifier(callbacks=Noisy, callbacks__suffix="!").fit(TEXTS, LABELS)
    classifier(callbacks=[Noisy], callbacks__suffix="?").fit(TEXTS, LABELS)
    assert messages == ["0!", "1!", "0?", "1?"]


class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def test_callback_can_stop_the_training():
    fitted = classifier(callbacks=Stop(), epochs=20).fit(TEXTS, LABELS)
    assert fitted.n_iter_ == len(fitted.history_["loss"]) == 1


def test_same_metric_and_optimizer_in_two_fits():
    params = {
        "metrics": [keras.metrics.AUC(name="area")],
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
    }
    shared, other = classifier(**params), classifier(**params)
    shared.fit(TEXTS, LABELS)
    other.fit(TOPIC_TEXTS, TOPICS == "sport")
    assert_same_model(shared, shared.fit(TEXTS, LABELS))
    assert not params["optimizer"].built


# Optimizers


@pytest.mark.parametrize(
    "name",
    "adam Adam ADAM sgd SGD Sgd rmsprop RMSprop RMSProp adamw AdamW adagrad Adagrad "
    "adadelta Adadelta adamax nadam ftrl lion adafactor muon".split(),
)
def test_optimizers_by_name(name):
    fitted = classifier(optimizer=name, epochs=1).fit(TEXTS, LABELS)
    assert type(fitted.model_.optimizer).__name__.lower() == name.lower()
    assert np.isfinite(weights(fitted)).all()


@pytest.mark.parametrize(
    ("params", "instance"),
    [
        ({}, keras.optimizers.Adam(0.001, global_clipnorm=1.0)),
        (
            {"optimizer": "sgd", "learning_rate": 0.1, "optimizer__momentum": 0.9},
            keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=1.0),
        ),
        (
            {"optimizer": keras.optimizers.SGD, "optimizer__nesterov": True},
            keras.optimizers.SGD(0.001, nesterov=True, global_clipnorm=1.0),
        ),
        (
            {"optimizer__beta_1": 0.5, "clipnorm": None},
            keras.optimizers.Adam(0.001, beta_1=0.5),
        ),
        (
            {"optimizer__clipvalue": 0.5},
            keras.optimizers.Adam(0.001, clipvalue=0.5),
        ),
    ],
)
def test_parameters_of_the_optimizer(params, instance):
    by_name = classifier(**params).fit(TEXTS, LABELS)
    given = classifier(optimizer=instance).fit(TEXTS, LABELS)
    # Not bit for bit: "adam" takes its step in one pass, and rounds elsewhere.
    np.testing.assert_allclose(weights(by_name), weights(given), rtol=1e-4, atol=1e-6)


def test_adam_is_that_of_keras(binary):
    fitted = RNNTextClassifier(**TINY | LEARNS | {"optimizer": keras.optimizers.Adam})
    fitted.fit(TEXTS, LABELS)
    np.testing.assert_allclose(weights(fitted), weights(binary), rtol=1e-3, atol=1e-4)
    with_amsgrad = [
        classifier(optimizer=optimizer, optimizer__amsgrad=True).fit(TEXTS, LABELS)
        for optimizer in ("adam", keras.optimizers.Adam)
    ]
    assert_same_model(*with_amsgrad)


@pytest.mark.parametrize(
    ("vendor", "flags", "precision"),
    [
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16", "bfloat16"),
        ("GenuineIntel", "avx512f avx512_bf16", "float32"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ("AuthenticAMD", "avx512f", "float32"),
    ],
)
def test_precision_is_what_is_fast_on_the_processor(
    vendor, flags, precision, tmp_path, monkeypatch
):
    told = tmp_path / "cpuinfo"
    told.write_text(f"vendor_id\t: {vendor}\nflags\t\t: fpu {flags} vme\n")
    monkeypatch.setattr("skrnn.backend._CPUINFO", told)
    monkeypatch.setattr("skrnn.backend.sees_gpu", lambda: False)
    # What this processor's own kernels tell of AMX.
    monkeypatch.setattr("skrnn.native.gru.KERNELS", ())
    fitted = classifier(hidden_size=256).initialize(TEXTS, LABELS)
    assert fitted.model_.encoder.precision == precision
    fitted = classifier(hidden_size=255).initialize(TEXTS, LABELS)
    assert fitted.model_.encoder.precision == "float32"


def test_precision():
    with pytest.raises(ValueError, match="'precision' parameter"):
        classifier(precision="float16").fit(TEXTS, LABELS)
    # Small networks are the same on every processor.
    auto = classifier(hidden_size=255).initialize(TEXTS, LABELS)
    assert auto.model_.encoder.precision == "float32"
    auto = classifier(hidden_size=256).fit(TEXTS, LABELS)
    used = auto.model_.encoder.precision
    same = classifier(hidden_size=256, precision=used).fit(TEXTS, LABELS)
    assert_same_model(auto, same)
    exact, rounded = (
        classifier(precision=precision, **LEARNS).fit(TEXTS, LABELS)
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(weights(exact), weights(rounded))
    np.testing.assert_array_equal(rounded.predict(TEXTS), LABELS)
    again = pickle.loads(pickle.dumps(rounded))
    assert_same_model(rounded, again)
    assert_same_model(
        rounded.partial_fit(TEXTS, LABELS), again.partial_fit(TEXTS, LABELS)
    )


def test_instance_keeps_its_own_learning_rate_and_clipping():
    params = {"optimizer": keras.optimizers.SGD(0.1)}
    one = classifier(**params, learning_rate=5.0, clipnorm=1e-6).fit(TEXTS, LABELS)
    assert_same_model(one, classifier(**params).fit(TEXTS, LABELS))


@keras.saving.register_keras_serializable("tests")
class Halving(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 * 0.5 ** keras.ops.cast(step, "float32")

    def get_config(self):
        return {}


def test_learning_rate_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    fitted = classifier(learning_rate=schedule).fit(TEXTS, LABELS)
    np.testing.assert_allclose(fitted.model_.optimizer.learning_rate, 0.1 * 0.5**2)
    own = classifier(learning_rate=Halving()).fit(TEXTS, LABELS)
    np.testing.assert_allclose(weights(own), weights(fitted), atol=1e-6)


def test_own_schedule_in_an_optimizer_instance():
    by_name = classifier(optimizer="sgd", learning_rate=Halving(), clipnorm=None).fit(
        TEXTS, LABELS
    )
    instance = classifier(optimizer=keras.optimizers.SGD(Halving()))
    assert_same_model(by_name, instance.fit(TEXTS, LABELS))


@pytest.mark.parametrize("clipnorm", [1e-3, 1e-2])
def test_clipnorm_limits_the_step(clipnorm):
    params = {"optimizer": "sgd", "learning_rate": 1.0, "epochs": 1}
    steps = {}
    for limit in (None, clipnorm):
        fitted = classifier(**params, clipnorm=limit).initialize(TEXTS, LABELS)
        before = weights(fitted)
        fitted.partial_fit(TEXTS, LABELS)
        steps[limit] = weights(fitted) - before
    # Seeds of the dropout are among the variables, but not trained.
    assert np.linalg.norm(steps[None]) > 2 * clipnorm
    np.testing.assert_allclose(np.linalg.norm(steps[clipnorm]), clipnorm, rtol=1e-3)
    shrunk = steps[None] * clipnorm / np.linalg.norm(steps[None])
    np.testing.assert_allclose(steps[clipnorm], shrunk, atol=clipnorm * 1e-3)


def test_l2_keeps_kernels_small_and_counts_in_the_loss():
    plain = classifier(**LEARNS).fit(TEXTS, LABELS)
    shrunk = classifier(**LEARNS, l2=0.1).fit(TEXTS, LABELS)
    assert shrunk.history_["loss"][0] > plain.history_["loss"][0] + 0.1

    def size(fitted):
        layer = fitted.model_.encoder.recurrent_layers[0]
        kernels = (layer.kernel, layer.recurrent_kernel, fitted.model_.head.kernel)
        return sum((np.asarray(kernel) ** 2).sum() for kernel in kernels)

    assert size(shrunk) < size(plain) / 2


def test_l2_adds_the_squares_of_all_kernels_to_the_loss():
    params = {"n_layers": 2, "bidirectional": True, "epochs": 1, "batch_size": 16}
    # So small a step changes nothing before the loss is told.
    still = {"learning_rate": 1e-12, "dropout": 0.0, "embedding_dropout": 0.0}
    plain, weighed = (
        classifier(**params, **still, l2=l2).fit(TEXTS, LABELS) for l2 in (0.0, 0.3)
    )
    kernels = [
        weight
        for weight in weighed.model_.trainable_variables
        if "kernel" in weight.path
    ]
    # Of four recurrent layers, and the head's.
    assert len(kernels) == 9
    squares = sum(np.square(weight).sum() for weight in kernels)
    np.testing.assert_allclose(
        weighed.history_["loss"][0] - plain.history_["loss"][0], 0.3 * squares, 1e-4
    )


@pytest.mark.parametrize(
    ("truncate", "max_length", "read"),
    [
        ("head", 3, "fine a film"),
        ("tail", 2, "so dull"),
        ("middle", 3, "so dull film"),
        ("middle", 4, "so dull a film"),
    ],
)
def test_the_network_reads_what_is_left_of_a_text(truncate, max_length, read):
    fitted = classifier(max_length=max_length, truncate=truncate).fit(TEXTS, LABELS)
    whole, part, other = (
        fitted.transform([text]) for text in ("so dull and fine a film", read, "fine")
    )
    np.testing.assert_array_equal(whole, part)
    assert not np.array_equal(whole, other)
    sequences = fitted.tokenizer_.transform(["so dull and fine a film"])
    represented = fitted.model_.represent(sequences.cut(max_length, truncate))
    np.testing.assert_array_equal(represented, whole)


# Pre-trained vectors

VECTORS = {
    "fine": np.arange(5.0),
    "dull": -np.arange(5.0),
    "unused": np.ones(5),
}


def embedding_of(fitted, token):
    row = fitted.tokenizer_.vocabulary_[token]
    return np.asarray(fitted.model_.encoder.embedding.embeddings)[row]


def write_vectors(path, *, header):
    lines = [f"{header}\n"] if header else []
    lines += [
        f"{token} {' '.join(str(float(v)) for v in vector)}\n"
        for token, vector in VECTORS.items()
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_embeddings_from_a_mapping():
    fitted = classifier(embeddings=VECTORS).initialize(TEXTS, LABELS)
    np.testing.assert_array_equal(embedding_of(fitted, "fine"), VECTORS["fine"])
    np.testing.assert_array_equal(embedding_of(fitted, "dull"), VECTORS["dull"])
    other = embedding_of(fitted, "film")
    assert other.shape == (5,)
    assert 0 < np.abs(other).max() < 20
    before = embedding_of(fitted, "fine")
    fitted.partial_fit(TEXTS, LABELS)
    assert not np.array_equal(embedding_of(fitted, "fine"), before)


@pytest.mark.parametrize("header", ["", "3 5"], ids=["GloVe", "word2vec"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "path"])
def test_embeddings_from_a_file(tmp_path, header, kind):
    path = kind(write_vectors(tmp_path / "vectors.txt", header=header))
    from_file = classifier(embeddings=path).fit(TEXTS, LABELS)
    mapping = classifier(embeddings=VECTORS).fit(TEXTS, LABELS)
    assert_same_model(from_file, mapping)


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ({}, "No token of the texts has a vector"),
        ({"Fine": [1.0, 2.0]}, "lower case"),
        ({"fine": [1.0, 2.0], "dull": [1.0]}, "differ in size: .* for '(fine|dull)'"),
        ({"fine": ["a", "b"]}, "no numbers in the vector of 'fine'"),
        ({"fine": [1.0, np.nan]}, "finite numbers in the vector of 'fine'"),
        ({"fine": 1.0}, "one row of finite numbers in the vector of 'fine'"),
        ({"fine": []}, "one row of finite numbers in the vector of 'fine'"),
    ],
)
def test_bad_vectors(embeddings, message):
    with pytest.raises(ValueError, match=message):
        classifier(embeddings=embeddings).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("other 1 2\n", "No token of the texts"),
        ("other 1 2\nfine 1 x\n", "no numbers in line 2 of .*vectors.txt"),
        ("fine 1 2\ndull 1\n", "differ in size"),
        ("fine 1 2\ndull 1 2 3\n", "differ in size"),
        ("2 2\nfine\t1\t2\n", "parted by blanks, in line 2"),
        ("fine 1 2\ndull 1 inf\n", "finite numbers in line 2"),
        ("fine\t1\t2\n", "parted by blanks, in line 1"),
        ("fine,1,2\n", "parted by blanks, in line 1"),
    ],
)
def test_bad_file_of_vectors(tmp_path, lines, message):
    path = tmp_path / "vectors.txt"
    path.write_text(lines)
    with pytest.raises(ValueError, match=message):
        classifier(embeddings=path).fit(TEXTS, LABELS)


@pytest.mark.parametrize("header", ["", "2 2\n"])
def test_file_of_vectors_with_a_byte_order_mark(tmp_path, header):
    path = tmp_path / "vectors.txt"
    path.write_text(f"{header}fine 1 2\ndull 3 4\n", encoding="utf-8-sig")
    fitted = classifier(embeddings=path, learning_rate=1e-12).fit(TEXTS, LABELS)
    place = list(fitted.tokenizer_.vocabulary_).index("fine") + 2
    vector = fitted.model_.encoder.embedding.vectors[place]
    np.testing.assert_allclose(vector, [1, 2], atol=1e-6)


def test_a_first_line_too_short_of_a_token_not_asked_for(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("other 1\nfine 1 2\ndull 3 4\n")
    fitted = classifier(embeddings=path).initialize(TEXTS, LABELS)
    assert embedding_of(fitted, "fine").tolist() == [1, 2]


def test_file_of_vectors_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        classifier(embeddings=tmp_path / "nowhere.txt").fit(TEXTS, LABELS)


def test_tokens_with_blanks_in_a_file_are_passed_over(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("dull 1 2\n. . . 5 6\nfine 3 4\nfine . 7 8\n")
    fitted = classifier(embeddings=path).initialize(TEXTS, LABELS)
    assert embedding_of(fitted, "fine").tolist() == [3, 4]
    assert embedding_of(fitted, "dull").tolist() == [1, 2]


# The network


@pytest.mark.parametrize(
    ("cell", "pooling", "bidirectional", "n_layers_and_learned"),
    list(
        itertools.product(
            ["gru", "lstm", "simple"],
            ["last", "mean", "max", "concat"],
            [False, True],
            [(1, False), (2, True)],
        )
    ),
)
def test_all_networks_train_and_predict(
    cell, pooling, bidirectional, n_layers_and_learned
):
    n_layers, learn_initial_state = n_layers_and_learned
    texts, y = ["", "fine film", "dull"], [0, 1, 2]
    fitted = classifier(
        cell=cell,
        pooling=pooling,
        bidirectional=bidirectional,
        n_layers=n_layers,
        learn_initial_state=learn_initial_state,
        epochs=1,
    ).fit(texts, y)
    assert np.isfinite(fitted.history_["loss"]).all()
    probabilities = fitted.predict_proba(texts)
    assert probabilities.shape == (3, 3)
    assert np.isfinite(probabilities).all()
    width = 8 * (3 if pooling == "concat" else 1) * (2 if bidirectional else 1)
    assert fitted.transform(texts).shape == (3, width)
    assert len(fitted.get_feature_names_out()) == width


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gates_differ(cell):
    gates = ["hard_sigmoid", "steep_sigmoid", "sigmoid"]
    scores = [
        classifier(cell=cell, gate_activation=gate)
        .initialize(TEXTS, LABELS)
        .decision_function(TEXTS)
        for gate in gates
    ]
    for one, other in itertools.combinations(scores, 2):
        assert np.abs(one - other).max() > 1e-6


def test_compiled_and_eager_networks_agree(binary):
    eager = RNNTextClassifier(**TINY | LEARNS | EAGER).fit(TEXTS, LABELS)
    np.testing.assert_allclose(
        eager.decision_function(TEXTS), binary.decision_function(TEXTS), atol=1e-2
    )


def test_balanced_counts_sample_weight():
    labels = np.array(["good"] * 12 + ["bad"] * 4)
    weight = np.r_[np.full(12, 1.0), np.full(4, 3.0)]
    balanced = classifier(class_weight="balanced").fit(TEXTS, labels, weight)
    assert_same_model(balanced, classifier().fit(TEXTS, labels, weight))


@pytest.mark.parametrize("scale", [1e-300, 1e307])
def test_only_the_proportions_of_weights_matter(scale):
    weight = np.linspace(0.5, 2, 16)
    scaled = classifier().fit(TEXTS, LABELS, weight * scale)
    unscaled = classifier().fit(TEXTS, LABELS, weight)
    np.testing.assert_allclose(weights(scaled), weights(unscaled), rtol=1e-4, atol=1e-6)


def test_labels_of_another_kind_are_unseen():
    fitted = classifier().partial_fit(TEXTS, [2, 10] * 8, classes=np.arange(12))
    with pytest.raises(ValueError, match="has classes not in"):
        fitted.partial_fit(TEXTS, ["2", "10"] * 8)


def test_columns_of_a_multilabel_indicator_are_its_classes():
    with pytest.raises(ValueError, match="`classes` has 2 labels, but `y` has 3"):
        classifier().partial_fit(TEXTS, MULTILABEL, classes=[0, 1])


def test_texts_held_out_shape_no_vector():
    def starting_vectors(replaced):
        texts = np.array([f"fine {word} {word}" for word in WORDS], dtype=object)
        fitted = classifier(
            early_stopping=True, embeddings="cooccurrence", learning_rate=1e-12
        )
        texts[replaced] = "fine fine fine"
        fitted.fit(texts, np.resize([0, 1], 40))
        return fitted.model_.encoder.embedding.vectors, fitted

    whole, fitted = starting_vectors([])
    rows = held_out(fitted)
    assert len(rows) == 4
    np.testing.assert_allclose(starting_vectors(rows)[0], whole, atol=1e-6)


def test_warm_start_holds_out_the_same_texts():
    params = {"early_stopping": True, "validation_fraction": 0.25, "epochs": 1}
    fitted = classifier(warm_start=True, learning_rate=1e-12, **params)
    first = fitted.fit(TEXTS, LABELS).history_["val_loss"][0]
    again = fitted.fit(TEXTS, LABELS).history_["val_loss"][1]
    assert again == pytest.approx(first, rel=1e-5)


def test_early_stopping_begins_with_a_loss_that_is_no_number():
    kept = []

    class Keeps(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                logs["val_loss"] = np.nan
            kept.append(self.model.get_weights())

    params = {"early_stopping": True, "validation_fraction": 0.25, "epochs": 4}
    fitted = classifier(n_iter_no_change=2, callbacks=Keeps(), **params)
    fitted.fit(TEXTS, LABELS)
    losses = fitted.history_["val_loss"]
    assert np.isnan(losses[0]) and len(losses) == 4
    assert fitted.best_epoch_ == np.nanargmin(losses) + 1
    for one, other in zip(
        fitted.model_.get_weights(), kept[fitted.best_epoch_ - 1], strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_callbacks_add_to_the_logs_is_only_kept():
    class Adds(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs.update(val_loss=np.nan, note=f"epoch {epoch}")

    fitted = classifier(callbacks=Adds(), epochs=2).fit(TEXTS, LABELS)
    assert fitted.history_["note"] == ["epoch 0", "epoch 1"]
    assert np.isnan(fitted.history_["val_loss"]).all()
    assert fitted.best_epoch_ is None
    curves = TrainingCurveDisplay.from_estimator(fitted).history
    assert set(curves) == {"loss", "val_loss"}


def test_numbers_of_numpy_are_numbers():
    params = {
        "embedding_size": 100,
        "hidden_size": 100,
        "batch_size": 16,
        "epochs": 1,
        "max_length": 100,
        "n_iter_no_change": 3,
    }
    narrow = {name: np.int8(value) for name, value in params.items()}
    other = {"early_stopping": True, "bidirectional": True}
    fitted = classifier(validation_fraction=np.float32(0.25), **other, **narrow)
    plain = classifier(validation_fraction=0.25, **other, **params)
    assert_same_model(fitted.fit(TEXTS, LABELS), plain.fit(TEXTS, LABELS))


@pytest.mark.parametrize("epochs", [3, 5])
def test_early_stopping_goes_back_from_a_divergence(epochs):
    class Diverges(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e38

    params = {"early_stopping": True, "validation_fraction": 0.25, "clipnorm": None}
    fitted = classifier(epochs=epochs, callbacks=Diverges(), **params)
    fitted.fit(TEXTS, LABELS)
    assert np.isfinite(fitted.predict_proba(TEXTS)).all()
    assert np.isnan(fitted.history_["val_loss"][2])
    kept = classifier(epochs=2, **params).fit(TEXTS, LABELS)
    assert fitted.best_epoch_ == kept.best_epoch_ == 2
    np.testing.assert_allclose(
        fitted.predict_proba(TEXTS), kept.predict_proba(TEXTS), rtol=1e-4
    )


def test_classes_before_fit_are_an_unfitted_estimator_s():
    assert not hasattr(RNNTextClassifier(), "classes_")
    with pytest.raises(NotFittedError):
        RNNTextClassifier().classes_  # noqa: B018


def test_an_error_ends_a_prediction_of_many_texts(monkeypatch):
    monkeypatch.setattr(skrnn.base, "_TEXTS_A_CHUNK", 4)
    tokenized = []

    def words(text):
        tokenized.append(text)
        return text.split()

    fitted = classifier(tokenizer=words).fit(TEXTS, LABELS)
    fitted.model_ = None
    tokenized.clear()
    with pytest.raises(AttributeError):
        fitted.predict(["fine film"] * 400)
    # The first chunk, whose error it is, and one that was begun meanwhile.
    assert len(tokenized) <= 8
