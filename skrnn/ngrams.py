"""Which n-grams of ids each text holds."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

import numpy as np
from scipy.sparse import csr_matrix

from skrnn.sequences import UNKNOWN_ID, Sequences

# An n-gram of a single text says nothing of others.
LEAST_TEXTS = 2

# Texts are taken so many ids at a time: what that needs is some hundred bytes an id.
_IDS_A_PART = 2**18


class NGrams:
    """Learns the n-grams of texts and marks which of them a text holds.

    An n-gram of `n` ids is looked for only where its first ``n - 1`` are known: it
    cannot be in more texts than they are, and a pair of numbers then names it
    whatever its length. N-grams with unknown tokens are left out.

    Parameters
    ----------
    n_ids : int
        Number of ids, the reserved ones included.

    max_n : int
        The most ids of an n-gram.

    max_features : int
        The most n-grams of each length. Where there are more, those in the fewest
        texts are left out, all of a frequency together.
    """

    def __init__(self, n_ids: int, *, max_n: int, max_features: int):
        self.n_ids = n_ids
        self.max_n = max_n
        self.max_features = max_features

    @property
    def n_features(self) -> int:
        """Number of n-grams known."""
        return sum(map(len, self._keys))

    def fit_transform(self, sequences: Sequences) -> csr_matrix:
        """Learn the n-grams found in at least two texts.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        csr_matrix of shape (n_texts, n_features), float32
            1 where a text holds an n-gram.
        """
        self._keys = []
        for _ in range(self.max_n):
            counts = map(self._count, sequences.in_parts(_IDS_A_PART))
            keys, n_texts = _add_up(counts)
            self._keys.append(keys[n_texts >= _least_texts(n_texts, self.max_features)])
        return self.transform(sequences)

    def find(self, sequences: Sequences) -> list[tuple[np.ndarray, np.ndarray]]:
        """Find the n-grams known, at every place where they stand.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        list of (places, features), one a length of n-grams
            Positions in ``sequences.ids`` of the n-grams' first ids, and the
            n-grams' column numbers in what `transform` gives.
        """
        found = []
        n_features = 0
        candidates = _Candidates(sequences, self.n_ids)
        for known in self._keys:
            places, numbers = candidates.find(known)
            found.append((places, numbers + n_features))
            n_features += len(known)
        return found

    def transform(self, sequences: Sequences) -> csr_matrix:
        """Mark the n-grams known.

        Parameters
        ----------
        sequences : Sequences of n_texts
            At least one text.

        Returns
        -------
        csr_matrix of shape (n_texts, n_features), float32
            1 where a text holds an n-gram.
        """
        marks = [self._mark(part) for part in sequences.in_parts(_IDS_A_PART)]
        columns, n_of_texts = map(np.concatenate, zip(*marks, strict=True))
        del marks
        return csr_matrix(
            (
                np.ones(len(columns), np.float32),
                columns,
                np.concatenate([[0], np.cumsum(n_of_texts)]),
            ),
            shape=(len(sequences), self.n_features),
        )

    def _count(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """N-grams of one id more than those known, and how many texts hold each."""
        candidates = _Candidates(sequences, self.n_ids)
        for known in self._keys:
            candidates.find(known)
        candidates.extend()
        texts = _texts_of_ids(sequences)[candidates.places]
        n_texts = len(sequences)
        keys = _unique(candidates.keys * n_texts + texts) // n_texts
        first = _first_of_runs(keys)
        return keys[first], np.diff(first, append=len(keys))

    def _mark(self, sequences: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """Columns of the n-grams each text holds, and how many these are."""
        found = zip(*self.find(sequences), strict=True)
        places, columns = map(np.concatenate, found)
        n_features = max(self.n_features, 1)
        texts = _texts_of_ids(sequences)[places]
        texts, columns = np.divmod(_unique(texts * n_features + columns), n_features)
        return columns.astype(np.int32), np.bincount(texts, minlength=len(sequences))


class _Candidates:
    """Places where an n-gram may stand, and its key: first of one id, then of more.

    The key is the number of the n-gram without its last id, times `n_ids`, and that id.
    """

    def __init__(self, sequences: Sequences, n_ids: int):
        self._ids = sequences.ids.astype(np.int64)
        self._stops = np.repeat(sequences.offsets[1:], sequences.lengths)
        self._n_ids = n_ids
        self._n = 0
        self._found = np.arange(len(self._ids)), np.zeros(len(self._ids), np.int64)

    def find(self, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places of the known n-grams of one id more than before, and their numbers."""
        self.extend()
        if not len(known):
            places = numbers = np.empty(0, np.int64)
        else:
            numbers = np.searchsorted(known, self.keys)
            numbers[numbers == len(known)] = 0
            found = known[numbers] == self.keys
            places, numbers = self.places[found], numbers[found]
        self._found = places, numbers
        return self._found

    def extend(self) -> None:
        """Go on to what has one id more than what was found."""
        places, numbers = self._found
        last = places + self._n
        within = last < self._stops[places]
        places, numbers, last = places[within], numbers[within], self._ids[last[within]]
        whole = last > UNKNOWN_ID
        self.places = places[whole]
        self.keys = numbers[whole] * self._n_ids + last[whole]
        self._n += 1


_Counts = tuple[np.ndarray, np.ndarray]


def _add_up(counts: Iterable[_Counts]) -> _Counts:
    """Add up the counts of sorted keys.

    Those of fewer keys first, so that a key is merged few times.
    """
    merged = []
    for one in counts:
        while merged and len(merged[-1][0]) <= len(one[0]):
            one = _merge(merged.pop(), one)
        merged.append(one)
    return reduce(_merge, reversed(merged))


def _merge(one: _Counts, other: _Counts) -> _Counts:
    keys, counts = map(np.concatenate, zip(one, other, strict=True))
    # Stable sorting merges what is sorted in two parts.
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = _first_of_runs(keys)
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts


def _texts_of_ids(sequences: Sequences) -> np.ndarray:
    return np.repeat(np.arange(len(sequences)), sequences.lengths)


def _first_of_runs(values: np.ndarray) -> np.ndarray:
    """Where sorted values differ from those before them."""
    return np.flatnonzero(np.diff(values, prepend=values[:1] - 1))


def _unique(values: np.ndarray) -> np.ndarray:
    """Sort and drop repeats, which NumPy's own hashing does many times slower."""
    values = np.sort(values)
    return values[_first_of_runs(values)]


def _least_texts(n_texts: np.ndarray, max_features: int) -> int:
    """The fewest texts an n-gram must be in, so that `max_features` are not passed."""
    of_each_number = np.bincount(n_texts)
    in_at_least = np.cumsum(of_each_number[::-1])[::-1]
    few_enough = np.flatnonzero(in_at_least <= max_features)
    first = few_enough[0] if len(few_enough) else len(of_each_number)
    return max(LEAST_TEXTS, int(first))
