"""Moves of an embedding that are put off until a row is read."""

import pickle

import keras
import numpy as np
import pytest
from corpus import LABELS, TEXTS, TINY, assert_same_model
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels import needs_kernels

import skrnn.native.adam
from skrnn import RNNTextClassifier
from skrnn._keras import ON_TENSORFLOW
from skrnn.optimizers import Adam

if ON_TENSORFLOW:
    import tensorflow as tf

pytestmark = needs_kernels


def classifier(**params):
    """One whose fit takes enough updates to put moves off: a text each."""
    more = {"batch_size": 1, "epochs": 5, "hidden_size": 32, "learning_rate": 0.01}
    return RNNTextClassifier(**TINY | more | params)


def dense(**params):
    """The same by Keras' own Adam, which moves all rows at each update."""
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    return classifier(optimizer=optimizer, **params)


def puts_off(fitted):
    """Whether the last training put moves off."""
    return fitted.model_.defers_moves


@pytest.fixture
def calls(monkeypatch):
    """For each call that moves rows, whether it moved all of them."""
    calls, move_rows = [], skrnn.native.adam.move_rows

    def noted(*arrays, ids, **given):
        calls.append(ids is None)
        return move_rows(*arrays, ids=ids, **given)

    monkeypatch.setattr(skrnn.native.adam, "move_rows", noted)
    return calls


def dense_adam(table, updates, *, betas, epsilon):
    """Give a table and its averages after updates, each row moved at each of them."""
    beta_1, beta_2 = betas
    table, momentum, velocity = np.array([table, 0 * table, 0 * table], np.float64)
    for step, (rows, slopes, learning_rate) in enumerate(updates, 1):
        slope = np.zeros_like(table)
        slope[rows] = slopes
        momentum = beta_1 * momentum + (1 - beta_1) * slope
        velocity = beta_2 * velocity + (1 - beta_2) * slope**2
        size = learning_rate * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        table = table - size * momentum / (np.sqrt(velocity) + epsilon)
    return table, momentum, velocity


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 300),
    n_rows=st.integers(1, 150),
    n_updates=st.integers(1, 60),
    betas=st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99), (0.99, 0.9)]),
    epsilon=st.sampled_from([1e-7, 1e-3]),
    catches_up_at=st.integers(0, 60),
    puts_off_at=st.integers(0, 60),
    seed=st.integers(0, 2**31),
)
# A row that is read once, and then never for long.
@example(8, 100, 900, (0.9, 0.999), 1e-7, 800, 800, 0)
def test_moves_are_those_of_adam(
    width, n_rows, n_updates, betas, epsilon, catches_up_at, puts_off_at, seed
):
    draw = np.random.RandomState(seed)
    table = keras.Variable(draw.normal(size=(n_rows, width)).astype(np.float32))
    start = keras.ops.convert_to_numpy(table)
    optimizer = Adam(0.1, beta_1=betas[0], beta_2=betas[1], epsilon=epsilon)
    optimizer.build([table])
    deferred = optimizer.defer_moves(table)
    updates = []
    deferred.put_off()
    for step in range(n_updates):
        ids = draw.randint(n_rows, size=(draw.randint(1, 4), 2)).astype(np.int32)
        vectors, positions = deferred.look_up(tf.constant(ids))
        so_far = dense_adam(start, updates, betas=betas, epsilon=epsilon)
        found = tf.gather(vectors, positions)
        np.testing.assert_allclose(found, so_far[0][ids], rtol=1e-4, atol=1e-4)
        assert len(vectors) == len(np.unique(ids))
        rows = np.zeros(len(vectors), np.int32)
        rows[positions.numpy()] = ids
        # Slopes of very different size, and steps that grow and shrink.
        slopes = draw.normal(size=vectors.shape) * 10.0 ** draw.randint(-4, 3)
        slopes = slopes.astype(np.float32)
        learning_rate = 0.01 * draw.uniform()
        updates.append((rows, slopes, learning_rate))
        deferred.update(
            tf.IndexedSlices(slopes, rows, table.shape),
            step=step + 1,
            learning_rate=learning_rate,
        )
        if step == catches_up_at:
            deferred.catch_up()
        if step == puts_off_at:
            deferred.put_off()
    deferred.catch_up()
    expected = dense_adam(start, updates, betas=betas, epsilon=epsilon)
    assert_close_to_dense(optimizer, table, expected)


