"""The gradient of an embedding: embedding.c."""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.arrays import empty
from skrnn.native.binding import library_with, n_threads, point, structure

_SumRows = structure(
    "sum_rows",
    integers="n_rows width n_sums",
    arrays="vectors ids:int32 padding:uint8 sums",
)

LIBRARY = library_with(_SumRows)


def sum_rows(vectors, ids, padding, n_sums: int) -> np.ndarray:
    """Sum the rows that have an id in common.

    Parameters
    ----------
    vectors : float32 ndarray of shape (n_rows, width)
        What to sum.

    ids : int32 ndarray of shape (n_rows,)
        From 0 to below `n_sums`; rows of others are left out.

    padding : uint8 ndarray of shape (n_rows,)
        1 for rows that are left out.

    n_sums : int
        The number of sums.

    Returns
    -------
    float32 ndarray of shape (n_sums, width)
        Each in the order of the rows; 0 for an id that none has.

    Raises
    ------
    ValueError
        If there are not as many ids, or marks of padding, as rows.
    """
    for name, given in {"ids": ids, "marks of padding": padding}.items():
        if len(given) != len(vectors):
            raise ValueError(f"{len(vectors)} rows have {len(given)} {name}.")
    sums = empty((n_sums, vectors.shape[1]))
    arguments = _SumRows(*vectors.shape, len(sums))
    held = point(arguments, vectors=vectors, ids=ids, padding=padding, sums=sums)
    LIBRARY.sum_rows(n_threads(), ctypes.byref(arguments))
    del held
    return sums
