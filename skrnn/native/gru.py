"""A GRU, compiled for the processor: gru.c.

The formulas are those of `skrnn.cells.GRU`. TensorFlow takes some thirty small
operations for a step, and most of the time goes between them. What is multiplied for
the weights' gradients is in the processor's cache, too, when a step has computed it.
"""

from __future__ import annotations

import ctypes
from functools import partial

import numpy as np

from skrnn.native.arrays import empty, zeros_given_back
from skrnn.native.binding import (
    library_with,
    n_threads,
    point,
    structure,
)

# Hidden sizes that the kernels take are a multiple of this; the number of features is
# rounded up to one in what they sum up.
MULTIPLE = 32

# In the C file's order: of one precision, the faster ones last.
_PRECISIONS = {
    "avx2": "float32",
    "avx512": "float32",
    "avx512_bf16": "bfloat16",
    "amx": "bfloat16",
}

_Forward = structure(
    "forward",
    integers="steps batch size n_features reverse in_turns",
    floats="steepness",
    arrays="inputs input_kernel x rows:int32 factors padding:uint8 recurrent bias "
    "recurrent_bias states kept:any pooled",
)
_Backward = structure(
    "backward",
    integers="steps batch size n_features reverse",
    floats="steepness",
    arrays="upstream of_pooled largest inputs input_kernel rows:int32 factors "
    "padding:uint8 recurrent states kept:any of_inputs of_initial of_sums",
)


LIBRARY = library_with(_Forward, _Backward)


def _runnable() -> tuple[str, ...]:
    """The names of those kernels that this processor runs."""
    runs = LIBRARY.gru_kernels() if LIBRARY else 0
    return tuple(name for i, name in enumerate(_PRECISIONS) if runs >> i & 1)


KERNELS = _runnable()


def fastest_kernel(precision: str) -> str | None:
    """Name the fastest kernel for products of a precision.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}
        What products are taken in, and what is kept for the way back.

    Returns
    -------
    str or None
        One of `KERNELS`; None where the processor runs none, or none was compiled.
    """
    of_precision = [one for one in KERNELS if precision_of(one) == precision]
    return of_precision[-1] if of_precision else None


def training_kernel(precision: str) -> str | None:
    """Name the kernel that trains in a precision, or in float32 where none does.

    Parameters and what is returned are those of `fastest_kernel`.
    """
    return fastest_kernel(precision) or fastest_kernel("float32")


def precision_of(kernel: str) -> str:
    """What a kernel's products are taken in, "float32" or "bfloat16"."""
    return _PRECISIONS[kernel]


