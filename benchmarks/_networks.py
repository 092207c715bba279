"""The networks that the benchmarks compare, and ids for them to read."""

import logging

import numpy as np

from skrnn._keras import keras
from skrnn.network import build_network
from skrnn.optimizers import OPTIMIZERS
from skrnn.sequences import N_RESERVED_IDS, Sequences

# TensorFlow warns that models are traced anew, where each of several is traced once.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

VOCABULARY_SIZE = 20_000


def draw_sequences(n_texts, n_steps, seed=0):
    """Draw texts of the same length, whose ids repeat as words do.

    The share of an id falls as one over its rank, as in Zipf's law: how often ids
    repeat decides how much the embedding's gradient has to sum.
    """
    share = 1 / np.arange(1, VOCABULARY_SIZE - N_RESERVED_IDS + 1)
    draw = np.random.default_rng(seed)
    ids = N_RESERVED_IDS + draw.choice(
        len(share), n_texts * n_steps, p=share / share.sum()
    )
    return Sequences.from_lengths(ids, [n_steps] * n_texts)


def draw_targets(n_texts, seed=0):
    """Draw a column of 0 and 1, so that there is nothing to be learned by heart."""
    return np.random.default_rng(seed).integers(2, size=(n_texts, 1)).astype(np.float32)


def compile_arguments(adam, learning_rate=0.001):
    return {
        "optimizer": adam(learning_rate, global_clipnorm=1.0),
        "loss": keras.losses.BinaryCrossentropy(from_logits=True),
    }


def our_network(embedding_size, hidden_size, *, gate="hard_sigmoid", precision):
    """Build the network that the stock one of the same sizes is most like.

    Its optimizer is the estimators', whose rule is Keras'.
    """
    return build_network(
        compile_arguments=compile_arguments(OPTIMIZERS["adam"]),
        head={
            "n_outputs": 1,
            "activation": "sigmoid",
            "dropout": 0.0,
            "l2": 0.0,
            "seed": 0,
        },
        encoder={
            "vocabulary_size": VOCABULARY_SIZE,
            "embedding_size": embedding_size,
            "hidden_size": hidden_size,
            "cell": "gru",
            "n_layers": 1,
            "bidirectional": False,
            "learn_initial_state": False,
            "gate_activation": gate,
            "pooling": "last",
            "embedding_dropout": 0.0,
            "dropout": 0.0,
            "l2": 0.0,
            "precision": precision,
            "seed": 0,
        },
    )


def fit_our_network(model, sequences, targets, batch_size, epochs=1):
    model.fit(
        sequences,
        targets,
        sample_weight=np.ones(len(sequences), np.float32),
        batch_size=batch_size,
        random_state=np.random.RandomState(0),
        decay=False,
        epochs=epochs,
        verbose=0,
    )


def stock_network(
    embedding_size, hidden_size, *, learning_rate=0.001, masked=True, dtype="float32"
):
    """Build and compile what one writes with Keras' own layers."""
    model = keras.Sequential(
        [
            keras.layers.Embedding(
                VOCABULARY_SIZE, embedding_size, mask_zero=masked, dtype=dtype
            ),
            keras.layers.GRU(hidden_size, dtype=dtype),
            # Keras advises float32 for a network's output.
            keras.layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile(**compile_arguments(keras.optimizers.Adam, learning_rate))
    return model
