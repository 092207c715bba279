"""The recurrent layers, their gates and their pooling, in `keras.ops`.

Texts are padded on the left. At a padded step the states stand still, so
padding never changes what a text is mapped to, however long its batch is.
"""

from __future__ import annotations

from skrnn._keras import keras
from skrnn.loops import scan

ops = keras.ops

# Added to a gate's input it gives exactly 1 in every gate function, in float32
# and in bfloat16.
_OPEN = 1e4


def hard_sigmoid(x):
    """``clip(x + 1/2, 0, 1)``: linear with slope 1, saturated beyond 1/2.

    Keras' own ``hard_sigmoid`` has the slope 1/6; this is the one of Passage,
    four times as steep at 0 as the logistic function.
    """
    return ops.clip(x + 0.5, 0.0, 1.0)


def steep_sigmoid(x):
    """``sigmoid(3.75 x)``, a smooth gate nearly as steep as `hard_sigmoid`."""
    return ops.sigmoid(3.75 * x)


GATES = {
    "hard_sigmoid": hard_sigmoid,
    "steep_sigmoid": steep_sigmoid,
    "sigmoid": ops.sigmoid,
}


@keras.saving.register_keras_serializable("skrnn")
class BlockOrthogonal(keras.initializers.Initializer):
    """Square orthogonal blocks side by side, one for each gate.

    Each block ``U`` satisfies ``U.T @ U = I``, which keeps the norm of what it
    carries from step to step [1]_. `keras.initializers.Orthogonal` would make
    the rows of the whole wide matrix orthogonal instead, and no block of it.

    Parameters
    ----------
    seed : int
        Block ``i`` is drawn with ``seed + i``.

    References
    ----------
    .. [1] Saxe, McClelland and Ganguli (2014). "Exact solutions to the
       nonlinear dynamics of learning in deep linear neural networks". ICLR.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        size, width = shape
        blocks = [
            keras.initializers.Orthogonal(seed=self.seed + i)((size, size), dtype)
            for i in range(width // size)
        ]
        return ops.concatenate(blocks, axis=1)

    def get_config(self):
        return {"seed": self.seed}


class RecurrentLayer(keras.layers.Layer):
    """A recurrent layer: everything that does not depend on the kind of cell.

    The product of the inputs with `kernel` is taken for all steps at once,
    before the loop. A cell gives `n_blocks`, the width of its kernels in units
    of `size`, `n_states`, and ``advance(states, projected) -> states``, its own
    step; a cell that can hold its states by itself gives `prepare` and `step`.

    Parameters
    ----------
    size : int
        Width of the hidden states.

    gate_activation : {"hard_sigmoid", "steep_sigmoid", "sigmoid"}
        The function of the gates.

    learn_initial_state : bool
        Whether the state before the first token is learned; else it is zero.

    reverse : bool
        Whether texts are read from their end to their beginning.

    l2 : float
        Factor of the sum of squares of both kernels, added to the loss.

    seed : int
        Seeds of the initial kernels are counted from here.
    """

    n_blocks: int
    n_states = 1

    def __init__(
        self,
        size: int,
        *,
        gate_activation: str,
        learn_initial_state: bool,
        reverse: bool,
        l2: float,
        seed: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size = size
        self.gate = GATES[gate_activation]
        self.learn_initial_state = learn_initial_state
        self.reverse = reverse
        self.l2 = l2
        self.seed = seed

    def build(self, input_shape):
        width = self.n_blocks * self.size
        l2 = keras.regularizers.L2(self.l2) if self.l2 else None
        self.kernel = self.add_weight(
            (input_shape[-1], width),
            initializer=keras.initializers.GlorotUniform(seed=self.seed),
            regularizer=l2,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            (self.size, width),
            initializer=BlockOrthogonal(self.seed + 1),
            regularizer=l2,
            name="recurrent_kernel",
        )
        self.bias = self.add_weight((width,), initializer="zeros", name="bias")
        if self.learn_initial_state:
            self.initial_states = [
                self.add_weight(
                    (self.size,), initializer="zeros", name=f"initial_state_{i}"
                )
                for i in range(self.n_states)
            ]

    def call(self, inputs, padding):
        """Hidden states of shape (batch, steps, size).

        Parameters
        ----------
        inputs : tensor of shape (batch, steps, n_features)
            What the layer reads.

        padding : bool tensor of shape (batch, steps)
            True at steps that hold no token.
        """
        projected = ops.transpose(inputs, (1, 0, 2))
        projected = ops.matmul(projected, self.kernel) + self.bias
        padding = ops.transpose(padding)[:, :, None]
        zeros = ops.zeros_like(projected[0, :, : self.size])
        initial = (zeros,) * self.n_states
        if self.learn_initial_state:
            initial = tuple(zeros + state for state in self.initial_states)
        inputs = self.prepare(projected, padding)
        hidden = scan(self.step, initial, inputs, reverse=self.reverse)
        return ops.transpose(hidden, (1, 0, 2))

    def prepare(self, projected, padding):
        """Make the loop's inputs of the projected inputs and the padding."""
        return projected, padding

    def step(self, states, inputs):
        """Hold the states at padded steps, take the cell's step elsewhere."""
        projected, padding = inputs
        return tuple(
            ops.where(padding, old, new)
            for old, new in zip(states, self.advance(states, projected), strict=True)
        )