def forward(
    inputs,
    padding,
    recurrent,
    bias,
    recurrent_bias,
    initial,
    input_kernel=None,
    rows=None,
    factors=None,
    *,
    kernel: str,
    reverse: bool,
    steepness: float | None,
    keeps: bool = False,
    pools: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take all steps.

    Parameters
    ----------
    inputs : float32 ndarray of shape (steps, batch, n_features)
        What is read; with `rows`, a table of shape (n_rows, n_features). Without
        `input_kernel`, its product with that, of shape (steps * batch, 3 * size), or
        (n_rows, 3 * size) with `rows`.

    padding : uint8 ndarray of shape (steps, batch)
        1 at steps that hold no token, 0 at others.

    recurrent : float32 ndarray of shape (size, 3 * size)
        The recurrent kernel.

    bias : float32 ndarray of shape (3 * size,)
        That of the inputs' products.

    recurrent_bias : float32 ndarray of shape (size,)
        That of the last block of the state's product.

    initial : float32 ndarray of shape (batch, size)
        The states before the first step.

    input_kernel : float32 ndarray of shape (n_features, 3 * size), default=None
        The kernel, unless `inputs` are products with it.

    rows : int32 ndarray of shape (steps, batch), default=None
        Which of the inputs, or of their products, a step reads.

    factors : float32 ndarray of shape (batch, n_features), default=None
        What a text's inputs are multiplied by, the same at all steps; for inputs that
        are no products.

    kernel : str
        One of `KERNELS`.

    reverse : bool
        Whether to start at the last step and end at the first.

    steepness : float or None
        That of the sigmoid gates; None for the hard one.

    keeps : bool, default=False
        Whether to keep what `backward` needs.

    pools : bool, default=False
        Whether to pool the states as they come; if nothing is kept, they are not
        either.

    Returns
    -------
    states : float32 ndarray of shape (steps + 1, batch, size)
        The states between steps, the first of them `initial`; read backward it is
        the last. Where they are pooled, they are for `backward` alone: some, at steps
        that hold no token, are not written. Of shape (2, batch, size), and of no use,
        where they are pooled and nothing is kept.

    kept : ndarray of shape (steps, batch, 4 * size)
        Of no steps where nothing is kept. Its dtype is `dtype_of_kept`.

    pooled : float32 ndarray of shape (3, batch, size)
        The last states; the sums of those after steps that hold a token; and the
        largest of these, minus infinity where there are none. Of shape
        (0, batch, size) where nothing is pooled.

    Raises
    ------
    ValueError
        If `inputs` or `rows` are not of as many steps and texts as `padding`, or
        `factors` not of as many texts and features, or a row is none of `inputs`.

    MemoryError
        If none is left for what is given, or multiplied.
    """
    steps, batch = padding.shape
    size = len(recurrent)
    n_features = 0 if input_kernel is None else len(input_kernel)
    width = 3 * size if input_kernel is None else n_features
    # What would be read beyond an array's end is no error to a compiled function.
    if rows is not None:
        fits = rows.shape == padding.shape
    elif input_kernel is not None:
        fits = inputs.shape[:2] == padding.shape
    else:
        fits = len(inputs) == steps * batch
    if not fits:
        raise ValueError(
            f"Padding of {steps} steps and {batch} texts does not fit what is read, of "
            f"shape {(inputs if rows is None else rows).shape}."
        )
    if inputs.shape[-1] != width:
        raise ValueError(f"Inputs of shape {inputs.shape} should have {width} columns.")
    if factors is not None and factors.shape != (batch, n_features):
        raise ValueError(
            f"Factors of shape {factors.shape} do not fit {batch} texts of "
            f"{n_features} features."
        )
    if (
        rows is not None
        and rows.size
        and not 0 <= rows.min() <= rows.max() < len(inputs)
    ):
        raise ValueError(
            f"Rows {rows.min()} to {rows.max()} are not all within a table of "
            f"{len(inputs)}."
        )
    in_turns = pools and not keeps
    make = _maker_for(padding) if keeps else empty
    # Without pooling the states of all steps are read.
    make_states = make if pools else empty
    states = make_states((2 if in_turns else steps + 1, batch, size))
    states[(steps if reverse else 0) % len(states)] = initial
    kept = make((steps if keeps else 0, batch, 4 * size), dtype_of_kept(kernel))
    pooled = empty((3 if pools else 0, batch, size))
    pooled[1:2], pooled[2:] = 0.0, -np.inf
    read = {"x": inputs} if input_kernel is None else {"inputs": inputs}
    _call(
        "gru_forward",
        kernel,
        _Forward(steps, batch, size, n_features, reverse, in_turns, steepness or 0.0),
        **read,
        input_kernel=input_kernel,
        rows=rows,
        factors=factors,
        padding=padding,
        recurrent=recurrent,
        bias=bias,
        recurrent_bias=recurrent_bias,
        states=states,
        kept=kept if keeps else None,
        pooled=pooled if pools else None,
    )
    return states, kept, pooled


def backward(
    upstream,
    inputs,
    padding,
    recurrent,
    input_kernel,
    states,
    kept,
    pooled,
    rows=None,
    factors=None,
    *,
    kernel: str,
    reverse: bool,
    steepness: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Go all steps back.

    Parameters
    ----------
    upstream : float32 ndarray of shape (steps, batch, size) or (3, batch, size)
        The gradients of the states after each step, those after it left out; or those
        of `pooled`, if anything was pooled. Where several states are the largest, the
        last that was computed has the gradient.

    inputs, padding, recurrent, input_kernel, rows, factors, kernel, reverse, steepness
        As `forward` took them.

    states, kept, pooled : ndarrays
        As `forward` gave them.

    Returns
    -------
    of_inputs : float32 ndarray of shape (steps, batch, n_features)
        The gradient of what is read at each step. With `rows` it may be anything where
        no token stands.

    of_input_kernel, of_recurrent, of_initial : float32 ndarrays
        The gradients of `input_kernel`, `recurrent` and `initial`, of their shapes.

    of_biases : float32 ndarray of shape (4, size)
        Those of the three blocks of `bias`, and of `recurrent_bias`.
    """
    steps, batch = padding.shape
    n_features, size = len(input_kernel), len(recurrent)
    # With `rows` only the gradients at tokens are read: others may stay unwritten.
    make = empty if rows is None else _maker_for(padding)
    of_inputs = make((steps, batch, n_features))
    of_initial = empty((batch, size))
    # One array, as gru.c lays `of_sums` out, its rows padded to `MULTIPLE`.
    n_padded = -(-n_features // MULTIPLE) * MULTIPLE
    of_sums = empty((4 + 3 * (size + n_padded), size))
    of_biases, of_recurrent, of_input_kernel = np.split(of_sums, [4, 4 + 3 * size])
    if len(pooled):
        of_states = {"of_pooled": upstream, "largest": pooled[2]}
    else:
        of_states = {"upstream": upstream}
    _call(
        "gru_backward",
        kernel,
        _Backward(steps, batch, size, n_features, reverse, steepness or 0.0),
        **of_states,
        inputs=inputs,
        input_kernel=input_kernel,
        rows=rows,
        factors=factors,
        padding=padding,
        recurrent=recurrent,
        states=states,
        kept=kept,
        of_inputs=of_inputs,
        of_initial=of_initial,
        of_sums=of_sums,
    )
    return (
        of_inputs,
        of_input_kernel.reshape(n_padded, 3 * size)[:n_features],
        of_recurrent.reshape(size, 3 * size),
        of_initial,
        of_biases,
    )


def _maker_for(padding):
    """What makes arrays that are not written where a block of texts has no token.

    One long text among short ones leaves most of them so: memory is then taken for what
    is written alone. Else memory that was used before takes less time.
    """
    if 2 * np.count_nonzero(padding) > padding.size:
        return partial(zeros_given_back, sparse=True)
    return empty


def dtype_of_kept(kernel: str) -> np.dtype:
    """What a kernel keeps for the way back: numbers, or the bits of bfloat16."""
    return np.dtype(np.float32 if precision_of(kernel) == "float32" else np.uint16)


def _call(function, kernel, arguments, kept, **arrays):
    if kept is not None and kept.dtype != dtype_of_kept(kernel):
        raise TypeError(f"Another kernel kept {kept.dtype} for the way back.")
    held = point(arguments, kept=kept, **arrays)
    number = list(_PRECISIONS).index(kernel)
    failed = getattr(LIBRARY, function)(number, n_threads(), ctypes.byref(arguments))
    del held
    if failed:
        raise MemoryError(f"No memory is left for a matrix of {arguments.size} units.")
