"""The loss of every update, and when it was made."""

from time import perf_counter

import keras
import numpy as np


class LossOfUpdates(keras.callbacks.Callback):
    """Keeps the loss of each update's texts, and the seconds since the first update.

    The first one is not counted in the seconds: it waits for the compiler.
    """

    def on_train_begin(self, logs=None):
        self.losses, self.times = [], []

    def on_train_batch_end(self, batch, logs=None):
        # Keras gives the mean of the epoch so far.
        total = logs["loss"] * (batch + 1)
        self.losses.append(total - self._total if batch else total)
        self._total = total
        self.times.append(perf_counter())

    def smoothed(self, n_updates=50):
        """Mean losses of `n_updates` on end, the last update of each and its time."""
        n_means = len(self.losses) // n_updates
        stop = n_means * n_updates
        means = np.reshape(self.losses[:stop], (n_means, n_updates)).mean(axis=1)
        last = np.arange(n_updates, stop + 1, n_updates)
        return means, last, np.asarray(self.times)[last - 1] - self.times[0]
