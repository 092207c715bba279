"""The steps of a GRU, compiled for the processor.

The formulas are those of `skrnn.cells.GRU`, written in C beside this file. TensorFlow
takes some thirty small operations for a step, and most of the time goes between them.
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


def _arguments(name, numbers, arrays):
    """As the C file declares them."""
    fields = [
        *((one, ctypes.c_int64) for one in numbers.split()),
        ("steepness", ctypes.c_float),
        *((one, ctypes.c_void_p) for one in arrays.split()),
    ]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


_Forward = _arguments(
    "_Forward",
    "steps batch size reverse in_turns",
    "x rows padding recurrent bias recurrent_bias states kept pooled",
)
_Backward = _arguments(
    "_Backward",
    "steps batch size reverse",
    "upstream of_pooled largest padding recurrent states kept of_x of_u of_biases "
    "of_initial",
)


def _load():
    """The library, and the names of those kernels that this processor runs."""
    spec = importlib.util.find_spec("skrnn.native._gru")
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
    x,
    padding,
    recurrent,
    bias,
    recurrent_bias,
    initial,
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
    x : ndarray of shape (steps, batch, 3 * size) or (n_rows, 3 * size)
        The inputs' products with the kernel's blocks, of the kernel's precision.

    padding : uint8 ndarray of shape (steps, batch)
        1 at steps that hold no token, 0 at others.

    recurrent : ndarray of shape (size, 3 * size)
        The recurrent kernel, of `x`'s dtype.

    bias : float32 ndarray of shape (3 * size,)
        That of the input's products.

    recurrent_bias : float32 ndarray of shape (size,)
        That of the last block of the state's product.

    initial : float32 ndarray of shape (batch, size)
        The states before the first step.

    rows : int32 ndarray of shape (steps, batch), default=None
        Which row of `x` a step reads; None where `x` has all steps.

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
        Of `x`'s dtype; of no steps where nothing is kept.

    pooled : float32 ndarray of shape (3, batch, size)
        The last states; the sums of those after steps that hold a token; and the
        largest of these, minus infinity where there are none. Of shape
        (0, batch, size) where nothing is pooled.
    """
    steps, batch = padding.shape
    size = len(recurrent)
    in_turns = pools and not keeps
    states = _empty((2 if in_turns else steps + 1, batch, size), np.float32)
    first, last = (steps, 0) if reverse else (0, steps)
    states[first % len(states)] = initial
    kept = _empty((steps if keeps else 0, batch, 4 * size), x.dtype)
    pooled = _empty((3 if pools else 0, batch, size), np.float32)
    pooled[1:2], pooled[2:] = 0.0, -np.inf
    _call(
        "gru_forward",
        kernel,
        _Forward(steps, batch, size, reverse, in_turns, steepness or 0.0),
        x=x,
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
    padding,
    recurrent,
    states,
    kept,
    pooled,
    *,
    kernel: str,
    reverse: bool,
    steepness: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Go all steps back.

    Parameters
    ----------
    upstream : float32 ndarray of shape (steps, batch, size) or (3, batch, size)
        The gradients of the states after each step, those after it left out; or those
        of `pooled`, if anything was pooled. Where several states are the largest, the
        last that was computed has the gradient.

    padding, recurrent, kernel, reverse, steepness
        As `forward` took them.

    states, kept, pooled : ndarrays
        As `forward` gave them.

    Returns
    -------
    of_x, of_u : ndarrays of shape (steps, batch, 3 * size)
        The gradients of `x` and of the states' products with `recurrent`, of the
        dtype of `kept`.

    of_biases : float32 ndarray of shape (4, size)
        Those of the three blocks of `bias`, and of `recurrent_bias`.

    of_initial : float32 ndarray of shape (batch, size)
        That of `initial`.
    """
    steps, batch = padding.shape
    size = len(recurrent)
    of_x, of_u = (_empty((steps, batch, 3 * size), kept.dtype) for _ in range(2))
    of_biases = _empty((4, size), np.float32)
    of_initial = _empty((batch, size), np.float32)
    if len(pooled):
        of_states = {"of_pooled": upstream, "largest": pooled[2]}
    else:
        of_states = {"upstream": upstream}
    _call(
        "gru_backward",
        kernel,
        _Backward(steps, batch, size, reverse, steepness or 0.0),
        **of_states,
        padding=padding,
        recurrent=recurrent,
        states=states,
        kept=kept,
        of_x=of_x,
        of_u=of_u,
        of_biases=of_biases,
        of_initial=of_initial,
    )
    return of_x, of_u, of_biases, of_initial


def _empty(shape, dtype):
    """An array that TensorFlow takes as it is, for it begins at a multiple of 64."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(n_bytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


# Of those arrays that are not float32; None: of the kernel's precision.
_DTYPES = {
    "rows": np.dtype(np.int32),
    "padding": np.dtype(np.uint8),
    **dict.fromkeys(("x", "recurrent", "kept", "of_x", "of_u")),
}


def _call(function, kernel, arguments, **arrays):
    held = []
    for name, array in arrays.items():
        if array is None:
            continue
        dtype = _DTYPES.get(name, np.dtype(np.float32)) or arrays["recurrent"].dtype
        if array.dtype != dtype:
            raise TypeError(f"`{name}` is {array.dtype} and not {dtype}.")
        array = np.ascontiguousarray(array)
        setattr(arguments, name, array.ctypes.data)
        # Until the call is over.
        held.append(array)
    number = list(_PRECISIONS).index(kernel)
    if getattr(_LIBRARY, function)(number, _n_threads(), ctypes.byref(arguments)):
        raise MemoryError(f"No memory is left for a matrix of {arguments.size} units.")
