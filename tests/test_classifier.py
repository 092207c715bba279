"""What `RNNTextClassifier` learns, and of which targets."""

import pickle

import numpy as np
import pandas as pd
import pytest
from corpus import (
    LABELS,
    LEARNS,
    MULTILABEL,
    TEXTS,
    TINY,
    TOPIC_TEXTS,
    TOPICS,
    assert_same_model,
    classifier,
    weights,
)
from scipy.sparse import csr_array, csr_matrix
from scipy.special import expit, log_expit, log_softmax
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import log_loss

import skrnn.base
from skrnn import RNNTextClassifier

# Targets


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["no", "yes"] * 8, ["no", "yes"]),
        (np.array(["no", "yes"] * 8, dtype=object), ["no", "yes"]),
        (np.array(["no", "yes"] * 8, dtype=np.dtypes.StringDType()), ["no", "yes"]),
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


@pytest.mark.parametrize("convert", [csr_array, np.asarray])
def test_a_column_of_labels_is_flattened(convert):
    with pytest.warns(DataConversionWarning):
        fitted = classifier().fit(TEXTS, convert([[1], [0]] * 8))
    assert_same_model(fitted, classifier().fit(TEXTS, [1, 0] * 8))


def test_score_weighs_texts(binary):
    wrong = LABELS.copy()
    wrong[0] = "bad"
    weight = np.ones(16)
    weight[0] = 15
    assert binary.score(TEXTS, wrong, sample_weight=weight) == 0.5


def test_labels_of_another_kind_are_unseen():
    fitted = classifier().partial_fit(TEXTS, [2, 10] * 8, classes=np.arange(12))
    with pytest.raises(ValueError, match="has classes not in"):
        fitted.partial_fit(TEXTS, ["2", "10"] * 8)


def test_columns_of_a_multilabel_indicator_are_its_classes():
    with pytest.raises(ValueError, match="`classes` has 2 labels, but `y` has 3"):
        classifier().partial_fit(TEXTS, MULTILABEL, classes=[0, 1])


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


def test_classes_before_fit_are_an_unfitted_estimator_s():
    assert not hasattr(RNNTextClassifier(), "classes_")
    with pytest.raises(NotFittedError):
        RNNTextClassifier().classes_  # noqa: B018


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


@pytest.mark.parametrize("name", ["binary", "multiclass", "multilabel"])
def test_log_probabilities_are_numbers_where_probabilities_are_zero(name, request):
    sure = pickle.loads(pickle.dumps(request.getfixturevalue(name)))
    sure.model_.head.kernel.assign(1e4 * sure.model_.head.kernel)
    scores, logs = sure.decision_function(TEXTS), sure.predict_log_proba(TEXTS)
    assert (sure.predict_proba(TEXTS) == 0).any()
    if name == "binary":
        expected = log_expit(np.column_stack([-scores, scores]).astype(float))
    elif name == "multiclass":
        expected = log_softmax(scores.astype(float), axis=1)
    else:
        expected = log_expit(scores.astype(float))
    np.testing.assert_allclose(logs, expected, atol=1e-12)


def test_loss_in_history_is_the_log_loss_of_the_probabilities():
    fitted = classifier(epochs=1, batch_size=16, dropout=0, embedding_dropout=0)
    fitted.initialize(TEXTS, LABELS)
    before = log_loss(LABELS, fitted.predict_proba(TEXTS))
    fitted.fit(TEXTS, LABELS)
    np.testing.assert_allclose(fitted.history_["loss"], [before], rtol=1e-5)


def test_an_error_ends_a_prediction_of_many_texts(monkeypatch):
    monkeypatch.setattr(skrnn.base, "_TEXTS_A_CHUNK", 4)
    tokenized = []

    def words(text):
        tokenized.append(text)
        return text.split()

    fitted = classifier(tokenizer=words).fit(TEXTS, LABELS)
    fitted.model_ = None
    tokenized.clear()
    with pytest.raises(AttributeError, match="predict"):
        fitted.predict(["fine film"] * 400)
    # The first chunk, whose error it is, and one that was begun meanwhile.
    assert len(tokenized) == 8
