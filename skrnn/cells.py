"""The cells: what each computes at a step, and its gradient beside it."""

from __future__ import annotations

from skrnn._keras import keras
from skrnn.gates import OPEN
from skrnn.recurrent import RecurrentLayer

ops = keras.ops


class SimpleRecurrent(RecurrentLayer):
    """The simple recurrent layer of Elman: ``h = tanh(x W + h U + b)``."""

    n_blocks = 1

    def advance(self, states, x, u, padding):
        (h,) = states
        new = ops.tanh(x[0] + u[0])
        return (padding * h + (1.0 - padding) * new,), (new, padding)

    def retreat(self, gradients, before, kept):
        (of_h,) = gradients
        new, padding = kept
        held = padding * of_h
        of_x = (of_h - held) * (1.0 - new * new)
        return (of_x,), of_x, (held,)


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

    keras_kind = keras.layers.GRU
    n_blocks = 3
    are_gates = (True, True, False)
    held = (OPEN, 0.0, 0.0)
    reset_after = True

    def prepare(self, x, padding):
        x_z, x_r, x_c = x
        return x_z + padding * OPEN, x_r, x_c

    def advance(self, states, x, u, padding):
        (h,) = states
        x_z, x_r, x_c = x
        u_z, u_r, u_c = u
        z = self.gate(x_z + u_z)
        r = self.gate(x_r + u_r)
        c = ops.tanh(x_c + r * u_c)
        # Written so that z = 1 gives h to the last bit.
        new = 1.0 - z
        return (h - new * (h - c),), (new, r, c, u_c)

    def retreat(self, gradients, before, kept):
        (of_h,) = gradients
        new, r, c, u_c = kept
        of_new = of_h * new
        of_c = of_new * (1.0 - c * c)
        # The gates' slopes are the same at 1 - z as at z.
        of_z = of_h * (before - c) * self.gate.slope(new)
        of_r = of_c * u_c * self.gate.slope(r)
        return (of_z, of_r, of_c), of_c * r, (of_h - of_new,)


class LSTM(RecurrentLayer):
    """The long short-term memory [1]_ with a forget gate.

    ::

        i, f, o = gate(x W + h U + b)
        c = f * c + i * tanh(x W_c + h U_c + b_c)
        h = o * tanh(c)

    The blocks of the kernels are i, f, c, o, as in `keras.layers.LSTM`. There the
    forget gate starts wider open than the others; here it starts half open as they
    do: with hard gates that learned far more of long texts (docs/trials.md).

    References
    ----------
    .. [1] Hochreiter and Schmidhuber (1997). "Long short-term memory".
       Neural Computation 9 (8).
    """

    keras_kind = keras.layers.LSTM
    n_blocks = 4
    n_states = 2
    are_gates = (True, True, False, True)
    held = (-OPEN, 0.0, 0.0, 0.0)

    def advance(self, states, x, u, padding):
        h, c = states
        i, f, g, o = (of_x + of_u for of_x, of_u in zip(x, u, strict=True))
        i, f, g, o = self.gate(i), self.gate(f), ops.tanh(g), self.gate(o)
        new_c = f * c + i * g
        squashed = ops.tanh(new_c)
        present = 1.0 - padding
        states = (
            padding * h + present * o * squashed,
            padding * c + present * new_c,
        )
        return states, (i, f, g, o, c, squashed, padding)

    def retreat(self, gradients, before, kept):
        of_h, of_c = gradients
        i, f, g, o, c, squashed, padding = kept
        held_h, held_c = padding * of_h, padding * of_c
        of_h, of_c = of_h - held_h, of_c - held_c
        of_c = of_c + of_h * o * (1.0 - squashed * squashed)
        of_x = (
            of_c * g * self.gate.slope(i),
            of_c * c * self.gate.slope(f),
            of_c * i * (1.0 - g * g),
            of_h * squashed * self.gate.slope(o),
        )
        return of_x, of_x[-1], (held_h, held_c + of_c * f)


CELLS = {"gru": GRU, "lstm": LSTM, "simple": SimpleRecurrent}
