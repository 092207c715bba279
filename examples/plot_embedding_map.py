"""
A map of the words
==================

The network has learned a vector for every word. Laid out on a page, words that it
treats alike stand together; coloured by the texts they are in, the page shows what it
has learned them for.
"""

# %%
# Film reviews where they are at hand, and whether each is positive; otherwise
# paragraphs of documentation, and whether each is from Keras.

import matplotlib.pyplot as plt
import numpy as np
from _texts import load_texts

from skrnn import RNNTextClassifier
from skrnn.datasets import load_docstrings
from skrnn.inspection import EmbeddingMapDisplay, nearest_words

kind, X, _, y, _ = load_texts(n_train=4000, n_test=1)
if kind == "docstrings":
    libraries = np.array(load_docstrings().target_names)[y]
    labels = np.where(libraries == "keras", "Keras", "another")
else:
    labels = np.where(y == 1, "positive", "negative")
label = labels.max() if kind == "film reviews" else "Keras"
print(f"{len(X):,} {kind}, {np.mean(labels == label):.0%} of them {label}")
classifier = RNNTextClassifier(random_state=0).fit(X, labels)

# %%
# One line computes the map, another draws it. Of the vocabulary there are the words in
# most texts; a point's colour is the share of the class among the texts with that word,
# and the words furthest from the share in all texts are named, as far as there is
# room. t-SNE keeps near words near: what is far apart on the page may be so by chance.

display = EmbeddingMapDisplay.from_estimator(
    classifier, X, labels, pos_label=label, random_state=0
)
figure = display.plot(n_labels=80).figure_
plt.show()

# %%
# The data stay on the display as arrays. Which words speak most for the class, and
# which against it?

order = display.means.argsort()
for name, chosen in [("highest", order[::-1]), ("lowest", order)]:
    words = [f"{display.words[i]} ({display.means[i]:.0%})" for i in chosen[:8]]
    print(f"{name}: {', '.join(words)}")

# %%
# Nearness on the page is nearness of two numbers out of many. `nearest_words` asks the
# vectors themselves.

for i in (order[-1], order[0]):
    near = [
        f"{word} {cosine:.2f}"
        for word, cosine in nearest_words(classifier, display.words[i], n=5)
    ]
    print(f"{display.words[i]}: {', '.join(near)}")

# %%
# The same map as a page to look around in: a pointer shows a word's numbers and its
# nearest words, the wheel zooms, and a field finds a word. It needs no network and no
# other file. Here is the one that this script has written:
# `embedding_map.html <embedding_map.html>`__.

display.to_html("embedding_map.html")
