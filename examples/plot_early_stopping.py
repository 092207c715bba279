"""
Where early stopping stops
==========================

A network that reads its texts often enough knows them by heart. Its loss on them goes
on falling, while on others it rises again: time to stop. `early_stopping` holds texts
out, watches the loss on them, and goes back to the weights it was lowest with.
"""

# %%
# Film reviews where ``aclImdb_v1.tar.gz`` is at hand, docstrings otherwise. The step
# size is kept constant, so that it is early stopping alone that ends the training.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts

from skrnn import RNNTextClassifier

kind, X, _, y, _ = load_texts(n_train=6000, n_test=1)
common = {
    "wide": False,
    "learning_rate": 0.001,
    "learning_rate_schedule": "constant",
    "epochs": 12,
    "metrics": ["accuracy"],
    "random_state": 0,
}
stopping = RNNTextClassifier(
    **common, early_stopping=True, validation_fraction=0.2, n_iter_no_change=3
).fit(X, y)

# %%
# What would have come, had it not been stopped, a second fit shows: it waits for
# as many epochs as there are. Until the first one stops, the two are the same.

going_on = RNNTextClassifier(
    **common, early_stopping=True, validation_fraction=0.2, n_iter_no_change=12
).fit(X, y)

# %%
# `history_` has a number for each epoch. That of the training texts is a mean over the
# epoch, with dropout at work, so it lags behind.

n_run = stopping.n_iter_
best = stopping.best_epoch_
epochs = np.arange(1, going_on.n_iter_ + 1)
figure, (of_error, of_loss) = plt.subplots(
    ncols=2, figsize=(11, 4.5), layout="constrained"
)
styles = {"": ("texts it learns from", "#0072b2"), "val_": ("held out", "#d55e00")}
for prefix, (label, color) in styles.items():
    error = 100 * (1 - np.array(going_on.history_[f"{prefix}accuracy"]))
    loss = np.array(going_on.history_[f"{prefix}loss"])
    for axes, values in ((of_error, error), (of_loss, loss)):
        axes.plot(epochs[:n_run], values[:n_run], color=color, marker="o", label=label)
        axes.plot(epochs[n_run - 1 :], values[n_run - 1 :], color=color, linestyle=":")
for axes, title in ((of_error, "error, %"), (of_loss, "loss")):
    axes.axvline(best, color="black", linewidth=1)
    axes.axvline(n_run, color="black", linewidth=1, linestyle="--")
    axes.set(xlabel="epoch", ylabel=title, xticks=epochs)
    top = axes.get_ylim()[1]
    axes.text(best, top, "weights kept ", ha="right", va="top", rotation=90)
    axes.text(n_run, top, "stopped ", ha="right", va="top", rotation=90)
of_error.legend(frameon=False)
figure.suptitle(f"{len(X):,} {kind}")
plt.show()
