"""Which columns texts have marks in, in little memory: marks.c."""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.binding import library_with, point, structure

_Packed = structure(
    "packed_marks", integers="n_texts", arrays="gaps:uint16 n_gaps:int32"
)
_Unpacked = structure("unpacked_marks", arrays="columns:int32 n_of_texts:int32")
_Product = structure("marks_product", arrays="of_columns of_texts")

LIBRARY = library_with(_Packed, _Unpacked, _Product)

IS_COMPILED = LIBRARY is not None

if IS_COMPILED:
    LIBRARY.pack_marks.restype = ctypes.c_int64

_FARTHEST = np.iinfo(np.uint16).max


class PackedMarks:
    """A matrix of ones and zeros, in two bytes a one, of which products are taken.

    As SciPy's matrices it takes ``marks @ of_columns`` and ``marks.T @ of_texts``.

    Parameters
    ----------
    gaps, n_gaps : ndarray
        What `pack` gives for some texts or, laid end to end, for several times some.

    n_columns : int
        Their number.
    """

    def __init__(self, gaps: np.ndarray, n_gaps: np.ndarray, n_columns: int):
        self.shape = len(n_gaps), n_columns
        self._packed = _Packed(len(n_gaps))
        self._held = point(self._packed, gaps=gaps, n_gaps=n_gaps)

    def __matmul__(self, of_columns: np.ndarray) -> np.ndarray:
        """Sum the numbers of each text's columns, float32."""
        of_texts = np.empty(self.shape[0], np.float32)
        self._call("sum_columns", of_columns, of_texts)
        return of_texts

    @property
    def T(self) -> _Transposed:
        """The matrix with texts for columns."""
        return _Transposed(self)

    def _sum_texts(self, of_texts: np.ndarray) -> np.ndarray:
        of_columns = np.zeros(self.shape[1], np.float32)
        self._call("sum_texts", of_columns, of_texts)
        return of_columns

    def _call(self, function: str, of_columns, of_texts) -> None:
        if (*of_texts.shape, *of_columns.shape) != self.shape:
            raise ValueError(
                f"Marks of shape {self.shape} were multiplied by numbers of "
                f"{of_columns.shape} columns, or {of_texts.shape} texts."
            )
        product = _Product()
        held = point(product, of_columns=of_columns, of_texts=of_texts)
        getattr(LIBRARY, function)(*map(ctypes.byref, (self._packed, product)))
        del held


class _Transposed:
    def __init__(self, marks: PackedMarks):
        self._marks = marks

    def __matmul__(self, of_texts: np.ndarray) -> np.ndarray:
        """Sum the numbers of each column's texts, float32."""
        return self._marks._sum_texts(of_texts)


def pack(columns, n_of_texts, n_columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the marks of some texts as `PackedMarks` takes them.

    Parameters
    ----------
    columns : int32 ndarray of shape (n_marks,)
        The columns, text upon text, in no order within a text. It is sorted in place.

    n_of_texts : int32 ndarray of shape (n_texts,)
        How many of them each text has.

    n_columns : int
        Their number.

    Returns
    -------
    gaps : uint16 ndarray of shape (n_gaps,)
        How far each text's columns lie apart.

    n_gaps : int32 ndarray of shape (n_texts,)
        How many of these each text has.
    """
    unpacked, packed = _Unpacked(), _Packed(len(n_of_texts))
    most = len(columns) + len(n_of_texts) * (n_columns // _FARTHEST)
    gaps, n_gaps = np.empty(most, np.uint16), np.empty(len(n_of_texts), np.int32)
    held = point(unpacked, columns=columns, n_of_texts=n_of_texts)
    held += point(packed, gaps=gaps, n_gaps=n_gaps)
    n_found = LIBRARY.pack_marks(ctypes.byref(unpacked), ctypes.byref(packed))
    del held
    return gaps[:n_found].copy(), n_gaps
