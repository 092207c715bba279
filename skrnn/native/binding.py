"""The compiled library, and how arrays are handed to it."""

from __future__ import annotations

import ctypes
import importlib.util
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
