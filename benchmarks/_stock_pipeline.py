"""What one writes with Keras alone, from raw texts to scores."""

import numpy as np
from _networks import VOCABULARY_SIZE, stock_network

from skrnn._keras import keras

# After `skrnn._keras`, which imports it in silence.
import tensorflow as tf  # isort: skip


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
