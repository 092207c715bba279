"""An embedding's moves by Adam, put off until a row is read."""

from __future__ import annotations

import math
import weakref

import numpy as np

from skrnn._keras import ON_TENSORFLOW, keras
from skrnn.backend import copy_of
from skrnn.native import adam
from skrnn.native.arrays import empty

if ON_TENSORFLOW:
    import tensorflow as tf


class DeferredMoves:
    """A table whose rows Adam moves when they are read next; on TensorFlow.

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
        self.table = table
        self.rule = {"betas": betas, "epsilon": epsilon}
        self._variables = (table, momentum, velocity)
        self._puts_off = False
        # The variables' memory, and the number of updates that each row has seen.
        self._arrays = None
        self._sizes = np.empty(0, np.float32)
        self._n_steps = 0

    def put_off(self) -> None:
        """Leave rows behind from the next update on, until `catch_up`."""
        self._puts_off = True

    def catch_up(self) -> None:
        """Make all moves that were put off, and put none off any more."""
        self._puts_off = False
        if self._arrays is None:
            return
        self._move_rows(None)
        self._arrays = None

    def between_epochs(self, callbacks) -> list[keras.callbacks.Callback]:
        """Let callbacks see the weights of the moment, and change them.

        Parameters
        ----------
        callbacks : sequence of keras.callbacks.Callback
            None of them called at each batch.

        Returns
        -------
        list of keras.callbacks.Callback
            The same between two more, for which moves are put off within an epoch only.
        """
        catch_up = keras.callbacks.LambdaCallback(
            on_test_begin=lambda logs: self.catch_up(),
            on_epoch_end=lambda epoch, logs: self.catch_up(),
        )
        put_off = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: self.put_off()
        )
        return [catch_up, *callbacks, put_off]

    def look_up(self, ids) -> tuple:
        """Give the rows that ids stand for, as they are after the last update.

        Parameters
        ----------
        ids : int32 tensor
            Numbers of rows.

        Returns
        -------
        vectors : float32 tensor of shape (n_rows, width)
            The rows, each once. Their gradient is the table's, as `tf.IndexedSlices`.

        positions : int32 tensor of the ids' shape
            The place in `vectors` of each id's row.

        Raises
        ------
        ValueError
            If there is no row of some id; in a graph an error of TensorFlow's.
        """
        # TensorFlow keeps what it calls for the process' life.
        held_by_caller = weakref.ref(self)
        vectors, positions, rows = tf.numpy_function(
            lambda ids: held_by_caller()._read(ids),
            [ids],
            [tf.float32, tf.int32, tf.int32],
        )
        vectors.set_shape((None, self.table.shape[1]))
        positions.set_shape(ids.shape)
        rows.set_shape((None,))

        @tf.custom_gradient
        def rows_of(table):
            def gradient(upstream):
                return tf.IndexedSlices(upstream, rows, tf.shape(table))

            return tf.identity(vectors), gradient

        return rows_of(tf.convert_to_tensor(self.table.value)), positions

    def update(self, gradient, *, step, learning_rate) -> None:
        """Make an update, of which the rows that were looked up last have a gradient.

        Parameters
        ----------
        gradient : tf.IndexedSlices
            The rows', each there once.

        step : int tensor
            The number of this update, from 1.

        learning_rate : float tensor
            Its step size.
        """
        held_by_caller = weakref.ref(self)

        def move(*arrays):
            held_by_caller()._move(*arrays)

        given = [gradient.indices, gradient.values, step, learning_rate]
        tf.numpy_function(move, given, [])

    def _read(self, ids):
        n_ids = self.table.shape[0]
        if ids.size and not 0 <= ids.min() <= ids.max() < n_ids:
            raise ValueError(
                f"The table has rows 0 to {n_ids - 1}; ids run from {ids.min()} to "
                f"{ids.max()}."
            )
        rows, positions = _distinct(ids.ravel(), n_ids)
        positions = positions.reshape(ids.shape)
        if not self._puts_off:
            return copy_of(self.table)[rows], positions, rows
        self._begin()
        return self._move_rows(rows, gives=True), positions, rows

    def _move(self, rows, slopes, step, learning_rate):
        self._begin()
        beta_1, beta_2 = self.rule["betas"]
        step = int(step)
        size = learning_rate * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        if self._n_steps == len(self._sizes):
            self._sizes = np.resize(self._sizes, 2 * self._n_steps + 64)
        self._sizes[self._n_steps] = size
        self._n_steps += 1
        self._move_rows(rows, slopes=slopes)
        if not self._puts_off:
            self.catch_up()

    def _begin(self):
        """Give the variables memory of our own, whose rows are moved in place.

        A copy, for others may hold what the variables held. None holds what they hold
        from now on before `catch_up`, after which it is not changed any more.
        """
        if self._arrays is None:
            arrays = [_own_memory(variable) for variable in self._variables]
            self._arrays = (*arrays, np.zeros(self.table.shape[0], np.int32))
            self._n_steps = 0

    def _move_rows(self, rows, **given):
        return adam.move_rows(
            *self._arrays,
            ids=rows,
            sizes=self._sizes,
            n_steps=self._n_steps,
            **self.rule,
            **given,
        )


def is_called_each_batch(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback may look at the weights after each update in training."""
    hooks = [
        f"on_{kind}_{end}"
        for kind in ("batch", "train_batch")
        for end in ("begin", "end")
    ]
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in hooks
    )


def _own_memory(variable):
    array = empty(variable.shape)
    np.copyto(array, copy_of(variable))
    variable.assign(tf.experimental.dlpack.from_dlpack(array.__dlpack__()))
    return array


def _distinct(ids, n_ids):
    """Each of some ids once, and the place of each among them."""
    places = np.empty(n_ids, np.int32)
    order = np.arange(len(ids), dtype=np.int32)
    # Of several values given to one place the last stays.
    places[ids] = order
    rows = ids[places[ids] == order]
    places[rows] = order[: len(rows)]
    return rows, places[ids]
