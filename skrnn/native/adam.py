"""Adam on some rows of a table: adam.c."""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from skrnn.native.arrays import empty
from skrnn.native.binding import library_with, n_threads, point, structure
from skrnn.native.gru import KERNELS

_Adam = structure(
    "adam",
    integers="n_rows width n_steps limit",
    floats="beta_1 beta_2 epsilon",
    arrays="ids:int32 table momentum velocity seen:int32 sizes slopes rows",
)

# Compiled for what the least of the kernels takes.
LIBRARY = library_with(_Adam) if KERNELS else None


def move_rows(
    table: np.ndarray,
    momentum: np.ndarray,
    velocity: np.ndarray,
    seen: np.ndarray,
    *,
    ids: np.ndarray | None,
    sizes: np.ndarray,
    n_steps: int,
    betas: tuple[float, float],
    epsilon: float,
    slopes: np.ndarray | None = None,
    gives: bool = False,
) -> np.ndarray | None:
    """Move rows in place, each by itself.

    Without `slopes` a row makes the moves of all updates that it has not seen, in which
    its gradient was 0; with them the move of the last one.

    Parameters
    ----------
    table, momentum, velocity : float32 ndarrays of shape (n_ids, width), in C order
        The weights, and what Adam averages.

    seen : int32 ndarray of shape (n_ids,)
        The number of updates that each row has seen.

    ids : int32 ndarray of shape (n_rows,) or None
        Which rows, each once; None for all.

    sizes : float32 ndarray of shape (n_steps,) or more
        The step size of each update, corrected as Adam does.

    n_steps : int
        The number of updates that the rows have seen then.

    betas : tuple of two floats
        The rates that momentum and velocity decay by.

    epsilon : float
        Added to the root of the velocity.

    slopes : float32 ndarray of shape (n_rows, width), default=None
        The gradient of each row.

    gives : bool, default=False
        Whether to give a copy of the rows.

    Returns
    -------
    float32 ndarray of shape (n_rows, width) or None

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """
    n_ids, width = table.shape
    n_rows = n_ids if ids is None else len(ids)
    # What would be written beyond an array's end is no error to a compiled function.
    if not (
        table.shape == momentum.shape == velocity.shape
        and len(seen) == n_ids
        and n_steps <= len(sizes)
        and (slopes is None or (slopes.shape == (n_rows, width) and n_steps))
        and (ids is None or not n_rows or 0 <= ids.min() <= ids.max() < n_ids)
    ):
        raise ValueError(f"The arrays do not fit a table of shape {table.shape}.")
    arguments = _Adam(n_rows, width, n_steps, _most_moves(betas), *betas, epsilon)
    rows = empty((n_rows, width)) if gives else None
    held = point(
        arguments,
        ids=ids,
        table=table,
        momentum=momentum,
        velocity=velocity,
        seen=seen,
        sizes=sizes,
        slopes=slopes,
        rows=rows,
    )
    LIBRARY.move_rows(n_threads(), ctypes.byref(arguments))
    del held
    return rows


@functools.cache
def _most_moves(betas) -> int:
    """Of how many updates in a row without a gradient the moves can be seen.

    Each is this factor smaller than the one before, but for the step size.
    """
    factor = betas[0] / np.sqrt(betas[1]) if betas[1] else np.inf
    if factor >= 1:
        return 2**31  # all of them
    # Of 318 for the default rates the last is a share of 2^-48 of the first: step sizes
    # that grow a thousandfold meanwhile leave it below a float's precision.
    return int(np.ceil(np.log(2.0**-48) / np.log(factor))) if factor else 0
