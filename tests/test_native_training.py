"""Training by the kernel, with most of TensorFlow left out.

It is held against what Keras compiles, which trains where a callback is called after
each update.
"""

import itertools
import pickle

import keras
import numpy as np
import pytest
from corpus import LABELS, TEXTS, TINY, assert_same_model
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels import needs_kernels

import skrnn.native.adam
from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn._keras import ON_TENSORFLOW
from skrnn.deferred import DeferredMoves
from skrnn.native_losses import NativeLoss, formula_of
from skrnn.native_training import penalties_of

if ON_TENSORFLOW:
    import tensorflow as tf

pytestmark = needs_kernels

STARS = np.linspace(-1.0, 1.0, len(TEXTS))
TOPICS = np.arange(len(TEXTS)) % 3
TAGS = np.stack([TOPICS == 0, TOPICS != 1], axis=1).astype(int)

# Every weight that a network can have, and all that is drawn and penalized.
DEEP = {
    "n_layers": 2,
    "bidirectional": True,
    "learn_initial_state": True,
    "dropout": 0.3,
    "l2": 0.01,
    "learning_rate": 0.003,
}

# Rows of the embedding of these texts.
N_IDS = 13


class Looks(keras.callbacks.Callback):
    """May look at the weights after each update."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def classifier(**params):
    more = {"batch_size": 3, "epochs": 5, "hidden_size": 32, "learning_rate": 0.01}
    return RNNTextClassifier(**TINY | more | params)


def regressor(**params):
    more = {"batch_size": 3, "epochs": 5, "hidden_size": 32, "learning_rate": 0.01}
    return RNNTextRegressor(**TINY | more | params)


def compiled(estimator):
    """The same, trained by what Keras compiles."""
    callbacks = [*(estimator.callbacks or []), Looks()]
    return estimator.set_params(callbacks=callbacks)


def is_native(fitted):
    return fitted.model_.trained_natively


def assert_alike(one, other, *, rtol=1e-3, atol=1e-4):
    """Check that two networks and their optimizers are equal but for rounding."""
    states = [fitted.model_.get_state() for fitted in (one, other)]
    for found, expected in zip(*states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def assert_trained_as_compiled(make, X=TEXTS, y=LABELS, **fit_params):
    native, expected = (
        one.fit(X, y, **fit_params) for one in (make(), compiled(make()))
    )
    assert is_native(native)
    assert not is_native(expected)
    assert_alike(native, expected)
    assert list(native.history_) == list(expected.history_)
    for name, values in expected.history_.items():
        np.testing.assert_allclose(native.history_[name], values, rtol=1e-4, atol=1e-6)


@pytest.fixture
def calls(monkeypatch):
    """For each call that moves the embedding, whether it moved all rows."""
    calls, move_rows = [], skrnn.native.adam.move_rows

    def noted(*arrays, ids, **given):
        if len(arrays[0]) == N_IDS:
            calls.append(ids is None)
        return move_rows(*arrays, ids=ids, **given)

    monkeypatch.setattr(skrnn.native.adam, "move_rows", noted)
    return calls


# Moves that are put off


def dense_adam(arrays, rows, slopes, size, *, betas, epsilon):
    """Give a table and its averages after an update, which moves each row."""
    beta_1, beta_2 = betas
    table, momentum, velocity = arrays
    slope = np.zeros_like(table)
    slope[rows] = slopes
    momentum = beta_1 * momentum + (1 - beta_1) * slope
    velocity = beta_2 * velocity + (1 - beta_2) * slope**2
    return table - size * momentum / (np.sqrt(velocity) + epsilon), momentum, velocity


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 300),
    n_rows=st.integers(1, 150),
    n_updates=st.integers(1, 60),
    betas=st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99), (0.99, 0.9)]),
    epsilon=st.sampled_from([1e-7, 1e-3]),
    catches_up_at=st.integers(0, 60),
    seed=st.integers(0, 2**31),
)
# A row that is read once, and then never for long.
@example(8, 100, 900, (0.9, 0.999), 1e-7, 800, 0)
def test_moves_are_those_of_adam(
    width, n_rows, n_updates, betas, epsilon, catches_up_at, seed
):
    draw = np.random.RandomState(seed)
    table = draw.normal(size=(n_rows, width)).astype(np.float32)
    expected = np.stack([table, 0 * table, 0 * table]).astype(np.float64)
    averages = np.zeros((2, n_rows, width), np.float32)
    rule = {"betas": betas, "epsilon": epsilon}
    deferred = DeferredMoves(table, *averages, **rule)
    for step in range(n_updates):
        ids = draw.randint(n_rows, size=(draw.randint(1, 4), 2)).astype(np.int32)
        vectors, positions, rows = deferred.read(ids)
        np.testing.assert_allclose(
            vectors[positions], expected[0][ids], rtol=1e-4, atol=1e-4
        )
        assert sorted(rows) == np.unique(ids).tolist()
        # Slopes of very different size, and steps that grow and shrink.
        slopes = draw.normal(size=vectors.shape) * 10.0 ** draw.randint(-4, 3)
        slopes = slopes.astype(np.float32)
        size = 0.01 * draw.uniform()
        expected = dense_adam(expected, rows, slopes, size, **rule)
        deferred.update(rows, slopes, size)
        if step == catches_up_at:
            deferred.catch_up()
    deferred.catch_up()
    for found, value in zip((table, *averages), expected, strict=True):
        scale = np.abs(value).max()
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("shape", [(7,), (5, 3)])
def test_all_weights_may_have_a_gradient(shape):
    weights, *averages = np.random.RandomState(0).normal(size=(3, *shape)) ** 2
    arrays = [one.astype(np.float32) for one in (weights, *averages)]
    slopes = np.ones(shape, np.float32)
    DeferredMoves(*arrays, betas=(0.9, 0.99), epsilon=1e-3).update(None, slopes, 0.1)
    momentum = 0.9 * averages[0] + 0.1
    velocity = 0.99 * averages[1] + 0.01
    weights = weights - 0.1 * momentum / (np.sqrt(velocity) + 1e-3)
    for found, expected in zip(arrays, (weights, momentum, velocity), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_ids_that_there_are_no_rows_of_are_refused():
    arrays = np.zeros((3, 5, 2), np.float32)
    deferred = DeferredMoves(*arrays, betas=(0.9, 0.99), epsilon=1e-7)
    for ids in ([-1, 3], [2, 5]):
        with pytest.raises(
            ValueError, match=r"The table has rows 0 to 4; ids run from"
        ):
            deferred.read(np.array(ids, np.int32))


# Beside what Keras compiles


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"pooling": "last"},
        {"pooling": "mean", "dropout": 0.5},
        {"pooling": "max", "embedding_dropout": 0.5},
        {"embedding_dropout": 0.0, "dropout": 0.0, "embedding_size": 3},
        {"gate_activation": "sigmoid"},
        {"gate_activation": "steep_sigmoid", "precision": "bfloat16"},
        {"clipnorm": None},
        {"clipnorm": 0.01},
        {"learning_rate_schedule": "constant"},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.01, 40)},
        {"optimizer__learning_rate": lambda: 0.005},
        {"clipnorm": None, "optimizer__global_clipnorm": 0.0},
        {"clipnorm": None, "optimizer__global_clipnorm": -1.0},
        {"optimizer__beta_1": 0.5, "optimizer__epsilon": 0.01},
        {"metrics": ["accuracy", keras.metrics.AUC]},
        {"metrics": "accuracy", "compile__weighted_metrics": ["accuracy"]},
        {"class_weight": "balanced"},
        {"loss": "hinge"},
        {"loss": keras.losses.BinaryFocalCrossentropy},
        {"l2": 0.05},
        {"l2": 0.05, "n_layers": 2, "clipnorm": None},
        {"l2": 0.05, "loss": "hinge"},
        {"learn_initial_state": True},
        {"learn_initial_state": True, "gate_activation": "sigmoid", "n_layers": 2},
        {"bidirectional": True},
        {"bidirectional": True, "learn_initial_state": True, "dropout": 0.3},
        {"n_layers": 2, "dropout": 0.5, "pooling": "max"},
        # Larger steps of a deep network take rounding's differences far apart.
        {"n_layers": 3, "bidirectional": True, "dropout": 0.3, "learning_rate": 1e-3},
        {"n_layers": 2, "bidirectional": True, "precision": "bfloat16"},
        {"loss__label_smoothing": 0.1},
    ],
)
def test_updates_are_those_of_the_graph(params):
    if params.get("precision") == "bfloat16":
        # In which rounding alone moves weights of other size apart.
        fits = classifier(**params), compiled(classifier(**params))
        native, expected = (one.fit(TEXTS, LABELS) for one in fits)
        assert is_native(native)
        assert_alike(native, expected, rtol=0.05, atol=0.02)
    else:
        assert_trained_as_compiled(lambda: classifier(**params))


@pytest.mark.parametrize(
    ("params", "y"),
    [
        *itertools.product(
            [
                {},
                {"loss__label_smoothing": 0.2},
                {"loss__label_smoothing": 0.2, "l2": 0.01},
                {"loss": "squared_hinge"},
                {"metrics": "mse"},
                {"compile__loss_weights": 0.5},
                {"compile__loss_weights": 0.0},
            ],
            [TOPICS, TAGS],
        ),
        ({"metrics": []}, TOPICS),
        ({"metrics": ()}, TAGS),
        ({"compile__weighted_metrics": []}, TOPICS),
    ],
)
def test_of_several_scores_too(params, y):
    if params.get("metrics") and y.ndim == 1:
        params = {"metrics": "categorical_accuracy"}
    weight = np.linspace(0.1, 3.0, len(TEXTS))
    assert_trained_as_compiled(lambda: classifier(**params), y=y, sample_weight=weight)


@pytest.mark.parametrize("y", [STARS, np.stack([STARS, STARS**2], axis=1)])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_of_values_too(y, loss):
    assert_trained_as_compiled(lambda: regressor(loss=loss), y=y)


@pytest.mark.parametrize("params", [{}, DEEP, DEEP | {"pooling": "max"}])
def test_texts_without_a_known_token_are_read(params):
    texts = ["", *TEXTS[:5], "?", ""]
    assert_trained_as_compiled(
        lambda: classifier(min_df=2, **params), texts, [0, 1, 0, 1, 1, 0, 1, 0]
    )


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "sgd"},
        {"optimizer": keras.optimizers.Adam(0.01)},
        {"optimizer__amsgrad": True},
        {"optimizer__weight_decay": 0.1},
        {"optimizer__use_ema": True},
        {"optimizer__gradient_accumulation_steps": 2},
        {"optimizer__loss_scale_factor": 2.0},
        {"optimizer__clipnorm": 0.1},
        {"optimizer__clipvalue": 0.1},
        {"cell": "lstm"},
        {"hidden_size": 8},
        {"compile__run_eagerly": True},
        {"compile__steps_per_execution": 2},
    ],
)
def test_what_else_is_asked_keras_compiles(params):
    fitted = classifier(**params, epochs=1).fit(TEXTS, LABELS)
    assert not is_native(fitted)
    assert np.isfinite(fitted.history_["loss"]).all()


@pytest.mark.parametrize("name", ["beta_1", "beta_2"])
@pytest.mark.parametrize("rate", [1.0, -0.1, "high"])
def test_rates_that_make_no_sense_are_left_to_keras(name, rate):
    begun = classifier(**{f"optimizer__{name}": rate}).initialize(TEXTS, LABELS)
    assert not begun.model_.optimizer.is_plain


def test_weights_that_were_frozen_stay():
    fitted = classifier(warm_start=True).fit(TEXTS, LABELS)
    before = fitted.model_.encoder.embedding.vectors
    fitted.model_.encoder.embedding.trainable = False
    fitted.fit(TEXTS, LABELS)
    assert not is_native(fitted)
    np.testing.assert_array_equal(fitted.model_.encoder.embedding.vectors, before)
    fitted.model_.encoder.embedding.trainable = True
    assert is_native(fitted.fit(TEXTS, LABELS))
    assert (fitted.model_.encoder.embedding.vectors != before).any()


def test_what_else_is_asked_of_the_embedding_is_heeded():
    fitted = classifier(warm_start=True).fit(TEXTS, LABELS)
    table = fitted.model_.encoder.embedding.embeddings
    table.constraint = keras.constraints.MaxNorm(0.01, axis=1)
    fitted.fit(TEXTS, LABELS)
    assert not is_native(fitted)
    norms = np.linalg.norm(fitted.model_.encoder.embedding.vectors, axis=1)
    assert norms.max() < 0.0101


class OfHalf(keras.regularizers.L2):
    """A penalty of its own."""

    def __call__(self, x):
        return 0.5 * super().__call__(x)


def penalized(make, regularizers):
    """Fit, penalize weights of the network, and go on; natively and as compiled."""
    fits = []
    for one in (make(), compiled(make())):
        fitted = one.set_params(warm_start=True).fit(TEXTS, LABELS)
        encoder, head = fitted.model_.encoder, fitted.model_.head
        layer = encoder.recurrent_layers[0]
        weights = {
            "embedding": encoder.embedding.embeddings,
            "kernel": layer.kernel,
            "bias": layer.bias,
            "head": head.kernel,
        }
        for name, regularizer in regularizers.items():
            weights[name].regularizer = regularizer
        # What Keras compiled has none in it.
        fitted.model_.train_function = None
        fits.append(fitted.fit(TEXTS, LABELS))
    native, expected = fits
    assert_alike(native, expected)
    np.testing.assert_allclose(
        native.history_["loss"], expected.history_["loss"], rtol=1e-4, atol=1e-6
    )
    return native


@pytest.mark.parametrize(
    ("where", "regularizer"),
    [
        ("embedding", keras.regularizers.L2(0.1)),
        ("kernel", keras.regularizers.L1(0.1)),
        ("kernel", keras.regularizers.L1L2(0.1, 0.1)),
        ("head", OfHalf(0.1)),
    ],
)
def test_other_penalties_are_left_to_keras(where, regularizer):
    assert not is_native(penalized(classifier, {where: regularizer}))


@pytest.mark.parametrize("params", [{}, {"l2": 0.3}, {"loss": "hinge"}])
def test_penalties_that_a_user_adds_or_changes_are_heeded(params):
    of_each = {"head": keras.regularizers.L2(0.1), "bias": keras.regularizers.L2(0.2)}
    assert is_native(penalized(lambda: classifier(**params), of_each))


class Penalizes(keras.callbacks.Callback):
    """Penalizes weights after an epoch, which training then knows nothing of."""

    def on_epoch_end(self, epoch, logs=None):
        encoder = self.model.encoder
        encoder.embedding.embeddings.regularizer = keras.regularizers.L2(0.1)
        encoder.recurrent_layers[0].kernel.regularizer = keras.regularizers.L1(0.1)
        self.model.head.kernel.regularizer = keras.regularizers.L2(1.0)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_what_callbacks_penalize_is_for_later_fits(loss):
    params = {"l2": 0.1, "loss": loss}
    assert_trained_as_compiled(lambda: classifier(callbacks=[Penalizes()], **params))


def test_a_rule_that_was_changed_is_heeded():
    fits = []
    for one in (classifier(), compiled(classifier())):
        fitted = one.set_params(warm_start=True).fit(TEXTS, LABELS)
        optimizer = fitted.model_.optimizer
        optimizer.beta_1, optimizer.epsilon = 0.5, 0.01
        # What Keras compiled has the old ones in it.
        fitted.model_.train_function = None
        fits.append(fitted.fit(TEXTS, LABELS))
    assert is_native(fits[0])
    assert_alike(*fits)


# Going on


@pytest.mark.parametrize("params", [{}, DEEP])
def test_fits_repeat_go_on_and_travel(params):
    params = {"warm_start": True, **params}
    one, other = (classifier(**params).fit(TEXTS, LABELS) for _ in range(2))
    assert is_native(one)
    assert_same_model(one, other)
    travelled = pickle.loads(pickle.dumps(one))
    for fitted in (one, other, travelled):
        fitted.fit(TEXTS, LABELS)
        fitted.partial_fit(TEXTS[:8], LABELS[:8])
        assert is_native(fitted)
    assert_same_model(one, other)
    assert_same_model(one, travelled)


def test_either_goes_on_from_the_other():
    native, expected = classifier(warm_start=True), compiled(classifier())
    expected.set_params(warm_start=True)
    for fitted in (native, expected):
        fitted.fit(TEXTS, LABELS)
    for callbacks in ([Looks()], None):
        native.set_params(callbacks=callbacks)
        for fitted in (native, expected):
            fitted.fit(TEXTS, LABELS)
    assert is_native(native)
    assert_alike(native, expected)


def test_nothing_is_compiled_again():
    fitted = classifier(loss="hinge").fit(TEXTS, LABELS)
    model = fitted.model_
    # Of the graph of an update there is none, and the loss' is kept.
    assert model.train_function is None
    judges = []
    for part in (slice(None), slice(8)) * 2:
        fitted.partial_fit(TEXTS[part], LABELS[part])
        batch = np.zeros((3, 1), np.float32)
        judges.append(model.judge_of(batch, penalties_of(model)))
    assert all(one is judges[0] for one in judges)


def test_the_losses_of_the_defaults_are_not_compiled(monkeypatch):
    def compiles(*_):
        raise AssertionError("a loss was compiled")

    monkeypatch.setattr("skrnn.network.judge", compiles)
    for y in (LABELS, TOPICS, TAGS):
        classifier().fit(TEXTS, y)
        classifier(loss__label_smoothing=0.1).fit(TEXTS, y)
    regressor().fit(TEXTS, STARS)
    with pytest.raises(AssertionError, match="a loss was compiled"):
        regressor(loss="huber").fit(TEXTS, STARS)


KINDS = {
    "BinaryCrossentropy": {"from_logits": True},
    "CategoricalCrossentropy": {"from_logits": True},
    "SparseCategoricalCrossentropy": {"from_logits": True},
    "MeanSquaredError": {},
}


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(KINDS)),
    n_texts=st.integers(1, 5),
    n_scores=st.integers(1, 4),
    scale=st.sampled_from([0.1, 3.0, 100.0]),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**31),
)
def test_formulas_of_losses_are_those_of_keras(
    name, n_texts, n_scores, scale, smoothing, seed
):
    draw = np.random.RandomState(seed)
    scores = (scale * draw.normal(size=(n_texts, n_scores))).astype(np.float32)
    weight = draw.choice([0.0, 0.5, 3.0], n_texts).astype(np.float32)
    numbers = draw.randint(n_scores, size=n_texts)
    targets = draw.choice([0.0, 1.0], scores.shape).astype(np.float32)
    told = dict(KINDS[name])
    if name == "SparseCategoricalCrossentropy":
        targets = numbers
    elif name == "MeanSquaredError":
        targets = draw.normal(size=scores.shape).astype(np.float32)
    else:
        told["label_smoothing"] = smoothing
    loss = getattr(keras.losses, name)(**told)
    with tf.GradientTape() as tape:
        given_scores = tf.constant(scores)
        tape.watch(given_scores)
        expected = loss(targets, given_scores, sample_weight=weight)
    expected_slopes = tape.gradient(expected, given_scores)

    tracker = keras.metrics.Mean()
    tracker.update_state(2.0, sample_weight=3)
    native = NativeLoss(formula_of(loss), tracker)
    slopes, logs = native(targets, scores, weight, 0.25)
    np.testing.assert_allclose(slopes, expected_slopes, rtol=1e-4, atol=1e-6)
    tracker_of_keras = keras.metrics.Mean()
    tracker_of_keras.update_state(2.0, sample_weight=3)
    tracker_of_keras.update_state(expected + 0.25, sample_weight=n_texts)
    for found in (logs["loss"], tracker.result()):
        np.testing.assert_allclose(found, tracker_of_keras.result(), rtol=1e-4)


class OfOne(keras.losses.MeanSquaredError):
    """A loss of its own."""


def changed_loss(**attributes):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    for name, value in attributes.items():
        setattr(loss, name, value)
    return loss


@pytest.mark.parametrize(
    "loss",
    [
        OfOne(),
        changed_loss(reduction="sum"),
        changed_loss(fn=keras.losses.mean_squared_error),
        keras.losses.BinaryCrossentropy(),
        keras.losses.BinaryCrossentropy(from_logits=True, axis=0),
        keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum"),
        keras.losses.BinaryCrossentropy(from_logits=True, dtype="bfloat16"),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1),
        keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None),
        keras.losses.Huber(),
        keras.losses.binary_crossentropy,
        "mse",
        None,
    ],
)
def test_other_losses_have_no_formula(loss):
    assert formula_of(loss) is None


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("BinaryCrossentropy", np.zeros(3, np.float32)),
        ("BinaryCrossentropy", np.zeros((3, 2))),
        ("MeanSquaredError", np.zeros((3, 1), np.float32)),
        ("SparseCategoricalCrossentropy", np.zeros(3, np.float32)),
        ("SparseCategoricalCrossentropy", np.zeros((3, 1), np.int32)),
        ("SparseCategoricalCrossentropy", np.array([0, 2], np.int32)),
        ("SparseCategoricalCrossentropy", np.array([0, -1], np.int32)),
    ],
)
def test_targets_that_a_formula_does_not_take(loss, targets):
    formula = formula_of(getattr(keras.losses, loss)(**KINDS[loss]))
    assert not formula.takes(targets, n_scores=2)


def test_an_axis_that_keras_refuses_is_refused():
    with pytest.raises(ValueError, match="axis"):
        classifier(loss__axis=0).fit(TEXTS, TOPICS)


@pytest.mark.parametrize("metrics", [None, ["accuracy"]])
def test_what_is_compiled_by_a_user_is_heeded(metrics):
    def fit_again(make, loss):
        fitted = make().set_params(warm_start=True).fit(TEXTS, LABELS)
        if loss is not None:
            # Keras keeps the metrics where none are told.
            fitted.model_.compile(optimizer=fitted.model_.optimizer, loss=loss)
        return fitted.fit(TEXTS, LABELS)

    def make():
        return classifier(metrics=metrics)

    loss = keras.losses.MeanSquaredError()
    native = fit_again(make, loss)
    expected = fit_again(lambda: compiled(make()), loss)
    assert is_native(native)
    assert_alike(native, expected)
    assert list(native.history_) == list(expected.history_)
    for name, values in expected.history_.items():
        np.testing.assert_allclose(native.history_[name], values, rtol=1e-4, atol=1e-6)
    with_its_own = fit_again(make, None)
    assert not np.allclose(
        native.history_["loss"][-5:], with_its_own.history_["loss"][-5:]
    )


class Judges(keras.callbacks.Callback):
    """Has the network judged where an epoch begins, or its count begun anew."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            ids = np.array([[2, 3, 4], [0, 4, 5]], np.int32)
            self.model.evaluate(ids, np.array([[0.0], [1.0]]), verbose=0)
        if epoch == 2:
            self.model.reset_metrics()


