"""Weights of texts: checked, those above zero, and in proportion to their mean."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _check_sample_weight

from skrnn._keras import keras


def check_sample_weight(sample_weight, y, *, whole: bool) -> np.ndarray:
    """Check that a text has some weight, and none a negative one.

    Parameters
    ----------
    sample_weight : array-like of shape (n_texts,), or None
        The weight of each text; None for equal ones.

    y : array-like of shape (n_texts, ...)
        The targets.

    whole : bool
        Whether only proportions matter. Others are what the loss is multiplied by,
        which is of Keras' float type.

    Returns
    -------
    ndarray of shape (n_texts,), float64
        With `whole` proportions of the highest weight. Those that vanish in Keras'
        float type are 0.

    Raises
    ------
    ValueError
        If a weight is negative, no number or too large, or none is above zero, or
        they are of another shape.
    """
    if sample_weight is not None and np.ma.is_masked(sample_weight):
        raise ValueError("Input sample_weight has masked entries.")
    weight = _check_sample_weight(sample_weight, y, dtype=np.float64)
    if (weight < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    if not whole:
        # Whether the loss can be multiplied by them.
        narrowed(weight)
    weight = vanishing_as_zero(weight.copy(), whole=whole)
    if not weight.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number: these are so "
            f"small that {keras.config.floatx()} holds them as 0. Scale them."
        )
    return weight


def vanishing_as_zero(weight: np.ndarray, *, whole: bool) -> np.ndarray:
    """Take weights for 0 that vanish in Keras' float type, which the loss is in.

    Parameters
    ----------
    weight : ndarray of shape (n_texts,), float64
        The weight of each text; it is changed.

    whole : bool
        Whether they are taken as proportions of the highest.

    Returns
    -------
    ndarray of shape (n_texts,), float64
        With `whole` these proportions, of which sums do not overflow.
    """
    if whole and weight.any():
        weight /= weight.max()
    with np.errstate(over="ignore", under="ignore"):
        weight[weight.astype(keras.config.floatx()) == 0] = 0.0
    return weight


def with_weight(weight: np.ndarray) -> np.ndarray | slice:
    """Tell which texts have any weight.

    Parameters
    ----------
    weight : ndarray of shape (n_texts,)
        The weight of each text.

    Returns
    -------
    ndarray of int, or slice
        Their positions; of all texts a slice, by which nothing is copied.
    """
    return slice(None) if weight.all() else np.flatnonzero(weight)


def of_mean_one(weight: np.ndarray) -> np.ndarray:
    """Scale weights so that their mean is 1.

    Parameters
    ----------
    weight : ndarray of shape (n_texts,), float64
        At least one of them above zero.

    Returns
    -------
    ndarray of shape (n_texts,), of Keras' float type
        Equal ones are a view of a single number.
    """
    if weight.min() == weight.max():
        one = np.ones((), keras.config.floatx())
        return np.broadcast_to(one, weight.shape)
    weight = weight / weight.max()
    return (weight / weight.mean()).astype(keras.config.floatx())


def narrowed(weight: np.ndarray) -> np.ndarray:
    """Give weights as the loss is multiplied by them.

    Parameters
    ----------
    weight : ndarray of shape (n_texts,), float64
        The weight of each text.

    Returns
    -------
    ndarray of shape (n_texts,), of Keras' float type

    Raises
    ------
    ValueError
        If one is larger than that type holds.
    """
    floatx = keras.config.floatx()
    with np.errstate(over="ignore"):
        narrow = weight.astype(floatx)
    if not np.isfinite(narrow).all():
        raise ValueError(
            "`sample_weight` and `class_weight` give a text a weight of "
            f"{weight.max():g}, more than {floatx} holds."
        )
    return narrow
