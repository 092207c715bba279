"""
How many texts it takes
=======================

A bag of words wins where texts are few, a recurrent network where they are many: so
found the talk this package comes from. Where do the lines cross today, and what
becomes of it when both are one estimator?
"""

# %%
# Film reviews where ``aclImdb_v1.tar.gz`` is at hand, docstrings otherwise. The linear
# model has a fixed strength of regularization here; `benchmarks/accuracy.py` searches
# for it, and for several seeds.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier

kind, X_train, X_test, y_train, y_test = load_texts(n_train=16_000, n_test=5000)
models = {
    "TF-IDF of word pairs": make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ),
    "network alone": RNNTextClassifier(wide=False, random_state=0),
    "both: the default": RNNTextClassifier(random_state=0),
}

# %%
# The texts stand in random order, so the first ones are a random part.

sizes = np.geomspace(250, len(X_train), 7).round().astype(int)
errors = {name: [] for name in models}
for size in sizes:
    for name, model in models.items():
        model.fit(X_train[:size], y_train[:size])
        errors[name].append(100 * (1 - model.score(X_test, y_test)))
    row = ", ".join(f"{name} {errors[name][-1]:.1f} %" for name in models)
    print(f"{size:6,}: {row}")

# %%
# Two lines cross where their difference changes its sign, which chance alone may do
# more than once where they run close together; between two sizes the difference is
# taken to be straight in the size's logarithm.


def crossings(one, other):
    """Sizes at which the lines cross, and the errors there."""
    gap = np.subtract(one, other)
    for i in np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0):
        share = gap[i] / (gap[i] - gap[i + 1])
        size = np.exp((1 - share) * np.log(sizes[i]) + share * np.log(sizes[i + 1]))
        yield size, (1 - share) * one[i] + share * one[i + 1]


figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
for name, color, marker in zip(
    models, ["#999999", "#d55e00", "#0072b2"], "os^", strict=True
):
    axes.plot(sizes, errors[name], color=color, marker=marker, label=name)
found = list(crossings(errors["network alone"], errors["TF-IDF of word pairs"]))
for at in found:
    axes.annotate(
        f"they cross at about {round(at[0], -1):,.0f}",
        at,
        xytext=(0, 60),
        textcoords="offset points",
        ha="center",
        arrowprops={"arrowstyle": "->"},
    )
ahead = min(list(models)[:2], key=lambda name: errors[name][-1])
print(
    f"Crossings of network alone and linear model: {len(found)}; ahead with the most "
    f"texts: {ahead}."
)
axes.set(
    xscale="log",
    xticks=sizes,
    xticklabels=[f"{size:,}" for size in sizes],
    xlabel=f"{kind} to learn from",
    ylabel=f"error on {len(X_test):,} others, %",
)
axes.minorticks_off()
axes.legend(frameon=False)
plt.show()
