"""Memory of arrays: kept for later ones, or given back at once."""

from __future__ import annotations

import contextlib
import math
import mmap

import numpy as np

from skrnn.native.binding import library_with


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
# fills with zeros, took 15 to 20 % of a step's time (docs/performance_log.md).
_kept: dict[int, np.ndarray] = {}
_MOST_BYTES_KEPT = 2**27
# Smaller ones the C library keeps.
_FEWEST_BYTES_KEPT = 2**16
# Kept memory may be so many times what is asked for: batches differ in length.
_MOST_TIMES = 8


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
        if n_bytes <= one.nbytes <= _MOST_TIMES * n_bytes:
            memory = _kept.pop(key, None)
            if memory is one:
                return memory
    if n_bytes >= _FEWEST_BYTES_KEPT:
        # In its place others go, the smallest first, lest arrays and what is kept take
        # much more than arrays alone.
        _forget(n_bytes, there)
    return np.empty(n_bytes, np.uint8)


def _forget(n_bytes: int, those) -> None:
    """Let go of so many bytes, the first of those kept first."""
    for key, one in those:
        if n_bytes <= 0:
            return
        _kept.pop(key, None)
        n_bytes -= one.nbytes


def let_go() -> None:
    """Keep no memory for later arrays and calls."""
    _kept.clear()
    # One of another state of the code may have none.
    scratch_let_go = getattr(library_with(), "let_go", None)
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
