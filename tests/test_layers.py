"""The recurrent layers against Keras' own, and their pooling against NumPy."""

import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twins import keras_weights

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.cells import CELLS, GRU, LSTM, SimpleRecurrent
from skrnn.gates import GATES
from skrnn.implementation import choose_implementation, jit_compile
from skrnn.pooling import pool
from skrnn.recurrent import BlockOrthogonal
from skrnn.sequences import Sequences

N_FEATURES, SIZE = 5, 4

NO_CHOICE_ON_JAX = "XLA compiles all layers there, on a GPU or not"

BACKEND = keras.backend.backend()

# On JAX and PyTorch keras.ops takes tanh and sigmoid of float64 in float32.
OF_FLOAT64 = (
    {"rtol": 1e-10, "atol": 1e-12} if ON_TENSORFLOW else {"rtol": 1e-5, "atol": 1e-6}
)

on_tensorflow = pytest.mark.skipif(
    not ON_TENSORFLOW,
    reason="about what TensorFlow may choose from to run the layers",
)

# A simple cell has no gate.
CELLS_AND_GATES = [
    (cell, gate)
    for cell in CELLS
    for gate in (GATES if CELLS[cell] is not SimpleRecurrent else ["sigmoid"])
]

lengths = st.lists(st.integers(0, 7), min_size=1, max_size=6)


def a_layer(kind, **parameters):
    """A layer whose weights are drawn, the biases too."""
    layer = a_new_layer(kind, **parameters)
    draw = np.random.RandomState(1)
    for weight in layer.trainable_variables:
        weight.assign(draw.normal(0.0, 0.7, weight.shape))
    return layer


def a_new_layer(kind, size=SIZE, **parameters):
    defaults = {
        "gate_activation": "sigmoid",
        "learn_initial_state": False,
        "reverse": False,
        "l2": 0.0,
        "precision": "float32",
        "implementation": "loop",
        "seed": 0,
    }
    layer = kind(size, **{**defaults, **parameters})
    layer.build((None, None, N_FEATURES))
    return layer


def twin(layer):
    """Keras' own layer with the same weights."""
    kind = {
        GRU: keras.layers.GRU,
        LSTM: keras.layers.LSTM,
        SimpleRecurrent: keras.layers.SimpleRNN,
    }
    # cuDNN is less exact, and on JAX it gives an LSTM's steps the other way round.
    without_cudnn = {} if type(layer) is SimpleRecurrent else {"use_cudnn": False}
    own = kind[type(layer)](
        layer.size, return_sequences=True, go_backwards=layer.reverse, **without_cudnn
    )
    own.build((None, None, N_FEATURES))
    own.set_weights(keras_weights(layer))
    return own


def inputs(lengths, dtype="float32", seed=0):
    """Left-padded random inputs and their padding, steps first."""
    sequences = Sequences.from_lists([[1] * length for length in lengths])
    padding = sequences.padded().T == 0
    draw = np.random.RandomState(seed)
    return draw.normal(size=(*padding.shape, N_FEATURES)).astype(dtype), padding


def compiled(function, implementation="loop"):
    """As it runs in a compiled model."""
    if ON_TENSORFLOW:
        import tensorflow as tf

        return tf.function(
            function,
            autograph=False,
            reduce_retracing=True,
            jit_compile=jit_compile(implementation),
        )
    if BACKEND == "torch":
        return function
    import jax

    return jax.jit(function)


def run(layer, x, padding, training=False):
    function = compiled(
        lambda x, padding: layer(x, padding, training=training), layer.implementation
    )
    return keras.ops.convert_to_numpy(function(x, padding))


def gradients(function, variables, x, implementation="loop", size=SIZE):
    """Gradients of an arbitrary function of the hidden states.

    Those of the inputs first, then those of the variables.
    """

    def loss(hidden):
        size = int(np.prod(hidden.shape))
        waves = np.cos(np.arange(size)).reshape(hidden.shape)
        return keras.ops.sum(hidden * keras.ops.convert_to_tensor(waves, x.dtype))

    if ON_TENSORFLOW:
        import tensorflow as tf

        def differentiate(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(tf.ensure_shape(function(x), (*x.shape[:2], size)))
            return tape.gradient(value, [x, *(one.value for one in variables)])

        differentiate = compiled(differentiate, implementation)
        return [one.numpy() for one in differentiate(tf.constant(x))]
    if BACKEND == "torch":
        import torch

        leaf = keras.ops.convert_to_tensor(x).detach().requires_grad_()
        leaves = [leaf, *(one.value for one in variables)]
        found = torch.autograd.grad(loss(function(leaf)), leaves)
        return list(map(keras.ops.convert_to_numpy, found))
    import jax

    def differentiated(x, values):
        pairs = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=pairs):
            return loss(function(x))

    values = [one.value for one in variables]
    of_x, of_variables = jax.jit(jax.grad(differentiated, argnums=(0, 1)))(x, values)
    return [np.asarray(one) for one in (of_x, *of_variables)]


