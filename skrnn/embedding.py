"""The embedding, which stands under the recurrent layers."""

from __future__ import annotations

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.loops import custom_gradient
from skrnn.variables import copy_of

ops = keras.ops


class Embedding(keras.layers.Layer):
    """A vector for every id, whose gradient is summed over an id's places.

    Other backends sum by themselves. On TensorFlow, `keras.layers.Embedding` hands the
    optimizer one row for every place an id stands at. The norm that gradients are
    clipped to and the squares that Adam averages are then those of the rows, not those
    of their sums, and a text that is there twice differs from one that weighs twice.

    Parameters
    ----------
    n_ids, size : int
        Number and size of the vectors.

    seed : int
        Fixes the initial vectors, uniform between -0.05 and 0.05.
    """

    def __init__(self, n_ids: int, size: int, *, seed: int, **kwargs):
        super().__init__(**kwargs)
        self.n_ids = n_ids
        self.size = size
        self.seed = seed

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            (self.n_ids, self.size),
            initializer=keras.initializers.RandomUniform(seed=self.seed),
            name="embeddings",
        )

    @property
    def vectors(self) -> np.ndarray:
        """A copy of the vectors, shape (n_ids, size)."""
        return copy_of(self.embeddings)

    def call(self, ids):
        """Vectors of shape (steps, batch, size).

        Parameters
        ----------
        ids : int32 tensor of shape (steps, batch)
            Rows of the table.
        """
        if not ON_TENSORFLOW:
            return ops.take(self.embeddings, ids, axis=0)

        def look_up(table):
            def gradient(upstream):
                rows = ops.reshape(upstream, (-1, self.size))
                ids_of_rows = ops.cast(ops.reshape(ids, (-1,)), "int32")
                return ops.segment_sum(rows, ids_of_rows, self.n_ids)

            return ops.take(table, ids, axis=0), gradient

        return custom_gradient(look_up, self.embeddings)
