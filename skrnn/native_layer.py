"""A GRU in arrays, by the kernel for the processor: forward, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from skrnn.native.gru import backward, forward
from skrnn.native_pooling import NativePooling


class NativeLayer:
    """What a recurrent layer that is a GRU computes, without TensorFlow.

    Parameters
    ----------
    layer : RecurrentLayer
        The layer. Its weights are given at each call.

    kernel : str
        One of `skrnn.native.gru.KERNELS`.
    """

    def __init__(self, layer, kernel: str):
        self._options = {
            "kernel": kernel,
            "steepness": layer.steepness,
            "reverse": layer.reverse,
        }

    def infer(
        self,
        weights: Sequence[np.ndarray | None],
        padding: np.ndarray,
        pooling: NativePooling | None,
        **read: np.ndarray,
    ) -> np.ndarray:
        """Hidden states, or representations.

        Parameters
        ----------
        weights : sequence of float32 ndarrays
            The layer's, in the order of its `ordered_weights`. The first is None where
            what is read are products with it.

        padding : uint8 ndarray of shape (steps, batch)
            1 at steps that hold no token, 0 at others.

        pooling : NativePooling or None
            What makes representations of the states; None gives the states.

        **read : ndarrays
            `inputs`, `rows` and `factors` of `skrnn.native.gru.forward`.

        Returns
        -------
        float32 ndarray of shape (steps, batch, size), or of representations
        """
        made, _ = self._forward(weights, padding, pooling, read, keeps=False)
        return self._finish(made, pooling)

    def train(
        self,
        weights: Sequence[np.ndarray],
        padding: np.ndarray,
        pooling: NativePooling | None,
        **read: np.ndarray,
    ) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, list[np.ndarray]]]]:
        """What `infer` gives, and what goes back from its gradient.

        Parameters
        ----------
        weights, padding, pooling, **read
            As for `infer`.

        Returns
        -------
        made : float32 ndarray
            Hidden states, or representations.

        go_back : callable
            Maps the gradient of these to that of what is read at each step, of shape
            (steps, batch, n_features), and a list of those of the weights.
        """
        made, read = self._forward(weights, padding, pooling, read, keeps=True)

        def go_back(upstream):
            states, kept, pooled = made
            if pooling is not None:
                upstream = pooling.go_back(upstream)
            of_inputs, of_kernel, of_recurrent, of_initial, of_biases = backward(
                upstream, states=states, kept=kept, pooled=pooled, **read
            )
            of_bias, of_recurrent_bias = of_biases[:-1].ravel(), of_biases[-1]
            of_weights = [of_kernel, of_bias, of_recurrent, of_recurrent_bias]
            if len(weights) > len(of_weights):
                of_weights.append(of_initial.sum(axis=0))
            return of_inputs, of_weights

        return self._finish(made, pooling), go_back

    def _forward(self, weights, padding, pooling, read, *, keeps):
        """What `skrnn.native.gru.forward` makes, and what it read."""
        kernel, bias, recurrent, recurrent_bias, *learned = weights
        read = {
            "padding": padding,
            "recurrent": recurrent,
            "input_kernel": kernel,
            **self._options,
            **read,
        }
        initial = np.zeros((padding.shape[1], len(recurrent)), np.float32)
        if learned:
            initial += learned[0]
        made = forward(
            bias=bias,
            recurrent_bias=recurrent_bias,
            initial=initial,
            keeps=keeps,
            pools=pooling is not None,
            **read,
        )
        return made, read

    def _finish(self, made, pooling):
        states, _, pooled = made
        if pooling is not None:
            return pooling.finish(pooled)
        return states[:-1] if self._options["reverse"] else states[1:]


def joined(made: Sequence[np.ndarray]) -> np.ndarray:
    """Join what the layers of a level have made; that of one layer is left as it is."""
    return made[0] if len(made) == 1 else np.concatenate(made, axis=-1)
