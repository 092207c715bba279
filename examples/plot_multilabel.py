"""
Several labels per text
=======================

A text may have any number of labels, or none. They come as an indicator matrix, a row
per text and a column per label, and every label gets a probability of its own. Here
words are taken out of paragraphs of documentation: which of them stood there?
"""

# %%
# The labels are eight words, singular or plural. They leave no gap: a text without them
# is cleaned of nothing, and looks the same.

import re

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

labels = "array default float function number return shape value".split()
patterns = [re.compile(rf"\b{label}s?\b", re.IGNORECASE) for label in labels]
any_label = re.compile(rf"\b({'|'.join(labels)})s?\b", re.IGNORECASE)

paragraphs = load_docstrings().data[:8000]
texts = [" ".join(any_label.sub("", paragraph).split()) for paragraph in paragraphs]
indicator = np.array(
    [[bool(one.search(paragraph)) for one in patterns] for paragraph in paragraphs]
).astype(int)
X_train, X_test, y_train, y_test = train_test_split(
    texts, indicator, test_size=0.25, random_state=0
)
print(f"{len(X_train):,} texts to learn from, {len(X_test):,} to test on")
counts = np.bincount(y_train.sum(axis=1))
for n_labels, n_texts in enumerate(counts):
    print(f"{n_texts:6,} of them with {n_labels} labels")

# %%
# For a linear model scikit-learn needs a wrapper that fits one model a label. The
# network has one output a label and reads a text once for all of them.

classifier = RNNTextClassifier(random_state=0).fit(X_train, y_train)
linear = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    OneVsRestClassifier(LogisticRegression(C=10, max_iter=1000)),
).fit(X_train, y_train)

# %%
# `predict` takes every label whose probability is above one half, which for rare labels
# is seldom. A threshold of one's own on `predict_proba` finds more of them.

sentence = "Compute the of the given in degrees, of the same as the input."
probabilities = classifier.predict_proba([sentence])[0]
print(sentence)
for i in np.argsort(probabilities)[::-1][:4]:
    print(f"  {labels[i]:10} {probabilities[i]:4.0%}")

# %%
# Average precision asks how well a label's texts are ranked before the others; it needs
# no threshold. For scores at random it is the label's frequency, so the two belong
# side by side.

frequencies = y_test.mean(axis=0)
precisions = {
    "TF-IDF + logistic regression": average_precision_score(
        y_test, linear.predict_proba(X_test), average=None
    ),
    "RNNTextClassifier": average_precision_score(
        y_test, classifier.predict_proba(X_test), average=None
    ),
}
print(f"{'':10} {'frequency':>10} {'linear':>10} {'RNN':>10}")
for row in zip(labels, frequencies, *precisions.values(), strict=True):
    print("{:10} {:10.3f} {:10.3f} {:10.3f}".format(*row))
means = [precision.mean() for precision in precisions.values()]
print("{:10} {:10.3f} {:10.3f} {:10.3f}".format("mean", frequencies.mean(), *means))

# %%
figure, axes = plt.subplots(figsize=(8, 4.8), layout="constrained")
order = np.argsort(frequencies)
rows = np.arange(len(labels))
axes.barh(
    rows, frequencies[order], color="#bbbbbb", label="chance: the label's frequency"
)
for (name, precision), color, marker in zip(
    precisions.items(), ["#d55e00", "#0072b2"], "so", strict=True
):
    axes.plot(precision[order], rows, marker, color=color, markersize=8, label=name)
axes.set(
    yticks=rows,
    yticklabels=[labels[i] for i in order],
    xlim=(0, 1),
    xlabel="average precision",
    ylabel="word taken out",
    title=f"{len(X_test):,} test texts",
)
figure.legend(loc="outside lower center", ncols=3, frameon=False)
plt.show()
