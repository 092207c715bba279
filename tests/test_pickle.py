"""Fitted estimators travel whole, and without the texts they learned from."""

import copy
import io
import pickle
import subprocess
import sys
import warnings

import joblib
import keras
import numpy as np
import pytest
from corpus import (
    LABELS,
    STARS,
    TEXTS,
    TINY,
    assert_same_model,
    classifier,
    regressor,
    weights,
)
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import skrnn
import skrnn.versions
from skrnn import RNNTextClassifier, RNNTextRegressor, Tokenizer
from skrnn.optimizers import OPTIMIZERS

ELSEWHERE = """
import pickle, sys, joblib
source, data, target = sys.argv[1:]
fitted = joblib.load(source)
texts, y = joblib.load(data)
results = [fitted.predict(texts), fitted.transform(texts), fitted.history_]
fitted.partial_fit(texts, y)
results += [fitted.predict(texts), fitted.transform(texts), fitted.history_]
results += [fitted.model_.get_weights(), fitted.model_.optimizer.get_config()]
joblib.dump(results, target)
"""


def pickle_dump(value, path):
    with open(path, "wb") as file:
        pickle.dump(value, file)


def assert_goes_on_elsewhere(fitted, y, dump, tmp_path):
    dump(fitted, tmp_path / "fitted")
    joblib.dump((TEXTS, y), tmp_path / "data")
    paths = [tmp_path / name for name in ("fitted", "data", "results")]
    subprocess.run([sys.executable, "-c", ELSEWHERE, *paths], check=True)
    results = joblib.load(tmp_path / "results")
    expected = [fitted.predict(TEXTS), fitted.transform(TEXTS), fitted.history_]
    fitted.partial_fit(TEXTS, y)
    expected += [fitted.predict(TEXTS), fitted.transform(TEXTS), fitted.history_]
    expected += [fitted.model_.get_weights(), fitted.model_.optimizer.get_config()]
    for result, value in zip(results, expected, strict=True):
        if isinstance(value, list):
            for one, other in zip(result, value, strict=True):
                np.testing.assert_array_equal(one, other)
        elif isinstance(value, dict):
            assert result == value
        else:
            np.testing.assert_array_equal(result, value)


def test_classifier_goes_on_in_another_process(tmp_path):
    fitted = RNNTextClassifier(**TINY, n_layers=2, metrics=["accuracy"])
    fitted.fit(TEXTS, LABELS)
    assert_goes_on_elsewhere(fitted, LABELS, joblib.dump, tmp_path)


def test_the_sum_of_network_and_wide_part_goes_on_in_another_process(tmp_path):
    # Enough texts to weigh the two, and a size that the kernel takes.
    params = {**TINY, "wide": "auto", "hidden_size": 32, "embeddings": "cooccurrence"}
    fitted = RNNTextClassifier(**params).fit(TEXTS * 16, [*LABELS] * 16)
    assert not np.allclose(fitted.blend_.factors_, [0.15, 1.2])
    assert_goes_on_elsewhere(fitted, LABELS, joblib.dump, tmp_path)


def test_regressor_goes_on_in_another_process(tmp_path):
    params = {
        "cell": "lstm",
        "bidirectional": True,
        "learn_initial_state": True,
        "loss": "huber",
        "loss__delta": 0.5,
        "l2": 0.01,
        "optimizer": keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5), momentum=0.9
        ),
    }
    fitted = RNNTextRegressor(**TINY, **params).fit(TEXTS, STARS)
    # joblib reads what pickle wrote too.
    assert_goes_on_elsewhere(fitted, STARS, pickle_dump, tmp_path)


def copies(fitted):
    yield pickle.loads(pickle.dumps(fitted))
    yield copy.deepcopy(fitted)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    yield joblib.load(file)


class BreaksOff(keras.callbacks.Callback):
    """Ends training after an epoch, as a user may."""

    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


