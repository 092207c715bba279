"""What the losses of the defaults say of a network's scores, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import numpy as np
from scipy.special import expit, log_softmax

from skrnn._keras import keras
from skrnn.backend import memory_of

_Formula = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class NativeLoss:
    """A loss, and its mean over an epoch so far, in memory that Keras shares.

    To make a graph of Keras' own takes a good part of a second, as long as a small
    network trains; to run it some tenths of a millisecond.

    Parameters
    ----------
    formula : callable
        What `formula_of` gave.

    tracker : keras.metrics.Mean
        What Keras keeps the mean in.
    """

    def __init__(self, formula: _Formula, tracker: keras.metrics.Mean):
        self._formula = formula
        self._tracker = tracker
        self._sums = None

    def begin_epoch(self) -> None:
        """Go on from what the tracker has now."""
        self._sums = None

    def __call__(
        self,
        targets: np.ndarray,
        scores: np.ndarray,
        weight: np.ndarray,
        penalty: float,
    ) -> tuple[np.ndarray, dict]:
        """Judge a batch.

        Parameters
        ----------
        targets : ndarray of shape (batch, ...)
            What the scores are compared with.

        scores : float32 ndarray of shape (batch, n_outputs)
            The head's.

        weight : float32 ndarray of shape (batch,)
            The weight of each text.

        penalty : float
            What the loss is above that.

        Returns
        -------
        slopes : float32 ndarray of shape (batch, n_outputs)
            The loss' derivatives by the scores.

        logs : dict of str to float
            The mean so far.
        """
        if self._sums is None:
            tracker = self._tracker
            self._sums = [memory_of(one) for one in (tracker.total, tracker.count)]
        losses, slopes = self._formula(targets, scores)
        n_texts = np.float32(len(scores))
        total, count = self._sums
        total += (weight @ losses / n_texts + np.float32(penalty)) * n_texts
        count += n_texts
        slopes *= (weight / n_texts)[:, None]
        return slopes, {"loss": float(total / count)}


def formula_of(loss: object) -> _Formula | None:
    """Find the formula of a loss of Keras'.

    Parameters
    ----------
    loss : keras.losses.Loss, or whatever else `keras.Model.compile` takes
        The loss.

    Returns
    -------
    callable or None
        Maps targets and scores to the loss of each text and its derivatives by the
        text's scores, float32. None where there is none here.
    """
    formula = _FORMULAS.get(type(loss))
    if formula is None or loss.dtype != "float32":
        return None
    told = loss.get_config()
    usual = {"reduction": "sum_over_batch_size", "axis": -1, "ignore_class": None}
    if any(told.get(name, value) != value for name, value in usual.items()):
        return None
    if not told.get("from_logits", True):
        return None
    smoothing = told.get("label_smoothing", 0.0)
    if not isinstance(smoothing, Real):
        return None
    return lambda targets, scores: formula(targets, scores, np.float32(smoothing))


def _of_columns(targets, scores, smoothing):
    """The mean of each column's log loss, of targets 0 and 1."""
    targets = targets * (1 - smoothing) + smoothing / 2
    losses = np.maximum(scores, 0) - scores * targets
    losses += np.log1p(np.exp(-np.abs(scores)))
    return losses.mean(axis=1), (expit(scores) - targets) / scores.shape[1]


def _of_numbers(targets, scores, _):
    """The log loss of one class of several, given its number."""
    log_probabilities = log_softmax(scores, axis=1)
    texts = np.arange(len(targets))
    slopes = np.exp(log_probabilities)
    slopes[texts, targets] -= 1
    return -log_probabilities[texts, targets], slopes


def _of_shares(targets, scores, smoothing):
    """The log loss of one class of several, given a column for each."""
    targets = targets * (1 - smoothing) + smoothing / scores.shape[1]
    log_probabilities = log_softmax(scores, axis=1)
    slopes = np.exp(log_probabilities) * targets.sum(axis=1, keepdims=True) - targets
    return -(targets * log_probabilities).sum(axis=1), slopes


def _of_values(targets, scores, _):
    """The mean of each column's squared error."""
    errors = scores - targets
    return (errors**2).mean(axis=1), 2 * errors / scores.shape[1]


_FORMULAS = {
    keras.losses.BinaryCrossentropy: _of_columns,
    keras.losses.SparseCategoricalCrossentropy: _of_numbers,
    keras.losses.CategoricalCrossentropy: _of_shares,
    keras.losses.MeanSquaredError: _of_values,
}
