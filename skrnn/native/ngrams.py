"""The n-grams of texts: ngrams.c.

An n-gram's key is the number of the n-gram without its last id, times the number of
ids, and that id. The n-gram of no ids has the number 0, those known have the numbers
from 1 on, in the order of their keys.
"""

from __future__ import annotations

import ctypes

import numpy as np

from skrnn.native.arrays import zeros_given_back
from skrnn.native.binding import library_with, point, structure
from skrnn.native.texts import Texts, point_at

_KnownNGrams = structure(
    "known_ngrams", integers="n_keys slot_bits", arrays="keys:int64 slots:int32"
)
_Marks = structure(
    "marks", integers="max_n", arrays="last_text:int32 columns:int32 n_of_texts:int32"
)
_Counts = structure(
    "counts",
    integers="n share_bits share slot_bits",
    arrays="keys:int64 n_texts:int32 last_text:int32",
)

LIBRARY = library_with(_KnownNGrams, Texts, _Marks, _Counts)

IS_COMPILED = LIBRARY is not None

if IS_COMPILED:
    LIBRARY.mark_ngrams.restype = LIBRARY.count_ngrams.restype = ctypes.c_int64

# Keys are counted some at a time, which takes less memory, and by several threads.
_SHARE_BITS = 3
SHARES = range(2**_SHARE_BITS)

# Texts seldom have more different n-grams than one for so many of their tokens; where
# they do, the table is doubled.
_TOKENS_A_SLOT = 4
_FEWEST_SLOT_BITS = 5

# In fewer it takes no longer to look through a text's n-grams for one that is there
# already than to clear a mark for each n-gram known.
_FEW_TOKENS = 2**8


class KnownNGrams:
    """N-grams that are looked up in texts.

    Parameters
    ----------
    keys : int64 ndarray of shape (n_keys,)
        All different.

    n_ids : int
        The number of ids.

    first_id : int
        Those below it are in no n-gram.
    """

    def __init__(self, keys: np.ndarray, *, n_ids: int, first_id: int):
        self.n_ids = n_ids
        self.first_id = first_id
        # At most half of them are taken.
        slot_bits = max(2 * len(keys) - 1, 1).bit_length()
        self._known = _KnownNGrams(len(keys), slot_bits)
        slots = np.empty(2**slot_bits, np.int32)
        self._held = point(self._known, keys=keys, slots=slots)
        LIBRARY.fill_slots(ctypes.byref(self._known))

    def mark(self, ids, offsets, *, max_n: int) -> tuple[np.ndarray, np.ndarray]:
        """Find which n-grams each text holds.

        Parameters
        ----------
        ids, offsets : ndarrays
            The texts, as `skrnn.native.texts.point_at` takes them.

        max_n : int
            The most ids of an n-gram.

        Returns
        -------
        columns : int32 ndarray of shape (n_marks,)
            Which of the keys the texts hold, each text's in the order of where they
            first stand.

        n_of_texts : int32 ndarray of shape (n_texts,)
            How many each text holds.
        """
        texts, held = self._texts(ids, offsets)
        marks = _Marks(max_n)
        columns = np.empty(max_n * len(ids), np.int32)
        n_of_texts = np.empty(len(offsets) - 1, np.int32)
        held += point(
            marks,
            last_text=None
            if len(ids) < _FEW_TOKENS
            else np.zeros(self._known.n_keys, np.int32),
            columns=columns,
            n_of_texts=n_of_texts,
        )
        n_columns = self._call("mark_ngrams", texts, marks)
        del held
        return columns[:n_columns].copy(), n_of_texts

    def count(
        self, ids, offsets, *, n: int, share: int, least_texts: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count how many texts hold each n-gram that goes on from those known.

        Parameters
        ----------
        ids, offsets
            The texts, as `mark` takes them.

        n : int
            The number of its ids.

        share : int
            One of `SHARES`: which of the n-grams to count.

        least_texts : int
            Those in fewer texts, of which there may be very many, are left out.

        Returns
        -------
        keys : int64 ndarray of shape (n_found,)
            In no order.

        n_texts : int32 ndarray of shape (n_found,)
            The number of texts that hold each.
        """
        texts, held = self._texts(ids, offsets)
        expected = len(ids) // (_TOKENS_A_SLOT * len(SHARES))
        slot_bits = max(expected.bit_length(), _FEWEST_SLOT_BITS)
        is_done = False
        while not is_done:
            counts = _Counts(n, _SHARE_BITS, share, slot_bits)
            keys = zeros_given_back(2**slot_bits, np.int64)
            n_texts, last_text = (
                zeros_given_back(2**slot_bits, np.int32) for _ in range(2)
            )
            held_too = point(counts, keys=keys, n_texts=n_texts, last_text=last_text)
            is_done = self._call("count_ngrams", texts, counts)
            slot_bits += 1
        del held, held_too
        found = n_texts >= least_texts
        return keys[found], n_texts[found]

    def _texts(self, ids, offsets) -> tuple[ctypes.Structure, list[np.ndarray]]:
        return point_at(ids, offsets, n_ids=self.n_ids, first_id=self.first_id)

    def _call(self, function: str, texts, to) -> int:
        arguments = map(ctypes.byref, (texts, self._known, to))
        return getattr(LIBRARY, function)(*arguments)