@keras.saving.register_keras_serializable("tests")
class Peak(keras.metrics.Metric):
    """A metric of the user's own."""

    def __init__(self, factor=1.0, name="peak", **kwargs):
        super().__init__(name=name, **kwargs)
        self.factor = factor
        self.peak = self.add_variable((), initializer="zeros", name="peak")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.peak.assign(keras.ops.max(y_pred) * self.factor)

    def result(self):
        return self.peak + 0.0

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("tests")
class Power(keras.losses.Loss):
    def __init__(self, power=2, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@keras.saving.register_keras_serializable("tests")
class Steeper(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))

    def get_config(self):
        return {}


class Counter(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.n_epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.n_epochs += 1


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": keras.optimizers.AdamW(0.01, weight_decay=0.1)},
        {"optimizer": keras.optimizers.SGD, "optimizer__momentum": 0.9},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 20)},
        {"learning_rate": Steeper()},
        {"optimizer": keras.optimizers.SGD(Steeper())},
        {"callbacks": [keras.callbacks.ReduceLROnPlateau("loss", patience=0)]},
        {"callbacks": Counter()},
        {"callbacks": [keras.callbacks.EarlyStopping("loss", patience=1)]},
        {"metrics": [Peak(3.0), "accuracy"]},
        {"metrics": [Peak], "metrics__factor": 2.0},
        {"loss": Power(3)},
        {"loss": keras.losses.BinaryFocalCrossentropy, "loss__gamma": 3.0},
        {"loss": keras.losses.squared_hinge},
        {"embeddings": {"fine": np.arange(8.0)}, "tokenizer": str.split},
    ],
    ids=lambda params: "-".join(params),
)
def test_copies_go_on_like_the_original(params):
    fitted = classifier(**params).fit(TEXTS, LABELS)
    before = [weights(fitted), fitted.predict(TEXTS), fitted.history_]
    others = list(copies(fitted))
    for other in others:
        assert_same_model(other, fitted)
    fitted.partial_fit(TEXTS, LABELS)
    for other in others:
        np.testing.assert_array_equal(weights(other), before[0])
        assert_same_model(other.partial_fit(TEXTS, LABELS), fitted)


def test_frozen_layers_stay_so():
    class Breaks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise InterruptedError

    params = {"learning_rate_schedule": "linear", "warm_start": True}
    fitted = classifier(**params, compile__run_eagerly=False).fit(TEXTS, LABELS)
    fitted.model_.encoder.embedding.trainable = False
    before = weights(fitted)
    if keras.config.backend() == "jax":
        with pytest.raises(ValueError, match="trains all weights or none"):
            fitted.fit(TEXTS, LABELS)
        return
    fitted.set_params(callbacks=Breaks())
    with pytest.raises(InterruptedError):
        fitted.fit(TEXTS, LABELS)
    np.testing.assert_array_equal(weights(fitted), before)
    fitted.set_params(callbacks=None)
    vectors = fitted.model_.encoder.embedding.vectors
    for one in (*copies(fitted), fitted):
        assert not one.model_.encoder.embedding.trainable
        one.fit(TEXTS, LABELS)
        np.testing.assert_array_equal(one.model_.encoder.embedding.vectors, vectors)
        assert not np.array_equal(weights(one), before)
    fitted.model_.encoder.embedding.trainable = True
    fitted.fit(TEXTS, LABELS)
    assert not np.array_equal(fitted.model_.encoder.embedding.vectors, vectors)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_a_policy_set_for_other_models_changes_nothing(policy):
    plain = classifier(epochs=2).fit(TEXTS, LABELS)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        fitted = classifier(epochs=2).fit(TEXTS, LABELS)
        assert fitted.transform(TEXTS).dtype == np.float32
        moved = pickle.loads(pickle.dumps(plain))
    finally:
        keras.config.set_dtype_policy(before)
    for other in (fitted, moved, pickle.loads(pickle.dumps(fitted))):
        assert_same_model(other, plain)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_by_name_travels_and_goes_on(optimizer):
    fitted = classifier(optimizer=optimizer).fit(TEXTS, LABELS)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_same_model(loaded, fitted)
    assert_same_model(
        loaded.partial_fit(TEXTS, LABELS), fitted.partial_fit(TEXTS, LABELS)
    )


