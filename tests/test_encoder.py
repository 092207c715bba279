"""The encoder: the order and directions of its layers, its poolings, what it drops."""

import numpy as np
import pytest
from twins import keras_weights

from skrnn._keras import keras
from skrnn.encoder import SequenceEncoder

N_IDS, EMBEDDING_SIZE, HIDDEN_SIZE = 30, 5, 4


def an_encoder(**parameters):
    defaults = {
        "vocabulary_size": N_IDS,
        "embedding_size": EMBEDDING_SIZE,
        "hidden_size": HIDDEN_SIZE,
        "cell": "gru",
        "n_layers": 1,
        "bidirectional": False,
        "learn_initial_state": False,
        "gate_activation": "sigmoid",
        "pooling": "last",
        "embedding_dropout": 0.0,
        "dropout": 0.0,
        "l2": 0.0,
        "precision": "float32",
        "seed": 0,
    }
    encoder = SequenceEncoder(**{**defaults, **parameters})
    encoder.build((None, None))
    return encoder


def hidden_states_of_keras(encoder, ids):
    """Hidden states of the top layer, shape (texts, steps, width), by Keras' layers."""
    kind = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    config, layers = encoder.get_config(), iter(encoder.recurrent_layers)
    hidden = encoder.embedding.vectors[ids]
    for _ in range(config["n_layers"]):
        # cuDNN is less exact.
        layer = kind[config["cell"]](
            HIDDEN_SIZE, return_sequences=True, use_cudnn=False
        )
        weights = keras_weights(next(layers))
        if config["bidirectional"]:
            layer = keras.layers.Bidirectional(layer)
            weights += keras_weights(next(layers))
        layer.build(hidden.shape)
        layer.set_weights(weights)
        hidden = layer(hidden)
    return keras.ops.convert_to_numpy(hidden)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_ids_may_be_floats_as_the_inputs_of_keras_are(cell):
    encoder = an_encoder(cell=cell, hidden_size=32)
    ids = np.array([[0, 2, 3], [4, 5, 6]])
    network = keras.Model(inputs := keras.Input((None,)), encoder(inputs))
    np.testing.assert_allclose(network(ids.astype(np.float32)), encoder(ids), rtol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "concat"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_representations_are_those_of_keras_layers(
    cell, n_layers, bidirectional, pooling
):
    encoder = an_encoder(
        cell=cell, n_layers=n_layers, bidirectional=bidirectional, pooling=pooling
    )
    draw = np.random.RandomState(0)
    for weight in encoder.trainable_variables:
        weight.assign(draw.normal(0.0, 0.7, weight.shape))
    ids = draw.randint(1, N_IDS, size=(3, 6))
    hidden = hidden_states_of_keras(encoder, ids)
    expected = []
    for first in range(0, hidden.shape[-1], HIDDEN_SIZE):
        of_direction = hidden[:, :, first : first + HIDDEN_SIZE]
        poolings = {
            # What reads from the end has read all at the first token.
            "last": of_direction[:, 0 if first else -1],
            "mean": of_direction.mean(axis=1),
            "max": of_direction.max(axis=1),
        }
        expected += poolings.values() if pooling == "concat" else [poolings[pooling]]
    represented = keras.ops.convert_to_numpy(encoder(ids))
    np.testing.assert_allclose(
        represented, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dropped", ["embedding_dropout", "dropout"])
def test_a_text_has_one_mask_for_all_its_steps(dropped):
    size, n_texts = 32, 24
    encoder = an_encoder(
        **{dropped: 0.25},
        cell="simple",
        n_layers=2,
        pooling="mean",
        embedding_size=size,
        hidden_size=size,
    )
    # Layers that hand on what they are given: tanh(x) is x where x is small.
    for layer in encoder.recurrent_layers:
        layer.kernel.assign(np.eye(size))
        layer.recurrent_kernel.assign(np.zeros((size, size)))
    # Tensors, as PyTorch's are not multiplied by arrays.
    small = keras.ops.full((7, n_texts, size), 1e-3)
    padding = keras.ops.zeros((7, n_texts), "bool")

    def read(training):
        pooled = encoder.read(small, padding, training=training)
        return keras.ops.convert_to_numpy(pooled) / 1e-3

    np.testing.assert_allclose(read(training=False), 1, rtol=1e-4)
    factors = read(training=True)
    kept = factors > 0.5
    # Masks of each step would leave means in between.
    np.testing.assert_allclose(factors, np.where(kept, 4 / 3, 0.0), rtol=1e-4)
    assert abs(kept.mean() - 0.75) < 0.05
    assert len(np.unique(kept, axis=0)) == n_texts
    assert not np.array_equal(read(training=True), factors)
