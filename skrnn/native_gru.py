"""A GRU by the kernel for the processor."""

from __future__ import annotations

import functools

from skrnn._keras import keras
from skrnn.native.gru import training_kernel
from skrnn.native_ops import native_backward, native_forward, native_sums
from skrnn.pooling import RunningPool

ops = keras.ops


class NativeGRU:
    """What `RecurrentLayer` does, for a GRU in float32 on a CPU.

    All is given and taken in float32. Products in bfloat16 are the kernel's own.

    Parameters
    ----------
    steepness : float or None
        That of the sigmoid gates; None for the hard one.

    reverse : bool
        Whether texts are read from their end to their beginning.
    """

    def __init__(self, *, steepness: float | None, reverse: bool):
        self._options = {"steepness": steepness, "reverse": reverse}

    def run(
        self,
        padding,
        dtype,
        keeps,
        pools,
        looked_up,
        inputs,
        kernel,
        bias,
        recurrent,
        *others,
    ):
        """Hidden states, and what maps their gradient to those of the arguments.

        Parameters
        ----------
        padding : bool tensor of shape (steps, batch)
            True at steps that hold no token.

        dtype : {"float32", "bfloat16"}
            What products are taken in; float32 where no kernel has bfloat16.

        keeps : bool
            Whether to keep what the way back needs, or to take all steps again for it.

        pools : bool
            Whether to give, in place of the states after each step, the last of them,
            their sums and the largest, as `finished` takes them.

        looked_up : dict of str to tensor
            Which of the inputs to read, and what to multiply them by: `rows` and
            `factors` of `skrnn.native.gru.forward`.

        inputs : tensor of shape (steps, batch, n_features), or (n_rows, n_features)
            What is read, or a table of it.

        kernel, bias, recurrent, *others : tensors
            The layer's weights: of the inputs' products, of the states', and of the
            states before the first step, if these are learned.
        """
        recurrent_bias, *learned = others
        padding = ops.cast(padding, "uint8")
        options = {**self._options, "kernel": training_kernel(dtype)}
        read = {
            "inputs": inputs,
            "padding": padding,
            "recurrent": recurrent,
            "input_kernel": kernel,
            **looked_up,
        }
        forward = functools.partial(
            native_forward,
            bias=bias,
            recurrent_bias=recurrent_bias,
            initial=_initial(padding, recurrent_bias, learned),
            pools=pools,
            options=options,
            **read,
        )
        made = forward(keeps=keeps)

        def gradient(upstream):
            names = ("states", "kept", "pooled")
            all_made = zip(names, made if keeps else forward(keeps=True), strict=True)
            of_inputs, of_kernel, of_recurrent, of_initial, of_biases = native_backward(
                upstream=upstream, options=options, **read, **dict(all_made)
            )
            if "rows" in looked_up:
                of_inputs = native_sums(
                    of_inputs, looked_up["rows"], padding, inputs.shape[0]
                )
            return (
                of_inputs,
                of_kernel,
                ops.reshape(of_biases[:-1], (-1,)),
                of_recurrent,
                of_biases[-1],
                *(ops.sum(of_initial, axis=0) for _ in learned),
            )

        states, _, pooled = made
        return pooled if pools else self._after(states), gradient

    def _after(self, states):
        """The states after each step, a part of the same array."""
        return states[:-1] if self._options["reverse"] else states[1:]


def finished(pooled, padding, pooling: str):
    """Representations, of what the kernel pooled.

    Parameters
    ----------
    pooled : tensor of shape (3, batch, size)
        The last states, their sums and the largest.

    padding : bool tensor of shape (steps, batch)
        True at steps that hold no token.

    pooling : {"last", "mean", "max", "concat"}
        As in `skrnn.pooling.pool`.
    """
    last, sums, largest = ops.unstack(pooled)
    padding = ops.cast(padding, "float32")[:, :, None]
    return RunningPool(pooling).finish({"mean": sums, "max": largest}, last, padding)


def _initial(padding, like, learned):
    zeros = ops.zeros((ops.shape(padding)[1], like.shape[0]), "float32")
    return zeros + learned[0] if learned else zeros
