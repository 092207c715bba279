"""What is followed while training, and what callbacks see of it."""

import pickle

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
from scipy.special import softmax
from sklearn.metrics import f1_score, log_loss

from skrnn.inspection import TrainingCurveDisplay


def share_of_ones(y_true, y_pred):
    return keras.ops.mean(y_true)


def test_scikit_learns_metrics_are_refused():
    with pytest.raises(ValueError, match=r"'metrics' parameter .*scikit-learn's 'f1"):
        classifier(metrics=[f1_score]).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"metrics": "accuracy"}, {"accuracy"}),
        ({"metrics": ["accuracy", "auc"]}, {"accuracy", "auc"}),
        ({"metrics": [keras.metrics.AUC(name="area")]}, {"area"}),
        ({"metrics": keras.metrics.AUC(name="area")}, {"area"}),
        ({"metrics": keras.metrics.AUC, "metrics__name": "area"}, {"area"}),
        ({"metrics": share_of_ones}, {"share_of_ones"}),
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
    [
        keras.metrics.AUC(multi_label=True),
        keras.metrics.F1Score(threshold=0.5),
        Forgets(),
    ],
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
    fitted.partial_fit(TEXTS, LABELS)
    fitted.set_params(warm_start=True).fit(TEXTS, LABELS)
    assert np.isfinite(fitted.history_["loss"]).tolist() == [True] * 5


class Breaks(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise InterruptedError


class CompilesAgain(Breaks):
    def on_epoch_end(self, epoch, logs=None):
        self.model.compile(
            loss="mse", optimizer="sgd", metrics=["mae"], run_eagerly=True
        )
        super().on_epoch_end(epoch, logs)


class SetsOptimizer(Breaks):
    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer = keras.optimizers.SGD()
        super().on_epoch_end(epoch, logs)


class SetsSchedule(Breaks):
    def on_epoch_end(self, epoch, logs=None):
        schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
        self.model.optimizer.learning_rate = schedule
        super().on_epoch_end(epoch, logs)


@pytest.mark.parametrize(
    "callback", [Breaks, CompilesAgain, SetsOptimizer, SetsSchedule]
)
@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": Falls()},
        {"metrics": [NeedsOne], "metrics__value": 7.0},
        {
            "metrics": [NeedsOne],
            "metrics__value": 7.0,
            "learning_rate_schedule": "constant",
        },
    ],
)
def test_errors_change_nothing_where_there_are_no_copies(params, callback):
    params = {"learning_rate_schedule": "linear", **params, "warm_start": True}
    failing, other = (classifier(**params).fit(TEXTS, LABELS) for _ in range(2))
    for method in ("partial_fit", "fit"):
        failing.set_params(callbacks=callback())
        with pytest.raises(InterruptedError):
            getattr(failing, method)(TEXTS, LABELS)
        np.testing.assert_array_equal(weights(failing), weights(other))
    failing.set_params(callbacks=None)
    for one in (failing, other):
        one.partial_fit(TEXTS, LABELS)
    np.testing.assert_array_equal(weights(failing), weights(other))
    assert failing.history_ == other.history_


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


def test_names_of_weighted_metrics_do_not_depend_on_earlier_fits():
    kinds = [keras.metrics.AUC, keras.metrics.Precision, keras.metrics.AUC]
    metrics = ["AUC", "bce", "accuracy", *kinds]
    names = {"loss", "AUC", "bce", "weighted_accuracy", "auc", "precision", "auc_1"}
    for _ in range(2):
        params = {"compile__weighted_metrics": metrics, "metrics": ["accuracy"]}
        fitted = classifier(**params, epochs=1).fit(TEXTS, LABELS)
        assert {*fitted.history_} == names | {"accuracy"}
    loaded = pickle.loads(pickle.dumps(fitted))
    assert {*loaded.partial_fit(TEXTS, LABELS).history_} == names | {"accuracy"}


@pytest.mark.parametrize("metric", [keras.metrics.MeanIoU, "MeanIoU"])
def test_weighted_metrics_that_need_arguments_are_refused_by_name(metric):
    with pytest.raises(ValueError, match="weighted_metrics"):
        classifier(compile__weighted_metrics=[metric]).fit(TEXTS, LABELS)


