"""Which columns texts have marks in, in little memory: marks.c."""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.binding import library_with, point, structure
from skrnn.native.texts import Texts, as_read, check_ids, point_at

_Repeats = structure("repeats", arrays="last_text:int32 bits:uint8")
_Packed = structure(
    "packed_marks", integers="n_texts first_column", arrays="gaps:uint16 n_gaps:int32"
)
_Unpacked = structure("unpacked_marks", arrays="columns:int32 n_of_texts:int32")
_Product = structure("marks_product", arrays="repeats:uint8 of_ids of_columns of_texts")

LIBRARY = library_with(Texts, _Repeats, _Packed, _Unpacked, _Product)

IS_COMPILED = LIBRARY is not None

if IS_COMPILED:
    LIBRARY.pack_marks.restype = ctypes.c_int64

_FARTHEST = np.iinfo(np.uint16).max

# Numbers beside those of the ids, as marks.c wants.
_SPARE = 8


class MarkedIds:
    """Which ids texts hold, told by the ids themselves and a bit for each.

    Parameters
    ----------
    ids, offsets : ndarrays
        The texts, as `skrnn.native.texts.point_at` takes them.

    columns : ndarray of int, of shape (n_marked,)
        Which ids are columns, in their order.

    n_ids : int
        The number of ids.

    Raises
    ------
    ValueError
        If there are others among the texts' ids.
    """

    def __init__(self, ids, offsets, columns, *, n_ids: int):
        check_ids(ids, n_ids=n_ids)
        self.ids = as_read(ids)
        self.offsets = offsets
        self.columns = columns
        self.n_ids = n_ids
        self.repeats = np.zeros(len(ids) // 8 + 1, np.uint8)
        texts, held = self.texts()
        found = _Repeats()
        held += point(found, last_text=np.zeros(n_ids, np.int32), bits=self.repeats)
        LIBRARY.find_repeats(ctypes.byref(texts), ctypes.byref(found))
        del held

    def texts(self, some: slice = slice(None)) -> tuple[ctypes.Structure, list]:
        """Give some of the texts for a call, and what is to be held meanwhile."""
        start, stop, _ = some.indices(len(self.offsets) - 1)
        return point_at(self.ids, self.offsets[start : stop + 1], n_ids=self.n_ids)


class PackedMarks:
    """A matrix of ones and zeros, in few bytes a one, of which products are taken.

    As SciPy's matrices it takes ``marks @ of_columns`` and ``marks.T @ of_texts``. The
    first columns are ids, and take no memory beside those.

    Parameters
    ----------
    ids : MarkedIds
        The first columns, of these and other texts.

    texts : slice
        Which of the texts these are.

    gaps, n_gaps : ndarray
        What `pack` gives for some texts or, laid end to end, for several times some.

    n_columns : int
        Their number.

    Raises
    ------
    ValueError
        If `n_gaps` is of another number of texts.
    """

    def __init__(
        self,
        ids: MarkedIds,
        texts: slice,
        gaps: np.ndarray,
        n_gaps: np.ndarray,
        n_columns: int,
    ):
        self.shape = len(n_gaps), n_columns
        self._ids = ids
        self._texts, self._held = ids.texts(texts)
        if self._texts.n_texts != len(n_gaps):
            raise ValueError(
                f"Gaps of {len(n_gaps)} texts were given for {self._texts.n_texts}."
            )
        self._packed = _Packed(len(n_gaps), len(ids.columns))
        self._held += point(self._packed, gaps=gaps, n_gaps=n_gaps)

    def __matmul__(self, of_columns: np.ndarray) -> np.ndarray:
        """Sum the numbers of each text's columns, float32."""
        of_texts = np.empty(self.shape[0], np.float32)
        of_ids = self._zeros_of_ids()
        of_ids[self._ids.columns] = of_columns[: len(self._ids.columns)]
        self._call("sum_columns", of_ids, of_columns, of_texts)
        return of_texts

    @property
    def T(self) -> _Transposed:
        """The matrix with texts for columns."""
        return _Transposed(self)

    def _sum_texts(self, of_texts: np.ndarray) -> np.ndarray:
        of_columns = np.zeros(self.shape[1], np.float32)
        of_ids = self._zeros_of_ids()
        self._call("sum_texts", of_ids, of_columns, of_texts)
        of_columns[: len(self._ids.columns)] = of_ids[self._ids.columns]
        return of_columns

    def _zeros_of_ids(self) -> np.ndarray:
        return np.zeros(self._ids.n_ids + _SPARE, np.float32)

    def _call(self, function: str, of_ids, of_columns, of_texts) -> None:
        if (*of_texts.shape, *of_columns.shape) != self.shape:
            raise ValueError(
                f"Marks of shape {self.shape} were multiplied by numbers of "
                f"{of_columns.shape} columns, or {of_texts.shape} texts."
            )
        product = _Product()
        held = point(
            product,
            repeats=self._ids.repeats,
            of_ids=of_ids,
            of_columns=of_columns,
            of_texts=of_texts,
        )
        arguments = self._texts, self._packed, product
        getattr(LIBRARY, function)(*map(ctypes.byref, arguments))
        del held


class _Transposed:
    def __init__(self, marks: PackedMarks):
        self._marks = marks

    def __matmul__(self, of_texts: np.ndarray) -> np.ndarray:
        """Sum the numbers of each column's texts, float32."""
        return self._marks._sum_texts(of_texts)


def pack(
    columns: np.ndarray, n_of_texts: np.ndarray, *, first_column: int, n_columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give the marks of some texts as `PackedMarks` takes them.

    Parameters
    ----------
    columns : int32 ndarray of shape (n_marks,)
        The columns, text upon text, in no order within a text. It is sorted in place.

    n_of_texts : int32 ndarray of shape (n_texts,)
        How many of them each text has.

    first_column : int
        Those before it are left out.

    n_columns : int
        Their number.

    Returns
    -------
    gaps : uint16 ndarray of shape (n_gaps,)
        How far each text's columns lie apart.

    n_gaps : int32 ndarray of shape (n_texts,)
        How many of these each text has.
    """
    unpacked, packed = _Unpacked(), _Packed(len(n_of_texts), first_column)
    most = len(columns) + len(n_of_texts) * (n_columns // _FARTHEST)
    gaps, n_gaps = np.empty(most, np.uint16), np.empty(len(n_of_texts), np.int32)
    held = point(unpacked, columns=columns, n_of_texts=n_of_texts)
    held += point(packed, gaps=gaps, n_gaps=n_gaps)
    n_found = LIBRARY.pack_marks(ctypes.byref(unpacked), ctypes.byref(packed))
    del held
    return gaps[:n_found].copy(), n_gaps