def test_callbacks_may_judge_before_an_epoch():
    assert_trained_as_compiled(lambda: classifier(callbacks=[Judges()]))


class BreaksOff(keras.callbacks.Callback):
    """Breaks training off after the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch % 5 == 1:
            raise KeyboardInterrupt


def test_a_fit_that_is_broken_off_is_undone():
    fitted, other = (classifier(warm_start=True).fit(TEXTS, LABELS) for _ in range(2))
    before = fitted.model_.get_state()
    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(callbacks=[BreaksOff()]).fit(TEXTS, LABELS)
    assert is_native(fitted)
    for found, expected in zip(fitted.model_.get_state(), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    fitted.set_params(callbacks=None)
    assert_same_model(*(one.fit(TEXTS, LABELS) for one in (fitted, other)))


def test_an_update_by_itself_goes_on():
    """As by whoever trains the network's batches on their own."""
    ids = np.array([[2, 3, 4], [0, 4, 5]], np.int32)
    batch = ids, np.array([[0.0], [1.0]], np.float32), np.ones(2, np.float32)
    fits = [one.fit(TEXTS, LABELS) for one in (classifier(), compiled(classifier()))]
    for fitted in fits:
        for _ in range(3):
            fitted.model_.train_on_batch(*batch)
    assert_alike(*fits)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_training_that_diverges_is_told_of_once():
    params = {"learning_rate": 1e30, "clipnorm": None}
    for diverging, y in (
        (regressor(**params), STARS),
        (classifier(**params), LABELS),
        (classifier(**params), TOPICS),
    ):
        with pytest.raises(ValueError, match="Training diverged in epoch"):
            diverging.fit(TEXTS, y)


