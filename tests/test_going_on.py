"""What `partial_fit` and a warm start keep."""

import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    MULTILABEL,
    TEXTS,
    TOPIC_TEXTS,
    TOPICS,
    assert_same_model,
    classifier,
    weights,
)


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


def test_partial_fit_refuses_classes_for_another_number_of_columns():
    partial = classifier().partial_fit(TOPIC_TEXTS, MULTILABEL, classes=range(3))
    with pytest.raises(ValueError, match="last call to partial_fit, was: 3 columns"):
        partial.partial_fit(TOPIC_TEXTS, MULTILABEL, classes=["a", "b"])


class Freezes(keras.callbacks.Callback):
    """Freezes the embedding, and may thaw it after an epoch, or break training off."""

    def __init__(self, thaws=False, breaks_off=False):
        super().__init__()
        self.thaws = thaws
        self.breaks_off = breaks_off

    def on_train_begin(self, logs=None):
        self.model.encoder.embedding.trainable = False

    def on_epoch_end(self, epoch, logs=None):
        self.model.encoder.embedding.trainable = self.thaws
        if self.breaks_off:
            raise KeyboardInterrupt


def test_what_a_callback_froze_before_an_error_is_thawed():
    fitted = classifier().fit(TEXTS, LABELS)
    fitted.set_params(callbacks=[Freezes(breaks_off=True)])
    with pytest.raises(KeyboardInterrupt):
        fitted.partial_fit(TEXTS, LABELS)
    assert fitted.model_.encoder.embedding.trainable


@pytest.mark.parametrize("thaws", [False, True])
def test_a_layer_that_a_callback_froze_learns_when_it_is_thawed(thaws):
    # By a graph, which knows what was frozen when it was traced.
    callbacks = [Freezes(thaws=thaws)]
    fitted = classifier(cell="lstm", compile__run_eagerly=False, callbacks=callbacks)
    fitted.fit(TEXTS, LABELS)
    embedding = fitted.model_.encoder.embedding
    embedding.trainable = True
    before = embedding.vectors.copy()
    fitted.set_params(callbacks=None).partial_fit(TEXTS, LABELS)
    assert not np.array_equal(embedding.vectors, before)


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
    for one in (2, "b"):
        for dtype in (None, object):
            y = np.array([[0, 1, one], [1, 0, 0]], dtype)
            with pytest.raises(ValueError, match="holds 0 and 1"):
                partial.partial_fit(TOPIC_TEXTS[:2], y)
    with pytest.raises(ValueError, match="single labels"):
        partial.partial_fit(TOPIC_TEXTS, TOPICS)


def test_parameters_changed_in_between_have_no_effect():
    one, other = (
        classifier(max_length=2, truncate="tail").fit(TEXTS, LABELS) for _ in range(2)
    )
    one.set_params(
        max_length=1,
        truncate="head",
        lowercase=False,
        optimizer="sgd",
        learning_rate=1.0,
        clipnorm=None,
        dropout=0.9,
        metrics=["accuracy"],
    )
    assert_same_model(one.partial_fit(TEXTS, LABELS), other.partial_fit(TEXTS, LABELS))


def test_warm_start_goes_on():
    warm = classifier(warm_start=True).fit(TEXTS[:8], LABELS[:8])
    vocabulary = warm.tokenizer_.vocabulary_
    warm.fit(TEXTS[:8] + ["unheard of"], [*LABELS[:8], "bad"])
    assert warm.n_iter_ == len(warm.history_["loss"]) == 4
    assert warm.tokenizer_.vocabulary_ == vocabulary


def test_warm_start_twice_is_one_long_fit():
    warm = classifier(warm_start=True).fit(TEXTS, LABELS).fit(TEXTS, LABELS)
    assert_same_model(warm, classifier(epochs=4).fit(TEXTS, LABELS))


