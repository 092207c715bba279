"""The recurrent layers against Keras' own, and their pooling against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn._keras import keras
from skrnn.gates import GATES
from skrnn.layers import pool
from skrnn.recurrent import CELLS, GRU, LSTM, BlockOrthogonal, SimpleRecurrent
from skrnn.sequences import Sequences

N_FEATURES, SIZE = 5, 4

lengths = st.lists(st.integers(0, 7), min_size=1, max_size=6)


def a_layer(kind, **parameters):
    defaults = {
        "gate_activation": "sigmoid",
        "learn_initial_state": False,
        "reverse": False,
        "l2": 0.0,
        "seed": 0,
    }
    layer = kind(SIZE, **{**defaults, **parameters})
    layer.build((None, None, N_FEATURES))
    draw = np.random.RandomState(1)
    for weight in layer.trainable_variables:
        weight.assign(draw.normal(0.0, 0.7, weight.shape))
    return layer


def twin(layer):
    """Keras' own layer with the same weights."""
    kind = {
        GRU: keras.layers.GRU,
        LSTM: keras.layers.LSTM,
        SimpleRecurrent: keras.layers.SimpleRNN,
    }
    own = kind[type(layer)](
        SIZE, return_sequences=True, go_backwards=layer.reverse, activation="tanh"
    )
    own.build((None, None, N_FEATURES))
    kernel, recurrent_kernel, bias = (
        keras.ops.convert_to_numpy(weight)
        for weight in (layer.kernel, layer.recurrent_kernel, layer.bias)
    )
    if type(layer) is GRU:
        recurrent_bias = keras.ops.convert_to_numpy(layer.recurrent_bias)
        bias = np.stack([bias, np.r_[np.zeros(2 * SIZE), recurrent_bias]])
    own.set_weights([kernel, recurrent_kernel, bias])
    return own


def inputs(lengths, seed=0):
    """Left-padded random inputs and their padding."""
    sequences = Sequences.from_lists([[1] * length for length in lengths])
    padding = sequences.padded() == 0
    draw = np.random.RandomState(seed)
    return draw.normal(size=(*padding.shape, N_FEATURES)).astype("float32"), padding


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS.values())
@settings(max_examples=15)
@given(lengths=lengths)
def test_hidden_states_are_those_of_keras(kind, reverse, lengths):
    layer = a_layer(kind, reverse=reverse)
    x, padding = inputs(lengths)
    hidden = keras.ops.convert_to_numpy(layer(x, padding))
    own = twin(layer)
    for row, length in enumerate(lengths):
        if length:
            expected = keras.ops.convert_to_numpy(own(x[row : row + 1, -length:]))[0]
            expected = expected[::-1] if reverse else expected
            np.testing.assert_allclose(
                hidden[row, -length:], expected, rtol=1e-5, atol=1e-6
            )


def gradients(function, layer, x):
    """Gradients of an arbitrary function of the hidden states, with TensorFlow."""
    tf = pytest.importorskip(
        "tensorflow", reason="the gradients are taken with TensorFlow's tape"
    )
    x = tf.constant(x)
    weights = [x, *(weight.value for weight in layer.trainable_variables)]
    with tf.GradientTape() as tape:
        tape.watch(x)
        hidden = function(x)
        ramp = tf.reshape(tf.range(tf.size(hidden)), hidden.shape)
        loss = tf.reduce_sum(hidden * tf.cos(tf.cast(ramp, hidden.dtype)))
    return [gradient.numpy() for gradient in tape.gradient(loss, weights)]


def step_by_step(layer, x, padding):
    """Hidden states by the layer's own step, with nothing taken out of the loop."""
    ops = keras.ops
    kernel, bias = layer.recurrent_weights()
    states = [ops.zeros((len(x), SIZE), x.dtype)] * layer.n_states
    if layer.learn_initial_state:
        states = [
            one + weight
            for one, weight in zip(states, layer.initial_states, strict=True)
        ]
    steps = range(x.shape[1])
    hidden = {}
    for t in reversed(steps) if layer.reverse else steps:
        own = layer.advance(
            states,
            ops.matmul(x[:, t], layer.kernel) + layer.bias,
            ops.matmul(states[0], kernel) + bias,
            ops.zeros((len(x), 1), x.dtype),
        )
        present = ~padding[:, t, None]
        states = [
            ops.where(present, new, old) for new, old in zip(own, states, strict=True)
        ]
        hidden[t] = states[0]
    return ops.stack([hidden[t] for t in steps], axis=1)


