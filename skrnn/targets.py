"""Targets, checked."""

from __future__ import annotations

import contextlib

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, column_or_1d

from skrnn.texts import is_missing

_COLUMNS = "`sklearn.preprocessing.MultiLabelBinarizer` makes a column for each."


def check_targets(y, estimator_name: str):
    """Check that there are targets, and that none is missing.

    Parameters
    ----------
    y : array-like or sparse matrix of shape (n_texts,) or (n_texts, n_outputs)
        The targets.

    estimator_name : str
        Named where there are none.

    Returns
    -------
    ndarray, or csr_matrix for sparse targets
        Of shape (n_texts,) where there is one column, with a warning.

    Raises
    ------
    ValueError
        If `y` is None or empty, a target is missing or infinite, or there are more
        than two dimensions.
    """
    if y is None:
        raise ValueError(
            f"This {estimator_name} estimator requires y to be passed, but the target "
            "y is None."
        )
    if not issparse(y):
        check_present(y, "y")
        y = of_fixed_width(y)
    try:
        y = check_array(
            y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y"
        )
    except ValueError as error:
        if not isinstance(y, (list, tuple)) or len(set(map(_n_columns, y))) < 2:
            raise
        raise ValueError(
            "`y` holds lists of different lengths. It should have one number of "
            f"columns for all texts; of lists of labels {_COLUMNS}"
        ) from error
    if y.dtype == object and any(
        isinstance(one, (set, frozenset)) for one in np.ravel(y)
    ):
        raise ValueError(f"`y` holds sets. Of sets of labels {_COLUMNS}")
    if issparse(y) and not y.has_canonical_format:
        # What stands twice in one place counts once, as the sum of both.
        y = y.copy()
        y.sum_duplicates()
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y.toarray() if issparse(y) else y, warn=True)
    return y


def _n_columns(of_text) -> int:
    return len(of_text) if isinstance(of_text, (list, tuple)) else 1


def of_fixed_width(labels):
    """The same labels, those of NumPy's `StringDType` in the dtype that it infers.

    Scikit-learn's checks do not know `StringDType`.
    """
    is_variable = getattr(getattr(labels, "dtype", None), "kind", None) == "T"
    return np.array(labels.tolist()) if is_variable else labels


def check_present(values, name: str) -> None:
    """Check that no value is missing; scikit-learn looks for NaN among numbers only.

    Parameters
    ----------
    values : array-like
        Labels or values.

    name : str
        What the values are called in the message.

    Raises
    ------
    ValueError
        If one is missing or masked, or they are no list and no array.
    """
    if np.ma.is_masked(values):
        raise ValueError(
            f"Input {name} has masked entries. Leave them out, or fill them."
        )
    numbers = None
    # Of very many numbers objects would take long, and much memory.
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        numbers = np.asarray(values)
    if numbers is not None and not numbers.ndim:
        raise ValueError(
            f"Input {name} should be a list or an array, got {type(values).__name__}."
        )
    if numbers is not None and numbers.dtype.kind in "biuf":
        missing = np.isnan(numbers)
    else:
        numbers = np.asarray(values, object)
        missing = np.frompyfunc(is_missing, 1, 1)(numbers).astype(bool)
    if missing.any():
        first = tuple(map(int, np.argwhere(missing)[0]))
        position = first[0] if len(first) == 1 else first
        raise ValueError(
            f"Input {name} contains NaN. The value at position {position} is missing, "
            f"got {numbers[first]}: leave it out, or fill it."
        )
