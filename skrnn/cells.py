"""The cells: what each computes at a step, and its gradient beside it."""

from __future__ import annotations

import functools

from skrnn._keras import keras
from skrnn.gates import OPEN
from skrnn.loops import native_backward, native_forward, native_read
from skrnn.native import fastest_kernel
from skrnn.pooling import RunningPool
from skrnn.recurrent import RecurrentLayer, rows_of_all_steps

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

    @property
    def _native_options(self):
        return {
            "reverse": self.reverse,
            "steepness": getattr(self.gate, "steepness", None),
        }

    def run_native(
        self, padding, dtype, keeps, inputs, kernel, bias, recurrent, *others
    ):
        """Hidden states, and their gradient, by the kernel for the processor.

        It adds the biases itself, in float32, and sums their gradients.
        """
        recurrent_bias, *learned = others
        _, (initial,) = self._initial(ops.shape(inputs)[1], learned)
        padding = ops.cast(padding[:, :, 0], "uint8")
        rows = rows_of_all_steps(ops.cast(inputs, dtype))
        kernel, recurrent = ops.cast(kernel, dtype), ops.cast(recurrent, dtype)
        shape = (*ops.shape(inputs)[:2], self.n_blocks * self.size)
        x = ops.reshape(ops.matmul(rows, kernel), shape)
        options = {**self._native_options, "kernel": fastest_kernel(dtype)}
        forward = functools.partial(
            native_forward,
            x,
            padding,
            recurrent,
            bias,
            recurrent_bias,
            initial,
            **options,
        )
        hidden, before, states, kept = forward(keeps=keeps)

        def gradient(upstream):
            of_x, of_u, of_biases, of_initial = native_backward(
                upstream,
                padding,
                recurrent,
                states,
                kept if keeps else forward(keeps=True)[-1],
                **options,
            )
            of_x, of_u = rows_of_all_steps(of_x), rows_of_all_steps(of_u)
            narrow_before = rows_of_all_steps(ops.cast(before, dtype))
            gradients = [
                ops.reshape(ops.matmul(of_x, ops.transpose(kernel)), ops.shape(inputs)),
                ops.matmul(ops.transpose(rows), of_x),
                ops.reshape(of_biases[:-1], (-1,)),
                ops.matmul(ops.transpose(narrow_before), of_u),
                of_biases[-1],
            ]
            if self.learn_initial_state:
                gradients.append(ops.sum(of_initial, axis=0))
            return tuple(map(self._exact, gradients))

        return hidden, gradient

    def tabulate(self, inputs, padding):
        """As for all cells; but all blocks side by side where a kernel looks up."""
        if not self.infers_natively:
            return super().tabulate(inputs, padding)
        return [ops.matmul(inputs, self.kernel)]

    def infer(self, inputs, padding, *, tables=None, pooling=None):
        """As for all cells."""
        if not self.infers_natively:
            return super().infer(inputs, padding, tables=tables, pooling=pooling)
        learned = self.initial_states if self.learn_initial_state else ()
        _, (initial,) = self._initial(ops.shape(padding)[1], learned)
        weights = [
            ops.convert_to_tensor(one)
            for one in (self.recurrent_kernel, self.bias, self.recurrent_bias)
        ]
        of_steps = ops.cast(padding, "uint8")
        options = {**self._native_options, "kernel": fastest_kernel("float32")}
        if tables is None:
            rows = rows_of_all_steps(inputs)
            x = ops.matmul(rows, self.kernel)
            inputs = ops.reshape(ops.arange(ops.shape(rows)[0]), ops.shape(padding))
        else:
            (x,) = tables
        if pooling is None:
            x = ops.take(x, inputs, axis=0)
            hidden, *_ = native_forward(
                x, of_steps, *weights, initial, keeps=False, **options
            )
            return hidden
        last, sums, largest = native_read(
            x, inputs, of_steps, *weights, initial, **options
        )
        running = RunningPool(pooling)
        carried = {part: one for part, one in (("mean", sums), ("max", largest))}
        padding = ops.cast(padding, self.compute_dtype)[:, :, None]
        return running.finish(carried, last, padding)


class LSTM(RecurrentLayer):
    """The long short-term memory [1]_ with a forget gate.

    ::

        i, f, o = gate(x W + h U + b)
        c = f * c + i * tanh(x W_c + h U_c + b_c)
        h = o * tanh(c)

    The blocks of the kernels are i, f, c, o, as in `keras.layers.LSTM`. There the
    forget gate starts wider open than the others; here it starts half open as they
    do: with hard gates that learned far more of long texts (docs/accuracy.md).

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
