"""Texts as the caller has them: one column of `str`, whatever holds it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

# By name, since pandas need not be installed.
_MISSING_IN_PANDAS = {"NAType", "NaTType"}


def check_texts(X: ArrayLike) -> list[str]:
    """Check that the input is one column of texts and give it as a list.

    Parameters
    ----------
    X : array-like of str, shape (n_texts,) or (n_texts, 1)
        A list, tuple or other sequence, a NumPy array, a pandas or polars
        Series, a pyarrow array, or a data frame of one column.

    Returns
    -------
    list of str
        The texts, in the given order. A list of `str` is given as it is.

    Raises
    ------
    ValueError
        If `X` is one bare string or holds no text, or if a text is missing
        (None, NaN, NaT, pandas' NA or a masked entry) or its row does not have
        exactly one column.

    TypeError
        If `X` is anything else (bytes, a sparse matrix, a dict, a set, a
        generator), or if one of its texts is not a `str`.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.texts import check_texts
    >>> check_texts(np.array([["one text"], ["another"]]))
    ['one text', 'another']
    """
    rows = _rows(X)
    if not rows:
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            "required."
        )
    if set(map(type, rows)) == {str}:
        return rows
    return [_text(row, position) for position, row in enumerate(rows)]


def _rows(X: ArrayLike) -> list:
    """List the rows of X as Python objects; the row of a matrix is a list."""
    if isinstance(X, str):
        raise ValueError(
            "Iterable over raw text documents expected, string object received: "
            "wrap it in a list."
        )
    if hasattr(X, "__array__"):
        # A masked array has to stay one: its list has None at masked entries.
        array = np.asanyarray(X)
        if array.ndim:
            return array.tolist()
    elif isinstance(X, Sequence) and not isinstance(X, (bytes, bytearray)):
        # No copy: of very many short texts it would take a good part of their memory.
        return X if type(X) is list else list(X)
    raise TypeError(
        f"Expected a list, array or Series of texts, got {type(X).__name__}."
    )


def _text(row: object, position: int) -> str:
    """Check that the row is one text and give it as a plain `str`."""
    if isinstance(row, (list, tuple)):
        if len(row) != 1:
            raise ValueError(
                f"Expected one column of texts, but row {position} has {len(row)} "
                "columns. Choose one with sklearn.compose.ColumnTransformer."
            )
        row = row[0]
    if isinstance(row, str):
        # str(row) could be overridden: an enum member gives its name.
        return str.__str__(row)
    if is_missing(row):
        raise ValueError(
            f"The text at position {position} is missing ({row}). Fill it first, for "
            'example with X.fillna("") in pandas, X.fill_null("") in polars, or '
            'SimpleImputer(missing_values=..., strategy="constant", fill_value="").'
        )
    hint = ": decode it first" if isinstance(row, (bytes, bytearray)) else ""
    raise TypeError(
        f"Expected a str at position {position}, got {type(row).__name__}{hint}."
    )


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, masked, or one of the missing values of pandas."""
    if isinstance(value, (float, np.floating)):
        return bool(np.isnan(value))
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return (
        value is None
        or value is np.ma.masked
        or type(value).__name__ in _MISSING_IN_PANDAS
    )