@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gate_activation", GATES)
@pytest.mark.parametrize("kind", CELLS.values())
def test_gradients_are_those_of_automatic_differentiation(
    kind, gate_activation, reverse, learn_initial_state
):
    layer = a_layer(
        kind,
        gate_activation=gate_activation,
        reverse=reverse,
        learn_initial_state=learn_initial_state,
        dtype="float64",
    )
    x, padding = inputs([6, 0, 3, 1])
    x = x.astype("float64")
    for got, expected in zip(
        gradients(lambda x: layer(x, padding), layer, x),
        gradients(lambda x: step_by_step(layer, x, padding), layer, x),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("gate_activation", GATES)
@pytest.mark.parametrize("kind", CELLS.values())
def test_padding_changes_no_bit(kind, gate_activation, reverse, learn_initial_state):
    layer = a_layer(
        kind,
        gate_activation=gate_activation,
        reverse=reverse,
        learn_initial_state=learn_initial_state,
    )
    x, padding = inputs([4, 4])
    wide_x = np.concatenate([np.full((2, 3, N_FEATURES), 7.0, "float32"), x], axis=1)
    wide_padding = np.concatenate([np.ones((2, 3), bool), padding], axis=1)
    hidden = keras.ops.convert_to_numpy(layer(x, padding))
    wide = keras.ops.convert_to_numpy(layer(wide_x, wide_padding))
    np.testing.assert_array_equal(wide[:, 3:], hidden)
    if reverse:
        np.testing.assert_array_equal(wide[:, 0], hidden[:, 0])


def test_gates_are_what_their_names_say():
    x = np.linspace(-3, 3, 61, dtype="float32")
    got = {
        name: keras.ops.convert_to_numpy(gate(keras.ops.convert_to_tensor(x)))
        for name, gate in GATES.items()
    }
    np.testing.assert_allclose(got["hard_sigmoid"], np.clip(x + 0.5, 0, 1), atol=1e-7)
    np.testing.assert_allclose(
        got["steep_sigmoid"], 1 / (1 + np.exp(-3.75 * x)), rtol=1e-5
    )
    np.testing.assert_allclose(got["sigmoid"], 1 / (1 + np.exp(-x)), rtol=1e-5)


def test_recurrent_kernels_start_orthogonal_block_by_block():
    kernel = keras.ops.convert_to_numpy(BlockOrthogonal(seed=3)((16, 48)))
    for block in np.split(kernel, 3, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(16), atol=1e-5)
    first, second, _ = np.split(kernel, 3, axis=1)
    assert np.abs(first - second).max() > 0.1


@settings(max_examples=30)
@given(lengths=lengths)
def test_pooling_ignores_padding(lengths):
    hidden, padding = inputs(lengths)
    hidden = np.tanh(hidden)
    for row, length in enumerate(lengths):
        own = hidden[row, hidden.shape[1] - length :]
        expected = {
            "last": hidden[row, -1],
            "mean": own.mean(axis=0) if length else np.zeros(N_FEATURES),
            "max": own.max(axis=0) if length else np.zeros(N_FEATURES),
        }
        expected["concat"] = np.concatenate(list(expected.values()))
        for pooling, vector in expected.items():
            got = pool(hidden, padding, pooling, reverse=False)
            got = keras.ops.convert_to_numpy(got)[row]
            np.testing.assert_allclose(got, vector, rtol=1e-5, atol=1e-6)


def test_the_last_state_of_a_reversed_layer_is_that_of_the_first_token():
    hidden, padding = inputs([3, 5])
    got = keras.ops.convert_to_numpy(pool(hidden, padding, "last", reverse=True))
    np.testing.assert_array_equal(got, hidden[:, 0])
