"""The recurrent layers, forward and backward, written with `keras.ops`.

Texts are padded on the left. At a padded step the states stand still, so
padding never changes what a text is mapped to, however long its batch is.
"""

from __future__ import annotations

from skrnn._keras import keras
from skrnn.gates import GATES
from skrnn.loops import custom_gradient, scan

ops = keras.ops

# Added to a gate's input it gives exactly 1 in every gate function, in float32
# and in bfloat16.
_OPEN = 1e4


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


class RecurrentLayer(keras.layers.Layer):
    """A recurrent layer: everything that does not depend on the kind of cell.

    A step takes ``x``, its input's product with `kernel`, and ``u``, the last
    hidden state's product with `recurrent_kernel`. The first is taken for all
    steps at once, before the loop. Going back, a step's gradient is linear in the
    gradient of the states after it, so all its coefficients are computed for all
    steps at once too, and so are the weights' gradients; only the states'
    gradients pass through a loop.

    A cell gives `n_blocks`, the width of its kernels in units of `size`;
    `n_states`; and, the first state being the hidden one,

    - ``advance(states, x, u, padding)``: the states after a step;
    - ``linearize(states, x, u, padding)``: the coefficients of its gradient;
    - ``pull(gradients, coefficients)``: from the gradients of the states after a
      step those of ``x``, of ``u``, and of the states before, the way through
      ``u`` left out.

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
        x = ops.matmul(ops.transpose(inputs, (1, 0, 2)), self.kernel) + self.bias
        padding = ops.cast(ops.transpose(padding)[:, :, None], x.dtype)
        zeros = ops.zeros_like(x[0, :, : self.size])
        initial = (zeros,) * self.n_states
        if self.learn_initial_state:
            initial = tuple(zeros + state for state in self.initial_states)
        hidden = custom_gradient(
            self._run,
            self.prepare(x, padding),
            padding,
            *self.recurrent_weights(),
            *initial,
        )
        return ops.transpose(hidden, (1, 0, 2))

    def prepare(self, x, padding):
        """Let a cell hold its states at padded steps by means of `x`."""
        return x

    def recurrent_weights(self):
        """The kernel and the bias of ``u``."""
        return self.recurrent_kernel, ops.zeros(self.bias.shape, self.compute_dtype)

    def _run(self, x, padding, kernel, bias, *initial):
        def step(states, inputs):
            x_now, padding_now = inputs
            u = ops.matmul(states[0], kernel) + bias
            states = self.advance(states, x_now, u, padding_now)
            return states, states

        _, states = scan(step, initial, (x, padding), reverse=self.reverse)

        def gradient(upstream):
            before = tuple(
                _shifted(state, first, self.reverse)
                for state, first in zip(states, initial, strict=True)
            )
            u = ops.matmul(before[0], kernel) + bias
            coefficients = self.linearize(before, x, u, padding)
            transposed = ops.transpose(kernel)

            def step_back(gradients, inputs):
                upstream_now, *coefficients_now = inputs
                gradients = (gradients[0] + upstream_now, *gradients[1:])
                _, of_u, passed = self.pull(gradients, coefficients_now)
                by_u = ops.matmul(of_u, transposed)
                return (passed[0] + by_u, *passed[1:]), gradients

            of_initial, of_states = scan(
                step_back,
                tuple(ops.zeros_like(state) for state in initial),
                (upstream, *coefficients),
                reverse=not self.reverse,
            )
            of_x, of_u, _ = self.pull(of_states, coefficients)
            flat = ops.reshape(of_u, (-1, of_u.shape[-1]))
            rows = ops.reshape(before[0], (-1, self.size))
            return (
                of_x,
                ops.zeros_like(padding),
                ops.matmul(ops.transpose(rows), flat),
                ops.sum(flat, axis=0),
                *of_initial,
            )

        return states[0], gradient


def _shifted(states, first, reverse: bool):
    """The states before each step, where `states` are those after it."""
    if reverse:
        return ops.concatenate([states[1:], first[None]], axis=0)
    return ops.concatenate([first[None], states[:-1]], axis=0)


class SimpleRecurrent(RecurrentLayer):
    """The simple recurrent layer of Elman: ``h = tanh(x W + h U + b)``."""

    n_blocks = 1

    def advance(self, states, x, u, padding):
        (h,) = states
        return (padding * h + (1.0 - padding) * ops.tanh(x + u),)

    def linearize(self, states, x, u, padding):
        slope = 1.0 - ops.square(ops.tanh(x + u))
        return (1.0 - padding) * slope, padding

    def pull(self, gradients, coefficients):
        (of_h,) = gradients
        slope, padding = coefficients
        of_u = of_h * slope
        return of_u, of_u, (of_h * padding,)


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

    def recurrent_weights(self):
        kernel, zeros = super().recurrent_weights()
        bias = ops.concatenate([zeros[: 2 * self.size], self.recurrent_bias])
        return kernel, bias

    def prepare(self, x, padding):
        z = x[:, :, : self.size] + padding * _OPEN
        return ops.concatenate([z, x[:, :, self.size :]], axis=-1)

    def _parts(self, x, u):
        n = 2 * self.size
        gates = self.gate(x[..., :n] + u[..., :n])
        z, r = gates[..., : self.size], gates[..., self.size :]
        return z, r, ops.tanh(x[..., n:] + r * u[..., n:])

    def advance(self, states, x, u, padding):
        (h,) = states
        z, _, c = self._parts(x, u)
        return (z * h + (1.0 - z) * c,)

    def linearize(self, states, x, u, padding):
        (h,) = states
        z, r, c = self._parts(x, u)
        to_z = (h - c) * self.gate.slope(z)
        to_c = (1.0 - z) * (1.0 - c * c)
        to_r = to_c * u[..., 2 * self.size :] * self.gate.slope(r)
        to_x = ops.concatenate([to_z, to_r, to_c], axis=-1)
        to_u = ops.concatenate([to_z, to_r, to_c * r], axis=-1)
        return z, to_u, to_x

    def pull(self, gradients, coefficients):
        (of_h,) = gradients
        z, to_u, to_x = coefficients
        three = ops.concatenate([of_h, of_h, of_h], axis=-1)
        return three * to_x, three * to_u, (of_h * z,)


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

    def _parts(self, x, u):
        i, f, candidate, o = ops.split(x + u, 4, axis=-1)
        return self.gate(i), self.gate(f), ops.tanh(candidate), self.gate(o)

    def advance(self, states, x, u, padding):
        h, c = states
        i, f, g, o = self._parts(x, u)
        present = 1.0 - padding
        new_c = f * c + i * g
        return (
            padding * h + present * o * ops.tanh(new_c),
            padding * c + present * new_c,
        )

    def linearize(self, states, x, u, padding):
        _, c = states
        i, f, g, o = self._parts(x, u)
        present = 1.0 - padding
        squashed = ops.tanh(f * c + i * g)
        c_to_u = [
            g * self.gate.slope(i),
            c * self.gate.slope(f),
            i * (1.0 - g * g),
        ]
        return (
            present * o * (1.0 - squashed * squashed),
            present * ops.concatenate(c_to_u, axis=-1),
            present * squashed * self.gate.slope(o),
            padding,
            padding + present * f,
        )

    def pull(self, gradients, coefficients):
        of_h, of_c = gradients
        h_to_c, c_to_u, h_to_o, keep_h, keep_c = coefficients
        of_c = of_c + of_h * h_to_c
        three = ops.concatenate([of_c, of_c, of_c], axis=-1)
        of_u = ops.concatenate([three * c_to_u, of_h * h_to_o], axis=-1)
        return of_u, of_u, (of_h * keep_h, of_c * keep_c)


CELLS = {"gru": GRU, "lstm": LSTM, "simple": SimpleRecurrent}
