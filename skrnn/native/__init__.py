"""The steps of a GRU, compiled for the processor.

The formulas are those of `skrnn.cells.GRU`, written in C beside this file. TensorFlow
takes some thirty small operations for a step, and most of the time goes between them.
What is multiplied for the weights' gradients is in the processor's cache, too, when a
step has computed it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os

import numpy as np

# Hidden sizes that the kernels take are a multiple of this.
WIDTH = 32

# A recurrent kernel in float32 that is wider than this leaves a core's cache at every
# step; TensorFlow's products were measured faster then.
WIDEST_FLOAT32 = 256

# As the C file has room for.
_MOST_THREADS = 64

# In the C file's order: of one precision, the faster ones last.
_PRECISIONS = {
    "avx2": "float32",
    "avx512": "float32",
    "avx512_bf16": "bfloat16",
    "amx": "bfloat16",
}


def _arguments(name, **fields):
    """As a C file declares them: names of each kind, in its order."""
    kinds = {
        "integers": ctypes.c_int64,
        "floats": ctypes.c_float,
        "arrays": ctypes.c_void_p,
    }
    fields = [
        (one, kinds[kind]) for kind, names in fields.items() for one in names.split()
    ]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


_Forward = _arguments(
    "_Forward",
    integers="steps batch size n_features reverse in_turns",
    floats="steepness",
    arrays="inputs input_kernel x rows padding recurrent bias recurrent_bias states "
    "kept pooled",
)
_Backward = _arguments(
    "_Backward",
    integers="steps batch size n_features reverse",
    floats="steepness",
    arrays="upstream of_pooled largest inputs input_kernel padding recurrent states "
    "kept of_inputs of_initial of_sums",
)
_SumRows = _arguments(
    "_SumRows", integers="n_rows width n_sums", arrays="vectors ids sums"
)


def _load():
    """The library, and the names of those kernels that this processor runs."""
    spec = importlib.util.find_spec("skrnn.native._kernel")
    if spec is None:  # where no compiler was at hand, or another processor
        return None, ()
    try:
        library = ctypes.CDLL(spec.origin)
    except OSError:  # compiled for another system
        return None, ()
    sizes = (ctypes.sizeof(_Forward), ctypes.sizeof(_Backward))
    runs = library.gru_kernels(*map(ctypes.c_size_t, sizes))
    return library, tuple(name for i, name in enumerate(_PRECISIONS) if runs >> i & 1)


_LIBRARY, KERNELS = _load()


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


def precision_of(kernel: str) -> str:
    """What a kernel's products are taken in, "float32" or "bfloat16"."""
    return _PRECISIONS[kernel]


def _n_threads() -> int:
    """As many as TensorFlow's operations have, as far as the environment tells."""
    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if told.isdecimal() and int(told):
        n_threads = int(told)
    elif hasattr(os, "sched_getaffinity"):
        n_threads = len(os.sched_getaffinity(0))
    else:
        n_threads = os.cpu_count() or 1
    return min(n_threads, _MOST_THREADS)