def text_by_text(own, x, padding, *, reverse):
    """What Keras' layer maps texts to, each on its own and without padding."""
    columns = []
    for i in range(x.shape[1]):
        n_padded = int(padding[:, i].sum())
        hidden = keras.ops.zeros((n_padded, own.units), x.dtype)
        if n_padded < len(padding):
            states = own(x[n_padded:, i][None])[0]
            states = keras.ops.flip(states, axis=0) if reverse else states
            hidden = keras.ops.concatenate([hidden, states])
        columns.append(hidden)
    return keras.ops.stack(columns, axis=1)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS.values())
@settings(max_examples=8)
@given(lengths=lengths)
@example(lengths=[1])
@example(lengths=[0])
@example(lengths=[0, 3])
def test_hidden_states_are_those_of_keras(kind, reverse, training, lengths):
    layer = a_layer(kind, reverse=reverse)
    x, padding = inputs(lengths)
    expected = text_by_text(twin(layer), x, padding, reverse=reverse)
    hidden = run(layer, x, padding, training)
    present = ~padding
    np.testing.assert_allclose(
        hidden[present],
        keras.ops.convert_to_numpy(expected)[present],
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS.values())
@settings(max_examples=4)
@given(lengths=lengths)
@example(lengths=[1])
@example(lengths=[2, 0, 5])
def test_gradients_are_those_of_keras(kind, reverse, lengths):
    layer = a_layer(kind, reverse=reverse)
    x, padding = inputs(lengths)
    own = twin(layer)
    own_variables = own.trainable_variables
    if not any(lengths):
        return  # Keras' layer is then given nothing
    present = keras.ops.convert_to_tensor(~padding[:, :, None], "float32")
    got = gradients(
        lambda x: layer(x, padding, training=True) * present,
        layer.trainable_variables,
        x,
    )
    expected = gradients(
        lambda x: text_by_text(own, x, padding, reverse=reverse), own_variables, x
    )
    if kind is GRU:
        kernel, recurrent_kernel, biases = expected[1:]
        expected = [expected[0], kernel, recurrent_kernel, biases[0], biases[1, -SIZE:]]
    for one, other in zip(got, expected, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * scale)


def step_by_step(layer, x, padding):
    """Hidden states by the layer's own step, with nothing taken out of the loop."""
    ops = keras.ops
    states = [ops.zeros((x.shape[1], SIZE), x.dtype)] * layer.n_states
    if layer.learn_initial_state:
        states = [
            one + weight
            for one, weight in zip(states, layer.initial_states, strict=True)
        ]
    steps = range(len(padding))
    hidden = {}
    for t in reversed(steps) if layer.reverse else steps:
        u = ops.split(ops.matmul(states[0], layer.recurrent_kernel), layer.n_blocks, -1)
        if layer.reset_after:
            u[-1] = u[-1] + layer.recurrent_bias
        own, _ = layer.advance(
            states,
            ops.split(ops.matmul(x[t], layer.kernel) + layer.bias, layer.n_blocks, -1),
            u,
            ops.zeros((x.shape[1], 1), x.dtype),
        )
        present = ~padding[t, :, None]
        states = [
            ops.where(present, new, old) for new, old in zip(own, states, strict=True)
        ]
        hidden[t] = states[0]
    return ops.stack([hidden[t] for t in steps], axis=0)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("cell", "gate_activation"), CELLS_AND_GATES)
def test_gradients_are_those_of_automatic_differentiation(
    cell, gate_activation, reverse, learn_initial_state, training
):
    layer = a_layer(
        CELLS[cell],
        gate_activation=gate_activation,
        reverse=reverse,
        learn_initial_state=learn_initial_state,
        dtype="float64",
    )
    x, padding = inputs([6, 0, 3, 1], "float64")
    variables = layer.trainable_variables
    for got, expected in zip(
        gradients(lambda x: layer(x, padding, training=training), variables, x),
        gradients(lambda x: step_by_step(layer, x, padding), variables, x),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, **OF_FLOAT64)


@pytest.mark.skipif(BACKEND == "jax", reason=NO_CHOICE_ON_JAX)
@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("cell", "gate_activation"), CELLS_AND_GATES)
def test_what_runs_on_a_gpu_gives_the_same(
    cell, gate_activation, reverse, learn_initial_state, monkeypatch
):
    # Keras' layer, which is cuDNN's kernel there, and XLA run on a processor, too.
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: True)
    parameters = {
        "gate_activation": gate_activation,
        "learn_initial_state": learn_initial_state,
    }
    implementation = choose_implementation(
        cell=cell,
        hidden_size=SIZE,
        bidirectional=reverse,
        precision="float32",
        **parameters,
    )
    layer, on_gpu = (
        a_layer(
            CELLS[cell],
            reverse=reverse,
            implementation=one,
            dtype="float64",
            **parameters,
        )
        for one in ("loop", implementation)
    )
    x, padding = inputs([6, 0, 3, 1], "float64")
    np.testing.assert_allclose(
        run(on_gpu, x, padding), run(layer, x, padding), **OF_FLOAT64
    )
    for got, expected in zip(
        *(
            gradients(
                functools.partial(one, padding=padding, training=True),
                one.trainable_variables,
                x,
                one.implementation,
            )
            for one in (on_gpu, layer)
        ),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, **OF_FLOAT64)