def assert_close_to_dense(optimizer, table, expected):
    for variable, value in zip(
        [table, *optimizer.variables[2:]], expected, strict=True
    ):
        found = keras.ops.convert_to_numpy(variable)
        scale = np.abs(value).max()
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-4 * scale)


def assert_alike(one, other):
    """Check that two networks and their optimizers are equal but for rounding."""
    states = [fitted.model_.get_state() for fitted in (one, other)]
    for found, expected in zip(*states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bidirectional": True, "n_layers": 2},
        # By TensorFlow's loop.
        {"cell": "lstm", "hidden_size": 8, "pooling": "mean"},
        {"embedding_size": 3, "embedding_dropout": 0.0},
        {"compile__run_eagerly": True},
        # Too few updates.
        {"epochs": 2},
    ],
)
def test_a_fit_is_that_of_adam_of_keras(params):
    put_off, expected = (
        one(**params).fit(TEXTS, LABELS) for one in (classifier, dense)
    )
    assert puts_off(put_off) == (params.get("epochs") != 2)
    assert not puts_off(expected)
    assert_alike(put_off, expected)


def test_all_rows_are_moved_once_a_fit_or_an_epoch(calls):
    classifier().fit(TEXTS, LABELS)
    # Read and moved at each of 80 updates, and all together at the end.
    assert len(calls) == 161
    assert np.flatnonzero(calls).tolist() == [160]
    calls.clear()
    classifier(epochs=2, callbacks=[Keeps()]).fit(**MANY)
    assert np.flatnonzero(calls).tolist() == [128, 257]
    calls.clear()
    # Too few updates in a row.
    classifier(epochs=3).fit(TEXTS, LABELS)
    classifier(callbacks=[Keeps()]).fit(TEXTS, LABELS)
    assert not calls


def test_few_updates_are_the_same_after_many_and_from_a_file():
    one = classifier(warm_start=True).fit(TEXTS, LABELS)
    other = pickle.loads(pickle.dumps(one))
    for fitted in (one, other):
        fitted.partial_fit(TEXTS, LABELS)
        assert not puts_off(fitted)
    assert_same_model(one, other)


def test_nothing_is_traced_again_for_parts_of_many_and_of_few():
    fitted = classifier().fit(TEXTS, LABELS)
    of_many, of_few = (TEXTS * 4, [*LABELS] * 4), (TEXTS, LABELS)
    compiled = []
    for part in (of_many, of_few) * 2:
        fitted.partial_fit(*part)
        assert puts_off(fitted) == (part is of_many)
        compiled.append(fitted.model_.train_function)
    assert compiled[0] is compiled[2]
    assert compiled[1] is compiled[3]
    assert compiled[0] is not compiled[1]


def test_a_rule_that_was_changed_is_heeded():
    fits = []
    for one in (classifier, dense):
        fitted = one(warm_start=True).fit(TEXTS, LABELS)
        optimizer = fitted.model_.optimizer
        optimizer.beta_1, optimizer.epsilon = 0.5, 0.01
        # What Keras compiled for its own has the old ones in it.
        fitted.model_.train_function = None
        fits.append(fitted.fit(TEXTS, LABELS))
    assert puts_off(fits[0])
    assert_alike(*fits)


@pytest.mark.parametrize(
    "clipping",
    [{"clipnorm": 0.01}, {"clipvalue": 0.001}, {"global_clipnorm": 0.01}, {}],
)
def test_gradients_are_clipped_as_keras_does(clipping):
    put_off = classifier(
        clipnorm=None, **{f"optimizer__{name}": most for name, most in clipping.items()}
    ).fit(TEXTS, LABELS)
    optimizer = keras.optimizers.Adam(0.01, **clipping)
    assert puts_off(put_off)
    assert_alike(put_off, classifier(optimizer=optimizer).fit(TEXTS, LABELS))


@pytest.mark.parametrize(
    "asked",
    [
        {"amsgrad": True},
        {"weight_decay": 0.1},
        {"use_ema": True},
        {"gradient_accumulation_steps": 2},
        {"loss_scale_factor": 2.0},
    ],
)
def test_where_more_is_asked_of_adam_nothing_is_put_off(asked):
    params = {f"optimizer__{name}": value for name, value in asked.items()}
    fitted = classifier(**params).fit(TEXTS, LABELS)
    assert not puts_off(fitted)
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=1.0, **asked)
    assert_alike(fitted, classifier(optimizer=optimizer).fit(TEXTS, LABELS))


