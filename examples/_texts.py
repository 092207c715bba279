"""Real text to draw with: film reviews where they are at hand, else docstrings."""

import numpy as np
from sklearn.model_selection import train_test_split

from skrnn.datasets import fetch_imdb, load_docstrings


def load_texts(n_train, n_test):
    """What the texts are, then those to learn from and to test on, and their targets.

    Fewer are given where there are no more.
    """
    try:
        halves = [
            fetch_imdb(subset=subset, download_if_missing=False)
            for subset in ("train", "test")
        ]
    except OSError:
        texts, libraries = load_docstrings(return_X_y=True)
        n_test = min(n_test, len(texts) // 5)
        X_train, X_test, y_train, y_test = train_test_split(
            texts, libraries, test_size=n_test, random_state=0
        )
        return "docstrings", X_train[:n_train], X_test, y_train[:n_train], y_test
    (X_train, y_train), (X_test, y_test) = (
        _draw(half, n) for half, n in zip(halves, (n_train, n_test), strict=True)
    )
    return "film reviews", X_train, X_test, y_train, y_test


def _draw(reviews, n):
    # The reviews come sorted by label.
    chosen = np.random.RandomState(0).permutation(len(reviews.data))[:n]
    return [reviews.data[i] for i in chosen], reviews.target[chosen]