def test_what_keras_writes_into_a_callback_is_not_pickled():
    counter = Counter()
    fitted = classifier(callbacks=[counter]).fit(TEXTS, LABELS)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.callbacks[0].n_epochs == counter.n_epochs == 2
    assert loaded.callbacks[0].model is None


def test_a_callback_that_has_written_a_file_travels(tmp_path):
    log = tmp_path / "log.csv"
    logged = classifier(callbacks=keras.callbacks.CSVLogger(log, append=True))
    logged.fit(TEXTS, LABELS)
    for other in copies(logged):
        np.testing.assert_array_equal(other.predict(TEXTS), logged.predict(TEXTS))
    clone(logged).fit(TEXTS, LABELS)
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()]
    assert epochs == ["epoch", "0", "1", "0", "1"]


def test_a_log_that_was_broken_off_is_closed(tmp_path):
    log = tmp_path / "log.csv"
    callbacks = [keras.callbacks.CSVLogger(log, append=True), BreaksOff()]
    logged = classifier(callbacks=callbacks)
    with pytest.raises(KeyboardInterrupt):
        logged.fit(TEXTS, LABELS)
    assert log.read_text().startswith("epoch,")
    logged.set_params(callbacks=callbacks[:1])
    for other in (clone(logged), pickle.loads(pickle.dumps(logged))):
        other.fit(TEXTS, LABELS)
    epochs = [line.split(",")[0] for line in log.read_text().splitlines()]
    assert epochs == ["epoch", "0", "0", "1", "0", "1"]


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_head_that_keras_has_added_to_does_not_travel(copied):
    fitted = classifier().fit(TEXTS, LABELS)
    fitted.model_.head.enable_lora(rank=1)
    with pytest.raises(TypeError, match="neither pickled nor copied"):
        copied(fitted)


def of_ones_own():
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    return {"optimizer": optimizer, "loss": keras.losses.MeanSquaredError()}


@pytest.mark.parametrize("trains", [False, True])
@pytest.mark.parametrize("is_frozen", [False, True])
def test_what_a_user_compiled_travels(trains, is_frozen):
    fitted = classifier().fit(TEXTS, LABELS)
    fitted.model_.encoder.trainable = not is_frozen
    fitted.model_.compile(**of_ones_own())
    if trains:
        fitted.partial_fit(TEXTS, LABELS)
    for other in copies(fitted):
        assert other.model_.encoder.trainable != is_frozen
        expected = copy.deepcopy(fitted).partial_fit(TEXTS, LABELS)
        assert_same_model(other.partial_fit(TEXTS, LABELS), expected)


def test_what_a_user_compiled_goes_back_after_an_error():
    fitted = classifier().initialize(TEXTS, LABELS)
    fitted.model_.compile(**of_ones_own())
    before = weights(fitted)
    fitted.set_params(callbacks=[BreaksOff()])
    with pytest.raises(KeyboardInterrupt):
        fitted.partial_fit(TEXTS, LABELS)
    np.testing.assert_array_equal(weights(fitted), before)


def test_a_network_that_keras_loads_goes_on(tmp_path):
    # Keras does not store how far dropout's seeds have come.
    fitted = classifier(embedding_dropout=0.0, dropout=0.0).fit(TEXTS, LABELS)
    fitted.model_.save(tmp_path / "network.keras")
    going_on = copy.deepcopy(fitted)
    going_on.model_ = keras.models.load_model(tmp_path / "network.keras")
    for one in (*copies(going_on), going_on):
        assert_same_model(
            one.partial_fit(TEXTS, LABELS),
            copy.deepcopy(fitted).partial_fit(TEXTS, LABELS),
        )