class Keeps(keras.callbacks.Callback):
    """Keeps the embedding as it is after each epoch."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def keep(self):
        self.kept.append(self.model.encoder.embedding.vectors)

    def on_epoch_end(self, epoch, logs=None):
        self.keep()


class KeepsEach(Keeps):
    """And after each update."""

    def on_train_batch_end(self, batch, logs=None):
        self.keep()


class Doubles(keras.callbacks.Callback):
    """Changes the embedding after each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        embeddings = self.model.encoder.embedding.embeddings
        embeddings.assign(2.0 * embeddings)


# Of updates in a row that nobody looks at there must be enough.
MANY = {"X": TEXTS * 4, "y": list(LABELS) * 4}


@pytest.mark.parametrize("kind", [Keeps, KeepsEach])
def test_callbacks_see_the_weights_of_the_moment(kind):
    seen = []
    for one in (classifier, dense):
        callback = kind()
        fitted = one(epochs=2, callbacks=[callback]).fit(**MANY)
        assert puts_off(fitted) == (one is classifier and kind is Keeps)
        seen.append(callback.kept)
    assert len(seen[0]) == (2 if kind is Keeps else 2 * 64 + 2)
    np.testing.assert_allclose(*seen, rtol=1e-3, atol=1e-4)


def test_callbacks_may_change_the_weights():
    put_off, expected = (
        one(epochs=2, callbacks=[Doubles()]).fit(**MANY) for one in (classifier, dense)
    )
    assert puts_off(put_off)
    assert_alike(put_off, expected)


def test_early_stopping_sees_the_weights_of_the_moment():
    params = {"epochs": 6, "n_iter_no_change": 1, "validation_fraction": 0.2}
    params |= {"early_stopping": True, "learning_rate": 0.03}
    put_off, expected = (
        classifier(**params, **more).fit(**MANY)
        for more in ({}, {"optimizer": keras.optimizers.Adam})
    )
    assert puts_off(put_off)
    assert not puts_off(expected)
    for name, values in expected.history_.items():
        np.testing.assert_allclose(put_off.history_[name], values, rtol=1e-3)
    assert put_off.best_epoch_ == expected.best_epoch_
    assert_alike(put_off, expected)


def test_fits_repeat_go_on_and_travel():
    one, other = (classifier(warm_start=True).fit(TEXTS, LABELS) for _ in range(2))
    assert puts_off(one)
    assert_same_model(one, other)
    travelled = pickle.loads(pickle.dumps(one))
    for fitted in (one, other, travelled):
        fitted.fit(TEXTS, LABELS)
        assert puts_off(fitted)
        # A few updates more, which put nothing off.
        fitted.partial_fit(TEXTS[:8], LABELS[:8])
        assert not puts_off(fitted)
    assert_same_model(one, other)
    assert_same_model(one, travelled)


def test_a_frozen_embedding_stays():
    fitted = classifier(warm_start=True).fit(TEXTS, LABELS)
    before = fitted.model_.encoder.embedding.vectors
    fitted.model_.encoder.embedding.trainable = False
    fitted.fit(TEXTS, LABELS)
    assert not puts_off(fitted)
    np.testing.assert_array_equal(fitted.model_.encoder.embedding.vectors, before)


def test_what_others_hold_of_the_weights_stays():
    fitted = classifier(warm_start=True, epochs=8).fit(TEXTS, LABELS)
    table = fitted.model_.encoder.embedding.embeddings
    held, copies = [], []
    for _ in range(3):
        # TensorFlow's tensor is the variable's memory, until that is written.
        held.append(tf.convert_to_tensor(table.value))
        copies.append(np.array(table.value))
        fitted.fit(TEXTS, LABELS)
        assert puts_off(fitted)
        assert np.abs(table.value - copies[-1]).max() > 0
    # And by an update that moves all rows.
    fitted.partial_fit(TEXTS[:4], LABELS[:4])
    assert not puts_off(fitted)
    for one, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(one, copy)


class Interrupted(keras.losses.BinaryCrossentropy):
    """Broken off within an epoch, when it was called so many times."""

    left = 0

    def call(self, y_true, y_pred):
        Interrupted.left -= 1
        if Interrupted.left == 0:
            raise KeyboardInterrupt
        return super().call(y_true, y_pred)


