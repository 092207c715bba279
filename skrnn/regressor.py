"""From texts to values."""

from __future__ import annotations

from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import InvalidParameterError, StrOptions
from sklearn.utils.validation import check_array

from skrnn._keras import keras
from skrnn.base import TextEstimator
from skrnn.fitted import Fitted
from skrnn.losses import check_loss_of_values
from skrnn.parameters import documented
from skrnn.target_encoders import ValueEncoder
from skrnn.warned import warn_user

_LOSSES = {
    "squared_error": keras.losses.MeanSquaredError,
    "absolute_error": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
}


@documented
class RNNTextRegressor(RegressorMixin, TextEstimator):
    """Predict values from texts with a recurrent neural network.

    The network is that of `RNNTextClassifier` [1]_, and a linear model on word
    n-grams stands beside it too. Targets are standardized
    before they meet the loss, and predictions are of the targets' own scale.

    Parameters
    ----------
    <text>

    <network>

    <wide>

    <optimizer>

    loss : {"squared_error", "absolute_error", "huber"}, `keras.losses.Loss`, \
class or callable, default="squared_error"
        What is minimised, between standardized targets and the network's scores.
        Huber's width is in standard deviations too: ``loss__delta=1.0``. Losses of
        Keras that compare classes are refused.

    <training>

    Attributes
    ----------
    <attributes>

    See Also
    --------
    RNNTextClassifier : The same for labels.
    Tokenizer : The tokenizer alone.

    References
    ----------
    <references>

    Examples
    --------
    >>> from skrnn import RNNTextRegressor
    >>> texts = ["a fine film", "a dull film", "fine, fine!", "so dull"] * 8
    >>> stars = [8.0, 3.0, 9.0, 2.0] * 8
    >>> regressor = RNNTextRegressor(epochs=10, batch_size=4, random_state=0)
    >>> dull, fine = regressor.fit(texts, stars).predict(["a dull story", "fine"])
    >>> bool(dull < 5 < fine)
    True
    """

    # What the wide part minimises.
    _wide_loss = "squared_error"

    _parameter_constraints = {
        **TextEstimator._parameter_constraints,
        "loss": [
            StrOptions(set(_LOSSES)),
            keras.losses.Loss,
            callable,
        ],
    }

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn vocabulary and network from texts and their values.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts: a list, an array, a Series, or one column of a table.

        y : array-like of shape (n_texts,) or (n_texts, n_outputs)
            Values.

        sample_weight : array-like of shape (n_texts,), default=None
            Weights of the texts in the loss, of which only the proportions matter. A
            text of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter, a text, a value or a weight is not valid, or training
            diverges. The estimator is then left as it was.

        TypeError
            If a text is not a `str`, `y` is sparse and has several columns, or a
            parameter is of a wrong type.

        FileNotFoundError
            If `embeddings` names a file that is not there.

        MemoryError
            If a batch or the network does not fit in memory; the message says what
            to lower.

        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        return self._fit_whole(X, y, sample_weight)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch more, on these texts.

        The first call learns the vocabulary and the scale of `y`, which then stay: it
        warns where its values are all the same, and have no scale.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        y : array-like of shape (n_texts,) or (n_texts, n_outputs)
            Values.

        sample_weight : array-like of shape (n_texts,), default=None
            What the loss of each text is multiplied by. A text of weight 0 is left
            out; one at least needs a weight above 0.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError, TypeError
            As in `fit`; or if `early_stopping` is on or `wide` is True.

        FileNotFoundError
            If `embeddings` names a file that is not there.

        MemoryError
            If a batch or the network does not fit in memory; the message says what
            to lower.

        RuntimeError
            In a process forked from one that had used TensorFlow.
        """
        self._check_partial_fit_parameters()
        return self._fit(X, y, sample_weight, epochs=1, go_on=hasattr(self, "model_"))

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The value of each text.

        Parameters
        ----------
        X : array-like of str, shape (n_texts,)
            Texts.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_outputs), float64

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.

        ValueError, TypeError
            If `X` is not a column of texts.

        MemoryError
            If a batch does not fit in memory; the message says what to lower.

        RuntimeError
            In a process forked after TensorFlow was used, unless the compiled kernel
            answers.
        """
        scores = self._scores(X)
        return self._target_encoder.inverse_transform(scores)

    def _check_targets(self, y) -> np.ndarray:
        y = super()._check_targets(y)
        return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")

    def _fit_target_encoder(self, y, sample_weight, classes) -> ValueEncoder:
        return ValueEncoder().fit(y, sample_weight)

    def _begin(self, y, weight, classes, *, whole: bool) -> Fitted:
        fitted = super()._begin(y, weight, classes, whole=whole)
        if not whole and fitted.target_encoder.is_constant_.any():
            warn_user(
                "All values of an output of `y` are the same in this first call, which "
                "learns the scale of `y`: later values are taken to spread by about 1. "
                "Begin anew with texts of different values."
            )
        return fitted

    def _strata(self, y):
        return None

    def _activation(self, target_encoder: ValueEncoder) -> str:
        return "linear"

    def _loss_and_arguments(self, target_encoder: ValueEncoder):
        width = self._routed().get("loss__delta", 1.0)
        if self.loss in ("huber", keras.losses.Huber) and not (
            isinstance(width, Real) and 0 < width < np.inf
        ):
            raise InvalidParameterError(
                "The 'loss__delta' parameter must be a float in the range (0.0, inf). "
                f"Got {width!r} instead."
            )
        # Only names are looked up: another loss may not be hashable.
        if isinstance(self.loss, str):
            return _LOSSES[self.loss], {}
        check_loss_of_values(self.loss)
        return self.loss, {}

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