def forward(
    inputs,
    padding,
    recurrent,
    bias,
    recurrent_bias,
    initial,
    input_kernel=None,
    rows=None,
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
        What is read. Without `input_kernel`, its product with that, of shape
        (steps, batch, 3 * size), or (n_rows, 3 * size) with `rows`.

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
        Which of the products a step reads.

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
        the last. Of shape (2, batch, size), and of no use, where they are not kept.

    kept : ndarray of shape (steps, batch, 4 * size)
        Of no steps where nothing is kept. Its dtype is `dtype_of_kept`.

    pooled : float32 ndarray of shape (3, batch, size)
        The last states; the sums of those after steps that hold a token; and the
        largest of these, minus infinity where there are none. Of shape
        (0, batch, size) where nothing is pooled.
    """
    steps, batch = padding.shape
    size = len(recurrent)
    in_turns = pools and not keeps
    states = _empty((2 if in_turns else steps + 1, batch, size))
    first, last = (steps, 0) if reverse else (0, steps)
    states[first % len(states)] = initial
    kept = _empty((steps if keeps else 0, batch, 4 * size), dtype_of_kept(kernel))
    pooled = _empty((3 if pools else 0, batch, size))
    pooled[1:2], pooled[2:] = 0.0, -np.inf
    n_features = 0 if input_kernel is None else len(input_kernel)
    read = {"x": inputs} if input_kernel is None else {"inputs": inputs}
    _call(
        "gru_forward",
        kernel,
        _Forward(steps, batch, size, n_features, reverse, in_turns, steepness or 0.0),
        **read,
        input_kernel=input_kernel,
        rows=rows,
        padding=padding,
        recurrent=recurrent,
        bias=bias,
        recurrent_bias=recurrent_bias,
        states=states,
        kept=kept if keeps else None,
        pooled=pooled[1:] if pools else None,
    )
    pooled[:1] = states[last % len(states)]
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

    inputs, padding, recurrent, input_kernel, kernel, reverse, steepness
        As `forward` took them.

    states, kept, pooled : ndarrays
        As `forward` gave them.

    Returns
    -------
    of_inputs, of_input_kernel, of_recurrent, of_initial : float32 ndarrays
        The gradients of `inputs`, `input_kernel`, `recurrent` and `initial`, of their
        shapes.

    of_biases : float32 ndarray of shape (4, size)
        Those of the three blocks of `bias`, and of `recurrent_bias`.
    """
    steps, batch, n_features = inputs.shape
    size = len(recurrent)
    of_inputs = _empty(inputs.shape)
    of_initial = _empty((batch, size))
    # Side by side, as the C file has them.
    n_padded = -(-n_features // WIDTH) * WIDTH
    of_sums = _empty((4 + 3 * (size + n_padded), size))
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


def dtype_of_kept(kernel: str) -> np.dtype:
    """What a kernel keeps for the way back: numbers, or the bits of bfloat16."""
    return np.dtype(np.float32 if precision_of(kernel) == "float32" else np.uint16)


def sum_rows(vectors, ids, n_sums: int) -> np.ndarray:
    """Sum the rows that have an id in common.

    Parameters
    ----------
    vectors : float32 ndarray of shape (n_rows, width)
        What to sum.

    ids : int32 ndarray of shape (n_rows,)
        From 0 to below `n_sums`; rows of others are left out.

    n_sums : int
        The number of sums.

    Returns
    -------
    float32 ndarray of shape (n_sums, width)
        Each in the order of the rows; 0 for an id that none has.
    """
    sums = _empty((n_sums, vectors.shape[1]))
    arguments = _SumRows(*vectors.shape, n_sums)
    held = _point(arguments, _DTYPES, vectors=vectors, ids=ids, sums=sums)
    _LIBRARY.sum_rows(_n_threads(), ctypes.byref(arguments))
    del held
    return sums


def _empty(shape, dtype=np.float32):
    """An array that TensorFlow takes as it is, for it begins at a multiple of 64."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


# Of those arrays that are not float32.
_DTYPES = {
    "rows": np.dtype(np.int32),
    "ids": np.dtype(np.int32),
    "padding": np.dtype(np.uint8),
}


def _point(arguments, dtypes, **arrays) -> list[np.ndarray]:
    """Point a structure at arrays; they are given back, to be held until it is used."""
    held = []
    for name, array in arrays.items():
        if array is None:
            continue
        dtype = dtypes.get(name, np.dtype(np.float32))
        if array.dtype != dtype:
            raise TypeError(f"`{name}` is {array.dtype} and not {dtype}.")
        held.append(np.ascontiguousarray(array))
        setattr(arguments, name, held[-1].ctypes.data)
    return held


def _call(function, kernel, arguments, **arrays):
    dtypes = {**_DTYPES, "kept": dtype_of_kept(kernel)}
    held = _point(arguments, dtypes, **arrays)
    number = list(_PRECISIONS).index(kernel)
    failed = getattr(_LIBRARY, function)(number, _n_threads(), ctypes.byref(arguments))
    del held
    if failed:
        raise MemoryError(f"No memory is left for a matrix of {arguments.size} units.")
