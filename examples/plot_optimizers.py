"""
A race of optimizers
====================

Seven optimizers train the same network on the same texts, from the same start and in
the same order. A step size that suits one is far off for another, so each runs with
four, and its best is drawn.
"""

# %%
# Film reviews where ``aclImdb_v1.tar.gz`` is at hand, docstrings otherwise. As in the
# ladder of techniques, it is the loss of the training texts that is drawn.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts
from _updates import LossOfUpdates

from skrnn import RNNTextClassifier

kind, X, _, y, _ = load_texts(n_train=3000, n_test=1)

# %%
# Optimizers go by Keras' names, and their other arguments are routed to them with two
# underscores, as everywhere in scikeras.

optimizers = {
    "SGD": ({"optimizer": "sgd"}, [0.3, 1.0, 3.0, 10.0]),
    "momentum": (
        {"optimizer": "sgd", "optimizer__momentum": 0.9},
        [0.03, 0.1, 0.3, 1.0],
    ),
    "Nesterov": (
        {
            "optimizer": "sgd",
            "optimizer__momentum": 0.9,
            "optimizer__nesterov": True,
        },
        [0.03, 0.1, 0.3, 1.0],
    ),
    "Adagrad": ({"optimizer": "adagrad"}, [0.03, 0.1, 0.3, 1.0]),
    "Adadelta": ({"optimizer": "adadelta"}, [1.0, 3.0, 10.0, 30.0]),
    "RMSprop": ({"optimizer": "rmsprop"}, [0.001, 0.003, 0.01, 0.03]),
    "Adam": ({"optimizer": "adam"}, [0.001, 0.003, 0.01, 0.03]),
}


def race(params, learning_rate):
    record = LossOfUpdates()
    RNNTextClassifier(
        **params,
        learning_rate=learning_rate,
        learning_rate_schedule="constant",
        embeddings=None,
        wide=False,
        max_length=100,
        batch_size=16,
        epochs=3,
        callbacks=record,
        random_state=0,
    ).fit(X, y)
    return record.smoothed()


# %%
# The best is the one of the lowest loss at the end; a fit that diverges is out of the
# race. That would be the wrong choice for a model to use, which is chosen on texts it
# has not learned from.

best = {}
for name, (params, learning_rates) in optimizers.items():
    runs = {}
    for rate in learning_rates:
        try:
            runs[rate] = race(params, rate)
        except ValueError as error:
            print(f"{name}, {rate:g}: {error}")
    rate = min(runs, key=lambda rate: runs[rate][0][-1])
    best[name] = rate, *runs[rate]
    ends = ", ".join(
        f"{rate:g}: {losses[-1]:.3f}" for rate, (losses, *_) in runs.items()
    )
    print(f"{name:10} {ends}")

# %%
# Each point is the mean loss of 50 updates.

figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
colors = plt.colormaps["viridis"](np.linspace(0, 0.95, len(best)))
markers = "osD^vPX"
for (name, (rate, losses, updates, _)), color, marker in zip(
    best.items(), colors, markers, strict=True
):
    label = f"{name}, {rate:g}"
    axes.plot(updates, losses, color=color, marker=marker, markersize=5, label=label)
axes.set(
    xlabel="updates",
    ylabel="loss of the training texts",
    title=f"{len(X):,} {kind}, each optimizer with its best of four step sizes",
)
axes.legend(frameon=False)
plt.show()