@pytest.mark.skipif(BACKEND == "jax", reason=NO_CHOICE_ON_JAX)
def test_cudnn_runs_what_its_kernel_computes(monkeypatch):
    def chosen(**others):
        usual = {
            "cell": "gru",
            "hidden_size": SIZE,
            "gate_activation": "steep_sigmoid",
            "bidirectional": False,
            "learn_initial_state": False,
            "precision": "float32",
        }
        return choose_implementation(**{**usual, **others})

    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: False)
    assert chosen() == "loop"
    monkeypatch.setattr("skrnn.implementation.sees_gpu", lambda: True)
    assert chosen() == "cudnn"
    assert chosen(gate_activation="sigmoid") == "cudnn"
    assert chosen(bidirectional=True, learn_initial_state=True) == "cudnn"
    assert chosen(cell="lstm") == "cudnn"
    rest = "xla" if ON_TENSORFLOW else "loop"
    assert chosen(cell="lstm", bidirectional=True) == rest
    assert chosen(cell="lstm", learn_initial_state=True) == rest
    assert chosen(cell="simple") == rest
    assert chosen(gate_activation="hard_sigmoid") == rest
    assert chosen(precision="bfloat16") == rest


@on_tensorflow
@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_keras_would_give_the_twin_to_cudnn(kind, monkeypatch):
    import tensorflow as tf

    # Keras' layer says so where it is made, if its parameters suit the kernel; nothing
    # else tells on a processor, where it takes another way without a word.
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["a GPU"])
    layer = a_layer(kind, implementation="cudnn")
    assert not layer._twin._layer.supports_jit
    assert not layer.supports_jit


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("learn_initial_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("cell", "gate_activation"), CELLS_AND_GATES)
def test_padding_changes_no_bit(
    cell, gate_activation, reverse, learn_initial_state, training
):
    layer = a_layer(
        CELLS[cell],
        gate_activation=gate_activation,
        reverse=reverse,
        learn_initial_state=learn_initial_state,
        precision="bfloat16",
    )
    x, padding = inputs([4, 4])
    wide_x = np.concatenate([np.full((3, 2, N_FEATURES), 7.0, "float32"), x])
    wide_padding = np.concatenate([np.ones((3, 2), bool), padding])
    hidden = run(layer, x, padding, training)
    wide = run(layer, wide_x, wide_padding, training)
    np.testing.assert_array_equal(wide[3:], hidden)
    if reverse:
        np.testing.assert_array_equal(wide[0], hidden[0])


@pytest.mark.parametrize("kind", CELLS.values())
def test_bfloat16_products_give_nearly_the_same(kind):
    exact, rounded = (
        a_layer(kind, precision=precision) for precision in ("float32", "bfloat16")
    )
    x, padding = inputs([6, 2, 3, 1])
    expected = run(exact, x, padding)
    np.testing.assert_array_equal(run(rounded, x, padding), expected)
    hidden = run(rounded, x, padding, training=True)
    assert hidden.dtype == np.float32
    difference = np.abs(hidden - expected).max()
    assert 0 < difference < 0.05
    got, expected = (
        gradients(
            functools.partial(layer, padding=padding, training=True),
            layer.trainable_variables,
            x,
        )
        for layer in (rounded, exact)
    )
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == np.float32
        assert np.abs(one - other).max() < 0.05 * np.abs(other).max()


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


@pytest.mark.parametrize("gate_activation", GATES)
def test_all_gates_start_half_open(gate_activation):
    for kind in (GRU, LSTM):
        layer = a_new_layer(kind, gate_activation=gate_activation)
        opened = keras.ops.convert_to_numpy(layer.gate(layer.bias))
        np.testing.assert_allclose(opened, 0.5, rtol=1e-6)


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
    tensors = tuple(map(keras.ops.convert_to_tensor, (hidden, padding)))
    for row, length in enumerate(lengths):
        own = hidden[len(hidden) - length :, row]
        expected = {
            "last": hidden[-1, row],
            "mean": own.mean(axis=0) if length else np.zeros(N_FEATURES),
            "max": own.max(axis=0) if length else np.zeros(N_FEATURES),
        }
        expected["concat"] = np.concatenate(list(expected.values()))
        for pooling, vector in expected.items():
            got = pool(*tensors, pooling, reverse=False)
            got = keras.ops.convert_to_numpy(got)[row]
            np.testing.assert_allclose(got, vector, rtol=1e-5, atol=1e-6)


def test_the_last_state_of_a_reversed_layer_is_that_of_the_first_token():
    hidden, padding = inputs([3, 5])
    got = keras.ops.convert_to_numpy(pool(hidden, padding, "last", reverse=True))
    np.testing.assert_array_equal(got, hidden[0])