def test_a_network_that_keras_loads_without_its_loss_says_so(tmp_path):
    fitted = classifier().fit(TEXTS, LABELS)
    fitted.model_.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras", compile=False)
    scores = fitted.decision_function(TEXTS)
    fitted.model_ = loaded
    for other in copies(fitted):
        np.testing.assert_allclose(other.decision_function(TEXTS), scores, rtol=1e-5)
        with pytest.raises(ValueError, match="call its `compile` first"):
            other.partial_fit(TEXTS, LABELS)
        with pytest.raises(ValueError, match="call its `compile` first"):
            other.set_params(warm_start=True).fit(TEXTS, LABELS)


def test_parts_of_other_networks_keep_their_names_and_what_is_frozen(tmp_path):
    encoders = [
        classifier(embedding_size=size).fit(TEXTS, LABELS).model_.encoder
        for size in (4, 8)
    ]
    encoders[0].name, encoders[0].trainable = "title", False
    ids = [keras.Input((None,)) for _ in encoders]
    read = [encoder(one) for encoder, one in zip(encoders, ids, strict=True)]
    joined = keras.layers.Concatenate()(read)
    network = keras.Model(ids, keras.layers.Dense(1)(joined))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    title, other = (loaded.get_layer(one.name) for one in encoders)
    assert not title.trainable
    trained = {id(weight) for weight in loaded.trainable_weights}
    assert trained.isdisjoint(map(id, title.weights))
    assert trained.issuperset(map(id, other.weights))
    given = [np.array([[0, 2, 3]]), np.array([[2, 3, 4]])]
    np.testing.assert_allclose(loaded(given), network(given), rtol=1e-5)


