"""Numbers without their repeats."""

from __future__ import annotations

import numpy as np


def first_of_runs(values: np.ndarray) -> np.ndarray:
    """Where sorted values differ from those before them."""
    return np.flatnonzero(np.diff(values, prepend=values[:1] - 1))


def unique(values: np.ndarray) -> np.ndarray:
    """Sort and drop repeats, which NumPy's own hashing does many times slower."""
    values = np.sort(values)
    return values[first_of_runs(values)]


def once_a_text(
    texts: np.ndarray, values: np.ndarray, n_values: int
) -> tuple[np.ndarray, np.ndarray]:
    """Leave each value once in each text.

    Parameters
    ----------
    texts : int64 ndarray of shape (n_places,)
        The number of the text that a value stands in.

    values : ndarray of shape (n_places,)
        From 0 to ``n_values - 1``.

    Returns
    -------
    texts, values : int64 ndarray of shape (n_held,)
        Sorted by text, and by value within each.
    """
    n_values = max(n_values, 1)
    return np.divmod(unique(texts * n_values + values), n_values)
