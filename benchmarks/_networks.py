"""The networks that the benchmarks compare, and ids for them to read."""

import numpy as np

from skrnn._keras import keras
from skrnn.network import build_network
from skrnn.optimizers import Adam
from skrnn.sequences import N_RESERVED_IDS, Sequences

# After `skrnn._keras`, which imports it in silence.
import tensorflow as tf  # isort: skip

# It warns that models are traced anew, where each of several is traced once.
tf.get_logger().setLevel("ERROR")

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

    Its optimizer is the estimators': the rule is Keras', taken in one pass.
    """
    return build_network(
        compile_arguments=compile_arguments(Adam),
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


class StockPipeline:
    """What one writes with Keras alone to learn from raw texts of two classes.

    `keras.layers.TextVectorization` learns the vocabulary, then cuts and pads the
    texts, as in Keras' own guides. It leaves signs out, and pads every text to
    `max_length`; None pads to the longest of a batch.
    """

    def __init__(self, embedding_size, hidden_size, *, max_length, batch_size=64):
        self.sizes = (embedding_size, hidden_size)
        self.max_length = max_length
        self.batch_size = batch_size

    def fit(self, texts, targets):
        """Train one epoch, on the texts in their order."""
        self.vectorize = keras.layers.TextVectorization(
            max_tokens=VOCABULARY_SIZE, output_sequence_length=self.max_length
        )
        self.vectorize.adapt(self._batches(texts))
        # The learning rate is that of our estimators.
        self.model = stock_network(*self.sizes, learning_rate=0.002)
        batches = tf.data.Dataset.zip(
            self._batches_of_ids(texts), self._batches(targets.astype(np.float32))
        )
        self.model.fit(batches, shuffle=False, verbose=0)
        return self

    def predict(self, texts):
        """Give the scores of many texts, shape (n_texts, 1)."""
        return self.model.predict(self._batches_of_ids(texts), verbose=0)

    def predict_one(self, text):
        """Give the score of one text, without a dataset around it."""
        return self.model.predict(self.vectorize([text]), verbose=0)

    def _batches(self, values):
        return tf.data.Dataset.from_tensor_slices(values).batch(self.batch_size)

    def _batches_of_ids(self, texts):
        batches = self._batches(texts).map(self.vectorize, tf.data.AUTOTUNE)
        return batches.prefetch(tf.data.AUTOTUNE)