class SimpleRecurrent(RecurrentLayer):
    """The simple recurrent layer of Elman: ``h = tanh(x W + h U + b)``."""

    n_blocks = 1

    def advance(self, states, projected):
        (h,) = states
        return (ops.tanh(projected + ops.matmul(h, self.recurrent_kernel)),)


class GRU(RecurrentLayer):
    """The gated recurrent unit of Cho et al. [1]_, reset after the product.

    ::

        z = gate(x W_z + h U_z + b_z)
        r = gate(x W_r + h U_r + b_r)
        c = tanh(x W_c + b_c + r * (h U_c + b_rc))
        h = z * h + (1 - z) * c

    The blocks of the kernels are z, r, c, as in `keras.layers.GRU`. With a
    large constant in z's input z is 1 and the state stands still, so no step
    needs to choose.

    References
    ----------
    .. [1] Cho et al. (2014). "Learning phrase representations using RNN
       encoder-decoder for statistical machine translation". EMNLP.
    """

    n_blocks = 3

    def build(self, input_shape):
        super().build(input_shape)
        self.recurrent_bias = self.add_weight(
            (self.size,), initializer="zeros", name="recurrent_bias"
        )

    def prepare(self, projected, padding):
        hold = ops.cast(padding, projected.dtype) * _OPEN
        z = projected[:, :, : self.size] + hold
        return (ops.concatenate([z, projected[:, :, self.size :]], axis=-1),)

    def step(self, states, inputs):
        (h,) = states
        (x,) = inputs
        n = self.size
        u = ops.matmul(h, self.recurrent_kernel)
        gates = self.gate(x[:, : 2 * n] + u[:, : 2 * n])
        z, r = gates[:, :n], gates[:, n:]
        c = ops.tanh(x[:, 2 * n :] + r * (u[:, 2 * n :] + self.recurrent_bias))
        return (z * h + (1.0 - z) * c,)


class LSTM(RecurrentLayer):
    """The long short-term memory [1]_ with a forget gate.

    ::

        i, f, o = gate(x W + h U + b)
        c = f * c + i * tanh(x W_c + h U_c + b_c)
        h = o * tanh(c)

    The blocks of the kernels are i, f, c, o, as in `keras.layers.LSTM`; the
    forget gate's bias starts at 1.

    References
    ----------
    .. [1] Hochreiter and Schmidhuber (1997). "Long short-term memory".
       Neural Computation 9 (8).
    """

    n_blocks = 4
    n_states = 2

    def build(self, input_shape):
        super().build(input_shape)
        blocks = ops.repeat(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0]), self.size)
        self.bias.assign(blocks)

    def advance(self, states, projected):
        h, c = states
        x = projected + ops.matmul(h, self.recurrent_kernel)
        i, f, candidate, o = ops.split(x, 4, axis=-1)
        c = self.gate(f) * c + self.gate(i) * ops.tanh(candidate)
        return self.gate(o) * ops.tanh(c), c


CELLS = {"gru": GRU, "lstm": LSTM, "simple": SimpleRecurrent}


def pool(hidden, padding, pooling: str, *, reverse: bool):
    """Pool hidden states over a text's steps.

    Parameters
    ----------
    hidden : tensor of shape (batch, steps, size)
        Hidden states.

    padding : bool tensor of shape (batch, steps)
        True at steps that hold no token; they count in no mean and no maximum.

    pooling : {"last", "mean", "max", "concat"}
        "last" is the state after the last token read, "concat" is all three
        side by side. The mean and the maximum over no token at all are 0.

    reverse : bool
        Whether the layer read the text from its end, so that the last token
        read is the first of the text.

    Returns
    -------
    tensor of shape (batch, size) or (batch, 3 * size)
    """
    if pooling == "last":
        return hidden[:, 0] if reverse else hidden[:, -1]
    if pooling == "concat":
        parts = [
            pool(hidden, padding, part, reverse=reverse)
            for part in ("last", "mean", "max")
        ]
        return ops.concatenate(parts, axis=-1)
    present = ops.cast(ops.logical_not(padding), hidden.dtype)[:, :, None]
    count = ops.sum(present, axis=1)
    if pooling == "mean":
        return ops.sum(hidden * present, axis=1) / ops.maximum(count, 1.0)
    # Hidden states lie within (-1, 1): -2 is never the maximum of real ones.
    highest = ops.max(ops.where(padding[:, :, None], -2.0, hidden), axis=1)
    return ops.where(count > 0, highest, 0.0)
