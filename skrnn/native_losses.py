"""What the losses of the defaults say of a network's scores, without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import numpy as np
from scipy.special import expit, log_softmax

from skrnn._keras import keras
from skrnn.variables import memory_of


class NativeLoss:
    """A loss, and its mean over an epoch so far, in memory that Keras shares.

    Keras' own takes TensorFlow a graph, made anew for each network: a good part of
    what a small one takes to train.

    Parameters
    ----------
    formula : Formula
        Of the loss of each text.

    tracker : keras.metrics.Mean
        What Keras keeps the mean in.
    """

    def __init__(self, formula: Formula, tracker: keras.metrics.Mean):
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


def loss_of(model, targets: np.ndarray) -> NativeLoss | None:
    """Find what judges a network's scores.

    Parameters
    ----------
    model : SequenceModel
        Compiled.

    targets : ndarray of shape (n_texts, ...)
        What the loss is to compare scores with.

    Returns
    -------
    NativeLoss or None
        None where there are metrics besides, or no formula here.
    """
    told, n_scores = model.compile_arguments, model.head.units
    # The first of Keras' metrics is the loss' own. Those of an earlier `compile` stay.
    tracker, *metrics = model.metrics
    if metrics or tracker.dtype != "float32" or told.get("loss_weights") is not None:
        return None
    formula = formula_of(told.get("loss"))
    if formula is None or not formula.takes(targets, n_scores):
        return None
    return NativeLoss(formula, tracker)


def formula_of(loss: object) -> Formula | None:
    """Find the formula of a loss of Keras'.

    Parameters
    ----------
    loss : keras.losses.Loss, or whatever else `keras.Model.compile` takes
        The loss.

    Returns
    -------
    Formula or None
        None where there is none here.
    """
    kind = _FORMULAS.get(type(loss))
    if kind is None or loss.fn is not kind.of or loss.dtype != "float32":
        return None
    # What `get_config` gives is not all that Keras computes with.
    told = {"reduction": loss.reduction, **loss._fn_kwargs}
    smoothing = told.pop("label_smoothing", 0.0)
    if not isinstance(smoothing, Real) or not told.items() <= _USUAL.items():
        return None
    return kind(np.float32(smoothing))


_USUAL = {
    "reduction": "sum_over_batch_size",
    "from_logits": True,
    "axis": -1,
    "ignore_class": None,
}


class Formula:
    """The loss of each text, and its derivatives by the text's scores, float32.

    Parameters
    ----------
    smoothing : float32
        The share of a label that goes to all others.
    """

    # The function of Keras'.
    of: Callable

    def __init__(self, smoothing: np.float32):
        self.smoothing = smoothing

    def takes(self, targets: np.ndarray, n_scores: int) -> bool:
        """Whether targets are as the formula has them: a number for each score."""
        return targets.dtype == np.float32 and targets.shape[1:] == (n_scores,)


class _OfColumns(Formula):
    """The mean of each column's log loss, of targets 0 and 1."""

    of = staticmethod(keras.losses.binary_crossentropy)

    def __call__(self, targets, scores):
        targets = targets * (1 - self.smoothing) + self.smoothing / 2
        losses = np.maximum(scores, 0) - scores * targets
        losses += np.log1p(np.exp(-np.abs(scores)))
        return losses.mean(axis=1), (expit(scores) - targets) / scores.shape[1]


class _OfNumbers(Formula):
    """The log loss of one class of several, given its number."""

    of = staticmethod(keras.losses.sparse_categorical_crossentropy)

    def takes(self, targets, n_scores):
        """Whether targets are numbers of classes."""
        return (
            np.issubdtype(targets.dtype, np.integer)
            and targets.ndim == 1
            and 0 <= targets.min() <= targets.max() < n_scores
        )

    def __call__(self, targets, scores):
        log_probabilities = log_softmax(scores, axis=1)
        texts = np.arange(len(targets))
        slopes = np.exp(log_probabilities)
        slopes[texts, targets] -= 1
        return -log_probabilities[texts, targets], slopes


class _OfShares(Formula):
    """The log loss of one class of several, given a column for each."""

    of = staticmethod(keras.losses.categorical_crossentropy)

    def __call__(self, targets, scores):
        targets = targets * (1 - self.smoothing) + self.smoothing / scores.shape[1]
        log_probabilities = log_softmax(scores, axis=1)
        losses = -(targets * log_probabilities).sum(axis=1)
        # As TensorFlow has them, whatever a text's shares sum up to.
        return losses, np.exp(log_probabilities) - targets


class _OfValues(Formula):
    """The mean of each column's squared error."""

    of = staticmethod(keras.losses.mean_squared_error)

    def __call__(self, targets, scores):
        errors = scores - targets
        return (errors**2).mean(axis=1), 2 * errors / scores.shape[1]


_FORMULAS = {
    keras.losses.BinaryCrossentropy: _OfColumns,
    keras.losses.SparseCategoricalCrossentropy: _OfNumbers,
    keras.losses.CategoricalCrossentropy: _OfShares,
    keras.losses.MeanSquaredError: _OfValues,
}