# What others see


def test_rows_are_moved_when_they_are_read_and_all_at_the_end(calls):
    classifier().fit(TEXTS, LABELS)
    # Read and moved at each of 30 updates, and all together once.
    assert calls == [False] * 60 + [True]
    calls.clear()
    classifier(epochs=2, callbacks=[Keeps()]).fit(TEXTS, LABELS)
    assert calls == ([False] * 12 + [True]) * 2


class Keeps(keras.callbacks.Callback):
    """Keeps the weights as they are after each epoch."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        self.kept.append(self.model.get_state())


@pytest.mark.parametrize("params", [{}, DEEP])
def test_callbacks_see_the_weights_of_the_moment(params):
    kept = []
    for one in (lambda one: one, compiled):
        callback = Keeps()
        one(classifier(callbacks=[callback], **params)).fit(TEXTS, LABELS)
        kept.append(callback.kept)
    assert len(kept[0]) == 5
    for states in zip(*kept, strict=True):
        for found, expected in zip(*states, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


class Doubles(keras.callbacks.Callback):
    """Changes a weight after each epoch, and the step size before it."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01 * (epoch + 1)

    def on_epoch_end(self, epoch, logs=None):
        for weight in self.model.get_weights():
            assert np.isfinite(weight).all()
        embeddings = self.model.encoder.embedding.embeddings
        embeddings.assign(2.0 * embeddings)
        self.model.head.bias.assign(self.model.head.bias + 1.0)


