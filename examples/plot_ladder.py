"""
What each technique adds
========================

The talk this package comes from climbed a ladder: from a simple recurrent network,
trained by plain descent, to one that learns. Here it is again, each step on top of
the last: a gated unit in place of the simple cell, a clipped gradient, orthogonal
recurrent weights, steep gates, Adam.
"""

# %%
# Real text: film reviews where ``aclImdb_v1.tar.gz`` is at hand, docstrings otherwise.
# Nothing is tested here; it is the loss of the training texts that is drawn.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts
from _updates import LossOfUpdates

from skrnn import RNNTextClassifier

kind, X, _, y, _ = load_texts(n_train=3000, n_test=1)
print(f"{len(X):,} {kind}")

# %%
# The bottom of the ladder: the last hidden state alone is handed to the head, and no
# linear model stands beside the network. The words' vectors start from co-occurrence,
# as by default, at all steps of the ladder. The texts are cut short and the batches
# are small, since plain descent takes many updates to get anywhere.

bottom = {
    "cell": "simple",
    "gate_activation": "sigmoid",
    "pooling": "last",
    "wide": False,
    "optimizer": "sgd",
    "learning_rate": 1.0,
    "learning_rate_schedule": "constant",
    "clipnorm": None,
    "embedding_dropout": 0.0,
    "dropout": 0.0,
    "max_length": 60,
    "batch_size": 16,
    "epochs": 4,
    "random_state": 0,
}
ladder = {
    "simple recurrent network": {},
    "gated recurrent unit": {"cell": "gru"},
    "clipped gradient": {"clipnorm": 1.0},
    "orthogonal start": {},
    "steep gates": {"gate_activation": "steep_sigmoid"},
    "Adam": {"optimizer": "adam", "learning_rate": 0.001},
}

# %%
# Our recurrent weights always start orthogonal. Below that step they are drawn from
# the uniform distribution instead: `initialize` builds the network, we set its
# weights, and with ``warm_start`` the fit goes on from there.


def start_uniform(classifier):
    draw = np.random.RandomState(0)
    for layer in classifier.model_.encoder.recurrent_layers:
        kernel = layer.recurrent_kernel
        n_inputs, n_outputs = kernel.shape
        bound = np.sqrt(6 / (n_inputs + n_outputs))
        kernel.assign(draw.uniform(-bound, bound, kernel.shape))


records = {}
params = dict(bottom)
is_orthogonal = False
for name, step in ladder.items():
    params |= step
    is_orthogonal |= name == "orthogonal start"
    records[name] = LossOfUpdates()
    classifier = RNNTextClassifier(
        **params, callbacks=records[name], warm_start=True
    ).initialize(X, y)
    if not is_orthogonal:
        start_uniform(classifier)
    try:
        classifier.fit(X, y)
    except ValueError as error:
        print(f"{name}: {error}")

# %%
# Each point is the mean loss of 50 updates, on a scale that has room for what
# diverges. All steps but the last take the step size that suits the gated unit. It
# may be too large for the simple cell, whose gradients can grow from token to token:
# where its loss stands far above the others from the beginning on, it was thrown off
# by its first updates. The seconds leave out the first update, which waits for the
# compiler. Where gates keep the gradient in bounds, in texts as short as these, there
# is little left for clipping and the orthogonal start to mend; steep gates and Adam
# pay.

figure, (by_update, by_second) = plt.subplots(
    ncols=2, sharey=True, figsize=(11, 4.5), layout="constrained"
)
colors = plt.colormaps["viridis"](np.linspace(0, 0.9, len(records)))
for (name, record), color in zip(records.items(), colors, strict=True):
    losses, updates, seconds = record.smoothed()
    by_update.plot(updates, losses, label=name, color=color)
    by_second.plot(seconds, losses, color=color)
    print(f"{name:28} loss {losses[-1]:.3f} after {seconds[-1]:.0f} s")
by_update.set(xlabel="updates", ylabel="loss of the training texts", yscale="log")
by_second.set(xlabel="seconds")
figure.legend(loc="outside lower center", ncols=3, frameon=False)
figure.suptitle(f"{len(X):,} {kind}, each technique on top of the last")
plt.show()