def test_a_fit_that_is_broken_off_is_undone():
    # Eagerly the loss is called at each of 80 updates.
    params = {"loss": Interrupted(from_logits=True), "compile__run_eagerly": True}
    fitted, other = (
        classifier(**params, warm_start=True).fit(TEXTS, LABELS) for _ in range(2)
    )
    assert puts_off(fitted)
    before = fitted.model_.get_state()
    Interrupted.left = 50
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(TEXTS, LABELS)
    assert Interrupted.left == 0
    for found, expected in zip(fitted.model_.get_state(), before, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_alike(*(one.fit(TEXTS[:12], LABELS[:12]) for one in (fitted, other)))


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
    y = np.random.RandomState(0).permutation(MANY["y"])
    fitted = classifier(**params).fit(MANY["X"], y)
    callback = fitted.callbacks[0]
    assert puts_off(fitted)
    assert fitted.best_epoch_ < len(callback.kept)
    found = fitted.model_.encoder.embedding.vectors
    np.testing.assert_array_equal(found, callback.kept[fitted.best_epoch_ - 1])


def test_a_fitted_encoder_stands_in_another_model():
    fitted = classifier().fit(TEXTS, LABELS)
    assert puts_off(fitted)
    encoder = fitted.model_.encoder
    model = keras.Sequential([encoder, keras.layers.Dense(1)])
    # By itself our Adam puts nothing off.
    model.compile(optimizer=Adam(0.01, global_clipnorm=1.0), loss="mse")
    ids = np.array([[2, 3, 4], [0, 4, 5]])
    with tf.GradientTape() as tape:
        scores = model(ids, training=True)
    gradient = tape.gradient(scores, encoder.embedding.embeddings.value)
    assert isinstance(gradient, tf.Tensor)
    model.fit(ids, np.ones((2, 1)), verbose=0)


def test_gradients_of_rows_of_other_layers_are_taken_whole():
    """As those of Keras' own embedding, where a row may be there twice."""
    ids, targets = np.array([[1, 2, 2], [3, 2, 1]]), np.ones((2, 1))
    found = []
    for kind in (Adam, keras.optimizers.Adam):
        keras.utils.set_random_seed(0)
        layers = [keras.layers.Embedding(5, 4), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile(optimizer=kind(0.1, global_clipnorm=0.1), loss="mse")
        model.fit(ids, targets, epochs=3, verbose=0)
        found.append(np.concatenate([one.ravel() for one in model.get_weights()]))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)


def test_what_else_is_asked_of_the_embedding_is_heeded():
    fitted = classifier(warm_start=True).fit(TEXTS, LABELS)
    table = fitted.model_.encoder.embedding.embeddings
    table.constraint = keras.constraints.MaxNorm(0.01, axis=1)
    fitted.fit(TEXTS, LABELS)
    assert not puts_off(fitted)
    norms = np.linalg.norm(fitted.model_.encoder.embedding.vectors, axis=1)
    assert norms.max() < 0.0101


def test_ids_that_there_are_no_rows_of_are_refused():
    fitted = classifier().fit(TEXTS, LABELS)
    table = fitted.model_.encoder.embedding.embeddings
    deferred = fitted.model_.optimizer.defer_moves(table)
    for ids in ([-1, 3], [2, table.shape[0]]):
        with pytest.raises(
            ValueError, match=r"The table has rows 0 to 12; ids run from"
        ):
            deferred.look_up(tf.constant(ids))


@pytest.mark.parametrize("eagerly", [True, False])
def test_an_update_by_itself_moves_the_variables(eagerly, calls):
    """As by whoever trains the network's batches on their own."""
    ids = np.array([[2, 3, 4], [0, 4, 5]], np.int32)
    # As a fit hands them over, so that what was compiled for it is called.
    batch = ids, np.array([[0.0], [1.0]], np.float32), np.ones(2, np.float32)
    states = []
    for one in (classifier, dense):
        fitted = one(compile__run_eagerly=eagerly).fit(TEXTS, LABELS)
        assert puts_off(fitted) == (one is classifier)
        calls.clear()
        for _ in range(3):
            fitted.model_.train_on_batch(*batch)
        # Each time a move, and then all there are: none is put off.
        assert calls == ([False, True] * 3 if puts_off(fitted) and not eagerly else [])
        states.append(fitted.model_.get_state())
    for found, expected in zip(*states, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
