"""Keras' own recurrent layers in place of our loop: on a GPU, cuDNN computes them."""

from __future__ import annotations

from skrnn._keras import keras

ops = keras.ops


class KerasTwin:
    """Keras' own layer, run with weights that are handed to it.

    No layer itself, so that Keras tracks none of the weights it does not use.

    cuDNN's kernel knows neither our gates nor padding on the left, but weights can
    say both. A gate ``sigmoid(k x)`` is the ordinary one of columns `k` times as
    large. And with the padding as one feature more of the input, a row of the kernel
    holds the states where it is 1: in a GRU by opening the update gate, in an LSTM,
    whose state is zero before the first token, by closing the input gate.

    Parameters
    ----------
    kind : type
        `keras.layers.GRU` or `keras.layers.LSTM`.

    size : int
        Width of the hidden states.

    n_features : int
        Width of the input, without the padding.

    dtype : str or keras.DTypePolicy
        What it computes in.
    """

    def __init__(self, kind: type, size: int, n_features: int, *, dtype):
        # Nothing may be drawn from Keras' or Python's random state.
        layer = kind(
            size,
            return_sequences=True,
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
            seed=0,
            dtype=dtype,
        )
        layer.build((None, None, n_features + 1))
        self._layer = layer
        # The state of the layer's seed, which is never drawn from.
        self._states = [(one.shape, one.dtype) for one in layer.non_trainable_variables]

    def __call__(self, inputs, padding, weights, initial_state, *, reverse: bool):
        """Hidden states of shape (steps, batch, size).

        Parameters
        ----------
        inputs : tensor of shape (steps, batch, n_features)
            What the layer reads.

        padding : tensor of shape (steps, batch, 1)
            1 at steps that hold no token, 0 at others.

        weights : list of tensors
            Kernel, recurrent kernel and bias as `keras_weights` gives them.

        initial_state : tensor of shape (batch, size), or None
            The state before the first step; None for zero.

        reverse : bool
            Whether to read from the last step to the first.
        """
        x = ops.concatenate([inputs, padding], axis=-1)
        x = ops.flip(x, axis=0) if reverse else x
        hidden, _ = self._layer.stateless_call(
            weights,
            [ops.zeros(shape, dtype) for shape, dtype in self._states],
            ops.transpose(x, (1, 0, 2)),
            **({} if initial_state is None else {"initial_state": initial_state}),
        )
        hidden = ops.transpose(hidden, (1, 0, 2))
        return ops.flip(hidden, axis=0) if reverse else hidden


def keras_weights(
    kernel, recurrent_kernel, bias, recurrent_bias, *, steepness: list, held: list
) -> list:
    """Weights under which Keras' layer computes what ours does.

    Parameters
    ----------
    kernel, recurrent_kernel : tensors of shape (n_features or size, n_blocks * size)
        Our layer's.

    bias : tensor of shape (n_blocks * size,)
        The input's.

    recurrent_bias : tensor of shape (size,), or None
        That of the last block of the state's product; None for a layer without one.

    steepness : list of float, one a block
        What a block is multiplied by before an ordinary sigmoid; 1 for no gate.

    held : list of float, one a block
        What padding adds to a block.

    Returns
    -------
    list of tensors
        The kernel has a row more, that of the padding.
    """
    size = recurrent_kernel.shape[0]

    def wide(blocks):
        return ops.repeat(ops.convert_to_tensor(blocks, kernel.dtype), size)

    scale = wide(steepness)
    kernel = ops.concatenate([kernel * scale, wide(held)[None]], axis=0)
    bias = bias * scale
    if recurrent_bias is not None:
        nothing = ops.zeros_like(bias[:-size])
        bias = ops.stack([bias, ops.concatenate([nothing, recurrent_bias])])
    return [kernel, recurrent_kernel * scale, bias]
