"""
Quickstart
==========

Which library is a paragraph of documentation from? The texts are docstrings of the
libraries that are installed here, so nothing is downloaded. A recurrent network is
fitted, scored beside a linear model, and asked about sentences of our own.
"""

# %%
# The texts are a list of strings, the labels an array of strings. They come in mixed
# order, so the first ones are a random part.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings

docstrings = load_docstrings()
libraries = np.array(docstrings.target_names)[docstrings.target]
n_texts = 6000
X_train, X_test, y_train, y_test = train_test_split(
    docstrings.data[:n_texts], libraries[:n_texts], test_size=1 / 3, random_state=0
)
print(f"{len(X_train):,} texts to learn from, {len(X_test):,} to test on")
for library, text in zip(y_train[:3], X_train[:3], strict=True):
    print(f"\n{library}: {text[:200]}")

# %%
# The classifier takes the texts as they are: it has a tokenizer of its own. All
# parameters are at their defaults; `random_state` makes the result the same each time.
# Beside it stands what one would use otherwise.

classifier = RNNTextClassifier(random_state=0).fit(X_train, y_train)
linear = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    LogisticRegression(C=10, max_iter=1000),
).fit(X_train, y_train)
for name, model in [
    ("TF-IDF + logistic regression", linear),
    ("RNNTextClassifier", classifier),
]:
    print(f"{name:30} {model.score(X_test, y_test):6.1%} of the test texts right")

# %%
# Which libraries are taken for which? Each row sums to 100 %, up to rounding.

figure, axes = plt.subplots(figsize=(6.5, 5.5), layout="constrained")
matrix = ConfusionMatrixDisplay.from_predictions(
    y_test,
    classifier.predict(X_test),
    normalize="true",
    values_format=".0%",
    cmap="cividis",
    im_kw={"vmin": 0, "vmax": 1},
    colorbar=False,
    ax=axes,
)
axes.set(
    xlabel="predicted library",
    ylabel="true library",
    title=f"{len(X_test):,} paragraphs it has not learned from",
)
plt.show()

# %%
# Sentences that stand in no docstring, and how sure the classifier is of each. A
# probability near one fifth would be a guess among the five.

sentences = [
    "Fit the estimator on the training folds and score it on the fold held out.",
    "Compute the p-value of the test under the null hypothesis.",
    "Place the operation on the given device in the default graph.",
    "A layer instance that applies dropout between the input and the output.",
    "Return a view of the array with its axes transposed.",
    "Add the onions and stir until they are golden.",
]
probabilities = classifier.predict_proba(sentences).max(axis=1)
for sentence, library, probability in zip(
    sentences, classifier.predict(sentences), probabilities, strict=True
):
    print(f"{library:10} {probability:4.0%}  {sentence}")

# %%
# The last sentence is from no library at all. A classifier has no answer for that: it
# divides its probability among the classes it knows, and may be sure of one of them.
