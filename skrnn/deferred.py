"""An embedding's moves by Adam, put off until a row is read."""

from __future__ import annotations

import contextlib
import math

import numpy as np

from skrnn._keras import keras
from skrnn.backend import copy_of
from skrnn.native import adam


class DeferredMoves:
    """A table whose rows Adam moves when they are read next.

    Adam moves each row at each update, whether its token was in the batch or not. But
    where the gradient is 0 a move follows from those before it, and all that a row has
    missed are made at once, in the core's cache, when a batch reads it. The results are
    those of plain Adam, but for rounding: moves too small to be seen are left out.

    Parameters
    ----------
    table, momentum, velocity : keras.Variable of shape (n_ids, width), float32
        The weights, and what Adam averages.

    betas : tuple of two floats
        The rates that momentum and velocity decay by.

    epsilon : float
        Added to the root of the velocity.
    """

    def __init__(
        self,
        table: keras.Variable,
        momentum: keras.Variable,
        velocity: keras.Variable,
        *,
        betas: tuple[float, float],
        epsilon: float,
    ):
        self._variables = (table, momentum, velocity)
        self._rule = {"betas": betas, "epsilon": epsilon}
        self._defers = False
        # Of the variables, and the number of updates that each row has seen.
        self._arrays = None
        self._sizes = np.empty(0, np.float32)
        self._n_steps = 0

    @contextlib.contextmanager
    def deferring(self):
        """Leave the variables behind meanwhile, but for what `catch_up` does."""
        self._defers = True
        try:
            yield
        finally:
            self._defers = False
            self.catch_up()

    def catch_up(self) -> None:
        """Make all moves, and give the variables what has come of them."""
        if self._arrays is None:
            return
        self._move(None)
        *values, _ = self._arrays
        # Let go of: the variables may take the arrays' own memory.
        self._arrays = None
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)

    def read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the rows that ids stand for.

        Parameters
        ----------
        ids : int32 ndarray
            Numbers of rows.

        Returns
        -------
        vectors : float32 ndarray of shape (n_rows, width)
            The rows, as they are after the last update.

        positions : int32 ndarray of the ids' shape
            The place in `vectors` of each id's row.

        rows : int32 ndarray of shape (n_rows,)
            The rows' ids, each once.
        """
        rows, positions = _distinct(ids.ravel(), self._variables[0].shape[0])
        positions = positions.reshape(ids.shape)
        if not self._defers:
            return copy_of(self._variables[0])[rows], positions, rows
        self._begin()
        return self._move(rows, gives=True), positions, rows

    def move(
        self, rows: np.ndarray, slopes: np.ndarray, step: int, learning_rate: float
    ) -> np.int32:
        """Make an update, of which the rows that were read last have a gradient.

        Parameters
        ----------
        rows : int32 ndarray of shape (n_rows,)
            Their ids, each once.

        slopes : float32 ndarray of shape (n_rows, width)
            Their gradients.

        step : int
            The number of this update, from 1.

        learning_rate : float
            Its step size.

        Returns
        -------
        int32
            The number of updates since the variables were left behind.
        """
        self._begin()
        beta_1, beta_2 = self._rule["betas"]
        size = learning_rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        if self._n_steps == len(self._sizes):
            self._sizes = np.resize(self._sizes, 2 * self._n_steps + 64)
        self._sizes[self._n_steps] = size
        self._n_steps += 1
        self._move(rows, slopes=slopes)
        if not self._defers:
            self.catch_up()
        return np.int32(self._n_steps)

    def _begin(self):
        if self._arrays is None:
            values = map(copy_of, self._variables)
            self._arrays = (*values, np.zeros(self._variables[0].shape[0], np.int32))
            self._n_steps = 0

    def _move(self, rows, **given):
        return adam.move_rows(
            *self._arrays,
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
    # Of several values given to one place the last stays.
    places[ids] = order
    rows = ids[places[ids] == order]
    places[rows] = order[: len(rows)]
    return rows, places[ids]
