"""What was recorded of each epoch, over all the fits that went on from one another."""

from __future__ import annotations

import numpy as np

from skrnn._keras import keras


class Records(keras.callbacks.History):
    """What is logged of each epoch of one training, NaN where something is not.

    Keras' own never forgets: one that a user gives to several fits has all of theirs,
    and what is logged of some epochs alone stands there as if it were of the first.
    """

    def on_epoch_end(self, epoch, logs=None):
        """See `keras.callbacks.Callback.on_epoch_end`."""
        for name, value in (logs or {}).items():
            value = _to_list(value)
            values = self.history.setdefault(name, [])
            values += _unknown([value], len(self.epoch) - len(values))
            values.append(value)
        self.epoch.append(epoch)
        for values in self.history.values():
            values += _unknown(values, len(self.epoch) - len(values))
        self.model.history = self

    def on_train_end(self, logs=None):
        """See `keras.callbacks.Callback.on_train_end`."""
        # Others may have written into it since the last epoch.
        n_epochs = len(self.epoch)
        for name, values in self.history.items():
            values = _to_list(values)
            if not isinstance(values, list):
                values = [*_unknown([values], n_epochs - 1), values]
            missing = _unknown(values, n_epochs - len(values))
            self.history[name] = [*values[:n_epochs], *missing]


def joined(earlier: dict[str, list], later: dict[str, list]) -> dict[str, list]:
    """The records of some epochs, and behind them those of the epochs after.

    Parameters
    ----------
    earlier, later : dict of str to list
        Values by name, one an epoch; ``"loss"`` has every epoch.

    Returns
    -------
    dict of str to list
        All names, with NaN at epochs that did not record one, or with a list of NaN
        where its values are lists, one number a class.
    """
    n_earlier, n_later = (len(one.get("loss", [])) for one in (earlier, later))
    return {
        name: [
            *(earlier.get(name) or _unknown(later.get(name), n_earlier)),
            *(later.get(name) or _unknown(earlier.get(name), n_later)),
        ]
        for name in {**earlier, **later}
    }


def _to_list(value):
    # Some metrics have one value per class; a callback's lists may have any form.
    return value if isinstance(value, list) else np.asarray(value).tolist()


def _unknown(like: list | None, n_epochs: int) -> list:
    first = like[0] if like else None
    nothing = [np.nan] * len(first) if isinstance(first, list) else np.nan
    return [nothing] * n_epochs
