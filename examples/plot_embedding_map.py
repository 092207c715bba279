"""
A map of the words
==================

A network gives every word a vector, and words that it holds for alike point in like
directions. `EmbeddingMapDisplay` lays them out on a plane and colours each by the
texts it is in: the picture that made the talk this package comes from.
"""

# %%
# Where the film reviews of ``aclImdb_v1.tar.gz`` are at hand, words are coloured by how
# many of their reviews are positive. Otherwise they are words of docstrings, and
# the question is how many of their paragraphs are from libraries of neural networks,
# Keras and TensorFlow, rather than from NumPy, SciPy and scikit-learn.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNTextClassifier
from skrnn.datasets import fetch_imdb, load_docstrings
from skrnn.inspection import EmbeddingMapDisplay, nearest_words

try:
    reviews = fetch_imdb(download_if_missing=False)
except OSError:
    docstrings = load_docstrings()
    texts = docstrings.data
    of_networks = np.isin(docstrings.target_names, ["keras", "tensorflow"])
    labels = np.where(of_networks[docstrings.target], "networks", "others")
    kind, pos_label, n_texts = "docstrings", "networks", 4000
    asked = ["array", "layer", "returns", "float32", "estimator"]
else:
    texts = reviews.data
    labels = np.array(reviews.target_names)[reviews.target]
    kind, pos_label, n_texts = "film reviews", "pos", 3000
    asked = ["useless", "wonderful", "minutes", "actor", "very"]
chosen = np.random.RandomState(0).permutation(len(texts))[:n_texts]
X, y = [texts[i] for i in chosen], labels[chosen]

# %%
# Vectors start from which tokens stand among which, without a look at the labels, and
# training moves them to where they help to tell the labels apart.

classifier = RNNTextClassifier(random_state=0).fit(X, y)
for word in asked:
    if word in classifier.tokenizer_.vocabulary_:
        near = ", ".join(
            f"{other} {cosine:.2f}"
            for other, cosine in nearest_words(classifier, word, n=5)
        )
        print(f"{word:10} {near}")

# %%
# The numbers are cosines: 1 for the same direction, 0 for directions that have nothing
# in common. Now all of them at once, for the thousand words that are in most texts.

display = EmbeddingMapDisplay.from_estimator(
    classifier, X, y, pos_label=pos_label, n_words=1000, random_state=0
)
figure, axes = plt.subplots(figsize=(9, 8), layout="constrained")
display.plot(ax=axes)
axes.set_title(f"{len(display.words):,} words of {len(X):,} {kind}")
plt.show()

# %%
# Words that stand near each other on the map have like vectors. How far apart two
# groups stand, and where on the page, means nothing: t-SNE keeps neighbours and gives
# up distances, and with another `random_state` it draws another map. The colour is
# counted in the texts and not asked of the network: a word is bright where its
# texts are, whatever it did to the decision. :doc:`plot_explain` asks for that.
#
# The numbers behind the picture stay on the display. The words furthest to both sides:

order = np.argsort(display.means)
for title, some in [("least", order[:6]), ("most", order[::-1][:6])]:
    print(f"{title} {pos_label}")
    for i in some:
        print(f"  {display.means[i]:6.1%} of {display.counts[i]:4} {display.words[i]}")

# %%
# And a page to look around in, with search, zoom and each word's neighbours. It needs
# nothing beside it and no network: :download:`placeholder`

display.to_html("embedding_map.html")
