"""Weights of texts by their classes."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse, spmatrix
from sklearn.utils import compute_class_weight, compute_sample_weight


def weigh_by_class(
    sample_weight: np.ndarray,
    y: np.ndarray | spmatrix,
    class_weight: dict | list[dict] | str,
    *,
    classes: np.ndarray | None,
) -> np.ndarray:
    """Multiply the weights of texts by those of their classes.

    Parameters
    ----------
    sample_weight : ndarray of shape (n_texts,)
        The weight of each text.

    y : ndarray of shape (n_texts,), or {ndarray, sparse matrix} of shape \
(n_texts, n_classes)
        Labels, or a multilabel indicator.

    class_weight : dict, list of dict, or "balanced"
        As `skrnn.RNNTextClassifier` takes it.

    classes : ndarray of shape (n_classes,), or None
        The labels, sorted; None for an indicator.

    Returns
    -------
    ndarray of shape (n_texts,), float64

    Raises
    ------
    ValueError
        If a weight is negative or no number, or is for none of the classes while one of
        them has none; or `class_weight` is no list of a dict a column where `y` is an
        indicator.
    """
    if classes is None:
        weight = sample_weight * _of_indicator(class_weight, y)
    else:
        # A dict names all classes, where "balanced" knows those of `y`.
        if class_weight == "balanced":
            classes = np.unique(y)
            of_class = compute_class_weight(
                "balanced", classes=classes, y=y, sample_weight=sample_weight
            )
        else:
            of_class = _by_label(class_weight, classes)
        weight = sample_weight * of_class[np.searchsorted(classes, y)]
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise _refusal(class_weight)
    return weight


def _refusal(class_weight) -> ValueError:
    return ValueError(
        "`class_weight` should hold finite numbers of at least 0, got "
        f"{class_weight!r}."
    )


def _by_label(
    class_weight: dict, classes: np.ndarray, name: str = "class_weight"
) -> np.ndarray:
    """The weight of each class; 1 where it has none and all names are classes."""
    # Labels as they are: `compute_class_weight` looks for the number in "1".
    without = np.array([label not in class_weight for label in classes])
    if without.any() and np.count_nonzero(~without) != len(class_weight):
        labels = classes.tolist()
        unknown = [label for label in class_weight if label not in labels]
        raise ValueError(
            f"`{name}` has {unknown}, which are no classes, and lacks "
            f"{classes[without].tolist()}. The classes are {labels}."
        )
    try:
        return np.array([class_weight.get(label, 1.0) for label in classes], float)
    except (TypeError, ValueError) as error:
        raise _refusal(class_weight) from error


def _of_indicator(class_weight, y) -> np.ndarray:
    """The weight of each text, the product of its columns'; `y` may be sparse."""
    if class_weight == "balanced":
        return compute_sample_weight("balanced", y)
    of_columns = class_weight if isinstance(class_weight, list) else []
    if len(of_columns) != y.shape[1] or not all(
        isinstance(one, dict) for one in of_columns
    ):
        raise ValueError(
            f"Where `y` is a multilabel indicator of {y.shape[1]} columns, "
            f"`class_weight` should be 'balanced' or a list of {y.shape[1]} dicts. Got "
            f"{class_weight!r}."
        )
    weight = np.ones(y.shape[0])
    # A row format reads all of itself for a column.
    y = y.tocsc() if issparse(y) else y
    # `compute_sample_weight` knows only the values that these texts have.
    values = np.arange(2)
    for i, of_column in enumerate(of_columns):
        column = y[:, [i]].toarray()[:, 0] if issparse(y) else y[:, i]
        of_values = _by_label(of_column, values, f"class_weight[{i}]")
        weight *= of_values[column.astype(int)]
    return weight