@pytest.mark.skipif(
    keras.__version__.startswith("3.13."),
    reason="Keras 3.13 takes weighted metrics in a list alone",
)
def test_weighted_metrics_in_a_tuple_travel():
    metrics = (keras.metrics.AUC(name="area"),)
    fitted = classifier(compile__weighted_metrics=metrics, epochs=1).fit(TEXTS, LABELS)
    loaded = pickle.loads(pickle.dumps(fitted))
    for one in (fitted, loaded):
        one.partial_fit(TEXTS, LABELS)
    assert loaded.history_["area"] == fitted.history_["area"]
    assert len(loaded.history_["area"]) == 2


def test_a_metric_with_a_value_a_class():
    fitted = classifier(metrics=["f1_score"], epochs=3)
    values = fitted.fit(TOPIC_TEXTS, TOPICS).history_["f1_score"]
    assert np.shape(values) == (3, 3)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize(
    ("texts", "y"),
    [(TEXTS, LABELS), (TOPIC_TEXTS, TOPICS), (TOPIC_TEXTS, MULTILABEL)],
    ids=["binary", "multiclass", "multilabel"],
)
def test_accuracy_is_the_share_of_right_labels(texts, y, loss):
    fitted = classifier(metrics=["accuracy"], epochs=1, learning_rate=1e-9, loss=loss)
    # Without the wide part, whose answers the metrics do not know.
    fitted.set_params(dropout=0, embedding_dropout=0, wide=False).fit(texts, y)
    right = np.mean(fitted.predict(texts) == y)
    np.testing.assert_allclose(fitted.history_["accuracy"], [right], rtol=1e-6)


def test_accuracy_of_labels_that_are_weighted():
    weight = 1.0 + np.arange(len(TOPIC_TEXTS))
    fitted = classifier(
        metrics="acc",
        compile__weighted_metrics=["accuracy"],
        epochs=1,
        learning_rate=1e-9,
        dropout=0,
        embedding_dropout=0,
        wide=False,
    ).fit(TOPIC_TEXTS, MULTILABEL, weight)
    right = (fitted.predict(TOPIC_TEXTS) == MULTILABEL).mean(axis=1)
    np.testing.assert_allclose(fitted.history_["acc"], [right.mean()], rtol=1e-6)
    weighted = np.average(right, weights=weight)
    np.testing.assert_allclose(fitted.history_["accuracy"], [weighted], rtol=1e-6)
    again = pickle.loads(pickle.dumps(fitted)).partial_fit(TOPIC_TEXTS, MULTILABEL)
    assert len(again.history_["acc"]) == 2


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


@pytest.mark.parametrize(
    "metric",
    [
        "categorical_accuracy",
        "TopKCategoricalAccuracy",
        keras.metrics.CategoricalCrossentropy(),
        keras.metrics.categorical_accuracy,
        keras.metrics.OneHotMeanIoU(3),
        keras.metrics.F1Score(),
    ],
    ids=["snake", "camel", "instance", "function", "iou", "f1"],
)
def test_metrics_of_the_highest_column_need_several_classes(metric):
    classifier(metrics=[metric]).fit(TOPIC_TEXTS, TOPICS)
    for texts, y in ((TEXTS, LABELS), (TOPIC_TEXTS, MULTILABEL)):
        for params in ({"metrics": [metric]}, {"compile__weighted_metrics": [metric]}):
            with pytest.raises(ValueError, match=r"metrics' parameter .*highest"):
                classifier(**params).fit(texts, y)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"metrics__name": "mine"}, "metrics__name needs `metrics`"),
        (
            {"metrics": [keras.metrics.AUC], "metrics__1__name": "mine"},
            "metrics__1__name is for 1 of `metrics`, which has 0",
        ),
        (
            {
                "callbacks": [keras.callbacks.EarlyStopping],
                "callbacks__2__patience": 3,
            },
            "callbacks__2__patience is for 2 of `callbacks`",
        ),
        (
            {
                "callbacks": {"stop": keras.callbacks.EarlyStopping},
                "callbacks__stpo__patience": 3,
            },
            "callbacks__stpo__patience is for stpo of `callbacks`, which has stop",
        ),
        (
            {
                "callbacks": keras.callbacks.EarlyStopping,
                "callbacks__0__patience": 3,
            },
            "callbacks__0__patience is for 0 of `callbacks`, which is a single one",
        ),
        (
            {"optimizer__adam__beta_1": 0.5},
            "optimizer__adam__beta_1 would be an argument of optimizer__adam",
        ),
        (
            {"loss__typo__label_smoothing": 0.3},
            "loss__typo__label_smoothing needs loss__typo",
        ),
    ],
)
def test_arguments_that_nothing_takes_are_refused(params, named):
    with pytest.raises(ValueError, match=named):
        classifier(**params).fit(TEXTS, LABELS)


