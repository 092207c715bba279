"""How much a text and a class count."""

import numpy as np
import pytest
from corpus import (
    LABELS,
    LEARNS,
    MULTILABEL,
    TEXTS,
    TOPIC_TEXTS,
    assert_same_model,
    classifier,
    weights,
)
from scipy.sparse import csr_matrix
from sklearn.ensemble import VotingClassifier
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight


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


def test_the_column_of_a_wrong_class_weight_is_named():
    by_label = [{0: 1.0, 1: 3.0}, {"1": 2.0}, {}]
    with pytest.raises(ValueError, match=r"`class_weight\[1\]` has \['1'\]"):
        classifier(class_weight=by_label).fit(TOPIC_TEXTS, MULTILABEL)


def test_class_weight_of_labels_that_nobody_or_a_later_call_lacks():
    by_label = [{0: 1.0, 1: 3.0}, {1: 2.0}, {1: 4.0}]
    weighted = classifier(class_weight=by_label)
    weighted.partial_fit(TOPIC_TEXTS, MULTILABEL, classes=[0, 1, 2])
    weighted.partial_fit(TOPIC_TEXTS[:2], MULTILABEL[:2] * [1, 1, 0])
    assert weighted.n_iter_ == 2
    nobody = MULTILABEL * [1, 1, 0]
    by_hand = np.where(nobody[:, 0], 3.0, 1.0) * np.where(nobody[:, 1], 2.0, 1.0)
    expected = classifier().fit(TOPIC_TEXTS, nobody, by_hand)
    for y in (nobody, csr_matrix(nobody)):
        fitted = classifier(class_weight=by_label).fit(TOPIC_TEXTS, y)
        assert_same_model(fitted, expected)


@pytest.mark.parametrize("class_weight", [{0: 1.0, 1: 3.0}, [{1: 2.0}] * 2, [2.0] * 3])
def test_class_weight_of_an_indicator_is_a_dict_a_column(class_weight):
    with pytest.raises(ValueError, match="a list of 3 dicts"):
        classifier(class_weight=class_weight).fit(TOPIC_TEXTS, MULTILABEL)


def test_class_weight_of_what_is_no_class_is_named():
    weight = {"bad": 3.0, "godo": 2.0}
    with pytest.raises(ValueError, match=r"\['godo'\], .* lacks \['good'\]"):
        classifier(class_weight=weight).fit(TEXTS, LABELS)


def test_class_weight_that_leaves_nothing_is_an_error():
    none = classifier(class_weight={"good": 0.0, "bad": 0.0})
    with pytest.raises(ValueError, match="`class_weight` leaves no text any weight"):
        none.fit(TEXTS, LABELS)


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
    by_text = classifier()
    weight = np.where(LABELS == "bad", 3.0, 1.0)
    by_text.partial_fit(TEXTS, LABELS, ["bad", "good"], weight)
    by_text.partial_fit(TEXTS[::2], LABELS[::2])
    assert_same_model(weighted, by_text)


def test_balanced_class_weight_of_a_class_that_a_warm_start_lacks():
    weighted = classifier(class_weight="balanced", warm_start=True)
    weighted.fit(TEXTS, LABELS).fit(TEXTS[::2], LABELS[::2])
    # All weigh as much, each time.
    plain = classifier(warm_start=True)
    plain.fit(TEXTS, LABELS).fit(TEXTS[::2], LABELS[::2])
    assert_same_model(weighted, plain)


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


def test_a_first_call_has_texts_that_count():
    # Their words would be all that is ever known.
    fitted = classifier(class_weight={"odd": 0})
    with pytest.raises(ValueError, match="leaves no text any weight"):
        fitted.partial_fit(["odd"], ["odd"], classes=["bad", "good", "odd"])
    assert not hasattr(fitted, "model_")


def test_a_later_call_without_texts_that_count_leaves_all_as_it_was():
    labels = [*LABELS[:-1], "odd"]
    fitted = classifier(early_stopping=True, validation_fraction=0.3)
    fitted.fit(TEXTS * 2, labels * 2)
    before, best_epoch = weights(fitted), fitted.best_epoch_
    fitted.set_params(early_stopping=False, class_weight={"odd": 0})
    fitted.partial_fit(["odd"], ["odd"])
    assert fitted.best_epoch_ == best_epoch
    np.testing.assert_array_equal(weights(fitted), before)


def test_a_weight_that_single_precision_holds_as_zero_is_none():
    texts, labels = [*TEXTS, "rare words"], [*LABELS, "good"]
    weight = np.append(np.full(16, 1e60), 1.0)
    fitted = classifier().fit(texts, labels, sample_weight=weight)
    assert "rare" not in fitted.tokenizer_.vocabulary_
    assert_same_model(fitted, classifier().fit(TEXTS, LABELS))
    by_class = {"bad": 1e60, "good": 1.0}
    fitted = classifier(class_weight=by_class).fit(["dull", "fine"] * 8, LABELS[::-1])
    assert list(fitted.tokenizer_.vocabulary_) == ["dull"]


def test_weights_that_vanish_in_a_call_of_partial_fit_are_named():
    fitted = classifier(class_weight={"bad": 1e-20, "good": 1e-20})
    with pytest.raises(ValueError, match="leaves no text any weight"):
        fitted.partial_fit(TEXTS, LABELS, ["bad", "good"], np.full(16, 1e-30))
    with pytest.raises(ValueError, match="float32 holds them as 0"):
        fitted.partial_fit(TEXTS, LABELS, ["bad", "good"], np.full(16, 1e-50))


def test_a_later_call_may_have_labels_of_no_weight_alone():
    fitted = classifier(class_weight={"odd": 0})
    before = fitted.partial_fit(
        TEXTS, LABELS, classes=["bad", "good", "odd"]
    ).predict_proba(TEXTS)
    fitted.partial_fit(TEXTS, ["odd"] * 16)
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), before)
    assert fitted.n_iter_ == 1


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
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
    with pytest.raises(ValueError, match="more than float32 holds"):
        fitted.partial_fit(TEXTS, LABELS, sample_weight=[1e300] * 16)


def test_equal_weights_are_no_weights():
    fitted = classifier().fit(TEXTS, LABELS, sample_weight=np.full(16, 0.5))
    assert_same_model(fitted, classifier().fit(TEXTS, LABELS))


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
