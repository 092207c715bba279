"""
Text beside numeric columns
===========================

A table often has a column of texts and columns of numbers. In a `ColumnTransformer` the
network turns the texts into vectors, the numbers stand beside them, and a second model
decides on both. Where it learns from the texts that the network has learned from, it
is too sure of itself.
"""

# %%
# A table with both: of a paragraph of documentation there are the first four words, as
# in a list of search results, and some numbers of all of it. Which library is it from?

from operator import itemgetter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

docstrings = load_docstrings()
texts = pd.Series(docstrings.data)
frame = pd.DataFrame({"words": texts.str.split().str[:4].str.join(" ")})
frame["length"] = texts.str.len()
shares = {
    "capitals": "[A-Z]",
    "digits": "[0-9]",
    "backticks": "`",
    "double backticks": "``",
    "quotes": "['\"]",
    "colons": ":",
    "commas": ",",
    "full stops": r"\.",
    "brackets": "[()]",
    "underscores": "_",
}
for name, pattern in shares.items():
    frame[name] = texts.str.count(pattern) / frame["length"]
numbers = ["length", *shares]
libraries = np.array(docstrings.target_names)[docstrings.target]
n_texts = 8000
X_train, X_test, y_train, y_test = train_test_split(
    frame[:n_texts], libraries[:n_texts], test_size=0.25, random_state=0
)
print(X_train.head(3).T.to_string(float_format="{:.3f}".format))

# %%
# Each kind of column alone. The network stands without its wide part, of which
# `transform` gives nothing, and for texts as short as these it is a small one.

params = {"hidden_size": 64, "wide": False, "random_state": 0}
of_text = RNNTextClassifier(**params).fit(X_train["words"], y_train)
of_numbers = HistGradientBoostingClassifier(max_iter=60, random_state=0)
of_numbers.fit(X_train[numbers], y_train)

# %%
# Both, in the way that suggests itself: the representation of each text beside its
# numbers, and a second model fitted on all of that. A `FrozenEstimator` keeps the
# network as it is when the pipeline around it is fitted; without it, the pipeline
# would fit the network once more, on the same texts.


def beside_numbers(network):
    columns = ColumnTransformer(
        [
            ("text", FrozenEstimator(network), "words"),
            ("numbers", QuantileTransformer(n_quantiles=50), numbers),
        ]
    )
    return make_pipeline(columns, LogisticRegression(C=0.05, max_iter=2000))


same = beside_numbers(of_text).fit(X_train, y_train)

# %%
# But the network knows the labels of these texts, by heart in part, and its
# representations give them away. The second model trusts them more than it
# should, and the numbers less. So let the network learn from two thirds of the
# training texts and the second model from the others.

first, second, y_first, y_second = train_test_split(
    X_train, y_train, train_size=2 / 3, random_state=0
)
of_first = RNNTextClassifier(**params).fit(first["words"], y_first)
apart = beside_numbers(of_first).fit(second, y_second)
for name, model, X, y in [
    ("same texts", same, X_train, y_train),
    ("other texts", apart, second, y_second),
]:
    print(
        f"second model fitted on the {name}: {model.score(X, y):.1%} of these right, "
        f"{model.score(X_test, y_test):.1%} of the test texts"
    )

# %%
# The log loss below tells what that is worth, and accuracy what it costs: the network
# has lost a third of its texts. A stack wastes none: its second
# model learns from what networks fitted on two of three folds say of the third. It
# sees the probabilities of both models, in place of representations and numbers, and
# fits the network four times.

stack = StackingClassifier(
    [
        (
            "text",
            make_pipeline(
                FunctionTransformer(itemgetter("words")),
                RNNTextClassifier(**params),
            ),
        ),
        (
            "numbers",
            make_pipeline(
                FunctionTransformer(itemgetter(numbers)),
                HistGradientBoostingClassifier(max_iter=60, random_state=0),
            ),
        ),
    ],
    cv=3,
).fit(X_train, y_train)

# %%
# Accuracy counts what is right. Log loss also counts how sure a model was: it is high
# for one that is sure and wrong, and 1.61 for an even guess among five.

models = {
    "text alone": (of_text, X_test["words"]),
    "numbers alone": (of_numbers, X_test[numbers]),
    "both, same texts": (same, X_test),
    "both, other texts": (apart, X_test),
    "both, stacked": (stack, X_test),
}
accuracies = [100 * model.score(X, y_test) for model, X in models.values()]
losses = [log_loss(y_test, model.predict_proba(X)) for model, X in models.values()]

figure, (of_accuracy, of_loss) = plt.subplots(
    ncols=2, sharey=True, figsize=(10, 3.8), layout="constrained"
)
colors = ["#999999", "#999999", "#d55e00", "#0072b2", "#0072b2"]
for axes, values, fmt, title in [
    (of_accuracy, accuracies, "%.1f", f"right of {len(X_test):,} test texts, %"),
    (of_loss, losses, "%.2f", "log loss (less is better)"),
]:
    bars = axes.barh(list(models), values, color=colors)
    axes.bar_label(bars, fmt=fmt, padding=4)
    axes.set_xlabel(title)
    axes.margins(x=0.15)
of_accuracy.invert_yaxis()
figure.suptitle(f"Which library? Four words, {len(numbers)} numbers, or both")
plt.show()
