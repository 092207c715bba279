"""A network's answers by the kernel for the processor, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skrnn._keras import keras
from skrnn.implementation import is_native_in_float32
from skrnn.native.gru import fastest_kernel
from skrnn.native_layer import NativeLayer, joined
from skrnn.native_pooling import NativePooling
from skrnn.processes import refuse_forked_process
from skrnn.sequences import PADDING_ID
from skrnn.variables import Views

# BLAS may wake its threads for a product of fewer rows, which then wait for a core.
_FEWEST_ROWS = 16


def predicts_natively(implementation: str, hidden_size: int) -> bool:
    """Whether `NativeNetwork` takes a network that `implementation` trains."""
    return implementation == "native" and is_native_in_float32(hidden_size)


class NativeNetwork:
    """An encoder of GRUs, and a head on it if any, outside of training.

    TensorFlow takes a millisecond to run a function that calls the kernel, several
    times what a short text takes there. And a process forked from one that had used
    TensorFlow can read the weights, but run no function.

    Parameters
    ----------
    encoder : SequenceEncoder
        One whose layers `predicts_natively`. Its weights are read at each call.

    head : keras.layers.Dense, optional
        What maps representations to scores; without one, they are given themselves.
    """

    def __init__(self, encoder, head=None):
        self._encoder = encoder
        self._head = head
        kernel = fastest_kernel("float32")
        self._levels = [
            [(NativeLayer(layer, kernel), layer.ordered_weights) for layer in layers]
            for layers in encoder.levels
        ]
        self._variables = [*encoder.weights, *(head.weights if head else ())]
        self._views = Views(self._variables)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """Give a row a text.

        Parameters
        ----------
        ids : int32 ndarray of shape (batch, steps)
            Padded ids.

        Returns
        -------
        float32 ndarray of shape (batch, width)
        """
        weights = self._read_weights()
        table = weights[self._encoder.embedding.embeddings]
        return self._read(ids, [table] * len(self._levels[0]), weights)

    def with_tables_of(self, ids: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Take the inputs' products once an id.

        Parameters
        ----------
        ids : int32 ndarray of shape (n_ids,)
            All that occur, the first of them padding's.

        Returns
        -------
        callable
            Maps the places of padded ids among these, an int32 array of shape
            (batch, steps), to what a call gives for the ids themselves.
        """
        weights = self._read_weights()
        vectors = weights[self._encoder.embedding.embeddings][ids]
        tables = []
        for _, (kernel, *_) in self._levels[0]:
            tables.append(vectors @ weights[kernel])
            # The table holds the products with it; `infer` takes None for that.
            weights[kernel] = None
        return lambda rows: self._read(rows, tables, weights)

    def _read_weights(self) -> _Weights:
        return _Weights(self._variables, self._views())

    def _read(self, rows: np.ndarray, tables: list[np.ndarray], weights) -> np.ndarray:
        """Read rows of what each layer of the first level is given."""
        rows = np.ascontiguousarray(rows.T)
        padding = (rows == PADDING_ID).astype(np.uint8)
        pooling = NativePooling(self._encoder.pooling, padding)
        given = [{"inputs": table, "rows": rows} for table in tables]
        for layers in self._levels:
            at_top = pooling if layers is self._levels[-1] else None
            made = joined(
                [
                    layer.infer(weights.of(variables), padding, at_top, **read)
                    for (layer, variables), read in zip(layers, given, strict=True)
                ]
            )
            given = [{"inputs": made}] * len(layers)
        return made if self._head is None else self._scores(made, weights)

    def _scores(self, representations: np.ndarray, weights) -> np.ndarray:
        head = self._head
        is_linear = head.activation is keras.activations.linear
        if not is_linear or head.lora_enabled or head.quantization_mode:
            # A user may have changed what Keras computes.
            refuse_forked_process()
            return np.asarray(head(representations))
        kernel, bias = weights[head.kernel], weights[head.bias]
        if len(representations) < _FEWEST_ROWS:
            return np.einsum("ij,jk->ik", representations, kernel) + bias
        return representations @ kernel + bias


class _Weights:
    """Arrays by their variables, which have no hash of their own."""

    def __init__(self, variables, arrays):
        self._arrays = dict(zip(map(id, variables), arrays, strict=True))

    def __getitem__(self, variable) -> np.ndarray:
        return self._arrays[id(variable)]

    def of(self, variables) -> list[np.ndarray]:
        return [self[one] for one in variables]

    def __setitem__(self, variable, array) -> None:
        self._arrays[id(variable)] = array
