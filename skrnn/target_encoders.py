"""Labels and values as the network sees them, and scores as labels and values."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d


class ClassEncoder(BaseEstimator):
    """Labels to the network's targets, scores to labels and probabilities.

    Parameters
    ----------
    one_hot : bool, default=False
        Whether several classes become one column each, of 0 and 1, rather than
        one column of class numbers.

    one_against_all : bool, default=False
        Whether the score of each of several classes is its log odds against all
        others. Their probabilities are then scaled to sum to 1, as scikit-learn's
        `OneVsRestClassifier` scales them; others are the softmax of the scores.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels; the column numbers for a multilabel indicator.

    kind_ : {"binary", "multiclass", "multilabel"}
        What the targets are.

    n_outputs_ : int
        Number of scores a text: 1 for two classes, else one a class.
    """

    def __init__(self, one_hot: bool = False, one_against_all: bool = False):
        self.one_hot = one_hot
        self.one_against_all = one_against_all

    def fit(self, y, classes=None) -> ClassEncoder:
        """Learn the classes.

        Parameters
        ----------
        y : array-like of shape (n_texts,) or (n_texts, n_classes)
            Labels, or a multilabel indicator, sparse or dense.

        classes : array-like of shape (n_classes,), default=None
            All labels there are, when `y` may not hold them all.

        Raises
        ------
        ValueError
            If there are fewer than two classes, or `y` holds values, or
            several outputs of several classes each.
        """
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if issparse(y) and kind != "multilabel-indicator":
            # To say what is wrong with it.
            _dense_indicator(y)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Several outputs of several classes each are not supported. Use "
                "sklearn.multioutput.MultiOutputClassifier."
            )
        if kind == "multilabel-indicator":
            if classes is not None and len(classes) != y.shape[1]:
                raise ValueError(
                    f"`classes` has {len(classes)} labels, but `y` has {y.shape[1]} "
                    "columns."
                )
            self.classes_ = np.arange(y.shape[1])
            self.kind_ = "multilabel"
            self.n_outputs_ = y.shape[1]
            return self
        labels = column_or_1d(y if classes is None else classes)
        self.label_encoder_ = LabelEncoder().fit(labels)
        self.classes_ = self.label_encoder_.classes_
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got "
                f"{n_classes} class"
            )
        self.kind_ = "binary" if n_classes == 2 else "multiclass"
        self.n_outputs_ = 1 if n_classes == 2 else n_classes
        return self

    def transform(self, y) -> np.ndarray:
        """Encode labels.

        Parameters
        ----------
        y : array-like of shape (n_texts,) or (n_texts, n_classes)
            Labels seen in `fit`, or a multilabel indicator.

        Returns
        -------
        ndarray
            Of shape (n_texts, 1), float32, for two classes; (n_texts,), int32,
            or with `one_hot` (n_texts, n_classes), float32, for more of them;
            (n_texts, n_classes), float32, for a multilabel indicator.

        Raises
        ------
        ValueError
            If `y` holds other labels or another number of columns, or a multilabel
            indicator anything but 0 and 1.
        """
        multilabel = y.ndim == 2
        if multilabel != (self.kind_ == "multilabel"):
            raise ValueError(
                "`y` is a multilabel indicator in one call and holds single labels "
                "in another."
            )
        if multilabel:
            if y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"`y` has {y.shape[1]} columns, but this estimator was fitted "
                    f"with {self.n_outputs_}."
                )
            return _dense_indicator(y)
        # NumPy would compare numbers with strings by turning them into strings.
        kinds = {np.asarray(labels).dtype.kind for labels in (y, self.classes_)}
        mixed = "U" in kinds and kinds & set("biuf")
        unknown = np.unique(y) if mixed else np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(
                f"`y` has classes not in `self.classes_`: {unknown}. `self.classes_` "
                f"has {self.classes_}."
            )
        numbers = self.label_encoder_.transform(y)
        if self.kind_ == "binary":
            return numbers.astype(np.float32)[:, None]
        if self.one_hot:
            return np.eye(self.n_outputs_, dtype=np.float32)[numbers]
        return numbers.astype(np.int32)

    def inverse_transform(self, scores: np.ndarray) -> np.ndarray:
        """The labels with the highest scores.

        Parameters
        ----------
        scores : ndarray of shape (n_texts, n_outputs)
            What the network gives.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_classes)
            Labels, or a multilabel indicator of integers.
        """
        if self.kind_ == "multilabel":
            return (scores > 0).astype(int)
        if self.kind_ == "binary":
            return self.classes_[(scores[:, 0] > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        scores : ndarray of shape (n_texts, n_outputs)
            What the network gives.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float64
            Rows sum to 1, except for a multilabel indicator.
        """
        scores = scores.astype(np.float64)
        if self.kind_ == "multiclass":
            return softmax(self._comparable(scores), axis=1)
        if self.kind_ == "binary":
            return expit(np.hstack([-scores, scores]))
        return expit(scores)

    def log_probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Logarithms of `probabilities`, exact where those round to 0.

        Parameters
        ----------
        scores : ndarray of shape (n_texts, n_outputs)
            What the network gives.

        Returns
        -------
        ndarray of shape (n_texts, n_classes), float64
        """
        scores = scores.astype(np.float64)
        if self.kind_ == "multiclass":
            return log_softmax(self._comparable(scores), axis=1)
        if self.kind_ == "binary":
            scores = np.hstack([-scores, scores])
        return log_expit(scores)

    def _comparable(self, scores: np.ndarray) -> np.ndarray:
        """What the softmax of several classes' scores is taken of."""
        return log_expit(scores) if self.one_against_all else scores


