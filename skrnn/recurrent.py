"""The frame of the recurrent layers, forward and backward, written with `keras.ops`.

Tensors have their steps first. Texts are padded on the left: at a padded step the
states stand still, so padding never changes what a text is mapped to, however long
its batch is.
"""

from __future__ import annotations

import functools
import operator

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.cudnn import KerasTwin, keras_weights
from skrnn.gates import GATES
from skrnn.loops import custom_gradient, rows_of, scan
from skrnn.native_gru import NativeGRU, finished
from skrnn.pooling import RunningPool, pool

ops = keras.ops


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
    hidden state's product with `recurrent_kernel`, both as one block of width
    `size` a gate. The first is taken for all steps at once, before the loop. Going
    back, only the states' gradients pass through a loop; the weights' gradients are
    one product each for all steps at once, after it.

    A cell gives `n_blocks`, the width of its kernels in blocks; `n_states`; and,
    the first state being the hidden one,

    - ``advance(states, x, u, padding)``: the states after a step, and what the way
      back needs of it;
    - ``retreat(gradients, before, kept)``: from the gradients of the states after a
      step, the hidden state before it and what it kept, those of ``x``, of the last
      block of ``u`` (the other blocks' are those of ``x``), and of the states before,
      the way through ``u`` left out.

    With "native", which is for a GRU alone, a kernel takes the steps, and in `call` all
    these products, too. With "cudnn" all
    that is left to a layer of Keras' own, which a cell names in
    `keras_kind`; in `are_gates` the blocks that are gates; and in `held` what
    padding adds to each.

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

    precision : {"float32", "bfloat16"}
        What matrix products are taken in while training, a loop's of the inputs with
        their bias; other sums, states and weights stay in float32, and so does
        everything outside of training.

    implementation : {"loop", "native", "xla", "cudnn"}
        What runs the steps.

    seed : int
        Seeds of the initial kernels are counted from here.
    """

    n_blocks: int
    n_states = 1
    # Whether a gate scales the last block of ``u``, which then has its own bias.
    reset_after = False

    def __init__(
        self,
        size: int,
        *,
        gate_activation: str,
        learn_initial_state: bool,
        reverse: bool,
        l2: float,
        precision: str,
        implementation: str,
        seed: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        # Read by models of a user's own that this layer is part of.
        self.supports_jit = not ON_TENSORFLOW or implementation == "xla"
        self.size = size
        self.gate = GATES[gate_activation]
        self.learn_initial_state = learn_initial_state
        self.reverse = reverse
        self.l2 = l2
        self.precision = precision
        self.implementation = implementation
        self.seed = seed

    def build(self, input_shape):
        width = self.n_blocks * self.size
        l2 = keras.regularizers.L2(float(self.l2)) if self.l2 else None
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
        if self.reset_after:
            self.recurrent_bias = self.add_weight(
                (self.size,), initializer="zeros", name="recurrent_bias"
            )
        if self.learn_initial_state:
            self.initial_states = [
                self.add_weight(
                    (self.size,), initializer="zeros", name=f"initial_state_{i}"
                )
                for i in range(self.n_states)
            ]
        if self.implementation == "native":
            self._native = NativeGRU(steepness=self.steepness, reverse=self.reverse)
        if self.implementation == "cudnn":
            self._twin = KerasTwin(
                self.keras_kind, self.size, input_shape[-1], dtype=self.dtype_policy
            )

    @property
    def ordered_weights(self) -> list[keras.Variable]:
        """The weights in the order in which whatever computes the layer takes them.

        Those of the inputs' products, of the states', and the states before the first
        step where these are learned.
        """
        ordered = [self.kernel, self.bias, self.recurrent_kernel]
        if self.reset_after:
            ordered.append(self.recurrent_bias)
        if self.learn_initial_state:
            ordered += self.initial_states
        return ordered

    @property
    def steepness(self) -> float | None:
        """That of the sigmoid gates; None for the hard one."""
        return getattr(self.gate, "steepness", None)

    def call(
        self,
        inputs,
        padding,
        training=False,
        pooling=None,
        *,
        table=None,
        factors=None,
    ):
        """Hidden states of shape (steps, batch, size), or their pooling.

        Parameters
        ----------
        inputs : tensor of shape (steps, batch, n_features) or (steps, batch)
            What the layer reads, or its rows in `table`, int32.

        padding : bool tensor of shape (steps, batch)
            True at steps that hold no token.

        training : bool, default=False
            Whether products are taken in `precision`, and what the backward pass
            needs is kept rather than computed again.

        pooling : {"last", "mean", "max", "concat"}, default=None
            How to pool the hidden states, see `pool`; None gives all of them.

        table : tensor of shape (n_rows, n_features), default=None
            What to look up in; for "native".

        factors : tensor of shape (batch, n_features), default=None
            What a text's inputs are multiplied by, the same at all steps, and what no
            gradient is given for; for "native".
        """
        in_training = training and self.precision == "bfloat16"
        dtype = "bfloat16" if in_training else self.compute_dtype
        weights = self.ordered_weights
        if self.implementation == "native":
            pools = pooling is not None
            looked_up = {} if factors is None else {"factors": factors}
            if table is not None:
                looked_up["rows"], inputs = inputs, table
            run = functools.partial(
                self._native.run, padding, dtype, training, pools, looked_up
            )
            hidden = custom_gradient(run, inputs, *weights)
            return finished(hidden, padding, pooling) if pools else hidden
        is_padding = ops.cast(padding, self.compute_dtype)[:, :, None]
        if self.implementation == "cudnn":
            hidden = self._call_twin(inputs, is_padding)
        else:
            run = functools.partial(self._run, is_padding, dtype, training)
            hidden = custom_gradient(run, inputs, *weights)
        if pooling is None:
            return hidden
        return pool(hidden, padding, pooling, reverse=self.reverse)

    def _call_twin(self, inputs, padding):
        steepness = [self.gate.steepness if one else 1.0 for one in self.are_gates]
        weights = keras_weights(
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            self.recurrent_bias if self.reset_after else None,
            steepness=steepness,
            held=self.held,
        )
        initial = None
        if self.learn_initial_state:
            zeros = ops.zeros((ops.shape(inputs)[1], self.size), self.compute_dtype)
            initial = zeros + self.initial_states[0]
        return self._twin(inputs, padding, weights, initial, reverse=self.reverse)

    def tabulate(self, inputs, padding):
        """What steps add of their inputs, for `infer` to look up.

        Parameters
        ----------
        inputs : tensor of shape (n_rows, n_features)
            Any of the inputs.

        padding : bool tensor of shape (n_rows,)
            True for what stands at steps that hold no token.

        Returns
        -------
        list of tensors of shape (n_rows, size), one a block
        """
        padding = ops.cast(padding, self.compute_dtype)[:, None]
        return self._project(inputs, self.kernel, self.bias, padding)

    def infer(self, inputs, padding, *, tables=None, pooling: str | None = None):
        """What `call` gives outside of training, or its pooling; without a gradient.

        For TensorFlow on a CPU, by the loop.

        Parameters
        ----------
        inputs : tensor of shape (steps, batch, n_features) or (steps, batch)
            What the layer reads, or its rows in `tables`, int32.

        padding : bool tensor of shape (steps, batch)
            True at steps that hold no token.

        tables : list of tensors, default=None
            What `tabulate` gave.

        pooling : {"last", "mean", "max", "concat"}, default=None
            How to pool the hidden states as they come; None keeps them all.

        Returns
        -------
        tensor of shape (steps, batch, size), (batch, size) or (batch, 3 * size)
        """
        padding = ops.cast(padding, self.compute_dtype)[:, :, None]
        if tables is None:
            read = tuple(self._project(inputs, self.kernel, self.bias, padding))
        else:
            read = (inputs,)
        # Read here once, not at every step.
        recurrent = ops.convert_to_tensor(self.recurrent_kernel)
        recurrent_bias = (
            ops.convert_to_tensor(self.recurrent_bias) if self.reset_after else None
        )
        learned = self.initial_states if self.learn_initial_state else ()
        zeros, initial = self._initial(ops.shape(padding)[1], learned)
        running = RunningPool(pooling)

        def step(states, inputs, _):
            *states, carried = states
            *x, padding = inputs
            if tables is not None:
                x = rows_of(tables, *x)
            states, _ = self._advance(states, x, padding, recurrent, recurrent_bias)
            carried = running.add(carried, states[0], padding)
            return (*states, carried), () if pooling else states[:1], ()

        (last, *_, carried), outputs, _ = scan(
            step,
            (*initial, running.start(zeros)),
            (*read, padding),
            reverse=self.reverse,
        )
        return running.finish(carried, last, padding) if pooling else outputs[0]

    def prepare(self, x, padding):
        """Let a cell hold its states at padded steps by means of `x`."""
        return x

    def _project(self, inputs, kernel, bias, padding):
        """The inputs' products with the kernel, a tensor a block.

        All in the kernel's dtype; rows are taken together whatever the shape.
        """
        rows = _rows_of_all_steps(inputs)
        # Each is named, for half a batch may hold no text.
        shape = (*ops.shape(inputs)[:-1], self.size)
        x = [
            ops.reshape(ops.matmul(rows, block) + one, shape)
            for block, one in zip(self._blocks(kernel), self._blocks(bias), strict=True)
        ]
        return self.prepare(x, padding)

    def _initial(self, batch, learned):
        """Zeros of the states' shape, and the states before the first step."""
        zeros = ops.zeros((batch, self.size), self.compute_dtype)
        return zeros, tuple(zeros + one for one in learned) or (zeros,) * self.n_states

    def _advance(self, states, x, padding, recurrent, recurrent_bias):
        u = ops.matmul(ops.cast(states[0], recurrent.dtype), recurrent)
        # In blocks first: TensorFlow shares a larger cast out among cores.
        u = [self._exact(block) for block in ops.split(u, self.n_blocks, -1)]
        if self.reset_after:
            u[-1] = u[-1] + recurrent_bias
        return self.advance(states, x, u, padding)

    def _run(self, padding, dtype, keeps, inputs, kernel, bias, recurrent, *others):
        recurrent_bias, others = (
            (others[0], others[1:]) if self.reset_after else (None, others)
        )
        _, initial = self._initial(ops.shape(inputs)[1], others)
        narrow = ops.cast(inputs, dtype)
        kernel, bias = ops.cast(kernel, dtype), ops.cast(bias, dtype)
        recurrent = ops.cast(recurrent, dtype)
        x = self._project(narrow, kernel, bias, ops.cast(padding, dtype))

        def go(keeps):
            def step(states, inputs, _):
                *x, padding = map(self._exact, inputs)
                states, kept = self._advance(
                    states, x, padding, recurrent, recurrent_bias
                )
                return states, states[:1], kept if keeps else ()

            _, (hidden,), kept = scan(
                step,
                initial,
                (*x, padding),
                reverse=self.reverse,
                for_xla=self.implementation == "xla",
            )
            return hidden, kept

        hidden, kept = go(keeps)

        def gradient(upstream):
            before = _shifted(hidden, initial[0], self.reverse)
            of_initial, of_blocks = self._go_back(
                upstream, before, kept if keeps else go(True)[1], recurrent
            )
            of_x = of_blocks[: self.n_blocks]
            of_u = [*of_x[:-1], of_blocks[-1]]
            transposed = [ops.transpose(block) for block in self._blocks(kernel)]
            of_rows = self._sum_of_products(of_x, transposed)
            gradients = [
                ops.reshape(of_rows, ops.shape(inputs)),
                _products(_rows_of_all_steps(narrow), of_x),
                ops.concatenate([_sum_of_rows(block) for block in of_x]),
                _products(ops.cast(_rows_of_all_steps(before), dtype), of_u),
            ]
            if self.reset_after:
                gradients.append(_sum_of_rows(of_u[-1]))
            if self.learn_initial_state:
                gradients += [ops.sum(one, axis=0) for one in of_initial]
            return tuple(map(self._exact, gradients))

        return hidden, gradient

    def _go_back(self, upstream, before, kept, recurrent):
        """Gradients of the initial states; and, all steps' rows, of each block.

        The blocks are those of ``x`` and, where it differs, the last of ``u``.
        """
        transposed = [ops.transpose(block) for block in self._blocks(recurrent)]

        def step(gradients, inputs, kept):
            upstream, before = inputs
            gradients = (gradients[0] + upstream, *gradients[1:])
            of_x, of_last, passed = self.retreat(gradients, before, kept)
            of_x = [ops.cast(block, recurrent.dtype) for block in of_x]
            of_last = ops.cast(of_last, recurrent.dtype)
            through_u = self._sum_of_products([*of_x[:-1], of_last], transposed)
            of_blocks = (*of_x, of_last) if self.reset_after else tuple(of_x)
            return (passed[0] + through_u, *passed[1:]), of_blocks, ()

        zeros = ops.zeros_like(upstream[0])
        of_initial, of_blocks, _ = scan(
            step,
            (zeros,) * self.n_states,
            (upstream, before),
            kept=kept,
            reverse=not self.reverse,
            for_xla=self.implementation == "xla",
        )
        return of_initial, list(map(_rows_of_all_steps, of_blocks))

    def _sum_of_products(self, blocks, kernels):
        products = map(ops.matmul, blocks, kernels)
        return functools.reduce(operator.add, map(self._exact, products))

    def _exact(self, tensor):
        return ops.cast(tensor, self.compute_dtype)

    def _blocks(self, wide):
        return [
            wide[..., i * self.size : (i + 1) * self.size] for i in range(self.n_blocks)
        ]


def _rows_of_all_steps(steps):
    """All steps of all texts, one a row."""
    return ops.reshape(steps, (-1, steps.shape[-1]))


def _products(rows, blocks):
    """``rows.T`` times each block, side by side."""
    transposed = ops.transpose(rows)
    return ops.concatenate([ops.matmul(transposed, block) for block in blocks], axis=1)


def _sum_of_rows(matrix):
    # A product, because TensorFlow sums over rows with one core.
    return ops.matmul(ops.ones((1, ops.shape(matrix)[0]), matrix.dtype), matrix)[0]


def _shifted(states, first, reverse: bool):
    """The states before each step, where `states` are those after it."""
    if reverse:
        return ops.concatenate([states[1:], first[None]], axis=0)
    return ops.concatenate([first[None], states[:-1]], axis=0)
