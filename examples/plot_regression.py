"""
Stars of a review
=================

`RNNTextRegressor` predicts a number from a text. Where the film reviews of
``aclImdb_v1.tar.gz`` are at hand the number is the stars a reviewer gave; otherwise it
is how long a paragraph of documentation will be, told from its first twelve words.
"""

# %%
# Reviews of one film share words, so no film may be on both sides of the split. Lengths
# are counted in doublings: one more is twice as many words, and the least is the
# twelve that are shown.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MultipleLocator
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import (
    PredictionErrorDisplay,
    mean_absolute_error,
    r2_score,
)
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline

from skrnn import RNNTextRegressor
from skrnn.datasets import fetch_imdb, load_docstrings

try:
    reviews = fetch_imdb(download_if_missing=False)
except OSError:
    n_shown = 12
    words = [text.split() for text in load_docstrings().data]
    words = [of_text for of_text in words if len(of_text) >= n_shown]
    texts = np.array([" ".join(of_text[:n_shown]) for of_text in words])
    values = np.log2([len(of_text) / n_shown for of_text in words])
    groups = np.arange(len(texts))
    kind, unit, n_texts = "beginnings of paragraphs", "doublings of length", 8000
else:
    texts, values, groups = np.array(reviews.data), reviews.stars, reviews.film
    kind, unit, n_texts = "film reviews", "stars", 3000
chosen = np.random.RandomState(0).permutation(len(texts))[:n_texts]
texts, values, groups = texts[chosen], values[chosen], groups[chosen]
split = GroupShuffleSplit(n_splits=1, test_size=0.25, random_state=0)
train, test = next(split.split(texts, groups=groups))
print(f"{len(train):,} {kind} to learn from, {len(test):,} to test on; in {unit}:")
for value, text in zip(values[train[:3]], texts[train[:3]], strict=True):
    print(f"{value:5.2f}  {text[:100]}")

# %%
# The regressor standardizes its targets inside and predicts on their own scale. R2 is 0
# for a model that always predicts the mean and 1 for one without error; the mean
# absolute error is in the target's unit.

models = {
    "mean of the training texts": DummyRegressor(),
    "TF-IDF + ridge": make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), Ridge()
    ),
    "RNNTextRegressor": RNNTextRegressor(random_state=0),
}
predictions = {}
for name, model in models.items():
    model.fit(texts[train], values[train])
    predictions[name] = model.predict(texts[test])
    r2 = r2_score(values[test], predictions[name])
    mae = mean_absolute_error(values[test], predictions[name])
    print(f"{name:28} R2 {r2:6.3f}   mean absolute error {mae:.3f}")

# %%
# A point is a text; on the dashed lines there is no error. Squared error draws
# predictions towards the mean where a text does not tell more, so they spread less
# than the true values do. Nothing keeps them within the range of the targets;
# `numpy.clip` does, where that is wanted. The slanted edges on the right are the ends
# of that range, and slanted stripes are values that many texts have.

figure, (of_values, of_errors) = plt.subplots(
    ncols=2, figsize=(11, 4.8), layout="constrained"
)
for axes, drawn in [
    (of_values, "actual_vs_predicted"),
    (of_errors, "residual_vs_predicted"),
]:
    PredictionErrorDisplay.from_predictions(
        values[test],
        predictions["RNNTextRegressor"],
        kind=drawn,
        subsample=None,
        ax=axes,
        scatter_kwargs={"alpha": 0.25, "s": 12, "color": "#0072b2"},
        line_kwargs={"color": "black"},
    )
for axis in (of_values.xaxis, of_values.yaxis):
    axis.set_major_locator(MultipleLocator(1))
of_values.set(xlabel=f"predicted, {unit}", ylabel=f"true, {unit}")
of_errors.set(xlabel=f"predicted, {unit}", ylabel=f"true less predicted, {unit}")
figure.suptitle(f"RNNTextRegressor on {len(test):,} {kind} it has not learned from")
plt.show()