class StopAfter(keras.callbacks.Callback):
    def __init__(self, n_epochs=3):
        super().__init__()
        self.n_epochs = n_epochs

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch + 1 >= self.n_epochs


@pytest.mark.parametrize(
    "params",
    [
        {"callbacks": {"0": StopAfter}, "callbacks__0__n_epochs": 1},
        {"callbacks": [StopAfter], "callbacks__n_epochs": 1},
        {"callbacks": StopAfter, "callbacks__0": 1},
    ],
    ids=["key", "all", "position"],
)
def test_arguments_that_something_takes_are_routed(params):
    assert classifier(**params, epochs=5).fit(TEXTS, LABELS).n_iter_ == 1


@pytest.mark.parametrize("metric", ["f1_score", keras.metrics.FBetaScore])
def test_f_scores_by_name_have_no_threshold(metric):
    with pytest.raises(ValueError, match=r"weighted_metrics' parameter .*highest"):
        classifier(compile__weighted_metrics=[metric]).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("metric", "named"),
    [
        ("Accuracy", "'accuracy', in small letters"),
        (keras.metrics.Accuracy(), "'accuracy', in small letters"),
        (keras.metrics.MeanIoU(2), "sees the numbers of classes"),
        (keras.metrics.IoU(2, [0]), "sees the numbers of classes"),
        (keras.metrics.MeanIoU(2, sparse_y_pred=False), "sees the numbers of classes"),
        (keras.metrics.IoU(2, [0], sparse_y_true=False), "sees the numbers of classes"),
    ],
    ids=["name", "accuracy", "mean", "iou", "mean of numbers", "iou of numbers"],
)
@pytest.mark.parametrize("y", [TOPICS, MULTILABEL], ids=["classes", "labels"])
def test_metrics_of_what_probabilities_are_not(metric, named, y):
    with pytest.raises(ValueError, match=named):
        classifier(metrics=[metric]).fit(TOPIC_TEXTS, y)


def test_accuracy_of_labels_in_capitals():
    fitted = classifier(compile__weighted_metrics=["Accuracy"], epochs=1, dropout=0)
    fitted.set_params(embedding_dropout=0, learning_rate=1e-9)
    fitted.fit(TOPIC_TEXTS, MULTILABEL)
    right = np.mean(fitted.predict(TOPIC_TEXTS) == MULTILABEL)
    np.testing.assert_allclose(fitted.history_["Accuracy"], [right], rtol=1e-6)


def test_f_score_of_labels_has_a_threshold():
    score = keras.metrics.F1Score(average="micro", threshold=0.5, name="f1")
    fitted = classifier(metrics=[score], epochs=1, learning_rate=1e-9)
    fitted.set_params(dropout=0, embedding_dropout=0).fit(TOPIC_TEXTS, MULTILABEL)
    of_sklearn = f1_score(MULTILABEL, fitted.predict(TOPIC_TEXTS), average="micro")
    np.testing.assert_allclose(fitted.history_["f1"], [of_sklearn], rtol=1e-6)


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
    in_a_tuple = Recorder(), Recorder("!")
    classifier(callbacks=in_a_tuple).fit(TEXTS, LABELS)
    assert [one.epochs for one in in_a_tuple] == [["0", "1"], ["0!", "1!"]]
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