def test_other_weights_given_to_an_initialized_network_are_gone_on_from():
    def given(**params):
        initialized = classifier(epochs=1, **params).initialize(TEXTS, LABELS)
        others = [2.0 * one + 0.1 for one in initialized.model_.get_weights()]
        initialized.model_.set_weights(others)
        return initialized, np.concatenate([one.ravel() for one in others])

    def distance(fitted, others):
        return np.abs(weights(fitted) - others).max()

    partial, others = given()
    # An update moves no weight by more than the step size, or little more.
    assert distance(partial.partial_fit(TEXTS, LABELS), others) < 0.01
    warm, others = given(warm_start=True)
    assert distance(warm.fit(TEXTS, LABELS), others) < 0.01
    anew, others = given()
    assert distance(anew.fit(TEXTS, LABELS), others) > 0.1
    assert_same_model(anew, classifier(epochs=1).fit(TEXTS, LABELS))


def test_fit_without_warm_start_begins_anew():
    again = classifier().fit(TOPIC_TEXTS, TOPICS).fit(TEXTS, LABELS)
    assert_same_model(again, classifier().fit(TEXTS, LABELS))


def test_a_history_of_the_user_s_does_not_count():
    """Keras writes a training into it, and goes on with it in the next."""
    history = keras.callbacks.History()
    fitted = classifier(epochs=2, callbacks=[history])
    for _ in range(2):
        fitted.fit(TEXTS, LABELS)
        assert fitted.n_iter_ == len(fitted.history_["loss"]) == 2
    fitted.partial_fit(TEXTS, LABELS)
    assert fitted.n_iter_ == len(fitted.history_["loss"]) == 3
    assert fitted.history_["loss"][-1] == history.history["loss"][-1]


def test_a_history_of_the_user_s_lends_no_names():
    history = keras.callbacks.History()
    fitted = classifier(epochs=2, callbacks=[history], early_stopping=True)
    fitted.set_params(validation_fraction=0.25).fit(TEXTS, LABELS)
    fitted.set_params(early_stopping=False).partial_fit(TEXTS, LABELS)
    assert np.isfinite(fitted.history_["val_loss"]).tolist() == [True, True, False]
    assert [*fitted.fit(TEXTS, LABELS).history_] == ["loss"]


class LogsOddEpochs(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch % 2:
            logs["odd"] = float(epoch)


def test_what_some_epochs_log_stands_at_these():
    fitted = classifier(epochs=3, callbacks=[LogsOddEpochs()]).fit(TEXTS, LABELS)
    fitted.partial_fit(TEXTS, LABELS)
    np.testing.assert_array_equal(fitted.history_["odd"], [np.nan, 1, np.nan, 3])


class WritesHistory(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.written = self.model.history.history

    def on_epoch_end(self, epoch, logs=None):
        self.written.setdefault("number", []).append(float(epoch))


class WritesAtTheEnd(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        self.model.history.history |= {
            "number": 0.9,
            "short": [0.8],
            "array": np.array([0.1, 0.2]),
            "long": [1.0, 2.0, 3.0],
        }


def test_what_a_callback_writes_at_the_end_stands_in_the_history():
    fitted = classifier(epochs=2, callbacks=[WritesAtTheEnd()]).fit(TEXTS, LABELS)
    fitted.set_params(callbacks=None).partial_fit(TEXTS, LABELS)
    history = fitted.history_
    assert len(history["loss"]) == 3
    np.testing.assert_array_equal(history["number"], [np.nan, 0.9, np.nan])
    np.testing.assert_array_equal(history["short"], [0.8, np.nan, np.nan])
    np.testing.assert_array_equal(history["array"], [0.1, 0.2, np.nan])
    np.testing.assert_array_equal(history["long"], [1.0, 2.0, np.nan])


def test_what_a_callback_writes_itself_stands_in_the_history():
    fitted = classifier(epochs=3, callbacks=[WritesHistory()]).fit(TEXTS, LABELS)
    assert fitted.history_["number"] == [0.0, 1.0, 2.0]
