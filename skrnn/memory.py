"""Memory that the process no longer needs."""

from __future__ import annotations

import ctypes
import sys

from skrnn.native.arrays import let_go

# The C library of most Linux systems has it.
_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None
_TRIM = getattr(_C_LIBRARY, "malloc_trim", None)


def give_back() -> None:
    """Give the system the memory that was freed, and what `skrnn.native` keeps."""
    let_go()
    trim()


def trim() -> None:
    """Give the system the memory that was freed, which the C library keeps.

    What is made of texts step by step, some of it by threads, leaves gaps that larger
    arrays do not fit in.
    """
    if _TRIM is not None:
        _TRIM(ctypes.c_size_t(0))
