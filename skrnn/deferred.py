"""Moves by Adam that are put off until a row is read."""

from __future__ import annotations

import numpy as np

from skrnn.native import adam


class DeferredMoves:
    """Weights that Adam moves in place, some rows when they are read next.

    Adam moves each row of a table at each update, whether its token was in the batch or
    not. But where the gradient is 0 a move follows from those before it, and all that a
    row has missed are made at once, in the core's cache, when a batch reads it. The
    results are those of plain Adam, but for rounding: moves too small to be seen are
    left out.

    Parameters
    ----------
    weights, momentum, velocity : float32 ndarrays of one shape, in C order
        The weights, and what Adam averages.

    betas : tuple of two floats
        The rates that momentum and velocity decay by.

    epsilon : float
        Added to the root of the velocity.
    """

    def __init__(
        self,
        weights: np.ndarray,
        momentum: np.ndarray,
        velocity: np.ndarray,
        *,
        betas: tuple[float, float],
        epsilon: float,
    ):
        self._n_rows = len(weights) if weights.ndim > 1 else 1
        self._arrays = [
            one.reshape(self._n_rows, -1) for one in (weights, momentum, velocity)
        ]
        self._rule = {"betas": betas, "epsilon": epsilon}
        # The number of updates that each row has seen.
        self._seen = np.zeros(self._n_rows, np.int32)
        self._sizes = np.empty(0, np.float32)
        self._n_steps = 0

    def read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the rows that ids stand for, as they are after the last update.

        Parameters
        ----------
        ids : int32 ndarray
            Numbers of rows.

        Returns
        -------
        vectors : float32 ndarray of shape (n_rows, width)
            A copy of the rows, each once.

        positions : int32 ndarray of the ids' shape
            The place in `vectors` of each id's row.

        rows : int32 ndarray of shape (n_rows,)
            The rows' numbers.

        Raises
        ------
        ValueError
            If there is no row of some id.
        """
        if ids.size and not 0 <= ids.min() <= ids.max() < self._n_rows:
            raise ValueError(
                f"The table has rows 0 to {self._n_rows - 1}; ids run from "
                f"{ids.min()} to {ids.max()}."
            )
        rows, positions = _distinct(ids.ravel(), self._n_rows)
        return self._move(rows, gives=True), positions.reshape(ids.shape), rows

    def update(self, rows: np.ndarray | None, slopes: np.ndarray, size: float) -> None:
        """Make an update.

        Parameters
        ----------
        rows : int32 ndarray of shape (n_rows,), or None
            Which rows have a gradient, those that were read last; None for all.

        slopes : float32 ndarray of shape (n_rows, width)
            It; or of the weights' shape.

        size : float
            The step size, corrected as Adam does.
        """
        if self._n_steps == len(self._sizes):
            self._sizes = np.resize(self._sizes, 2 * self._n_steps + 64)
        self._sizes[self._n_steps] = size
        self._n_steps += 1
        width = self._arrays[0].shape[1]
        self._move(rows, slopes=slopes.reshape(-1, width))

    def catch_up(self) -> None:
        """Make all moves that were put off."""
        self._move(None)

    def _move(self, rows, **given):
        return adam.move_rows(
            *self._arrays,
            self._seen,
            ids=rows,
            sizes=self._sizes,
            n_steps=self._n_steps,
            **self._rule,
            **given,
        )


def _distinct(ids, n_ids):
    """Each of some ids once, and the place of each among them."""
    places = np.empty(n_ids, np.int32)
    order = np.arange(len(ids), dtype=np.int32)
    # Where an index repeats NumPy keeps the value assigned last.
    places[ids] = order
    rows = ids[places[ids] == order]
    places[rows] = order[: len(rows)]
    return rows, places[ids]
