"""A network's answers by the kernel for the processor, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from skrnn.backend import Views
from skrnn.native.gru import WIDEST_FLOAT32, fastest_kernel, forward
from skrnn.native_pooling import NativePooling
from skrnn.sequences import PADDING_ID

# BLAS may wake its threads for a product of fewer rows, which then wait for a core.
_FEWEST_ROWS = 16


def predicts_natively(implementation: str, hidden_size: int) -> bool:
    """Whether `NativeNetwork` takes a network that `implementation` trains."""
    return implementation == "native" and hidden_size <= WIDEST_FLOAT32


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
        table = {"inputs": weights[self._encoder.embedding.embeddings]}
        first = [
            {**table, "input_kernel": weights[layer.kernel]}
            for layer in self._levels()[0]
        ]
        return self._read(ids, first, weights)

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
        first = [
            {"inputs": vectors @ weights[layer.kernel]} for layer in self._levels()[0]
        ]
        return lambda rows: self._read(rows, first, weights)

    def _read_weights(self) -> _Weights:
        return _Weights(zip(map(id, self._variables), self._views(), strict=True))

    def _levels(self) -> list[list]:
        """A layer for each direction, of each level."""
        layers, n = self._encoder.recurrent_layers, len(self._encoder.directions)
        return [layers[i : i + n] for i in range(0, len(layers), n)]

    def _read(self, rows: np.ndarray, first: list[dict], weights) -> np.ndarray:
        """Read rows of what each layer of the first level is given."""
        rows = np.ascontiguousarray(rows.T)
        padding = (rows == PADDING_ID).astype(np.uint8)

        def side_by_side(read, layers, given):
            made = [
                read(layer, weights, padding, one)
                for layer, one in zip(layers, given, strict=True)
            ]
            return np.concatenate(made, axis=-1)

        levels = self._levels()
        given = [{**one, "rows": rows} for one in first]
        for layers, above in pairwise(levels):
            hidden = side_by_side(self._states, layers, given)
            given = [
                {"inputs": hidden, "input_kernel": weights[layer.kernel]}
                for layer in above
            ]
        made = side_by_side(self._representations, levels[-1], given)
        return made if self._head is None else self._scores(made, weights)

    def _states(self, layer, weights, padding, given: dict) -> np.ndarray:
        """Those after each step, of shape (steps, batch, size)."""
        states, _ = _forward(layer, weights, padding, given, pools=False)
        return states[:-1] if layer.reverse else states[1:]

    def _representations(self, layer, weights, padding, given: dict) -> np.ndarray:
        _, pooled = _forward(layer, weights, padding, given, pools=True)
        return NativePooling(self._encoder.pooling, padding).finish(pooled)

    def _scores(self, representations: np.ndarray, weights) -> np.ndarray:
        head = self._head
        if head.lora_enabled or head.quantization_mode:
            # A user may have changed what Keras computes.
            return np.asarray(head(representations))
        kernel, bias = weights[head.kernel], weights[head.bias]
        if len(representations) < _FEWEST_ROWS:
            return np.einsum("ij,jk->ik", representations, kernel) + bias
        return representations @ kernel + bias


class _Weights(dict):
    """Arrays by their variables, which have no hash of their own."""

    def __getitem__(self, variable) -> np.ndarray:
        return super().__getitem__(id(variable))


def _forward(layer, weights, padding, given: dict, *, pools: bool):
    initial = np.zeros((padding.shape[1], layer.size), np.float32)
    if layer.learn_initial_state:
        initial += weights[layer.initial_states[0]]
    states, _, pooled = forward(
        padding=padding,
        recurrent=weights[layer.recurrent_kernel],
        bias=weights[layer.bias],
        recurrent_bias=weights[layer.recurrent_bias],
        initial=initial,
        kernel=fastest_kernel("float32"),
        reverse=layer.reverse,
        steepness=layer.steepness,
        pools=pools,
        **given,
    )
    return states, pooled
