"""
Grid search in a pipeline
=========================

The classifier's parameters are set as any estimator's are, so a search reaches them
under the name of its step. A full grid costs a fit for each combination and fold.
Successive halving gives all of them a few epochs, and more epochs only to the better
ones.
"""

# %%
# The pipeline's first step is a preprocessing of ours, which takes markup out of
# docstrings: backticks, asterisks, and roles such as ``:class:``. The network stands
# alone here (``wide=False``), since the linear model beside it has none of the
# parameters that are searched, and is smaller than by default, so that many fits
# take little time.

import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingGridSearchCV,
    StratifiedShuffleSplit,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings


def without_markup(texts):
    return [re.sub(r":[a-z:]+:(?=`)|[`*]", "", text) for text in texts]


docstrings = load_docstrings()
libraries = np.array(docstrings.target_names)[docstrings.target]
n_texts = 5000
X_train, X_test, y_train, y_test = train_test_split(
    docstrings.data[:n_texts], libraries[:n_texts], train_size=0.3, random_state=0
)
pipeline = Pipeline(
    [
        ("clean", FunctionTransformer(without_markup)),
        ("rnn", RNNTextClassifier(hidden_size=64, wide=False, random_state=0)),
    ]
)

# %%
# Three step sizes times three rates of dropout make nine candidates. All get 2 epochs,
# the best third of them 6, and the best third of these 18. Each round starts anew and
# lets the step size fall to zero over its epochs. A single split of the training texts
# tells which are better; that is quick, and two candidates a few texts apart are as
# good as equal.

grid = {
    "rnn__learning_rate": [0.001, 0.002, 0.004],
    "rnn__embedding_dropout": [0.0, 0.25, 0.5],
}
search = HalvingGridSearchCV(
    pipeline,
    grid,
    resource="rnn__epochs",
    min_resources=2,
    max_resources=18,
    factor=3,
    cv=StratifiedShuffleSplit(n_splits=1, test_size=0.3, random_state=0),
    random_state=0,
).fit(X_train, y_train)
results = search.cv_results_
print(f"{len(results['params'])} fits, and one more with the best on all texts")
for name, value in search.best_params_.items():
    print(f"{name:24} {value:g}")

# %%
# A line is a candidate, for as long as it stayed in the search. Halving trusts that
# what leads after few epochs leads after many, and that is not always so: few epochs
# favour large steps and little dropout.

figure, axes = plt.subplots(figsize=(8.5, 5), layout="constrained")
colors = dict(
    zip(
        grid["rnn__learning_rate"],
        plt.colormaps["viridis"]([0, 0.45, 0.9]),
        strict=True,
    )
)
markers = dict(zip(grid["rnn__embedding_dropout"], "os^", strict=True))
errors = 100 * (1 - results["mean_test_score"])
candidates = {}
for params, error in zip(results["params"], errors, strict=True):
    candidate = params["rnn__learning_rate"], params["rnn__embedding_dropout"]
    candidates.setdefault(candidate, []).append((params["rnn__epochs"], error))
for (rate, dropout), points in candidates.items():
    axes.plot(
        *np.transpose(points),
        color=colors[rate],
        marker=markers[dropout],
        markersize=8,
        label=f"{rate:g}, {dropout:g}",
    )
rounds = sorted({params["rnn__epochs"] for params in results["params"]})
axes.set(
    xscale="log",
    xticks=rounds,
    xticklabels=rounds,
    xlabel="epochs",
    ylabel="error on the texts held out, %",
    title=f"{len(X_train):,} docstrings, nine candidates, three rounds",
)
axes.minorticks_off()
figure.legend(
    title="learning rate, embedding dropout", loc="outside right upper", frameon=False
)
plt.show()

# %%
# The best score of a search flatters: it is the highest of several. On texts that had
# no part in it the winner may or may not beat the defaults, which choose the number of
# epochs by the number and the length of the texts. With so few texts held out a
# search decides by chance, in part; more of them, or several splits, cost more fits.

defaults = pipeline.fit(X_train, y_train)
for name, model in {"defaults": defaults, "searched": search.best_estimator_}.items():
    print(
        f"{name}: {model[-1].n_iter_} epochs, "
        f"{model.score(X_test, y_test):.1%} of {len(X_test):,} test texts right"
    )
