"""How long to train, and how the step size follows the updates."""

from __future__ import annotations

import numpy as np

from skrnn._keras import keras

ops = keras.ops

# Share of the updates over which the step size rises to its height.
_WARM_UP = 0.1

_FEWEST_AND_MOST_EPOCHS = (3, 20)

# The fewest updates are so many over a text's tokens, within these bounds: short texts
# teach less in an update, and are learned by heart later.
_LEAST_TOKENS = 60_000
_LEAST_UPDATES = (250, 750)


def auto_epochs(lengths: np.ndarray, batch_size: int) -> int:
    """Number of epochs that ``epochs="auto"`` takes.

    Parameters
    ----------
    lengths : ndarray of shape (n_texts,)
        Number of tokens read of each text.

    batch_size : int
        Number of texts an update.

    Returns
    -------
    int
    """
    least_updates = np.clip(_LEAST_TOKENS / max(lengths.mean(), 1), *_LEAST_UPDATES)
    updates_an_epoch = np.ceil(len(lengths) / batch_size)
    epochs = np.ceil(least_updates / updates_an_epoch)
    return int(np.clip(epochs, *_FEWEST_AND_MOST_EPOCHS))


@keras.saving.register_keras_serializable("skrnn")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Up to a height in the first tenth of the updates, then down to zero.

    Parameters
    ----------
    height : float
        The greatest step size.

    start : int
        The optimizer's count of updates before the first of these.

    n_updates : int or None
        Number of updates the step size falls over. None keeps it at its height.
    """

    def __init__(self, height: float, start: int = 0, n_updates: int | None = None):
        self.height = height
        self.start = start
        self.n_updates = n_updates

    def __call__(self, step):
        """Step size of an update.

        Parameters
        ----------
        step : int or tensor
            The optimizer's count of updates before it.

        Returns
        -------
        float or scalar tensor
        """
        if self.n_updates is None:
            return self.height
        done = ops.cast(step, keras.config.floatx()) - self.start
        warm_up = max(_WARM_UP * self.n_updates, 1.0)
        rise = (done + 1) / warm_up
        fall = (self.n_updates - done) / max(self.n_updates - warm_up, 1.0)
        return self.height * ops.clip(ops.minimum(rise, fall), 0.0, 1.0)

    def get_config(self):
        return {
            "height": self.height,
            "start": self.start,
            "n_updates": self.n_updates,
        }