class ValueEncoder(BaseEstimator):
    """Values standardized for the network, and scores as values again.

    A network starts at zero with steps of about one: targets of another scale
    would take it most of the training to reach.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_outputs,), float64
        Weighted mean and standard deviation of the values; the scale of a
        constant output is 1, or what rounding left of it if that is more.

    is_constant_ : ndarray of shape (n_outputs,), bool
        Which outputs have a single value, but for rounding.

    n_outputs_ : int
        Number of values a text.

    ndim_ : int
        Number of dimensions of the values: 1 or 2.
    """

    def fit(self, y: np.ndarray, sample_weight: np.ndarray) -> ValueEncoder:
        """Learn mean and scale.

        Parameters
        ----------
        y : ndarray of shape (n_texts,) or (n_texts, n_outputs)
            Values.

        sample_weight : ndarray of shape (n_texts,)
            The weight of each text; those of weight 0 are left out.
        """
        self.ndim_ = y.ndim
        columns = self._columns(y)[sample_weight > 0]
        sample_weight = sample_weight[sample_weight > 0]
        self.n_outputs_ = columns.shape[1]
        # In units of the span, since squares of the values may overflow or vanish.
        with np.errstate(over="ignore", invalid="ignore"):
            span = np.ptp(columns, axis=0)
            # What is left of a column by rounding must be no value, and no scale.
            rounding = 10 * np.finfo(np.float64).eps * np.abs(columns).max(axis=0)
            self.is_constant_ = constant = span <= rounding
            mean = np.average(columns, axis=0, weights=sample_weight)
            self.mean_ = np.where(constant, columns[0], mean)
            of_constant = np.maximum(1.0, span)
            span = np.where(constant, 1.0, span)
            squares = ((columns - self.mean_) / span) ** 2
            variance = np.average(squares, axis=0, weights=sample_weight)
            self.scale_ = np.where(constant, of_constant, span * np.sqrt(variance))
        if not np.isfinite([self.mean_, self.scale_]).all():
            raise ValueError(
                "The values of `y` are too large, or too far apart, for their mean and "
                f"standard deviation to be numbers: from {columns.min():g} to "
                f"{columns.max():g}. Divide them."
            )
        return self

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Standardize values.

        Parameters
        ----------
        y : ndarray of shape (n_texts,) or (n_texts, n_outputs)
            Values of the number of outputs seen in `fit`.

        Returns
        -------
        ndarray of shape (n_texts, n_outputs), float32

        Raises
        ------
        ValueError
            If `y` has another number of outputs.
        """
        columns = self._columns(y)
        if columns.shape[1] != self.n_outputs_:
            raise ValueError(
                f"`y` has {columns.shape[1]} outputs, but this estimator was fitted "
                f"with {self.n_outputs_}."
            )
        # That of a text without weight, which counts nothing, may be of any size; of
        # others training finds that their loss is no number.
        with np.errstate(over="ignore"):
            return ((columns - self.mean_) / self.scale_).astype(np.float32)

    def inverse_transform(self, scores: np.ndarray) -> np.ndarray:
        """Values of the scale of `y`.

        Parameters
        ----------
        scores : ndarray of shape (n_texts, n_outputs)
            What the network gives.

        Returns
        -------
        ndarray of shape (n_texts,) or (n_texts, n_outputs), float64
            Of the dimensions of `y` in `fit`.
        """
        values = scores.astype(np.float64) * self.scale_ + self.mean_
        return values[:, 0] if self.ndim_ == 1 else values

    @staticmethod
    def _columns(y: np.ndarray) -> np.ndarray:
        return y.astype(np.float64).reshape(len(y), -1)


def _dense_indicator(y) -> np.ndarray:
    values = y.data if issparse(y) else np.asarray(y)
    if values.dtype.kind not in "biufO" or not np.isin(values, (0, 1)).all():
        # Others than numbers may have no order.
        found = np.unique(values.astype(str) if values.dtype.kind == "O" else values)
        raise ValueError(
            f"A multilabel indicator holds 0 and 1, but `y` holds {found}."
        )
    return y.astype(np.float32).toarray() if issparse(y) else values.astype(np.float32)