def test_network_travels_in_a_file_of_keras(tmp_path):
    fitted = classifier(wide=False).fit(TEXTS, LABELS)
    fitted.model_.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras", compile=False)
    sequences = fitted.tokenizer_.transform(TEXTS)
    for got, expected in (
        (loaded.predict(sequences)[:, 0], fitted.decision_function(TEXTS)),
        (loaded.represent(sequences), fitted.transform(TEXTS)),
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_unfitted_estimators_travel_too():
    unfitted = classifier(optimizer=keras.optimizers.SGD(0.1), metrics=[Peak()])
    for other in copies(unfitted):
        with pytest.raises(NotFittedError):
            other.predict(TEXTS)
        assert other.fit(TEXTS, LABELS).n_iter_ == 2


ALONE = {"wide": False, "embeddings": None}
# As by default, with enough texts to hold some out.
WITH_THE_REST = {"wide": True, "embeddings": "cooccurrence"}


@pytest.mark.parametrize("params", [ALONE, WITH_THE_REST], ids=["alone", "with wide"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_training_text_travels(early_stopping, params):
    texts = [f"fine marker{i} secret{i} passage{i}" for i in range(208)]
    params = {**params, "early_stopping": early_stopping, "validation_fraction": 0.25}
    fitted = classifier(**params).fit(texts, [*LABELS] * 13)
    regression = regressor(**params).fit(texts, [*STARS] * 13)
    for content in (pickle.dumps(fitted), pickle.dumps(regression)):
        # The vocabulary travels, and it is sorted.
        assert b"marker" in content
        for text in texts:
            assert text.encode() not in content
            assert " ".join(text.split()[1:]).encode() not in content


def test_width_of_huber_travels():
    fitted = regressor(loss="huber", loss__delta=0.1).fit(TEXTS, STARS)
    others = list(copies(fitted))
    fitted.partial_fit(TEXTS, STARS)
    for other in others:
        assert_same_model(other.partial_fit(TEXTS, STARS), fitted)


@pytest.mark.parametrize("params", [ALONE, WITH_THE_REST], ids=["alone", "with wide"])
def test_size_of_the_file_does_not_depend_on_the_number_of_texts(params):
    few, many = (classifier(**params).fit(TEXTS * n, [*LABELS] * n) for n in (13, 130))
    assert abs(len(pickle.dumps(many)) - len(pickle.dumps(few))) < 100


@pytest.mark.parametrize("params", [ALONE, WITH_THE_REST], ids=["alone", "with wide"])
def test_predicting_leaves_nothing_in_the_file(params):
    fitted = classifier(**params).fit(TEXTS * 13, [*LABELS] * 13)
    before = pickle.dumps(fitted)
    fitted.predict(["something secret"])
    fitted.transform(["something secret"])
    after = pickle.dumps(fitted)
    assert len(after) == len(before)
    assert b"secret" not in after


@pytest.fixture
def dumps_as_of(monkeypatch):
    """Pickle with another version of skrnn."""

    def dumps(version, fitted):
        with monkeypatch.context() as other:
            other.setattr(skrnn.versions, "__version__", version)
            return pickle.dumps(fitted)

    return dumps


@pytest.mark.parametrize("version", ["7.0.0", "0.0.9", "0.2.0"])
def test_file_of_another_series_warns(version, dumps_as_of):
    fitted = classifier().fit(TEXTS, LABELS)
    content = dumps_as_of(version, fitted)
    with pytest.warns(InconsistentVersionWarning, match="RNNTextClassifier") as caught:
        loaded = pickle.loads(content)
    assert caught[0].message.original_sklearn_version == version
    assert caught[0].message.current_sklearn_version == skrnn.__version__
    assert_same_model(loaded, fitted)


def test_file_of_another_series_tokenizer_warns(dumps_as_of):
    content = dumps_as_of("0.2.0", Tokenizer().fit(TEXTS))
    with pytest.warns(InconsistentVersionWarning, match="Tokenizer from version 0.2.0"):
        pickle.loads(content)


@pytest.mark.filterwarnings("error::sklearn.exceptions.InconsistentVersionWarning")
@pytest.mark.parametrize(("now", "then"), [("0.1.0", "0.1.7"), ("1.4.0", "1.12.1")])
def test_file_of_the_same_series_does_not_warn(now, then, dumps_as_of, monkeypatch):
    fitted = classifier().fit(TEXTS, LABELS)
    content = dumps_as_of(then, fitted)
    monkeypatch.setattr("skrnn.versions.__version__", now)
    assert_same_model(pickle.loads(content), fitted)


def test_copied_estimators_are_independent():
    fitted = classifier().fit(TEXTS, LABELS)
    before = weights(fitted)
    copy.deepcopy(fitted).partial_fit(TEXTS, LABELS)
    np.testing.assert_array_equal(weights(fitted), before)


def test_clone_of_a_fitted_estimator_is_unfitted():
    params = {
        "optimizer": keras.optimizers.SGD(0.1),
        "loss": Power(3),
        "metrics": [Peak()],
        "callbacks": [Counter()],
        "compile__steps_per_execution": 1,
    }
    fitted = classifier(**params).fit(TEXTS, LABELS)
    cloned = clone(fitted)
    assert cloned.get_params().keys() == fitted.get_params().keys()
    assert not hasattr(cloned, "model_")
    with pytest.raises(NotFittedError):
        cloned.predict(TEXTS)
    assert_same_model(cloned.fit(TEXTS, LABELS), fitted)


def test_importing_the_package_leaves_keras_as_it_was():
    program = """
import keras
kinds = (
    keras.Model,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
)
names = ("__reduce__", "__reduce_ex__", "__deepcopy__", "__copy__", "__getstate__")
def ways():
    return [getattr(kind, name, None) for kind in kinds for name in names]
before, own = ways(), [set(vars(kind)) for kind in kinds]
import skrnn.classifier
assert ways() == before
assert [set(vars(kind)) for kind in kinds] == own
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_pickle_and_what_goes_on_from_it_warn_of_nothing():
    fitted = RNNTextClassifier(**TINY).fit(TEXTS, LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(fitted)).partial_fit(TEXTS, LABELS)
