"""The compiled library, and how arrays are handed to it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import math
import mmap
import os

import numpy as np

# As the C files have room for.
_MOST_THREADS = 64


def _load() -> ctypes.CDLL | None:
    spec = importlib.util.find_spec("skrnn.native._kernel")
    if spec is None:  # where no compiler was at hand, or another processor
        return None
    try:
        return ctypes.CDLL(spec.origin)
    except OSError:  # compiled for another system
        return None


_LIBRARY = _load()


def library_with(*structures: type[ctypes.Structure]) -> ctypes.CDLL | None:
    """Give the library, if it was compiled with these structures.

    None where none was compiled, or one whose structures have other names or sizes is
    left over: of one that differs in anything else nothing is noticed.
    """
    if _LIBRARY is None:
        return None
    for one in structures:
        try:
            size = ctypes.c_size_t.in_dll(_LIBRARY, f"bytes_of_{one.__name__}")
        except ValueError:  # no such name
            return None
        if size.value != ctypes.sizeof(one):
            return None
    return _LIBRARY


def structure(name: str, **fields: str) -> type[ctypes.Structure]:
    """Declare a structure as a C file has it.

    Parameters
    ----------
    name : str
        Its name there.

    **fields : str
        The names of its integers, floats and arrays, in its order. An array's dtype
        stands behind a colon; without one it is float32, and with "any" each array is
        taken.
    """
    kinds = {
        "integers": ctypes.c_int64,
        "floats": ctypes.c_float,
        "arrays": ctypes.c_void_p,
    }
    declared, dtypes = [], {}
    for kind, names in fields.items():
        for one in names.split():
            field, _, dtype = one.partition(":")
            declared.append((field, kinds[kind]))
            dtypes[field] = None if dtype == "any" else np.dtype(dtype or "float32")
    return type(name, (ctypes.Structure,), {"_fields_": declared, "dtypes": dtypes})


def point(arguments: ctypes.Structure, **arrays) -> list[np.ndarray]:
    """Point a structure at arrays; they are given back, to be held until it is used."""
    held = []
    for name, array in arrays.items():
        if array is None:
            continue
        dtype = arguments.dtypes[name]
        if dtype is not None and array.dtype != dtype:
            raise TypeError(f"`{name}` is {array.dtype} and not {dtype}.")
        held.append(np.ascontiguousarray(array))
        setattr(arguments, name, held[-1].ctypes.data)
    return held


def empty(shape, dtype=np.float32) -> np.ndarray:
    """Make an array that TensorFlow takes as it is: it begins at a multiple of 64.

    Its memory may be that of an earlier one, and serve a later one.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = _take(n_bytes + 64).view(_Lent)
    start = -memory.ctypes.data % 64
    lent = memory[start : start + n_bytes].view(np.ndarray)
    return lent.view(dtype).reshape(shape)


# Memory of arrays that nothing holds any more. Pages that the system gives anew, and
# fills with zeros, take a tenth of a step's time, of a short one's a quarter.
_kept: dict[int, np.ndarray] = {}
_MOST_BYTES_KEPT = 2**27
# Smaller ones the C library keeps.
_FEWEST_BYTES_KEPT = 2**16


class _Lent(np.ndarray):
    """Memory that is kept when the last array in it is gone."""

    def __del__(self):
        # An array of this kind that is made of another has no memory of its own.
        memory = self.base
        # Python takes a module's names away before it ends.
        if _kept is None or type(memory) is not np.ndarray:
            return
        if memory.nbytes < _FEWEST_BYTES_KEPT:
            return
        _kept[id(memory)] = memory
        there = _kept.copy()
        n_bytes = sum(one.nbytes for one in there.values())
        _forget(n_bytes - _MOST_BYTES_KEPT, there.items())


def _take(n_bytes: int) -> np.ndarray:
    """Memory of so many bytes or, of what is kept, some times as many."""
    # A copy, for another thread, or what Python collects meanwhile, may change it.
    there = sorted(_kept.copy().items(), key=lambda item: item[1].nbytes)
    for key, one in there:
        if n_bytes <= one.nbytes <= 8 * n_bytes:
            memory = _kept.pop(key, None)
            if memory is one:
                return memory
    if n_bytes >= _FEWEST_BYTES_KEPT:
        # In its place others go, the smallest first, lest arrays and what is kept take
        # much more than arrays alone.
        _forget(n_bytes, there)
    return np.empty(n_bytes, np.uint8)


def _forget(n_bytes: int, those) -> None:
    for key, one in those:
        if n_bytes <= 0:
            return
        _kept.pop(key, None)
        n_bytes -= one.nbytes


def let_go() -> None:
    """Keep no memory for later arrays and calls."""
    _kept.clear()
    # One of another state of the code may have none.
    scratch_let_go = getattr(_LIBRARY, "let_go", None)
    if scratch_let_go is not None:
        scratch_let_go()


def zeros_given_back(shape, dtype=np.float32, *, sparse: bool = False) -> np.ndarray:
    """Make an array whose memory goes back to the system as soon as nothing holds it.

    What a thread of its own frees, the C library keeps for such threads.

    Parameters
    ----------
    shape, dtype
        The array's.

    sparse : bool, default=False
        Whether little of it will be written: what is not then takes no memory, for the
        system is told not to give some megabytes for each page.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    try:
        memory = mmap.mmap(-1, max(n_bytes, 1), flags=flags)
    except OSError as error:
        raise MemoryError(f"No memory is left for {n_bytes} bytes.") from error
    if sparse and hasattr(mmap, "MADV_NOHUGEPAGE"):
        # Systems that never would refuse to be told.
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.ndarray(shape, dtype, memory)


def n_threads() -> int:
    """As many as TensorFlow's operations have, as far as the environment tells."""
    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if told.isdecimal() and int(told):
        n_threads = int(told)
    elif hasattr(os, "sched_getaffinity"):
        n_threads = len(os.sched_getaffinity(0))
    else:
        n_threads = os.cpu_count() or 1
    return min(n_threads, _MOST_THREADS)