def test_callbacks_may_change_the_weights_and_the_step_size():
    params = {"learning_rate_schedule": "constant"}
    assert_trained_as_compiled(lambda: classifier(callbacks=[Doubles()], **params))


@pytest.mark.parametrize(
    "new_callback",
    [
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.01 / (epoch + 1)),
        # No loss falls by so much.
        lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=9.0),
    ],
)
def test_keras_own_callbacks_that_set_the_step_size_work(new_callback):
    def make():
        # Anew, for some versions of Keras' own remember the fit before.
        callbacks = [new_callback()]
        return classifier(learning_rate_schedule="constant", callbacks=callbacks)

    assert_trained_as_compiled(make)
    fitted = make().fit(TEXTS, LABELS)
    assert float(fitted.model_.optimizer.learning_rate) < 0.005


def test_the_log_that_keras_writes_is_of_every_epoch(tmp_path):
    def log_of(estimator, path):
        callbacks = [*(estimator.callbacks or []), keras.callbacks.CSVLogger(path)]
        fitted = estimator.set_params(callbacks=callbacks).fit(TEXTS, LABELS)
        return is_native(fitted), np.genfromtxt(path, delimiter=",", names=True)

    native, log = log_of(classifier(), tmp_path / "native.csv")
    otherwise, expected = log_of(compiled(classifier()), tmp_path / "compiled.csv")
    assert (native, otherwise) == (True, False)
    assert log["epoch"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(log["loss"], expected["loss"], rtol=1e-4)


def test_files_that_keras_writes_while_it_trains_are_of_the_network(tmp_path):
    path = tmp_path / "{epoch}.keras"
    fitted = classifier(callbacks=[keras.callbacks.ModelCheckpoint(path)])
    fitted.fit(TEXTS, LABELS)
    assert not is_native(fitted)
    assert len(list(tmp_path.iterdir())) == 5
    ids = fitted.tokenizer_.transform(TEXTS)
    last = keras.models.load_model(tmp_path / "5.keras")
    np.testing.assert_array_equal(last.predict(ids), fitted.model_.predict(ids))


def test_early_stopping_sees_the_weights_of_the_moment():
    params = {"epochs": 6, "n_iter_no_change": 1, "validation_fraction": 0.2}
    params |= {"early_stopping": True, "learning_rate": 0.02}
    native, expected = (
        one.fit(TEXTS, LABELS)
        for one in (classifier(**params), compiled(classifier(**params)))
    )
    assert is_native(native)
    for name, values in expected.history_.items():
        np.testing.assert_allclose(native.history_[name], values, rtol=1e-3)
    assert native.best_epoch_ == expected.best_epoch_
    assert_alike(native, expected)


class ReadsInTraining(keras.callbacks.Callback):
    """Asks the network after each epoch, with values dropped."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model(np.array([[2, 3, 4]]), training=True)

    def on_epoch_end(self, epoch, logs=None):
        self.model(np.array([[2, 3, 4]]), training=True)


def test_the_best_weights_come_back_whatever_callbacks_read():
    params = {"epochs": 4, "early_stopping": True, "validation_fraction": 0.2}
    params |= {"learning_rate": 0.1, "callbacks": [Keeps(), ReadsInTraining()]}
    # What is learned by heart is of no use for the texts held out.
    y = np.random.RandomState(0).permutation(LABELS)
    fitted = classifier(**params).fit(TEXTS, y)
    kept = fitted.callbacks[0].kept
    assert is_native(fitted)
    assert fitted.best_epoch_ < len(kept)
    best = kept[fitted.best_epoch_ - 1]
    found = fitted.model_.encoder.embedding.vectors
    assert any(np.array_equal(found, one) for one in best)


class Freezes(keras.callbacks.Callback):
    """Freezes the embedding in an epoch, and thaws it in the next."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.model.encoder.embedding.trainable = epoch != self.epoch


@pytest.mark.parametrize("epoch", [0, 2])
def test_layers_that_callbacks_freeze(epoch):
    """What is frozen when training begins stays until its end, as Keras has it."""
    native, expected = classifier(), compiled(classifier())
    for one in (native, expected):
        one.set_params(callbacks=[Freezes(epoch), *(one.callbacks or [])])
        one.fit(TEXTS, LABELS)
    assert is_native(native) == (epoch > 0)
    assert_alike(native, expected)


class Stops(keras.callbacks.Callback):
    """Ends the second epoch early, and training with it."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_epochs_that_end_early_are_seen_whole():
    kept = []
    for one in (lambda one: one, compiled):
        callback = Keeps()
        fitted = one(classifier(callbacks=[Stops(), callback])).fit(TEXTS, LABELS)
        kept.append(callback.kept)
    assert len(kept[0]) == fitted.n_iter_ == 2
    for states in zip(*kept, strict=True):
        for found, expected in zip(*states, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("callbacks", [[], [keras.callbacks.Callback()]])
def test_epochs_of_fewer_batches(callbacks):
    keras.config.set_max_steps_per_epoch(4)
    try:
        assert_trained_as_compiled(lambda: classifier(callbacks=[*callbacks]))
    finally:
        keras.config.set_max_steps_per_epoch(None)


class TrainsOnMore(keras.callbacks.Callback):
    """Trains on a batch of its own after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        ids = np.array([[2, 3, 4], [0, 4, 5]], np.int32)
        targets = np.array([[0.0], [1.0]], np.float32)
        self.model.train_on_batch(ids, targets, np.ones(2, np.float32))


def test_callbacks_may_train_on_batches_of_their_own():
    assert_trained_as_compiled(lambda: classifier(callbacks=[TrainsOnMore()]))


def test_weights_that_were_written_in_parts_are_trained():
    native, expected = (
        one.set_params(warm_start=True).fit(TEXTS, LABELS)
        for one in (classifier(), compiled(classifier()))
    )
    for fitted in (native, expected):
        table = fitted.model_.encoder.embedding.embeddings
        # TensorFlow copies what is assigned to it from then on.
        table.value[3].assign(np.ones(table.shape[1], np.float32))
        fitted.fit(TEXTS, LABELS)
    assert is_native(native)
    assert_alike(native, expected)


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_penalized_weights_that_were_written_in_parts_are_in_the_loss(loss):
    params, fits = {"l2": 0.05, "loss": loss}, []
    for one in (classifier(**params), compiled(classifier(**params))):
        fitted = one.set_params(warm_start=True).fit(TEXTS, LABELS)
        kernel = fitted.model_.encoder.recurrent_layers[0].kernel
        kernel.value[3].assign(np.ones(kernel.shape[1], np.float32))
        fits.append(fitted.fit(TEXTS, LABELS))
    native, expected = fits
    assert is_native(native)
    assert_alike(native, expected)
    np.testing.assert_allclose(
        native.history_["loss"], expected.history_["loss"], rtol=1e-4
    )


def changed(name):
    def change(model):
        if name == "activity_regularizer":
            model.head.activity_regularizer = keras.regularizers.L2(0.1)
        elif name == "activation":
            model.head.activation = keras.activations.tanh
        elif name == "dtype_policy":
            model.head.dtype_policy = "mixed_bfloat16"
        elif name == "noise_shape":
            model.dropout.noise_shape = (None, 1)
        else:
            model.encoder.dropouts[0].noise_shape = (1, 1, None)

    return change


@pytest.mark.parametrize(
    "name",
    [
        "activity_regularizer",
        "activation",
        "dtype_policy",
        "noise_shape",
        "noise_shape between layers",
    ],
)
def test_what_a_user_changes_in_the_network_is_heeded(name):
    params = {"dropout": 0.5, "n_layers": 2}
    native, expected = (
        one.set_params(warm_start=True).fit(TEXTS, LABELS)
        for one in (classifier(**params), compiled(classifier(**params)))
    )
    for fitted in (native, expected):
        changed(name)(fitted.model_)
        # What Keras compiled has the network of before in it.
        fitted.model_.train_function = None
        fitted.fit(TEXTS, LABELS)
    assert not is_native(native)
    # Rounding to bfloat16 takes what differed before farther apart.
    wide = {"rtol": 0.05, "atol": 0.02} if name == "dtype_policy" else {}
    assert_alike(native, expected, **wide)


def pairwise(y_true, y_pred):
    """A loss of texts beside their neighbours."""
    others = tf.range(tf.shape(y_pred)[0])[::-1]
    return tf.square(y_true - y_pred) + tf.square(tf.gather(y_pred, others) - 1.0)


def test_a_loss_may_look_at_several_texts_and_must_look_at_scores():
    assert_trained_as_compiled(lambda: classifier(loss=pairwise))
    with pytest.raises(ValueError, match="does not depend on the scores"):
        classifier(loss=lambda y_true, y_pred: tf.square(y_true)).fit(TEXTS, LABELS)


def test_what_others_hold_of_the_weights_stays():
    fitted = classifier(warm_start=True).fit(TEXTS, LABELS)
    held, copies = [], []
    for _ in range(3):
        for variable in fitted.model_.weights:
            # TensorFlow's tensor is the variable's memory, until that is written.
            held.append(tf.convert_to_tensor(variable.value))
            copies.append(variable.value.numpy())
        fitted.fit(TEXTS, LABELS)
        assert is_native(fitted)
    # And by an update of what Keras compiles.
    compiled(fitted).partial_fit(TEXTS[:4], LABELS[:4])
    assert not is_native(fitted)
    for one, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(one, copy)


class Fails(keras.losses.BinaryCrossentropy):
    """Fails within an epoch, when it was called so many times."""

    left = 0

    def call(self, y_true, y_pred):
        def count():
            Fails.left -= 1
            if Fails.left == 0:
                raise ValueError("broken off")

        with tf.control_dependencies([tf.numpy_function(count, [], [])]):
            return super().call(tf.identity(y_true), tf.identity(y_pred))


def test_a_fit_that_fails_is_undone():
    params = {"loss": Fails(from_logits=True), "warm_start": True}
    fitted, other = (classifier(**params).fit(TEXTS, LABELS) for _ in range(2))
    assert is_native(fitted)
    before = fitted.model_.get_state()
    Fails.left = 20
    with pytest.raises(tf.errors.InvalidArgumentError, match="broken off"):
        fitted.fit(TEXTS, LABELS)
    assert Fails.left == 0
    for found, expected in zip(fitted.model_.get_state(), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_same_model(*(one.fit(TEXTS, LABELS) for one in (fitted, other)))


def test_a_fitted_encoder_stands_in_another_model():
    fitted = classifier().fit(TEXTS, LABELS)
    assert is_native(fitted)
    encoder = fitted.model_.encoder
    before = encoder.embedding.vectors
    model = keras.Sequential([encoder, keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    ids = np.array([[2, 3, 4], [0, 4, 5]])
    model.fit(ids, np.ones((2, 1)), verbose=0)
    assert (encoder.embedding.vectors != before).any()
