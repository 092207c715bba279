"""What is held out, and which weights are kept."""

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    TEXTS,
    TOPIC_TEXTS,
    TOPICS,
    classifier,
    weights,
)
from sklearn.metrics import log_loss

from skrnn.training_data import hold_out

# The first word tells which texts were learned from, the second one misleads.
NOISE = np.random.RandomState(0)
WORDS = [f"word{i} {NOISE.choice(['left', 'right'])}" for i in range(40)]


def held_out(fitted):
    """Give the numbers of the texts that were not learned from."""
    known = fitted.tokenizer_.vocabulary_
    return [i for i in range(len(WORDS)) if f"word{i}" not in known]


def test_early_stopping_heeds_the_weights():
    y = np.array(["a", "b"] * 20)
    weight = np.r_[[1.0, 5.0] * 20]
    fitted = classifier(
        early_stopping=True, validation_fraction=0.25, epochs=1, learning_rate=1e-9
    ).fit(WORDS, y, weight)
    aside = held_out(fitted)
    proba = fitted.predict_proba(WORDS)[aside]
    assert set(y[aside]) == {"a", "b"}
    # Of all texts the weights are 1 in the mean.
    losses = -np.log(proba[np.arange(len(aside)), (y[aside] == "b").astype(int)])
    expected = np.mean(losses * weight[aside] / weight.mean())
    np.testing.assert_allclose(fitted.history_["val_loss"], [expected], rtol=1e-5)


def test_early_stopping_refuses_a_class_of_a_single_text():
    with pytest.raises(ValueError, match="cannot be held out, of every class"):
        classifier(early_stopping=True).fit([*TEXTS, "odd"], [*LABELS, "ugly"])


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


class Spoils(keras.callbacks.Callback):
    """Makes the head's weights no numbers before an epoch."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            self.model.head.kernel.assign(self.model.head.kernel * np.nan)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "adam"},
        {"optimizer": "nadam"},
        {"optimizer": "adam", "optimizer__use_ema": True},
        # As the kernel trains it, where it does.
        {"hidden_size": 32, "compile__run_eagerly": False},
    ],
)
def test_a_fit_that_went_back_from_a_divergence_can_go_on(params):
    fitted = classifier(epochs=4, early_stopping=True, callbacks=Spoils(2), **params)
    fitted.set_params(validation_fraction=0.25).fit(TEXTS, LABELS)
    assert fitted.best_epoch_ == 2
    before = weights(fitted)
    fitted.set_params(callbacks=None, early_stopping=False)
    fitted.partial_fit(TEXTS, LABELS)
    assert np.isfinite(fitted.predict_proba(TEXTS)).all()
    assert np.isfinite(fitted.history_["loss"][-1])
    # One update, as large as the first of a fit.
    assert 0 < np.abs(weights(fitted) - before).max() < 2 * fitted.learning_rate


@pytest.mark.parametrize(
    ("labels", "fraction", "counts"),
    [
        (np.arange(200) % 20, 0.1, [1] * 20),
        (np.repeat([0, 1, 2], [100, 98, 2]), 0.5, [50, 49, 1]),
    ],
)
def test_labels_just_frequent_enough_are_shared_out(labels, fraction, counts):
    _, drawn = hold_out(200, labels, fraction, seed=0, strict=False)
    assert np.bincount(labels[drawn]).tolist() == counts
