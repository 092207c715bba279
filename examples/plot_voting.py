"""
A vote, a stack, and the wide part
==================================

A network and a linear model make different errors, so the two together do better than
each alone. scikit-learn has them vote, or learns to weigh them in a stack.
`RNNTextClassifier` has a linear model inside for that reason: its wide part.
"""

# %%
# Which library is a paragraph of documentation from? The network will be fitted five
# times, so it is smaller than by default, there are few texts to learn from, and 10
# epochs in place of the 20 that so few would get.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

docstrings = load_docstrings()
libraries = np.array(docstrings.target_names)[docstrings.target]
n_texts = 6400
X_train, X_test, y_train, y_test = train_test_split(
    docstrings.data[:n_texts], libraries[:n_texts], train_size=0.25, random_state=0
)
print(f"{len(X_train):,} texts to learn from, {len(X_test):,} to test on")

# %%
# A soft vote is the mean of both models' probabilities. A stack learns how to weigh
# them: it fits each model on folds, and a logistic regression on what they say of the
# texts outside their fold; so with two folds the network is fitted three times.

params = {"hidden_size": 128, "epochs": 10, "random_state": 0}
members = [
    ("network", RNNTextClassifier(wide=False, **params)),
    (
        "linear",
        make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=10, max_iter=1000),
        ),
    ),
]
vote = VotingClassifier(members, voting="soft").fit(X_train, y_train)
stack = StackingClassifier(members, cv=2).fit(X_train, y_train)
with_wide = RNNTextClassifier(**params).fit(X_train, y_train)

# %%
# The members of the vote are fitted models, and can be asked alone. They were given
# the labels as numbers.

network, linear = vote.estimators_
numbers = vote.le_.transform(y_test)
errors = {
    "TF-IDF + logistic regression": 1 - linear.score(X_test, numbers),
    "network alone": 1 - network.score(X_test, numbers),
    "vote": 1 - vote.score(X_test, y_test),
    "stack": 1 - stack.score(X_test, y_test),
    "RNNTextClassifier": 1 - with_wide.score(X_test, y_test),
}
for name, error in errors.items():
    print(f"{name:30} {error:6.1%} of {len(X_test):,} test texts wrong")

# %%
# The vote counts both alike; its `weights` could be others. The curve has them all. It
# is drawn from the test texts, so its lowest point is no fair choice of a weight: the
# stack and the wide part had to find theirs on texts to learn from. From one random
# split to another the errors move by more than the least differences here.

of_network, of_linear = (one.predict_proba(X_test) for one in (network, linear))
weights = np.linspace(0, 1, 41)
curve = [
    np.mean((w * of_network + (1 - w) * of_linear).argmax(axis=1) != numbers)
    for w in weights
]

figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
axes.plot(weights, 100 * np.array(curve), color="#0072b2", label="vote of any weight")
axes.plot(0.5, 100 * errors["vote"], "o", color="#0072b2", label="vote, both alike")
for name, color, style in [
    ("stack", "#999999", "--"),
    ("RNNTextClassifier", "#d55e00", "-"),
]:
    axes.axhline(100 * errors[name], color=color, linestyle=style, label=name)
axes.set(
    xlim=(0, 1),
    xlabel="weight of the network in the vote (0: the linear model alone)",
    ylabel=f"error on {len(X_test):,} others, %",
    title=f"{len(X_train):,} docstrings to learn from",
)
axes.legend(frameon=False)
plt.show()

# %%
# Which to take? The wide part fits the network once, keeps one object to save, and
# works for values, multilabel indicators and sample weights alike. A vote or a stack
# takes any models you like, and more than two.
