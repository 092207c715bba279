"""
Explaining a decision
=====================

Which words made a classifier decide as it did? `explain` shares the decision score out
among the tokens of a text, in two ways that answer two questions.
"""

# %%
# Where the film reviews of ``aclImdb_v1.tar.gz`` are at hand the question is whether a
# review is positive, otherwise which library a docstring is from.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNTextClassifier
from skrnn.datasets import fetch_imdb, load_docstrings
from skrnn.inspection import explain

try:
    dataset = fetch_imdb(download_if_missing=False)
except OSError:
    dataset = load_docstrings()
    n_texts = 4000
    text = (
        "Fit the model to the training data, then return the array of its predictions "
        "on each batch, not on the whole dataset."
    )
else:
    n_texts = 3000
    text = (
        "I wanted to like it, and the music is wonderful. But the plot is not "
        "interesting at all, and the last hour was a waste of my time."
    )
labels = np.array(dataset.target_names)[dataset.target]
chosen = np.random.RandomState(0).permutation(len(labels))[:n_texts]
X, y = [dataset.data[i] for i in chosen], labels[chosen]
classifier = RNNTextClassifier(random_state=0).fit(X, y)

# %%
# Reading along
# -------------
# ``"reading"`` asks what the classifier would have said after every token. A token's
# score is by how much it changed the decision score when it was read.

reading = explain(classifier, text)
print(reading)

# %%
# The scores and the base value, that of the empty text, sum to the decision score.

print(f"{reading.base_value + reading.scores.sum():.4f} {reading.decision_score:.4f}")

# %%
# In a notebook, and on this page, an explanation shows its text with the tokens
# coloured: the stronger the colour, the more a token did.

reading

# %%
# Drawn, it is the prediction that runs along with the text.

figure, (of_reading, of_gradients) = plt.subplots(
    nrows=2, figsize=(9, 8), layout="constrained"
)
